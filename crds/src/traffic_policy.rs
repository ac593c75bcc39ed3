//! `TrafficPolicy`: a zone that Lifeboat writes, who serves it, and over which roads it is changed.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stamps::fleet::Routing;

use crate::{
    conditions::{self, Condition},
    later::Later,
    rules,
    text::{HostName, Label, ObjectName, SocketText, ZoneApex},
};

/// What a person says about a zone.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lifeboat.dev",
    version = "v1alpha1",
    kind = "TrafficPolicy",
    plural = "trafficpolicies",
    namespaced,
    status = "TrafficPolicyStatus",
    derive = "PartialEq",
    derive = "Default",
    category = "lifeboat",
    shortname = "tp",
    doc = "A traffic policy: a DNS zone that Lifeboat writes, its servers, and how hosts are spread over stamps.",
    validation = rules::epoch_of_status(),
    printcolumn(name = "Zone", type_ = "string", json_path = ".spec.zone"),
    printcolumn(name = "Routing", type_ = "string", json_path = ".spec.routing"),
    printcolumn(name = "TTL", type_ = "integer", json_path = ".spec.ttls.routeSeconds", description = "Seconds that clients keep an old route."),
    printcolumn(name = "Accepted", type_ = "string", json_path = r#".status.conditions[?(@.type=="Accepted")].status"#),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, description = "Every server that answers shows what it should."),
    printcolumn(name = "Servers", type_ = "string", json_path = ".status.servers", description = "Servers that show what they should, of all."),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1)
)]
#[x_kube(
    validation = Rule::new("!has(self.hosts) || self.hosts.size() == 0 || (has(self.routing) && self.routing == 'Shared')")
        .message("hosts are for routing Shared; with Homed each tenant brings its own hostnames"),
    validation = Rule::new("!has(self.routing) || self.routing != 'Shared' || (has(self.hosts) && self.hosts.size() > 0)")
        .message("routing Shared needs at least one name in hosts"),
)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicySpec {
    /// Apex of the zone, with its final dot. Host names of tenants point into it, so it cannot change. Example:
    /// `app.example.com.`.
    #[x_kube(validation = Rule::new("self == oldSelf").message("host names point into the zone, so it cannot change; make a new policy"))]
    pub zone: ZoneApex,

    /// `Homed` sends every tenant where its bucket is; `Shared` lets every serving stamp answer every client.
    /// Example: `Homed`.
    #[serde(default)]
    pub routing: Routing,

    /// Hosts of an active-active application (`Shared` only), inside the zone. Example: `www.app.example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub hosts: Vec<HostName>,

    /// How long resolvers may keep an answer.
    #[serde(default)]
    pub ttls: Ttls,

    /// Every authoritative server of the zone, in three networks or more. Exactly one is the primary.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.filter(s, has(s.primary) && s.primary).size() == 1").message("mark exactly one server with primary: true")
    )]
    pub name_servers: Vec<NameServer>,

    /// Ways of changing the traffic, in order.
    #[schemars(length(min = 1, max = 4))]
    #[x_kube(validation = Rule::new("self.filter(r, has(r.dnsUpdate)).size() == 1").message("name one road with dnsUpdate"))]
    pub roads: Vec<Road>,

    /// Host names of tenants must lie under one of these. Example: `tenants.example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub hostname_suffixes: Vec<HostName>,

    /// What happens to the records when this object is deleted: `Keep` leaves the traffic where it is, `Remove` (not
    /// yet) takes them out. Example: `Keep`.
    #[serde(default)]
    #[x_kube(validation = rules::refuse("self == 'Keep'", "records stay when a policy goes; use Keep"))]
    pub on_delete: OnDelete,
}

/// How long resolvers may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Ttls {
    /// Of what runs move, in seconds: the time for which clients keep an old route. Example: 60.
    #[schemars(range(min = 1, max = 3_600))]
    pub route_seconds: i32,
    /// Of a stamp's addresses, in seconds. Example: 300.
    #[schemars(range(min = 1, max = 86_400))]
    pub address_seconds: i32,
    /// Of the answer that a name does not exist, in seconds. Example: 30.
    #[schemars(range(min = 1, max = 3_600))]
    pub negative_seconds: i32,
}

impl Default for Ttls {
    fn default() -> Self {
        Self { route_seconds: 60, address_seconds: 300, negative_seconds: 30 }
    }
}

/// An authoritative server of the zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameServer {
    /// Unique within the policy. Example: `ns-weu`.
    pub name: Label,
    /// Address and port. Example: `192.0.2.53:53`.
    pub address: SocketText,
    /// Geode it stands in, if it stands in one. Example: `weu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geode: Option<Label>,
    /// Whether it takes updates. Example: false.
    #[serde(default)]
    pub primary: bool,
}

/// A way of changing the traffic. Exactly one kind each.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("[has(self.dnsUpdate), has(self.gatewayApi), has(self.externalDns), has(self.directory)].filter(x, x).size() == 1")
        .message("say exactly one kind of road, e.g. dnsUpdate")
)]
#[serde(rename_all = "camelCase")]
pub struct Road {
    /// Whether a run waits for it, or only tries. Example: true.
    #[serde(default = "yes")]
    #[x_kube(validation = rules::refuse("self", "the only road is required; use true"))]
    pub required: bool,
    /// Dynamic updates of the zone (RFC 2136) with a TSIG key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_update: Option<DnsUpdate>,
    /// Weights of HTTPRoutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::not_yet("use dnsUpdate"))]
    pub gateway_api: Option<Later>,
    /// DNSEndpoint objects for another controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::not_yet("use dnsUpdate"))]
    pub external_dns: Option<Later>,
    /// The table of buckets over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::not_yet("use dnsUpdate"))]
    pub directory: Option<Later>,
}

impl Default for Road {
    fn default() -> Self {
        Self { required: yes(), dns_update: None, gateway_api: None, external_dns: None, directory: None }
    }
}

fn yes() -> bool {
    true
}

/// Dynamic updates of the zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsUpdate {
    /// Name of the Secret with the TSIG key: `name`, `algorithm` (e.g. `hmac-sha256`) and `secret` in base 64.
    /// Example: `dns-key`.
    pub tsig_secret_name: ObjectName,
    /// Takes over names that somebody else made; otherwise they are left alone and reported. Example: false.
    #[serde(default)]
    pub adopt: bool,
}

/// What happens to the records when a policy goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnDelete {
    /// They stay.
    #[default]
    Keep,
    /// They go.
    Remove,
}

/// What Lifeboat says about a zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicyStatus {
    /// Generation of the spec that this status is about. Example: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Epoch of the leader that wrote this. Never goes down. Example: 1795262400.
    #[serde(default)]
    pub epoch: i64,
    /// The fence that the zone carries, as `epoch.seq`. Example: `1795262400.41`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub fence: Option<String>,
    /// How strongly the zone refuses an old leader: `Enforced`, `Cooperative` or `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub fence_level: Option<String>,
    /// Servers that show what they should, of all. Example: `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub servers: Option<String>,
    /// `Accepted` (zone and hosts are admitted) and `Ready` (every server that answers shows what it should).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}
