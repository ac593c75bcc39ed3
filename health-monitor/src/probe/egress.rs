//! Where the prober may connect to. A person who may write a Stamp must not make the monitor talk to everything that
//! the monitor can reach.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A range of addresses.
pub type Range = IpNet;

/// Denied without being asked for: this host, its links, the metadata services of clouds, and what is no host.
const DENIED_V4: [Ipv4Net; 6] = [
    Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8),
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local; 169.254.169.254 is most clouds' metadata service.
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
    // A metadata service outside of link-local.
    Ipv4Net::new_assert(Ipv4Addr::new(100, 100, 100, 200), 32),
    // Multicast, and everything above it up to broadcast.
    Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4),
    Ipv4Net::new_assert(Ipv4Addr::new(240, 0, 0, 0), 4),
];
const DENIED_V6: [Ipv6Net; 4] = [
    Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 127),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    // A metadata service in the private range.
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128),
    Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];
/// Addresses that carry an IPv4 address in their last four bytes (NAT64).
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// The rule, checked on the very address that is connected to.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    allowed: Arc<[Range]>,
    denied: Arc<[Range]>,
}

impl Egress {
    /// What an administrator allows goes before what is denied; `denied` comes on top of the built-in list.
    pub fn new(allowed: Vec<Range>, denied: Vec<Range>) -> Self {
        Self { allowed: allowed.into(), denied: denied.into() }
    }

    /// Whether a probe may connect there.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = plain(address);
        let within = |ranges: &[Range]| ranges.iter().any(|range| range.contains(&address));
        within(&self.allowed) || !(within(&self.denied) || denied_by_default(address))
    }
}

fn denied_by_default(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => DENIED_V4.iter().any(|range| range.contains(&address)),
        IpAddr::V6(address) => DENIED_V6.iter().any(|range| range.contains(&address)),
    }
}

/// The address that a packet ends up at: mapped and translated forms are ways around a list.
fn plain(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if NAT64.contains(&v6) => {
            let [.., a, b, c, d] = v6.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(egress: &Egress, address: &str) -> bool {
        egress.permits(address.parse().unwrap())
    }

    #[test]
    fn this_host_links_and_metadata_are_denied() {
        let egress = Egress::default();
        for address in [
            "127.0.0.1",
            "0.0.0.0",
            "169.254.169.254",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
        ] {
            assert!(!permits(&egress, address), "{address}");
        }
        for address in ["192.0.2.1", "10.0.0.1", "2001:db8::1", "fd00::1", "100.100.100.201"] {
            assert!(permits(&egress, address), "{address}");
        }
    }

    #[test]
    fn an_administrator_allows_and_denies() {
        let ranges = |text: &str| vec![text.parse().unwrap()];
        let egress = Egress::new(ranges("127.9.0.0/16"), ranges("10.0.0.0/8"));
        assert!(permits(&egress, "127.9.1.1"));
        assert!(permits(&egress, "::ffff:127.9.1.1"));
        assert!(!permits(&egress, "127.0.0.1"));
        assert!(!permits(&egress, "10.0.0.1"));
    }
}
