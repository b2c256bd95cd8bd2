//! Wrong tokens are counted, so that the right one cannot be found by trying: whoever sends several within a minute waits.

use crate::domain::time::{MINUTE_MS, UnixMs};
use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Wrong tokens that are taken from one address within a minute.
pub const TAKEN: u32 = 5;
/// Addresses are counted in so many places. Two that share one wait together: it is seldom, short, and the price for a
/// count that no number of addresses can make larger.
const PLACES: usize = 256;

/// Wrong tokens of the last minute.
#[derive(Debug)]
pub struct Attempts {
    /// When the minute of a place began, and how many wrong ones came in it.
    places: Mutex<[(i64, u32); PLACES]>,
    /// Nobody can choose an address that shares another's place.
    keys: RandomState,
}

impl Default for Attempts {
    fn default() -> Attempts {
        Attempts { places: Mutex::new([(i64::MIN / 2, 0); PLACES]), keys: RandomState::new() }
    }
}

impl Attempts {
    fn places(&self) -> MutexGuard<'_, [(i64, u32); PLACES]> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, client: Option<IpAddr>) -> usize {
        // Whoever has one address of version 6 has a network of them.
        let network = client.map(|address| match address {
            IpAddr::V4(four) => u64::from(u32::from(four)),
            IpAddr::V6(six) => (u128::from(six) >> 64) as u64,
        });
        self.keys.hash_one(network) as usize % PLACES
    }

    /// How long this client has to wait before a token of its is looked at, in milliseconds; `None`: not at all.
    pub(super) fn wait_ms(&self, client: Option<IpAddr>, now: UnixMs) -> Option<i64> {
        let (began, wrong) = self.places()[self.place(client)];
        // A clock that was put back must not lock the door for longer.
        let past = now.0 - began;
        ((0..MINUTE_MS).contains(&past) && wrong >= TAKEN).then(|| MINUTE_MS - past)
    }

    /// Counts a wrong token.
    pub(super) fn wrong(&self, client: Option<IpAddr>, now: UnixMs) {
        let place = self.place(client);
        let slot = &mut self.places()[place];
        if (0..MINUTE_MS).contains(&(now.0 - slot.0)) {
            slot.1 = slot.1.saturating_add(1);
        } else {
            *slot = (now.0, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_tries_often_waits_out_the_minute_and_others_do_not() {
        let attempts = Attempts::default();
        let client = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let (mallory, now) = (client("2001:db8::1"), UnixMs(1_000_000));
        let other =
            (1..).map(|i| client(&format!("192.0.2.{i}"))).find(|c| attempts.place(*c) != attempts.place(mallory));
        for i in 0..TAKEN {
            assert_eq!(attempts.wait_ms(mallory, now.plus(i64::from(i))), None);
            attempts.wrong(mallory, now.plus(i64::from(i)));
        }
        assert_eq!(attempts.wait_ms(mallory, now.plus(20_000)), Some(40_000));
        assert_eq!(attempts.wait_ms(client("2001:db8::ffff"), now.plus(20_000)), Some(40_000), "the same network");
        assert_eq!(attempts.wait_ms(other.flatten(), now.plus(20_000)), None);
        assert_eq!(attempts.wait_ms(mallory, now.plus(-3_600_000)), None, "a clock that was put back");
        assert_eq!(attempts.wait_ms(mallory, now.plus(60_000)), None);
    }
}
