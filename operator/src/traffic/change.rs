//! One atomic change of a zone, as plain data: what RFC 2136 calls an update message.

use std::{fmt, net::IpAddr};

/// The record types that Lifeboat reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An alias.
    Cname,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// A text.
    Txt,
}

impl Kind {
    /// The types that answer for a managed name. They are always replaced together.
    pub const ANSWERS: [Self; 3] = [Self::Cname, Self::A, Self::Aaaa];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cname => "CNAME",
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Txt => "TXT",
        })
    }
}

/// The value of one record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Data {
    /// The name that answers instead, absolute.
    Alias(String),
    /// An address.
    Address(IpAddr),
    /// A text of at most 255 bytes.
    Text(String),
}

impl Data {
    /// The type of a record with this value.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Alias(_) => Kind::Cname,
            Self::Address(IpAddr::V4(_)) => Kind::A,
            Self::Address(IpAddr::V6(_)) => Kind::Aaaa,
            Self::Text(_) => Kind::Txt,
        }
    }

    /// Its length in a message without name compression, in bytes.
    fn wire_len(&self) -> usize {
        match self {
            Self::Alias(target) => target.len() + 1,
            Self::Address(IpAddr::V4(_)) => 4,
            Self::Address(IpAddr::V6(_)) => 16,
            Self::Text(text) => text.len() + 1,
        }
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alias(target) => f.write_str(target),
            Self::Address(address) => write!(f, "{address}"),
            Self::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

/// What the server itself must find true, or it refuses the whole change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prerequisite {
    /// No record of this type at this name.
    Absent {
        /// The name.
        name: String,
        /// The type.
        kind: Kind,
    },
    /// Exactly this text and no other at this name.
    Text {
        /// The name.
        name: String,
        /// The text.
        text: String,
    },
}

/// A record to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its owner name.
    pub name: String,
    /// Seconds.
    pub ttl_s: u32,
    /// Its value.
    pub data: Data,
}

/// One message: all of it happens, or none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Checked first, by the server.
    pub prerequisites: Vec<Prerequisite>,
    /// Whole record sets that go.
    pub deletes: Vec<(String, Kind)>,
    /// Records that come.
    pub adds: Vec<Record>,
    /// How many managed names it changes; fence and owner records are not counted.
    pub names: usize,
}

/// Bytes of type, class, TTL and length, which every record carries, plus the closing byte of its name.
const RECORD_HEAD_LEN: usize = 11;

impl Change {
    /// Appends what `other` requires and does.
    pub fn merge(&mut self, other: Self) {
        self.prerequisites.extend(other.prerequisites);
        self.deletes.extend(other.deletes);
        self.adds.extend(other.adds);
        self.names += other.names;
    }

    /// Upper bound of its length in a message: names are counted uncompressed.
    pub fn wire_len_max(&self) -> usize {
        let prerequisites = self.prerequisites.iter().map(|prerequisite| match prerequisite {
            Prerequisite::Absent { name, .. } => name.len() + RECORD_HEAD_LEN,
            Prerequisite::Text { name, text } => name.len() + RECORD_HEAD_LEN + text.len() + 1,
        });
        let deletes = self.deletes.iter().map(|(name, _)| name.len() + RECORD_HEAD_LEN);
        let adds = self.adds.iter().map(|add| add.name.len() + RECORD_HEAD_LEN + add.data.wire_len());
        prerequisites.chain(deletes).chain(adds).sum()
    }
}

impl fmt::Display for Change {
    /// In the words of `nsupdate`, so that a person can read it, or send it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for prerequisite in &self.prerequisites {
            match prerequisite {
                Prerequisite::Absent { name, kind } => writeln!(f, "prereq nxrrset {name} {kind}")?,
                Prerequisite::Text { name, text } => writeln!(f, "prereq yxrrset {name} TXT \"{text}\"")?,
            }
        }
        for (name, kind) in &self.deletes {
            writeln!(f, "update delete {name} {kind}")?;
        }
        for Record { name, ttl_s, data } in &self.adds {
            writeln!(f, "update add {name} {ttl_s} {} {data}", data.kind())?;
        }
        writeln!(f, "send")
    }
}
