//! Loopback addresses: a /24 for each scenario, and free ports for servers.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use anyhow::{Context, bail};

/// Holding this port on the first address of a /24 means owning it; the kernel gives it back when the
/// owner ends, however it ends.
const LEASE_PORT: u16 = 4999;
/// Second octets in use: 127.0 stays with the machine, 127.1 is what people write for 127.0.0.1.
const SECOND_OCTETS: std::ops::Range<u16> = 16..128;
/// This one is for `examples/quickstart`, whose addresses are written down in its files.
const WRITTEN_DOWN: u8 = 77;
/// All /24 there are to choose from.
const SUBNETS: u16 = (SECOND_OCTETS.end - SECOND_OCTETS.start) * 256;
/// Addresses of a region lie in a block of ten: DNS first, then nine stamps.
const BLOCK: u8 = 10;
/// 24 blocks of ten fit beside the lease's own address.
const BLOCKS: u8 = 24;

/// A /24 of 127.0.0.0/8 that no other process of ours uses.
#[derive(Debug)]
pub struct Subnet {
    second: u8,
    third: u8,
    _lease: TcpListener,
}

impl Subnet {
    /// Takes the first free /24, starting at one that follows from `wish`, so that a name tends to get
    /// the same addresses each time.
    pub fn take(wish: &str) -> anyhow::Result<Self> {
        let mut hasher = DefaultHasher::new();
        wish.hash(&mut hasher);
        let start = u16::try_from(hasher.finish() % u64::from(SUBNETS))?;
        for offset in 0..SUBNETS {
            let index = (start + offset) % SUBNETS;
            let second = u8::try_from(SECOND_OCTETS.start + index / 256)?;
            let third = u8::try_from(index % 256)?;
            if second == WRITTEN_DOWN {
                continue;
            }
            if let Ok(lease) = TcpListener::bind((Ipv4Addr::new(127, second, third, 1), LEASE_PORT)) {
                return Ok(Self { second, third, _lease: lease });
            }
        }
        bail!("no /24 of 127.{}.0.0 and above is free", SECOND_OCTETS.start)
    }

    /// Takes this /24.
    pub fn exactly([first, second, third]: [u8; 3]) -> anyhow::Result<Self> {
        let lease =
            TcpListener::bind((Ipv4Addr::new(first, second, third, 1), LEASE_PORT)).with_context(|| {
                format!("{first}.{second}.{third}.0/24 is in use: another testbed or demo runs")
            })?;
        Ok(Self { second, third, _lease: lease })
    }

    /// One address of it.
    pub fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.second, self.third, last)
    }

    /// Where the DNS server of the n-th region (from 0) listens.
    pub fn dns(&self, region: usize) -> anyhow::Result<Ipv4Addr> {
        Ok(self.address(block(region)?))
    }

    /// Where a stamp of the n-th region listens; stamps count from 1 to 9.
    pub fn stamp(&self, region: usize, number: usize) -> anyhow::Result<Ipv4Addr> {
        let number = u8::try_from(number).ok().filter(|n| (1..BLOCK).contains(n));
        let number = number.context("a region has room for the stamps 1 to 9")?;
        Ok(self.address(block(region)? + number))
    }
}

fn block(region: usize) -> anyhow::Result<u8> {
    let region = u8::try_from(region).ok().filter(|r| *r < BLOCKS);
    Ok((region.context("a /24 has room for 24 regions")? + 1) * BLOCK)
}

/// A port that was free on this address a moment ago.
///
/// Another process may take it before the caller does, so callers that start a server try again.
pub fn free_port(address: Ipv4Addr) -> anyhow::Result<u16> {
    let listener =
        TcpListener::bind((address, 0)).with_context(|| format!("find a free port on {address}"))?;
    Ok(listener.local_addr()?.port())
}

/// A free socket address on 127.0.0.1.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST)?).into())
}
