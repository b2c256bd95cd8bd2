//! Our own network is the first suspect: witnesses are checked before a service is reported down.

use crate::{
    domain::{check::Class, diagnosis::WitnessDiagnosis, service::Service},
    probe,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

/// How long a witness may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long their answer holds: many services that fail at once ask once.
const HOLDS: Duration = Duration::from_secs(5);

/// Addresses that should always answer.
#[derive(Debug)]
pub struct Witnesses {
    all: Set,
    /// Those of groups that have their own, in the place of the others.
    groups: HashMap<String, Set>,
}

/// Those that are asked together.
#[derive(Debug)]
struct Set {
    addresses: Vec<String>,
    /// When they were last checked, and whether one answered.
    last: Mutex<Option<(Instant, bool)>>,
}

impl Witnesses {
    /// The witnesses of all services, and those of groups; none means that nothing is checked.
    pub fn new(all: Vec<String>, groups: BTreeMap<String, Vec<String>>) -> Witnesses {
        let set = |addresses| Set { addresses, last: Mutex::default() };
        Witnesses {
            all: set(all),
            groups: groups.into_iter().map(|(group, addresses)| (group, set(addresses))).collect(),
        }
    }

    fn of(&self, service: &Service) -> &Set {
        service.group.as_ref().and_then(|group| self.groups.get(group)).unwrap_or(&self.all)
    }

    /// Asks a service's first witness now.
    pub(super) async fn ask_one(&self, service: &Service) -> Option<WitnessDiagnosis> {
        let address = self.of(service).addresses.first()?;
        let began = Instant::now();
        let answered = probe::reachable(address, PATIENCE).await;
        let took = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
        Some(WitnessDiagnosis { address: address.clone(), connect_us: answered.then_some(took) })
    }

    /// Whether a service's failure of this class may be our own network's: it has witnesses, and none of them answers.
    pub(super) async fn contradict(&self, service: &Service, class: Class) -> bool {
        let ours = matches!(class, Class::Dns | Class::Connect | Class::Timeout | Class::Tls);
        let Set { addresses, last } = self.of(service);
        if addresses.is_empty() || !ours {
            return false;
        }
        let mut last = last.lock().await;
        match *last {
            Some((at, answered)) if at.elapsed() < HOLDS => !answered,
            _ => {
                let mut asked: FuturesUnordered<_> =
                    addresses.iter().map(|address| probe::reachable(address, PATIENCE)).collect();
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
