//! The services as they are after all results of a transaction.

use super::track::ServiceTrack;
use crate::{
    domain::{circumstances, incident::Outage},
    live::{ServiceId, ServiceNow},
};
use std::{cell::OnceCell, collections::HashMap, sync::Arc};

/// Those that the transaction touched, and the others.
pub(super) struct Latest<'a> {
    touched: HashMap<ServiceId, &'a ServiceTrack>,
    others: &'a HashMap<ServiceId, ServiceTrack>,
    lasting: OnceCell<Vec<Arc<Outage>>>,
}

impl<'a> Latest<'a> {
    pub(super) fn new(touched: &'a [ServiceTrack], others: &'a HashMap<ServiceId, ServiceTrack>) -> Self {
        let touched = touched.iter().map(|track| (track.now.id, track)).collect();
        Latest { touched, others, lasting: OnceCell::new() }
    }

    pub(super) fn find(&self, id: ServiceId) -> Option<Arc<ServiceNow>> {
        let track = self.touched.get(&id).copied().or_else(|| self.others.get(&id))?;
        Some(track.now.clone())
    }

    /// The outages under way, in the order in which they began. They are looked for once.
    pub(super) fn lasting(&self) -> &[Arc<Outage>] {
        self.lasting.get_or_init(|| {
            let now = |track: &'a ServiceTrack| self.touched.get(&track.now.id).copied().unwrap_or(track);
            let mut lasting: Vec<_> = self.others.values().filter_map(|track| now(track).now.outage.clone()).collect();
            circumstances::in_order(&mut lasting);
            lasting
        })
    }
}
