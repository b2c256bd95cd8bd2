//! Every question that is asked of the history, one named function of [`super::Reader`] each.

mod checks;
mod figures;
mod incidents;
mod services;

pub use services::SettingChange;
