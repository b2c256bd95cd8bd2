//! Our own network is the first suspect: witnesses are checked before a service is reported down.

use crate::{
    domain::{check::Class, diagnosis::WitnessDiagnosis},
    probe,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::time::Duration;
use tokio::{sync::Mutex, time::Instant};

/// How long a witness may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long their answer holds: many services that fail at once ask once.
const HOLDS: Duration = Duration::from_secs(5);

/// Addresses that should always answer.
#[derive(Debug)]
pub struct Witnesses {
    addresses: Vec<String>,
    /// When they were last checked, and whether one answered.
    last: Mutex<Option<(Instant, bool)>>,
}

impl Witnesses {
    /// These witnesses; none means that nothing is checked.
    pub fn new(addresses: Vec<String>) -> Witnesses {
        Witnesses { addresses, last: Mutex::default() }
    }

    /// Asks the first witness now.
    pub(super) async fn ask_one(&self) -> Option<WitnessDiagnosis> {
        let address = self.addresses.first()?;
        let began = Instant::now();
        let answered = probe::reachable(address, PATIENCE).await;
        let took = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
        Some(WitnessDiagnosis { address: address.clone(), connect_us: answered.then_some(took) })
    }

    /// Whether a failure of this class may be our own network's: there are witnesses, and none of them answers.
    pub(super) async fn contradict(&self, class: Class) -> bool {
        let ours = matches!(class, Class::Dns | Class::Connect | Class::Timeout | Class::Tls);
        if self.addresses.is_empty() || !ours {
            return false;
        }
        let mut last = self.last.lock().await;
        match *last {
            Some((at, answered)) if at.elapsed() < HOLDS => !answered,
            _ => {
                let mut asked: FuturesUnordered<_> =
                    self.addresses.iter().map(|address| probe::reachable(address, PATIENCE)).collect();
                let mut answered = false;
                while let Some(yes) = asked.next().await {
                    if yes {
                        answered = true;
                        break;
                    }
                }
                *last = Some((Instant::now(), answered));
                !answered
            }
        }
    }
}
