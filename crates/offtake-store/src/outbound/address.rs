//! Which addresses are on the public network: the registries of special addresses, as one decision.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not the public network, or that mean something special in some clouds.
const SPECIAL_V4: [([u8; 4], u32); 21] = [
    ([0, 0, 0, 0], 8),          // this network
    ([10, 0, 0, 0], 8),         // private
    ([100, 64, 0, 0], 10),      // shared by carriers; metadata of Alibaba Cloud
    ([127, 0, 0, 0], 8),        // loopback
    ([168, 63, 129, 16], 32),   // metadata of Azure, a public address in form
    ([169, 254, 0, 0], 16),     // link-local; metadata of nearly every cloud
    ([172, 16, 0, 0], 12),      // private
    ([192, 0, 0, 0], 24),       // protocol assignments; metadata of Oracle Cloud
    ([192, 0, 2, 0], 24),       // documentation
    ([192, 31, 196, 0], 24),    // AS112
    ([192, 52, 193, 0], 24),    // AMT
    ([192, 88, 99, 0], 24),     // 6to4 relays
    ([192, 168, 0, 0], 16),     // private
    ([192, 175, 48, 0], 24),    // AS112
    ([198, 18, 0, 0], 15),      // benchmarking
    ([198, 51, 100, 0], 24),    // documentation
    ([203, 0, 113, 0], 24),     // documentation
    ([224, 0, 0, 0], 4),        // multicast
    ([233, 252, 0, 0], 24),     // documentation of multicast
    ([240, 0, 0, 0], 4),        // reserved
    ([255, 255, 255, 255], 32), // broadcast
];

/// IPv6 networks within 2000::/3 that are not the public network, or that carry an IPv4 address within.
const SPECIAL_V6: [([u16; 3], u32); 6] = [
    ([0x2001, 0, 0], 23),         // protocol assignments: Teredo, benchmarking, ORCHID
    ([0x2001, 0xdb8, 0], 32),     // documentation
    ([0x2002, 0, 0], 16),         // 6to4
    ([0x2620, 0x4f, 0x8000], 48), // AS112
    ([0x3ffe, 0, 0], 16),         // the 6bone, given back
    ([0x3fff, 0, 0], 20),         // documentation
];

/// Whether this is an address of a machine on the public network. An IPv6 address that stands for one of IPv4 (mapped,
/// compatible, translated, tunnelled) never is, whatever it stands for.
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => is_global_v6(address),
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    !SPECIAL_V4.iter().any(|(net, length)| {
        let shift = 32 - length;
        bits >> shift == u32::from_be_bytes(*net) >> shift
    })
}

/// Only 2000::/3 is handed out; everything else is special in some way or not in use.
fn is_global_v6(address: Ipv6Addr) -> bool {
    let bits = u128::from(address);
    bits >> 125 == 0b001
        && !SPECIAL_V6.iter().any(|([a, b, c], length)| {
            let shift = 128 - length;
            bits >> shift == u128::from(Ipv6Addr::new(*a, *b, *c, 0, 0, 0, 0, 0)) >> shift
        })
}
