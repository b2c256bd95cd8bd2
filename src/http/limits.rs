//! How much one client may hold at once, and all together: connections, requests under way, event streams, exports. A
//! part of the connections is kept for whoever asks only how things are.

use super::accepting::Accepting;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The limits of one server.
#[derive(Debug)]
pub struct Limits {
    /// Connections that may ask anything.
    pub connections: Quota,
    /// Connections beyond those, which get `/livez`, `/readyz` and `/health` and nothing else.
    pub reserve: Quota,
    /// Requests whose answer has not begun.
    pub requests: Quota,
    pub streams: Quota,
    pub exports: Quota,
    /// Whether connections are accepted at all.
    pub accepting: Accepting,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: Quota::new(1024, 256),
            reserve: Quota::new(64, 8),
            // As many as half of those that may be put to the history.
            requests: Quota::new(usize::MAX, 32),
            streams: Quota::new(768, 192),
            // Those in all are as many as there are threads for them.
            exports: Quota::new(usize::MAX, 4),
            accepting: Accepting::default(),
        }
    }
}

/// What all may hold at once, and each client of it.
#[derive(Clone, Debug)]
pub struct Quota {
    all: usize,
    each: usize,
    held: Arc<Mutex<Counts>>,
}

#[derive(Default, Debug)]
struct Counts {
    all: usize,
    each: HashMap<IpAddr, usize>,
}

/// Why there is no place: all are taken, or as many as one client may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    All,
    Client(usize),
}

/// What a request on a connection carries for which there was no place among those that may ask anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Crowded(pub(crate) Full);

/// A place, given back when this is dropped.
#[derive(Debug)]
pub struct Place {
    client: Option<IpAddr>,
    held: Arc<Mutex<Counts>>,
}

fn locked(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Quota {
    pub fn new(all: usize, each: usize) -> Quota {
        Quota { all, each, held: Arc::default() }
    }

    /// A place for a client; for one that is not known, or has many behind it, only the bound of all holds.
    ///
    /// # Errors
    /// When there is none.
    pub fn take(&self, client: Option<IpAddr>) -> Result<Place, Full> {
        let client = client.map(household);
        let mut held = locked(&self.held);
        if held.all >= self.all {
            return Err(Full::All);
        }
        if let Some(client) = client {
            let own = held.each.entry(client).or_default();
            if *own >= self.each {
                return Err(Full::Client(self.each));
            }
            *own += 1;
        }
        held.all += 1;
        Ok(Place { client, held: self.held.clone() })
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        locked(&self.held).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = locked(&self.held);
        held.all -= 1;
        let Some(client) = self.client else { return };
        if let Some(own) = held.each.get_mut(&client) {
            *own -= 1;
            if *own == 0 {
                held.each.remove(&client);
            }
        }
    }
}

/// Whose address it is: a household has all IPv6 addresses with the same first 64 bits.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_client_has_its_share_and_all_have_the_whole() {
        let quota = Quota::new(3, 2);
        let first = [quota.take(client("10.0.0.1")).unwrap(), quota.take(client("10.0.0.1")).unwrap()];
        assert_eq!(quota.take(client("10.0.0.1")).unwrap_err(), Full::Client(2));
        assert_eq!(quota.take(client("::ffff:10.0.0.1")).unwrap_err(), Full::Client(2), "the same, spelled otherwise");
        let second = quota.take(client("10.0.0.2")).unwrap();
        assert_eq!(quota.take(client("10.0.0.3")).unwrap_err(), Full::All);
        drop((first, second));
        assert_eq!(quota.taken(), 0);
        assert!(locked(&quota.held).each.is_empty(), "nobody is remembered");
    }

    #[test]
    fn addresses_of_one_household_are_one_client() {
        let quota = Quota::new(10, 1);
        let _one = quota.take(client("2001:db8:1:2::1")).unwrap();
        assert_eq!(quota.take(client("2001:db8:1:2:ffff::9")).unwrap_err(), Full::Client(1));
        assert!(quota.take(client("2001:db8:1:3::1")).is_ok());
    }

    #[test]
    fn who_has_many_behind_it_is_bounded_with_all_only() {
        let quota = Quota::new(3, 1);
        let _held: Vec<Place> = (0..3).map(|_| quota.take(None).unwrap()).collect();
        assert_eq!(quota.take(None).unwrap_err(), Full::All);
    }
}
