//! Tenants -> home and bucket, once and for all.
//!
//! A home is chosen among the stamps that may take the tenant: the one that is then least loaded for its capacity. The
//! bucket is a hash of the tenant's name, so that authors of routers can compute it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::{
    fleet::{Load, Stamp, StampLifecycle},
    names::{Bucket, StampName, TenantName},
    verdict::Verdict,
};

/// What a tenant asks of its home.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Its load in units.
    pub size_units: u32,
    /// Its data may be only in this residency zone.
    pub residency: Option<String>,
    /// It wants this stamp and no other.
    pub pin: Option<StampName>,
    /// Its home must carry these labels.
    pub labels: BTreeMap<String, String>,
}

/// A stamp as placement sees it.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The stamp.
    pub stamp: &'a Stamp,
    /// Its verdict.
    pub verdict: Verdict,
    /// The residency zone of its geode.
    pub residency: Option<&'a str>,
    /// Its labels.
    pub labels: Option<&'a BTreeMap<String, String>>,
    /// What is at home there.
    pub load: Load,
}

/// No stamp may be home.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no stamp can be home: {}", why.iter().map(|(stamp, why)| format!("{stamp} {why}")).collect::<Vec<_>>().join(", "))]
pub struct NoHome {
    /// Why each stamp was not chosen.
    pub why: BTreeMap<StampName, String>,
}

/// The bucket of a tenant in a stamp of `buckets`: the first eight bytes of SHA-256 of its name, as a big-endian
/// number, modulo the number of buckets.
pub fn bucket_of(tenant: &TenantName, buckets: u16) -> Bucket {
    let digest = Sha256::digest(tenant.as_str());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    let bucket = number % u64::from(buckets.max(1));
    Bucket(u16::try_from(bucket).unwrap_or(0))
}

/// Chooses a home.
pub fn place<'a>(
    tenant: &TenantName,
    wish: &Wish,
    sites: impl IntoIterator<Item = Site<'a>>,
) -> Result<(StampName, Bucket), NoHome> {
    let mut why = BTreeMap::new();
    let mut best: Option<((u64, u32, &StampName), &Stamp)> = None;
    for site in sites {
        if let Some(reason) = unfit(wish, &site) {
            why.insert(site.stamp.name.clone(), reason);
            continue;
        }
        let rank = (fill_permille(wish, &site), site.load.tenants, &site.stamp.name);
        if best.is_none_or(|(known, _)| rank < known) {
            best = Some((rank, site.stamp));
        }
    }
    match best {
        Some((_, stamp)) => Ok((stamp.name.clone(), bucket_of(tenant, stamp.buckets))),
        None => Err(NoHome { why }),
    }
}

/// How full a stamp would be with the tenant, in permille of its capacity.
fn fill_permille(wish: &Wish, site: &Site<'_>) -> u64 {
    let units = u64::from(site.load.units) + u64::from(wish.size_units);
    units * 1000 / u64::from(site.stamp.capacity.units).max(1)
}

fn unfit(wish: &Wish, site: &Site<'_>) -> Option<String> {
    let stamp = site.stamp;
    if wish.pin.as_ref().is_some_and(|pin| *pin != stamp.name) {
        return Some("is not the stamp that is asked for".to_owned());
    }
    if stamp.lifecycle != StampLifecycle::Active {
        return Some(format!("is {:?}", stamp.lifecycle));
    }
    if site.verdict != Verdict::Healthy {
        return Some(format!("is {:?}", site.verdict));
    }
    if let Some(zone) = &wish.residency
        && site.residency != Some(zone)
    {
        return Some(format!("is not in residency zone {zone}"));
    }
    if let Some((key, value)) = wish
        .labels
        .iter()
        .find(|(key, value)| site.labels.and_then(|labels| labels.get(*key)) != Some(*value))
    {
        return Some(format!("lacks the label {key}={value}"));
    }
    if site.load.tenants >= stamp.capacity.tenants {
        return Some(format!("has its {} tenants", stamp.capacity.tenants));
    }
    let units = u64::from(site.load.units) + u64::from(wish.size_units);
    (units > u64::from(stamp.capacity.units))
        .then(|| format!("would carry {units} of {} units", stamp.capacity.units))
}
