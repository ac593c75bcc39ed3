//! Zones, and what their servers really answer.

use serde::Serialize;

use super::Alarm;
use crate::{
    failover::{Picture, ZoneSeen},
    fleet::{NameServer, Zone},
    names::{GeodeName, Point, ZoneName},
    routing::{FenceRecord, ServerSeen},
};

/// A zone that Lifeboat writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneView {
    /// Its apex.
    pub name: ZoneName,
    /// The commit that asked for what it should hold.
    pub wanted: Option<Point>,
    /// The commit whose content the primary is known to hold.
    pub applied: Option<Point>,
    /// Every server that answers shows what is wanted.
    pub settled: bool,
    /// In words.
    pub sentence: String,
    /// Its servers.
    pub servers: Vec<ServerView>,
    /// Why it does not show what it should, and what to do.
    pub alarm: Option<Alarm>,
}

/// An authoritative server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerView {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub geode: Option<GeodeName>,
    /// Takes updates.
    pub primary: bool,
    /// It answered when it was looked at last; none if nobody has looked.
    pub answered: Option<bool>,
    /// It shows what is wanted; none if it did not answer.
    pub matches: Option<bool>,
    /// Its fence record as text.
    pub fence: Option<String>,
    /// Names that answer otherwise, the first few.
    pub differing: Vec<String>,
    /// Why it counts as silent.
    pub error: Option<String>,
}

pub(super) fn all(picture: &Picture) -> Vec<ZoneView> {
    let Some(fleet) = &picture.fleet else { return Vec::new() };
    fleet.zones.values().map(|zone| ZoneView::of(picture, zone)).collect()
}

impl ZoneView {
    fn of(picture: &Picture, zone: &Zone) -> Self {
        let state = picture.state.as_ref().and_then(|state| state.zones.get(&zone.name));
        let wanted = state.map(|state| state.wanted.point);
        let seen = picture.zones.get(&zone.name);
        let servers: Vec<ServerView> =
            zone.name_servers.iter().map(|server| ServerView::of(server, seen)).collect();
        // A look that was compared with an older content says nothing about this one.
        let settled = seen.is_some_and(|seen| seen.observation.settled() && wanted == Some(seen.against));
        let sentence = sentence(picture, &servers, settled);
        let silent = servers.iter().any(|server| server.answered == Some(false));
        let alarm = (picture.leading && (!settled || silent)).then(|| alarm(zone, &servers, &sentence));
        Self {
            name: zone.name.clone(),
            wanted,
            applied: state.and_then(|state| state.applied.as_ref()).map(|content| content.point),
            settled,
            sentence,
            servers,
            alarm,
        }
    }
}

fn sentence(picture: &Picture, servers: &[ServerView], settled: bool) -> String {
    let answered = servers.iter().filter(|server| server.answered == Some(true)).count();
    let matching = servers.iter().filter(|server| server.matches == Some(true)).count();
    let all = servers.len();
    let silent: Vec<&str> =
        servers.iter().filter(|s| s.answered == Some(false)).map(|s| s.name.as_str()).collect();
    let silent = if silent.is_empty() { String::new() } else { format!("; silent: {}", silent.join(", ")) };
    match (servers.iter().any(|server| server.answered.is_some()), settled) {
        (false, _) if !picture.leading => "only the leader looks at the servers".to_owned(),
        (false, _) => "nobody has looked at its servers yet".to_owned(),
        (true, true) => format!("{matching} of {all} servers show what is wanted{silent}"),
        (true, false) => {
            format!("{matching} of the {answered} servers that answer, of {all}, show what is wanted{silent}")
        }
    }
}

fn alarm(zone: &Zone, servers: &[ServerView], sentence: &str) -> Alarm {
    // One that answers otherwise says more than one that is silent.
    let wrong = servers.iter().find(|server| server.matches == Some(false));
    let silent = || servers.iter().find(|server| server.matches.is_none());
    let name = wrong.or_else(silent).or(servers.first()).map(|server| server.name.clone());
    let server = zone.name_servers.iter().find(|server| Some(&server.name) == name.as_ref());
    let (host, port) =
        server.map_or(("127.0.0.1".to_owned(), 53), |s| (s.address.ip().to_string(), s.address.port()));
    Alarm {
        why: sentence.to_owned(),
        what_now: format!(
            "It is looked at and written again by itself. Ask {} yourself:",
            name.unwrap_or_default()
        ),
        command: format!("dig @{host} -p {port} {} SOA +norecurse", zone.name),
    }
}

impl ServerView {
    fn of(server: &NameServer, seen: Option<&ZoneSeen>) -> Self {
        let seen: Option<&ServerSeen> =
            seen.and_then(|seen| seen.observation.servers.iter().find(|s| s.server == server.name));
        Self {
            name: server.name.clone(),
            geode: server.geode.clone(),
            primary: server.primary,
            answered: seen.map(|seen| seen.answered),
            matches: seen.filter(|seen| seen.answered).map(|seen| seen.matches),
            fence: seen.and_then(|seen| seen.fence.as_ref()).map(fence),
            differing: seen.map(|seen| seen.differing.clone()).unwrap_or_default(),
            error: seen.and_then(|seen| seen.error.clone()),
        }
    }
}

fn fence(record: &FenceRecord) -> String {
    match record {
        FenceRecord::Fence(fence) => fence.point.to_string(),
        FenceRecord::Hold => "hold: a person has stopped Lifeboat at this zone".to_owned(),
        FenceRecord::Unreadable(text) => format!("unreadable: {text}"),
    }
}
