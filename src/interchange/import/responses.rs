//! What people did about alerts, as it arrives.

use super::objects::Moment;
use crate::routing::Severity;
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct ImportedAcknowledgement {
    pub(crate) service: String,
    pub(crate) started_at: Moment,
    pub(crate) at: Moment,
    pub(crate) until: Option<Moment>,
    pub(crate) author: String,
    pub(crate) note: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ImportedSilence {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) service: Vec<String>,
    #[serde(default)]
    pub(crate) group: Vec<String>,
    #[serde(default)]
    pub(crate) class: Vec<String>,
    #[serde(default)]
    pub(crate) severity: Option<Severity>,
    pub(crate) from: Moment,
    pub(crate) until: Moment,
    pub(crate) author: String,
    pub(crate) reason: Option<String>,
    pub(crate) created_at: Moment,
}

#[derive(Deserialize)]
pub(crate) struct ImportedSilenced {
    pub(crate) service: String,
    pub(crate) started_at: Moment,
    pub(crate) silence: String,
    pub(crate) at: Moment,
    pub(crate) told_at: Option<Moment>,
}
