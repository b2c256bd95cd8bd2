//! The addresses at which clouds hand out credentials to whoever asks from inside a machine. A target that redirects
//! there would have the monitor ask, and keep the beginning of the answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is known of, not all of 169.254.0.0/16: name servers, clocks and devices without DHCP live there, too.
const V4: [Ipv4Addr; 8] = [
    // AWS, Azure, Google, Oracle, OpenStack, DigitalOcean, Hetzner and most others.
    Ipv4Addr::new(169, 254, 169, 254),
    // AWS: the credentials of ECS tasks and of EKS pods.
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    // Scaleway, Tencent.
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(169, 254, 0, 23),
    // Alibaba, Oracle's first generation, Azure's host agent.
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

const V6: [Ipv6Addr; 4] = [
    // AWS: instances, and EKS pods.
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    // Google, Scaleway.
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

/// Whether a cloud's metadata service may answer at `address`, also through one of IPv6's ways to an IPv4 address.
pub fn is_metadata_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => V4.contains(&address),
        IpAddr::V6(address) => {
            let [a, b, c, .., y, z] = address.segments();
            let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
            // The last four bytes: mapped, compatible, NAT64 with whatever prefix, and OpenStack's fe80::a9fe:a9fe.
            V6.contains(&address) || V4.contains(&v4(y, z)) || a == 0x2002 && V4.contains(&v4(b, c))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_a_metadata_service_is_known() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fe80::a9fe:a9fe",
            "fd00:ec2::254",
            "fd20:ce::254",
        ] {
            assert!(is_metadata_address(address.parse().unwrap()), "{address}");
        }
        for address in ["127.0.0.1", "169.254.169.253", "169.254.1.1", "10.0.0.1", "::1", "fd00:ec2::253", "fe80::1"] {
            assert!(!is_metadata_address(address.parse().unwrap()), "{address}");
        }
    }
}
