//! CEL rules that several kinds share. The API server puts the field's path in front of a message, so messages say
//! only the remedy.

use kube::core::{Reason, Rule};

/// A projection carries the epoch of the leader that wrote it. It never goes down, nor away together with the status:
/// a deposed leader's write is refused. `>=`, because the same leader writes many times.
pub(crate) fn epoch_of_status() -> Rule {
    Rule::new(
        "!has(oldSelf.status) || !has(oldSelf.status.epoch) || \
         (has(self.status) && has(self.status.epoch) && self.status.epoch >= oldSelf.status.epoch)",
    )
    .message("a newer leader wrote this status; step down")
    .reason(Reason::FieldValueForbidden)
}

/// A number at the root of a state object that never goes down, nor away.
pub(crate) fn never_lower(field: &str) -> Rule {
    let message = format!("{field} never goes down; a newer leader or a newer Lifeboat wrote this object");
    Rule::new(format!("!has(oldSelf.{field}) || (has(self.{field}) && self.{field} >= oldSelf.{field})"))
        .message(message.as_str())
        .reason(Reason::FieldValueForbidden)
}

/// The one object of its kind in a namespace.
pub(crate) fn named(name: &str) -> Rule {
    let message = format!("a namespace holds one fleet: name this object {name}");
    Rule::new(format!("self.metadata.name == '{name}'")).message(message.as_str())
}

/// The object's name becomes part of host names.
pub(crate) fn named_by_label() -> Rule {
    Rule::new(
        "self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    )
    .message("the name becomes part of host names: lower-case letters, digits and hyphens, at most 63")
}

/// A field that a later version reads. It is in the schema so that its place is taken, and refused so that nobody
/// believes that it works.
pub(crate) fn not_yet(what: &str) -> Rule {
    refuse("false", what)
}

/// A value of a field that a later version understands; `allowed` says what may stand there today.
pub(crate) fn refuse(allowed: &str, what: &str) -> Rule {
    let message = format!("not yet: {what}");
    Rule::new(allowed).message(message.as_str()).reason(Reason::FieldValueForbidden)
}

/// Bounds of a duration, as CEL writes them. Holds for a badly formed one, about which its own rule speaks.
pub(crate) fn between(from: &str, to: &str) -> Rule {
    let message = format!("use a duration from {from} to {to}");
    Rule::new(format!(
        "!self.matches('^([0-9]{{1,9}}(h|ms|m|s))+$') || (duration(self) >= duration('{from}') && duration(self) <= duration('{to}'))"
    ))
    .message(message.as_str())
}

/// A field of the object that cannot change, counted also when it comes or goes.
pub(crate) fn fixed(field: &str) -> Rule {
    let message = format!("{field} cannot change; make a new object");
    Rule::new(format!(
        "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    ))
    .message(message.as_str())
    .reason(Reason::FieldValueForbidden)
}

#[cfg(test)]
mod tests;
