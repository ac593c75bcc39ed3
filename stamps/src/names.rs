//! Names and small numbers that the whole product shares.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mutants::{Mutant, planted};

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
    /// The UID of the register's object: another object with the same content is a copy.
    RegisterUid
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

/// Which points of history a register can explain: all up to the first, and of each later epoch those up to its last.
///
/// A register that was put back from a backup does not know the epochs that came after the backup, and a leader that
/// raises the epoch above them does not learn them by that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Explained(Vec<Point>);

impl Explained {
    /// Epochs that are remembered one by one. So many leaders in a row that never reach a resource are not seen; if
    /// they are, a person is asked without need.
    const EPOCHS_MAX: usize = 32;

    /// Everything up to this point.
    pub fn up_to(point: Point) -> Self {
        Self(vec![point])
    }

    /// Whether it explains nothing that it would have to say.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An epoch has ended with this commit.
    pub fn end(&mut self, last: Point) {
        if self.0.last() != Some(&last) {
            self.0.push(last);
        }
        if self.0.len() > Self::EPOCHS_MAX {
            self.0.remove(1);
        }
    }

    /// Whether a commit of this register can have been at this point.
    pub fn knows(&self, point: Point) -> bool {
        planted(Mutant::TrustsRestored)
            || self.0.first().is_some_and(|first| point <= *first)
            || self.0.iter().any(|last| last.epoch == point.epoch && point.seq <= last.seq)
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
    fn the_past_holds_no_epoch_that_was_led_elsewhere() {
        let at = |epoch, seq| Point { epoch, seq };
        let mut past = Explained::default();
        assert!(!past.knows(at(0, 0)), "nothing is known");
        past.end(at(100, 5));
        past.end(at(300, 9));
        for known in [at(7, 900), at(100, 5), at(300, 1), at(300, 9)] {
            assert!(past.knows(known), "{known}");
        }
        for lost in [at(100, 6), at(200, 1), at(300, 10), at(301, 1)] {
            assert!(!past.knows(lost), "{lost}");
        }
        (0..100).for_each(|n| past.end(at(400 + n, 10)));
        assert!(past.knows(at(499, 10)) && past.knows(at(100, 5)) && !past.knows(at(200, 1)));
        assert_eq!(past.0.len(), Explained::EPOCHS_MAX);
    }

    #[test]
    fn a_new_epoch_beats_any_older_commit() {
        assert!(Point { epoch: 8, seq: 0 } > Point { epoch: 7, seq: 900 });
        assert!(Point { epoch: 7, seq: 42 } > Point { epoch: 7, seq: 41 });
    }
}
