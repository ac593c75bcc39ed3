//! From objects to the domain: the one place where a spec is parsed, for operator, monitor, lint and simulator alike.
//!
//! The API server has refused most of what is refused here, by schema and CEL. It is said again because an object may
//! be older than a rule, and because files are checked without an API server.

mod fleet;
mod parse;
mod runs;
mod snapshot;
mod stamp;
#[cfg(test)]
mod tests;
mod traffic;

pub use fleet::{FleetHeader, WebAddress, Webhook, failover_policy, fleet, geode, policy_defaults};
pub use runs::{Home, HomeChoice, RunRequest, TenantRequest, Tier, failover, tenant};
pub use snapshot::{LeftOut, Objects, Placed, placed, snapshot};
pub use stamp::stamp;
pub use traffic::traffic_policy;

/// Why an object is not valid. The sentence names the field and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A text has not the form that its field asks for.
    #[error("{field}: {remedy} (it says `{found}`)")]
    Form {
        /// Path of the field.
        field: String,
        /// What stands there.
        found: String,
        /// How to write it.
        remedy: &'static str,
    },
    /// A number or duration lies outside its bounds.
    #[error("{field}: use a value from {min} to {max} (it says {found})")]
    Bounds {
        /// Path of the field.
        field: String,
        /// What stands there.
        found: String,
        /// Smallest value.
        min: String,
        /// Largest value.
        max: String,
    },
    /// Two members of a list have one name.
    #[error("{field}: two entries are named {name}; give each its own name")]
    Duplicate {
        /// Path of the list.
        field: String,
        /// The name.
        name: String,
    },
    /// A list lacks what it must have, or has too much of it.
    #[error("{field}: {remedy} (found {found})")]
    Count {
        /// Path of the list.
        field: String,
        /// What to do.
        remedy: &'static str,
        /// How many there are.
        found: usize,
    },
    /// One of several fields must be there, and only one.
    #[error("{field}: say either {one} or {other}")]
    EitherOr {
        /// Path of the object that holds both.
        field: String,
        /// One of them.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// A name inside the object refers to nothing.
    #[error("{field}: nothing is named {name}; use one of {known}")]
    Dangling {
        /// Path of the field.
        field: String,
        /// The name.
        name: String,
        /// What could stand there.
        known: String,
    },
    /// Two fields contradict each other.
    #[error("{field}: {remedy}")]
    Conflict {
        /// Path of one of them.
        field: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A later version implements it.
    #[error("{field}: not yet: {remedy}")]
    NotYet {
        /// Path of the field.
        field: String,
        /// What to do instead.
        remedy: &'static str,
    },
    /// The object has not been stored by an API server, which gives it what is missing.
    #[error("{field}: the object was never stored; apply it first")]
    Unsaved {
        /// Path of the field.
        field: String,
    },
}
