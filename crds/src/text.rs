//! Strings with a form: each carries its bound, its CEL rule and the sentence that says how to write it.
//!
//! They stay plain text in memory. A list of objects must survive one bad member, so a form is never checked while
//! deserializing: the API server checks it by CEL, and [`crate::validate`] again for objects that slipped past.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

macro_rules! text {
    ($(#[$doc:meta])* $type:ident, max $max:literal, $rule:expr, $remedy:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub String);

        impl $type {
            /// How to write one; what the API server answers when the form is wrong.
            pub const REMEDY: &'static str = $remedy;

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "maxLength": $max,
                    "x-kubernetes-validations": [{ "rule": $rule, "message": $remedy }],
                })
            }
        }
    };
}

text!(
    /// A DNS label: what may stand between two dots of a host name.
    Label, max 63,
    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    "use lower-case letters, digits and hyphens, e.g. weu-1"
);
text!(
    /// The name of a Kubernetes object.
    ObjectName, max 253,
    "self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')",
    "use the name of an object in this namespace, e.g. dns-key"
);
text!(
    /// A host name, with or without its final dot.
    HostName, max 253,
    r"self.matches('^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\\.?$')",
    "use a lower-case host name, e.g. www.example.com"
);
text!(
    /// The apex of a zone, with its final dot.
    ZoneApex, max 200,
    r"self.matches('^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\\.)+$')",
    "use the zone's lower-case apex with its final dot, e.g. app.example.com."
);
text!(
    /// An IPv4 or IPv6 address.
    IpText, max 45,
    "isIP(self)",
    "use an IP address, e.g. 192.0.2.10 or 2001:db8::10"
);
text!(
    /// An IP address with a port.
    SocketText, max 53,
    r"self.matches('^([0-9.]{7,15}|\\[[0-9a-f:.]{2,45}\\]):[0-9]{1,5}$')",
    "use an IP address and a port, e.g. 192.0.2.53:53 or [2001:db8::53]:53"
);
text!(
    /// A duration as Go writes them: whole numbers with units, largest first.
    GoDuration, max 24,
    "self.matches('^([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?([0-9]{1,9}ms)?$') && self.size() > 0",
    "write whole numbers with the units h, m, s or ms, e.g. 10s, 1m30s or 500ms"
);
text!(
    /// A share in per cent with at most two decimals, as text.
    PercentText, max 6,
    r"self.matches('^[5-9][0-9](\\.[0-9]{1,2})?$')",
    "write a percentage from 50 to 99.99 with at most two decimals, e.g. 99.95"
);
text!(
    /// Degrees of latitude or longitude, as text.
    Degrees, max 12,
    r"self.matches('^-?[0-9]{1,3}(\\.[0-9]{1,6})?$')",
    "write degrees with at most six decimals, e.g. 52.3702 or -0.1276"
);
text!(
    /// A status of HTTP, or a range of them.
    StatusRange, max 7,
    "self.matches('^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$')",
    "write one status or a range, e.g. 200 or 200-399"
);
text!(
    /// The address of a web page or a receiver: no user, no fragment.
    WebUrl, max 1024,
    r"self.matches('^https?://([a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?|\\[[0-9a-f:.]{2,45}\\])(:[0-9]{1,5})?(/[-A-Za-z0-9._~:/?@!$&()*+,;=%]*)?$')",
    "write http:// or https://, a host, and if needed a port and a path, without user or fragment, e.g. https://alerts.example.com/hook"
);
