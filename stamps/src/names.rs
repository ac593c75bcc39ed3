//! Names and small numbers that the whole product shares.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl From<&str> for $type {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
            }
        }
        impl From<String> for $type {
            fn from(name: String) -> Self {
                Self(name)
            }
        }
    };
}

name!(
    /// The UID of the `Fleet` object: what every fence and owner record carries.
    FleetUid
);
name!(
    /// A geode (region) of the fleet.
    GeodeName
);
name!(
    /// A deployment stamp.
    StampName
);
name!(
    /// A tenant.
    TenantName
);
name!(
    /// A vantage: one running monitor.
    VantageName
);
name!(
    /// The region a vantage stands in. It need not be a geode: an outside vantage has a region of its own.
    RegionName
);
name!(
    /// A DNS zone's apex, lower case, with its final dot.
    ZoneName
);
name!(
    /// A run, which is also the name of its `Failover` object.
    RunName
);
name!(
    /// One replica of the operator.
    ReplicaName
);

/// A slot of a stamp that runs move as a whole; a tenant is put into one once and for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Bucket(pub u16);

impl fmt::Display for Bucket {
    /// As it stands in host names: `b07`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{:02}", self.0)
    }
}

/// A point of the fleet's one serial history: who led, and which commit it was.
///
/// Ordered by epoch first, so a new leader's first act beats the old leader's last.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Point {
    /// Leadership epoch. It never goes down.
    pub epoch: i64,
    /// The number of the commit that recorded the intent (`FleetState.revision`).
    pub seq: i64,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

/// What a resource outside checks before it accepts an effect: whose it is and how new it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// The fleet that owns the resource.
    pub fleet: FleetUid,
    /// How new the effect is.
    pub point: Point,
}

/// Why a fence record could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FenceError {
    /// Somebody wrote `hold`: the brake that works without Kubernetes.
    #[error("the fence says hold: a person has stopped Lifeboat at this resource")]
    Hold,
    /// Not of the form `v=1;f=<fleet uid>;e=<epoch>;s=<seq>`.
    #[error("`{0}` is not a fence; it reads v=1;f=<fleet uid>;e=<epoch>;s=<seq>")]
    Malformed(String),
    /// A later format.
    #[error("fence format v={0} is newer than this binary knows (v=1); run a newer Lifeboat")]
    Newer(String),
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v=1;f={};e={};s={}", self.fleet, self.point.epoch, self.point.seq)
    }
}

impl FromStr for Fence {
    type Err = FenceError;

    fn from_str(text: &str) -> Result<Self, FenceError> {
        let malformed = || FenceError::Malformed(text.to_owned());
        if text.trim() == "hold" {
            return Err(FenceError::Hold);
        }
        let fields: Vec<(&str, &str)> = text
            .trim()
            .split(';')
            .map(|field| field.split_once('=').ok_or_else(malformed))
            .collect::<Result<_, _>>()?;
        match fields[..] {
            [("v", "1"), ("f", fleet), ("e", epoch), ("s", seq)] if !fleet.is_empty() => Ok(Self {
                fleet: fleet.into(),
                point: Point {
                    epoch: epoch.parse().map_err(|_| malformed())?,
                    seq: seq.parse().map_err(|_| malformed())?,
                },
            }),
            [("v", version), ..] if version != "1" => Err(FenceError::Newer(version.to_owned())),
            _ => Err(malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(epoch: i64, seq: i64) -> Fence {
        Fence { fleet: "6f1c".into(), point: Point { epoch, seq } }
    }

    #[test]
    fn a_fence_survives_its_text() {
        assert_eq!(fence(7, 41).to_string(), "v=1;f=6f1c;e=7;s=41");
        assert_eq!("v=1;f=6f1c;e=7;s=41".parse(), Ok(fence(7, 41)));
    }

    #[test]
    fn a_fence_that_cannot_be_read_says_why() {
        assert_eq!("hold".parse::<Fence>(), Err(FenceError::Hold));
        assert_eq!("v=2;x=1".parse::<Fence>(), Err(FenceError::Newer("2".into())));
        for text in ["", "v=1", "v=1;f=;e=1;s=1", "v=1;f=a;e=x;s=1", "v=1;f=a;s=1;e=1"] {
            assert_eq!(text.parse::<Fence>(), Err(FenceError::Malformed(text.into())), "{text}");
        }
    }

    #[test]
    fn a_new_epoch_beats_any_older_commit() {
        assert!(Point { epoch: 8, seq: 0 } > Point { epoch: 7, seq: 900 });
        assert!(Point { epoch: 7, seq: 42 } > Point { epoch: 7, seq: 41 });
    }
}
