//! A zone changed by signed dynamic updates (RFC 2136, RFC 8945) at its primary.
//!
//! Nothing is sent twice. After an answer that leaves the matter open the primary is read again and planned again: what
//! is then left to do says what became of the message.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::{SystemTime, UNIX_EPOCH},
};

use hickory_proto::{
    op::{Message, OpCode, Query, ResponseCode, UpdateMessage},
    rr::{
        DNSClass, Name, RData, Record, RecordType, TSigVerifier,
        rdata::{A, AAAA, CNAME, TXT, tsig::TsigError},
    },
};
use stamps::{
    fleet::Zone,
    names::{Fence, FleetUid, ZoneName},
    routing::{Answer, Observation, Outcome, RefusalClass, RouteSet},
};

use super::{
    Scope, TrafficError, TsigKey, Under, absolute, below,
    change::{self, Change, Data, Kind, Prerequisite},
    observe::Observer,
    plan::{self, Foreign, Held, Limits, Seen, Terms},
    wire::{self, Exchange, ReadError},
};

/// Most foreign names that one sentence lists.
const NAMED_MAX: usize = 8;

/// One zone as a road.
#[derive(Debug)]
pub struct DnsUpdate {
    pub(super) zone: Zone,
    fleet: FleetUid,
    primary: Primary,
    observers: Vec<Observer>,
}

/// How an attempt to settle some names ended.
#[derive(Debug)]
pub(super) struct Settled {
    /// For the names that are ours.
    pub(super) outcome: Outcome,
    /// Names that were left alone.
    pub(super) foreign: Vec<Foreign>,
}

impl DnsUpdate {
    /// A road for `zone`, on behalf of `fleet`.
    pub fn new(zone: Zone, fleet: FleetUid, key: TsigKey) -> Result<Self, TrafficError> {
        let primary = zone.name_servers.iter().find(|server| server.primary);
        let address = primary.ok_or_else(|| TrafficError::NoPrimary(zone.name.clone()))?.address;
        let primary = Primary::new(address, &zone.name, key)?;
        let observers = zone.name_servers.iter().map(Observer::new).collect::<Result<_, _>>()?;
        Ok(Self { zone, fleet, primary, observers })
    }

    /// What every server really answers.
    pub async fn observe(&self, wanted: &RouteSet) -> Observation {
        let fence_name = plan::fence_name(&self.zone.name, &self.fleet);
        let looks = self.observers.iter().map(|observer| observer.look(&fence_name, wanted));
        Observation { zone: self.zone.name.clone(), servers: futures::future::join_all(looks).await }
    }

    /// Brings the names in `scope` to what is desired. Names that are not ours are left alone and refused by name; the
    /// others are changed all the same, because one odd record must not keep a region's traffic where it is.
    pub async fn converge<'a>(
        &self,
        desired: &RouteSet,
        scope: Scope<'_>,
        under: impl Into<Under<'a>>,
    ) -> Outcome {
        let under = under.into();
        let answers = match self.within(desired, scope, under.fence) {
            Ok(answers) => answers,
            Err(reason) => return Outcome::Refused { class: RefusalClass::Invalid, reason },
        };
        let Settled { outcome, foreign } = self.settle(&answers, under, Limits::DEFAULT).await;
        match outcome {
            Outcome::Done if !foreign.is_empty() => {
                Outcome::Refused { class: RefusalClass::Foreign, reason: foreign_sentence(&foreign) }
            }
            other => other,
        }
    }

    /// Shuts out every writer before `fence`.
    pub async fn raise_fence<'a>(&self, under: impl Into<Under<'a>>) -> Outcome {
        self.settle(&BTreeMap::new(), under.into(), Limits::DEFAULT).await.outcome
    }

    /// The answers in scope, by absolute name, or why they cannot be asked for.
    fn within(
        &self,
        desired: &RouteSet,
        scope: Scope<'_>,
        fence: &Fence,
    ) -> Result<BTreeMap<String, Answer>, String> {
        if fence.fleet != self.fleet {
            return Err(format!("the fence is fleet {}'s, this road is fleet {}'s", fence.fleet, self.fleet));
        }
        let all = desired.answers.iter().map(|(name, answer)| (absolute(name), answer.clone()));
        let mut answers: BTreeMap<String, Answer> = all.collect();
        if let Scope::Only(names) = scope {
            let names: BTreeSet<String> = names.iter().map(|name| absolute(name)).collect();
            if let Some(missing) = names.iter().find(|name| !answers.contains_key(*name)) {
                return Err(format!("{missing} is to be changed, but nothing says what it should answer"));
            }
            answers.retain(|name, _| names.contains(name));
        }
        match answers.keys().find(|name| !below(&self.zone.name, name)) {
            Some(outside) => Err(format!("{outside} does not lie below {}", self.zone.name)),
            None => Ok(answers),
        }
    }

    /// Reads, plans and sends until nothing is left to do, or until it is clear that more sending would not help: each
    /// further round must find fewer names to change than the one before left open, so there is an end.
    pub(super) async fn settle(
        &self,
        desired: &BTreeMap<String, Answer>,
        under: Under<'_>,
        limits: Limits,
    ) -> Settled {
        let Under { fence, past } = under;
        let terms = Terms { zone: &self.zone.name, fence, past, adopt: self.zone.adopt, limits };
        let mut open: Option<Stop> = None;
        loop {
            let seen = match self.primary.read(&fence.fleet, desired.keys()).await {
                Ok(seen) => seen,
                Err(error) => return Settled::only(unread(open, &error)),
            };
            let plan = match plan::plan(&seen, desired, &terms) {
                Ok(plan) => plan,
                Err(by) => return Settled::only(Outcome::Fenced { by }),
            };
            let left: usize = plan.changes.iter().map(|change| change.names).sum();
            let foreign = plan.foreign;
            if plan.changes.is_empty() {
                return Settled { outcome: Outcome::Done, foreign };
            }
            if let Some(stop) = open.take_if(|stop| left >= stop.left) {
                return Settled { outcome: stop.outcome, foreign };
            }
            match self.send_all(&plan.changes).await {
                Ok(()) => return Settled { outcome: Outcome::Done, foreign },
                Err(stop) if stop.look_again => open = Some(stop),
                Err(stop) => return Settled { outcome: stop.outcome, foreign },
            }
        }
    }

    /// Sends `changes` in order, and stops at the first that is not known to have been applied.
    async fn send_all(&self, changes: &[Change]) -> Result<(), Stop> {
        for (at, change) in changes.iter().enumerate() {
            let left = changes.iter().skip(at).map(|change| change.names).sum();
            let stop = |outcome, look_again| Err(Stop { outcome, look_again, left });
            let signed = match self.primary.sign(change) {
                Ok(signed) => signed,
                Err(error) => {
                    let reason = error.to_string();
                    return stop(Outcome::Refused { class: RefusalClass::Invalid, reason }, false);
                }
            };
            match self.primary.deliver(signed).await {
                Delivery::Applied => {}
                Delivery::NotSent(reason) => return stop(Outcome::NotDone { reason }, false),
                Delivery::Lost(reason) => return stop(Outcome::Unknown { reason }, true),
                Delivery::Unmet(code) => {
                    let reason = format!("the zone changed between reading and writing ({code})");
                    return stop(Outcome::NotDone { reason }, true);
                }
                Delivery::Failed(code) => {
                    let reason = format!("{} answered {code}", self.primary.address);
                    return stop(Outcome::NotDone { reason }, false);
                }
                Delivery::Refused { class, reason } => {
                    return stop(Outcome::Refused { class, reason }, false);
                }
            }
        }
        Ok(())
    }
}

impl Settled {
    fn only(outcome: Outcome) -> Self {
        Self { outcome, foreign: Vec::new() }
    }
}

/// Where sending stopped.
struct Stop {
    /// How the call ends if a second look finds no less to do.
    outcome: Outcome,
    /// A second look can tell what happened.
    look_again: bool,
    /// Names that were still to be changed, those of the message in question included.
    left: usize,
}

/// A failed read before anything was sent means nothing was done; after an open answer it leaves the matter open.
fn unread(open: Option<Stop>, error: &ReadError) -> Outcome {
    match (open, error) {
        (_, ReadError::BadName(_)) => {
            Outcome::Refused { class: RefusalClass::Invalid, reason: error.to_string() }
        }
        (None, _) => Outcome::NotDone { reason: error.to_string() },
        (Some(_), _) => Outcome::Unknown { reason: format!("no answer, and then {error}") },
    }
}

pub(super) fn foreign_sentence(foreign: &[Foreign]) -> String {
    let named: Vec<String> = foreign.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = match foreign.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "not ours, left alone: {}{more}; set adopt: true to take over names without an owner mark",
        named.join(", ")
    )
}

/// The server of a zone that takes updates.
#[derive(Debug)]
pub struct Primary {
    address: SocketAddr,
    zone: ZoneName,
    apex: Name,
    key: TsigKey,
}

/// A change that is ready to go. It can be delivered once.
pub struct Signed {
    id: u16,
    bytes: Vec<u8>,
    verifier: Option<TSigVerifier>,
}

/// What became of one delivered change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The server says so, and the signature shows that it is the server.
    Applied,
    /// A prerequisite did not hold; nothing changed.
    Unmet(ResponseCode),
    /// The server could not do it now; nothing changed.
    Failed(ResponseCode),
    /// The server will not do it.
    Refused {
        /// What kind of refusal.
        class: RefusalClass,
        /// For people.
        reason: String,
    },
    /// The server cannot have seen it.
    NotSent(String),
    /// Sent, and no believable answer came back.
    Lost(String),
}

impl Primary {
    /// The primary of `zone` at `address`.
    pub fn new(address: SocketAddr, zone: &ZoneName, key: TsigKey) -> Result<Self, TrafficError> {
        Ok(Self { address, zone: zone.clone(), apex: parse(zone.as_str())?, key })
    }

    /// What it holds now: the fence first, so that whatever changes afterwards runs into the fence.
    pub async fn read(
        &self,
        fleet: &FleetUid,
        names: impl Iterator<Item = &String>,
    ) -> Result<Seen, ReadError> {
        let question = |name: &str, kind| {
            parse(name).map(|parsed| (parsed, kind)).map_err(|_| ReadError::BadName(name.to_owned()))
        };
        let fence = question(&plan::fence_name(&self.zone, fleet), RecordType::TXT)?;
        let answers = wire::ask(self.address, std::slice::from_ref(&fence)).await?;
        let mut seen = Seen::default();
        for message in &answers {
            seen.fence.extend(data_at(message, &fence.0).filter_map(|(data, _)| text(data)));
        }
        let names: Vec<&String> = names.collect();
        let mut questions = Vec::with_capacity(names.len() * 3);
        for name in &names {
            // An alias answers a question for addresses too, so there is no need to ask for it.
            questions.push(question(name, RecordType::A)?);
            questions.push(question(name, RecordType::AAAA)?);
            questions.push(question(&plan::owner_name(name), RecordType::TXT)?);
        }
        let answers = wire::ask(self.address, &questions).await?;
        for ((name, asked), got) in names.into_iter().zip(questions.chunks(3)).zip(answers.chunks(3)) {
            let mut held = Held::default();
            for ((at, _), message) in asked.iter().zip(got) {
                for (data, ttl_s) in data_at(message, at) {
                    match data {
                        Data::Text(owner) => held.owner.push(owner),
                        answer => drop(held.records.insert((answer, ttl_s))),
                    }
                }
            }
            seen.names.insert(name.clone(), held);
        }
        Ok(seen)
    }

    /// Encodes and signs a change, as of now.
    pub fn sign(&self, change: &Change) -> Result<Signed, TrafficError> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.sign_at(change, since_1970.as_secs())
    }

    /// Encodes and signs a change as of `unix_s`, seconds since 1970. The server refuses a time far from its own.
    pub fn sign_at(&self, change: &Change, unix_s: u64) -> Result<Signed, TrafficError> {
        let encode = |error: hickory_proto::ProtoError| TrafficError::Encode(error.to_string());
        let mut message = message(&self.apex, change)?;
        let verifier = message.finalize(self.key.signer(), unix_s).map_err(encode)?;
        Ok(Signed { id: message.metadata.id, bytes: message.to_vec().map_err(encode)?, verifier })
    }

    /// Sends a change once.
    pub async fn deliver(&self, signed: Signed) -> Delivery {
        match wire::exchange(self.address, &signed.bytes).await {
            Exchange::NotSent(reason) => Delivery::NotSent(reason),
            Exchange::Lost(reason) => Delivery::Lost(reason),
            Exchange::Answered(answer) => judge(signed, &answer),
        }
    }
}

/// The update message for a change.
fn message(apex: &Name, change: &Change) -> Result<Message, TrafficError> {
    let mut zone = Query::new();
    zone.set_name(apex.clone()).set_query_class(DNSClass::IN).set_query_type(RecordType::SOA);
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    message.add_zone(zone);
    for prerequisite in &change.prerequisites {
        message.add_pre_requisite(match prerequisite {
            Prerequisite::Absent { name, kind } => bare(name, *kind, DNSClass::NONE)?,
            Prerequisite::Text { name, text } => full(name, 0, &Data::Text(text.clone()))?,
        });
    }
    for (name, kind) in &change.deletes {
        message.add_update(bare(name, *kind, DNSClass::ANY)?);
    }
    for change::Record { name, ttl_s, data } in &change.adds {
        message.add_update(full(name, *ttl_s, data)?);
    }
    Ok(message)
}

/// A record without a value: it speaks of a whole record set.
fn bare(name: &str, kind: Kind, class: DNSClass) -> Result<Record, TrafficError> {
    let kind = match kind {
        Kind::Cname => RecordType::CNAME,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Txt => RecordType::TXT,
    };
    let mut record = Record::update0(parse(name)?, 0, kind);
    record.dns_class = class;
    Ok(record)
}

fn full(name: &str, ttl_s: u32, data: &Data) -> Result<Record, TrafficError> {
    let data = match data {
        Data::Alias(target) => RData::CNAME(CNAME(parse(target)?)),
        Data::Address(IpAddr::V4(address)) => RData::A(A(*address)),
        Data::Address(IpAddr::V6(address)) => RData::AAAA(AAAA(*address)),
        Data::Text(text) => RData::TXT(TXT::new(vec![text.clone()])),
    };
    Ok(Record::from_rdata(parse(name)?, ttl_s, data))
}

/// The values that an answer holds at `name` itself, each with its TTL. What it adds for an alias's target is left out.
fn data_at<'a>(message: &'a Message, name: &'a Name) -> impl Iterator<Item = (Data, u32)> + 'a {
    let own = message.answers.iter().filter(move |record| record.name == *name);
    own.filter_map(|record| data(&record.data).map(|data| (data, record.ttl)))
}

/// A record's value, if it is of a type that we manage.
pub(super) fn data(rdata: &RData) -> Option<Data> {
    match rdata {
        RData::CNAME(target) => Some(Data::Alias(absolute(&target.0.to_ascii()))),
        RData::A(address) => Some(Data::Address(address.0.into())),
        RData::AAAA(address) => Some(Data::Address(address.0.into())),
        RData::TXT(text) => {
            let parts: Vec<_> = text.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect();
            Some(Data::Text(parts.join("\" \"")))
        }
        _ => None,
    }
}

/// The text of a text record.
pub(super) fn text(data: Data) -> Option<String> {
    match data {
        Data::Text(text) => Some(text),
        Data::Alias(_) | Data::Address(_) => None,
    }
}

pub(super) fn parse(name: &str) -> Result<Name, TrafficError> {
    let mut parsed = Name::from_ascii(name)
        .map_err(|error| TrafficError::BadName { name: name.to_owned(), why: error.to_string() })?;
    parsed.set_fqdn(true);
    Ok(parsed)
}

/// What the server's answer says. Only success must be signed: a forged refusal can delay us, not mislead us.
fn judge(signed: Signed, answer: &[u8]) -> Delivery {
    let message = match Message::from_vec(answer) {
        Ok(message) if message.metadata.id == signed.id => message,
        Ok(_) => return Delivery::Lost("an answer to another message".to_owned()),
        Err(error) => return Delivery::Lost(format!("an answer that cannot be read: {error}")),
    };
    let code = message.metadata.response_code;
    let tsig_error = message.signature().and_then(|signature| signature.data.error);
    match verdict(code, tsig_error) {
        Delivery::Applied => match signed.verifier.map(|mut verifier| verifier.verify(answer)) {
            Some(Ok(_)) => Delivery::Applied,
            Some(Err(error)) => Delivery::Lost(format!("an answer whose signature does not hold: {error}")),
            None => Delivery::Lost("an answer to a message that was not signed".to_owned()),
        },
        other => other,
    }
}

/// The meaning of a response code.
fn verdict(code: ResponseCode, tsig_error: Option<TsigError>) -> Delivery {
    let refused = |class, reason: &str| Delivery::Refused { class, reason: reason.to_owned() };
    match (code, tsig_error) {
        (ResponseCode::NoError, _) => Delivery::Applied,
        (
            ResponseCode::NXRRSet | ResponseCode::YXRRSet | ResponseCode::NXDomain | ResponseCode::YXDomain,
            _,
        ) => Delivery::Unmet(code),
        (ResponseCode::NotAuth, Some(TsigError::BadTime)) => refused(
            RefusalClass::BadTime,
            "the primary's clock and ours differ by more than 300 s; set both by NTP",
        ),
        (ResponseCode::NotAuth, Some(_)) => refused(
            RefusalClass::BadKey,
            "the primary does not accept our TSIG key; compare name, algorithm and secret with its configuration",
        ),
        (ResponseCode::NotAuth | ResponseCode::Refused, _) => {
            refused(RefusalClass::Denied, "the primary does not let this key update the zone; allow it there")
        }
        (ResponseCode::NotZone | ResponseCode::FormErr | ResponseCode::NotImp, _) => {
            refused(RefusalClass::Invalid, &format!("the primary does not understand the update ({code})"))
        }
        _ => Delivery::Failed(code),
    }
}
