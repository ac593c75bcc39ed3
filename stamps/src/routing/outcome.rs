//! How an attempt to change something outside ended.

use serde::{Deserialize, Serialize};

use crate::names::{FleetUid, Point};

/// The end of one attempt. Every kind asks for something else of whoever made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Outcome {
    /// The resource is as it was asked to be.
    Done,
    /// Nothing was changed, and another attempt may do better.
    NotDone {
        /// For people.
        reason: String,
    },
    /// It will not be done until somebody changes something.
    Refused {
        /// What kind of refusal.
        class: RefusalClass,
        /// For people: what was refused and what helps.
        reason: String,
    },
    /// The resource's own fence keeps us out.
    Fenced {
        /// What was found there.
        by: FenceSeen,
    },
    /// It may or may not have happened, now or later. Look before the next attempt.
    Unknown {
        /// For people.
        reason: String,
    },
}

/// Why an attempt cannot succeed as things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RefusalClass {
    /// Names that somebody else made or owns.
    Foreign,
    /// The resource does not know our key, or knows another secret under its name.
    BadKey,
    /// Our clock and the resource's are too far apart.
    BadTime,
    /// The key is good but may not do this.
    Denied,
    /// What was asked makes no sense there: a name outside the zone, or one that DNS does not allow.
    Invalid,
}

/// What stood where our fence was expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FenceSeen {
    /// A later point of our own fleet: this leader or this commit is out of date.
    Newer(Point),
    /// A point of our own fleet that no commit of this register explains: the register is older than the world.
    Unheard(Point),
    /// The fence of another fleet.
    OtherFleet(FleetUid),
    /// A person wrote `hold`.
    Hold,
    /// A text that is not a fence, or several of them.
    Unreadable(String),
    /// Nothing, although names beside it carry our owner mark: somebody removed the fence.
    Absent,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::NotDone { reason } => write!(f, "not done yet: {reason}"),
            Self::Refused { class, reason } => write!(f, "refused ({class:?}): {reason}"),
            Self::Fenced { by } => write!(f, "fenced out: {by}"),
            Self::Unknown { reason } => write!(f, "it is not known whether it was done: {reason}"),
        }
    }
}

impl std::fmt::Display for FenceSeen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Newer(point) => write!(f, "the fence there is at {point}, which is newer"),
            Self::Unheard(point) => {
                write!(f, "the fence there is at {point}, of which the register knows nothing")
            }
            Self::OtherFleet(fleet) => write!(f, "the fence there belongs to fleet {fleet}"),
            Self::Hold => f.write_str("the fence there says hold; remove that record to let Lifeboat go on"),
            Self::Unreadable(text) => write!(f, "the fence there reads `{text}`, which is no fence"),
            Self::Absent => {
                f.write_str("the fence is gone although names beside it are ours; somebody removed it")
            }
        }
    }
}
