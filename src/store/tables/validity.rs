//! How long results are valid, by the settings of their time.

pub(in crate::store) use super::settings::Settings as ValidityPeriods;
