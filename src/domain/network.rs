//! Networks: sets of addresses that share their first bits.

use std::net::IpAddr;

/// An address and how many of its first bits count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: IpAddr,
    /// 0 to 32, or to 128.
    bits: u32,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or a single address. An IPv4 address in IPv6's form is taken for what it is.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) if !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) => {
                (address, Some(bits.parse().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let written: IpAddr = address.parse().ok()?;
        // The length of a mapped network counts the bits before the IPv4 address, too.
        let address = if bits.is_none() { written.to_canonical() } else { written };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(longest);
        (bits <= longest).then_some(Network { address, bits })
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shared = |a: u128, b: u128, length: u32| {
            // A shift by the whole length is none.
            self.bits == 0 || (a ^ b) >> (length - self.bits) == 0
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => shared(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => shared(a.into(), b.into(), 128),
            _ => false,
        }
    }
}

/// Which addresses may be connected to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct NetworkGuard {
    /// Where it has any, only addresses in one of these.
    pub allowed: Vec<Network>,
    /// None in one of these, whether it is allowed or not.
    pub denied: Vec<Network>,
}

impl NetworkGuard {
    /// Why an address may not be connected to; `None`: it may.
    pub fn refusal(&self, address: IpAddr) -> Option<Refusal> {
        let within = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        if within(&self.denied) {
            return Some(Refusal::Denied);
        }
        (!self.allowed.is_empty() && !within(&self.allowed)).then_some(Refusal::NotAllowed)
    }
}

/// Why an address may not be connected to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It is in a denied network.
    Denied,
    /// It is in none of the allowed ones.
    NotAllowed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_denied_is_refused_and_where_some_is_allowed_all_else() {
        let networks = |texts: &[&str]| texts.iter().map(|text| Network::parse(text).unwrap()).collect();
        let guard = NetworkGuard { allowed: networks(&["10.0.0.0/8"]), denied: networks(&["10.1.0.0/16"]) };
        for (address, refusal) in [
            ("10.2.0.1", None),
            ("::ffff:10.2.0.1", None),
            ("10.1.0.1", Some(Refusal::Denied)),
            ("::ffff:10.1.0.1", Some(Refusal::Denied)),
            ("127.0.0.1", Some(Refusal::NotAllowed)),
            ("::1", Some(Refusal::NotAllowed)),
        ] {
            assert_eq!(guard.refusal(address.parse().unwrap()), refusal, "{address}");
        }
        assert_eq!(NetworkGuard::default().refusal("127.0.0.1".parse().unwrap()), None);
    }

    #[test]
    fn a_network_has_the_addresses_that_share_its_first_bits() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.9.9.9", "9.255.255.255"),
            ("192.168.1.7", "192.168.1.7", "192.168.1.6"),
            ("0.0.0.0/0", "8.8.8.8", "::1"),
            ("::1", "::1", "::2"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "2001:db8::1", "127.0.0.1"),
            ("127.0.0.1", "::ffff:127.0.0.1", "::ffff:127.0.0.2"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ] {
            let parsed = Network::parse(network).unwrap_or_else(|| panic!("{network}"));
            assert!(parsed.contains(inside.parse().unwrap()), "{inside} in {network}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{outside} in {network}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "host", "10.0.0.0/8/8", "/8"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
