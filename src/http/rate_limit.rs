//! Wrong tokens are counted, so that the right one cannot be found by trying: whoever sends several within a minute waits.

use crate::domain::time::{MINUTE_MS, UnixMs};
use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Wrong tokens that are taken from one address within a minute.
pub const TAKEN: u32 = 5;
/// So many times as many from all whom one address says that it asks for, while it is no trusted proxy. If it is a proxy,
/// the client that guesses does not lock the others out; if it is not, inventing clients gains it little.
const FOR_OTHERS: u32 = 10;
/// Addresses are counted in so many places. Two that share one wait together: it is seldom, short, and the price for a
/// count that no number of addresses can make larger.
const PLACES: usize = 256;

/// The same of pushes: a job that was forgotten and goes on with an old token must not lock out those beside it.
pub const TAKEN_OF_PUSHES: u32 = 30;

/// Wrong tokens of the last minute.
#[derive(Debug)]
pub struct RateLimit {
    /// How many are taken from one address.
    taken: u32,
    /// When the minute of a place began, and how many wrong ones came in it.
    places: Mutex<[(i64, u32); PLACES]>,
    /// Nobody can choose an address that shares another's place.
    keys: RandomState,
}

impl Default for RateLimit {
    fn default() -> RateLimit {
        RateLimit::new(TAKEN)
    }
}

impl RateLimit {
    /// Takes so many wrong ones from one address within a minute.
    pub fn new(taken: u32) -> RateLimit {
        RateLimit { taken, places: Mutex::new([(i64::MIN / 2, 0); PLACES]), keys: RandomState::new() }
    }

    fn places(&self) -> MutexGuard<'_, [(i64, u32); PLACES]> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is counted for this client, and how many are taken of it.
    fn counts(&self, client: Option<IpAddr>, claimed: Option<IpAddr>) -> impl Iterator<Item = (usize, u32)> {
        // Whoever has one address of version 6 has a network of them.
        let network = |address: IpAddr| match address {
            IpAddr::V4(four) => u64::from(u32::from(four)),
            IpAddr::V6(six) => (u128::from(six) >> 64) as u64,
        };
        let place = |claimed: Option<u64>| self.keys.hash_one((client.map(network), claimed)) as usize % PLACES;
        let own = (place(None), if claimed.is_some() { FOR_OTHERS * self.taken } else { self.taken });
        let other = claimed.map(|claimed| (place(Some(network(claimed))), self.taken));
        std::iter::once(own).chain(other)
    }

    /// How long this client has to wait before a token of its is looked at, in milliseconds; `None`: not at all.
    pub(crate) fn wait_ms(&self, client: Option<IpAddr>, claimed: Option<IpAddr>, now: UnixMs) -> Option<i64> {
        let places = self.places();
        let waits = self.counts(client, claimed).filter_map(|(place, taken)| {
            let (began, wrong) = places[place];
            // A clock that was put back must not lock the door for longer.
            let past = now.0 - began;
            ((0..MINUTE_MS).contains(&past) && wrong >= taken).then(|| MINUTE_MS - past)
        });
        waits.max()
    }

    /// Counts a wrong token.
    pub(crate) fn wrong(&self, client: Option<IpAddr>, claimed: Option<IpAddr>, now: UnixMs) {
        let mut places = self.places();
        for (place, _) in self.counts(client, claimed) {
            let slot = &mut places[place];
            if (0..MINUTE_MS).contains(&(now.0 - slot.0)) {
                slot.1 = slot.1.saturating_add(1);
            } else {
                *slot = (now.0, 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// An address that shares no place with this one.
    fn apart(from: Option<IpAddr>, place: impl Fn(Option<IpAddr>) -> usize) -> Option<IpAddr> {
        (1..255).map(|i| address(&format!("192.0.2.{i}"))).find(|other| place(*other) != place(from)).unwrap()
    }

    #[test]
    fn whoever_tries_often_waits_out_the_minute_and_others_do_not() {
        let attempts = RateLimit::default();
        let (mallory, now) = (address("2001:db8::1"), UnixMs(1_000_000));
        let place = |client| attempts.counts(client, None).next().unwrap().0;
        let other = apart(mallory, place);
        let wait = |client, at: UnixMs| attempts.wait_ms(client, None, at);
        for i in 0..TAKEN {
            assert_eq!(wait(mallory, now.plus(i64::from(i))), None);
            attempts.wrong(mallory, None, now.plus(i64::from(i)));
        }
        assert_eq!(wait(mallory, now.plus(20_000)), Some(40_000));
        assert_eq!(wait(address("2001:db8::ffff"), now.plus(20_000)), Some(40_000), "the same network");
        assert_eq!(wait(other, now.plus(20_000)), None);
        assert_eq!(wait(mallory, now.plus(-3_600_000)), None, "a clock that was put back");
        assert_eq!(wait(mallory, now.plus(60_000)), None);
    }

    #[test]
    fn behind_a_proxy_that_is_not_trusted_one_client_does_not_lock_the_others_out() {
        let attempts = RateLimit::default();
        let (proxy, mallory, now) = (address("127.0.0.1"), address("203.0.113.9"), UnixMs(1_000_000));
        let place = |claimed| attempts.counts(proxy, claimed).last().unwrap().0;
        let owner = apart(mallory, place);
        while attempts.wait_ms(proxy, mallory, now).is_none() {
            attempts.wrong(proxy, mallory, now);
        }
        assert_eq!(attempts.wait_ms(proxy, owner, now), None);
        // Whoever is no proxy and names another client with each guess comes to an end all the same.
        let mut guesses = 0;
        for i in 0..=255 {
            let claimed = address(&format!("198.51.100.{i}"));
            if attempts.wait_ms(proxy, claimed, now).is_none() {
                attempts.wrong(proxy, claimed, now);
                guesses += 1;
            }
        }
        assert!(guesses <= FOR_OTHERS * TAKEN, "{guesses}");
    }
}
