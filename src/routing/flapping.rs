//! Who is not told of the incidents of a service while it flaps.

use super::{AlertKind, ChannelName, Facts, Routing};

impl Routing {
    /// The channels that are told that a service flaps: while it does they are not told of an incident of these facts.
    /// `None`: it does not, or nobody is.
    pub fn while_flapping(&self, is_on: bool, facts: &Facts<'_>) -> Option<Vec<ChannelName>> {
        if !is_on || !self.flapping.contains(facts.service) {
            return None;
        }
        let facts = Facts { kind: AlertKind::Flapping, class: None, ..*facts };
        Some(self.channels(&facts)).filter(|channels| !channels.is_empty())
    }
}
