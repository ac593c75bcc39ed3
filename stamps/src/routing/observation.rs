//! What the authoritative servers of a zone really answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::FenceSeen;
use crate::names::{Explained, Fence, FenceError, Point, ZoneName};

/// Most names that one server's difference lists, so that an observation stays small enough to be stored.
pub const DIFFERING_MAX: usize = 16;

/// One look at every server of a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// The zone.
    pub zone: ZoneName,
    /// Its servers, in the zone's order.
    pub servers: Vec<ServerSeen>,
}

/// What one server answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerSeen {
    /// The server's name in the zone.
    pub server: String,
    /// It gave an answer to every question that it was asked.
    pub answered: bool,
    /// The fence it serves; none if it has none or did not answer.
    pub fence: Option<FenceRecord>,
    /// It answered, and every wanted name answers as wanted. Lifetimes (TTL) are not compared.
    pub matches: bool,
    /// Names that answer otherwise than wanted, the first [`DIFFERING_MAX`] in order.
    pub differing: Vec<String>,
    /// Where aliases lead that are not as wanted: name -> target, both absolute. As many as there are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub elsewhere: BTreeMap<String, String>,
    /// Why it counts as silent.
    pub error: Option<String>,
}

impl Observation {
    /// Every server that answers shows what is wanted, and at least one does.
    pub fn settled(&self) -> bool {
        self.servers.iter().any(|seen| seen.answered)
            && self.servers.iter().all(|seen| !seen.answered || seen.matches)
    }
}

impl ServerSeen {
    /// The point of its fence, if that is a fence of `fleet`.
    pub fn point(&self, fleet: &crate::names::FleetUid) -> Option<Point> {
        match &self.fence {
            Some(FenceRecord::Fence(fence)) if fence.fleet == *fleet => Some(fence.point),
            _ => None,
        }
    }
}

/// The content of a fence record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FenceRecord {
    /// A fence.
    Fence(Fence),
    /// The brake.
    Hold,
    /// Something else.
    Unreadable(String),
}

impl FenceRecord {
    /// Reads the texts of a fence's record set. `hold` wins wherever it stands; otherwise there is one text, or the
    /// record cannot be read.
    pub fn read(texts: &[String]) -> Option<Self> {
        let parsed: Vec<_> = texts.iter().map(|text| text.parse::<Fence>()).collect();
        if parsed.contains(&Err(FenceError::Hold)) {
            return Some(Self::Hold);
        }
        match &parsed[..] {
            [] => None,
            [Ok(fence)] => Some(Self::Fence(fence.clone())),
            _ => Some(Self::Unreadable(texts.join(" | "))),
        }
    }

    /// What keeps an effect of `ours` out, if anything does. The same point again is not kept out: a commit's effect
    /// is the same however often it is brought about.
    pub fn keeps_out(&self, ours: &Fence) -> Option<FenceSeen> {
        match self {
            Self::Fence(seen) if seen.fleet != ours.fleet => Some(FenceSeen::OtherFleet(seen.fleet.clone())),
            Self::Fence(seen) if seen.point > ours.point => Some(FenceSeen::Newer(seen.point)),
            Self::Fence(_) => None,
            Self::Hold => Some(FenceSeen::Hold),
            Self::Unreadable(text) => Some(FenceSeen::Unreadable(text.clone())),
        }
    }

    /// The same for a writer who knows the register's past: what stands there must be of this epoch, or of that past. An
    /// empty past says that this epoch's fence has stood there, and whatever is older was explained then.
    pub fn keeps_out_after(&self, ours: &Fence, past: &Explained) -> Option<FenceSeen> {
        self.keeps_out(ours).or_else(|| match self {
            Self::Fence(seen)
                if seen.point.epoch != ours.point.epoch && !past.is_empty() && !past.knows(seen.point) =>
            {
                Some(FenceSeen::Unheard(seen.point))
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Point;

    fn fence(fleet: &str, epoch: i64, seq: i64) -> Fence {
        Fence { fleet: fleet.into(), point: Point { epoch, seq } }
    }

    fn read(texts: &[&str]) -> Option<FenceRecord> {
        FenceRecord::read(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_hold_beside_a_fence_is_a_hold() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["v=1;f=a;e=7;s=41"]), Some(FenceRecord::Fence(fence("a", 7, 41))));
        assert_eq!(read(&["v=1;f=a;e=7;s=41", "hold"]), Some(FenceRecord::Hold));
    }

    #[test]
    fn two_fences_are_none() {
        let two = read(&["v=1;f=a;e=7;s=41", "v=1;f=a;e=7;s=42"]);
        assert_eq!(two, Some(FenceRecord::Unreadable("v=1;f=a;e=7;s=41 | v=1;f=a;e=7;s=42".into())));
    }

    #[test]
    fn a_fence_keeps_out_what_is_older_or_foreign() {
        let ours = fence("a", 7, 41);
        let keeps_out = |seen: FenceRecord| seen.keeps_out(&ours);
        assert_eq!(keeps_out(FenceRecord::Fence(fence("a", 7, 40))), None);
        assert_eq!(keeps_out(FenceRecord::Fence(fence("a", 7, 41))), None, "the same commit again");
        let newer = fence("a", 7, 42);
        assert_eq!(keeps_out(FenceRecord::Fence(newer.clone())), Some(FenceSeen::Newer(newer.point)));
        assert_eq!(keeps_out(FenceRecord::Fence(fence("b", 1, 1))), Some(FenceSeen::OtherFleet("b".into())));
        assert_eq!(keeps_out(FenceRecord::Hold), Some(FenceSeen::Hold));
        let odd = FenceRecord::Unreadable("x".into());
        assert_eq!(keeps_out(odd), Some(FenceSeen::Unreadable("x".into())));
    }

    #[test]
    fn a_fence_keeps_out_who_cannot_explain_it() {
        let (ours, past) = (fence("a", 300, 9), Explained::up_to(Point { epoch: 100, seq: 5 }));
        let keeps_out = |seen: Fence| FenceRecord::Fence(seen).keeps_out_after(&ours, &past);
        assert_eq!(keeps_out(fence("a", 100, 5)), None);
        assert_eq!(keeps_out(fence("a", 300, 7)), None, "of our own epoch");
        let lost = fence("a", 200, 1);
        assert_eq!(keeps_out(lost.clone()), Some(FenceSeen::Unheard(lost.point)));
        assert_eq!(keeps_out(fence("a", 301, 1)), Some(FenceSeen::Newer(Point { epoch: 301, seq: 1 })));
    }

    #[test]
    fn silence_of_every_server_settles_nothing() {
        let seen = |answered, matches| ServerSeen {
            server: "ns".into(),
            answered,
            fence: None,
            matches,
            differing: vec![],
            elsewhere: BTreeMap::new(),
            error: None,
        };
        let settled = |servers| Observation { zone: "z.".into(), servers }.settled();
        assert!(settled(vec![seen(true, true), seen(false, false)]));
        assert!(!settled(vec![seen(true, true), seen(true, false)]));
        assert!(!settled(vec![seen(false, false)]));
    }
}
