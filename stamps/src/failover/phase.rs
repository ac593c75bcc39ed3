//! Phases of a run and states of a step: what may follow what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Doubt stands; the hold window is running.
    Arming,
    /// Accepted, not yet planned.
    Pending,
    /// Planned; a person has to agree.
    AwaitingApproval,
    /// Steps are under way.
    Running,
    /// A person stopped it between steps.
    Paused,
    /// It stopped itself where it stands, because going on was not allowed or took too long.
    Held,
    /// A step can neither finish nor be undone without a person.
    Blocked,
    /// Steps are being undone, newest first.
    Compensating,
    /// End: every step took effect.
    Succeeded,
    /// End: it could not be done, and nothing was left half-done.
    Failed,
    /// End: undone.
    Compensated,
    /// End: never started; the reason says which rule refused it.
    Refused,
    /// End: stopped by a person; routes stay where they are.
    Cancelled,
    /// End: too old to start.
    Expired,
    /// End: a later run took its place.
    Replaced,
}

impl Phase {
    /// Every phase, for tables and tests.
    pub const ALL: [Self; 15] = [
        Self::Arming,
        Self::Pending,
        Self::AwaitingApproval,
        Self::Running,
        Self::Paused,
        Self::Held,
        Self::Blocked,
        Self::Compensating,
        Self::Succeeded,
        Self::Failed,
        Self::Compensated,
        Self::Refused,
        Self::Cancelled,
        Self::Expired,
        Self::Replaced,
    ];

    /// Nothing follows an end.
    pub fn is_end(self) -> bool {
        self.successors().is_empty()
    }

    /// The table of legal transitions.
    pub fn successors(self) -> &'static [Self] {
        use Phase::{
            Arming, AwaitingApproval, Blocked, Cancelled, Compensated, Compensating, Expired, Failed, Held,
            Paused, Pending, Refused, Replaced, Running, Succeeded,
        };
        match self {
            Arming => &[Pending, AwaitingApproval, Refused, Cancelled, Replaced],
            Pending => &[AwaitingApproval, Running, Succeeded, Refused, Cancelled, Expired, Replaced],
            AwaitingApproval => &[Running, Refused, Cancelled, Expired, Replaced],
            Running => &[Paused, Held, Blocked, Compensating, Succeeded, Failed, Cancelled, Replaced],
            Held => &[Running, Compensating, Blocked, Cancelled, Replaced],
            Paused | Blocked => &[Running, Held, Compensating, Cancelled, Replaced],
            Compensating => &[Compensated, Blocked, Held],
            Succeeded | Failed | Compensated | Refused | Cancelled | Expired | Replaced => &[],
        }
    }

    /// Whether `next` may follow.
    pub fn may_become(self, next: Self) -> bool {
        self.successors().contains(&next)
    }
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum StepKind {
    /// Plans the run and asks every rule.
    Precheck,
    /// Moves buckets in every zone.
    ShiftTraffic,
    /// Looks at every authoritative server until each that answers shows the new routes.
    Verify,
    /// Waits until clients have left the source.
    Drain,
    /// Tells people.
    Notify,
}

impl StepKind {
    /// The steps of a run, in order.
    pub const ORDER: [Self; 5] =
        [Self::Precheck, Self::ShiftTraffic, Self::Verify, Self::Drain, Self::Notify];

    /// Whether the step changes something outside the register.
    pub fn acts(self) -> bool {
        matches!(self, Self::ShiftTraffic)
    }
}

/// Where a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Its intent is recorded.
    Processing,
    /// It took effect.
    Processed,
    /// It cannot take effect.
    Error,
    /// It is being undone.
    Compensating,
    /// It was undone.
    Compensated,
}

impl StepState {
    /// Whether `next` may follow. `Processing` follows itself when the step is armed again.
    pub fn may_become(self, next: Self) -> bool {
        use StepState::{Compensated, Compensating, Error, Pending, Processed, Processing};
        matches!(
            (self, next),
            (Pending, Processing | Processed)
                | (Processing, Processing | Processed | Error | Compensating)
                | (Processed | Error, Compensating)
                | (Compensating, Compensated | Error)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_final_and_everything_else_can_end() {
        let ends: Vec<Phase> = Phase::ALL.into_iter().filter(|phase| phase.is_end()).collect();
        assert_eq!(ends.len(), 7);
        for phase in Phase::ALL {
            let mut reach = vec![phase];
            let mut at = 0;
            while let Some(next) = reach.get(at).copied() {
                for successor in next.successors() {
                    if !reach.contains(successor) {
                        reach.push(*successor);
                    }
                }
                at += 1;
            }
            assert!(reach.iter().any(|phase| phase.is_end()), "{phase:?} can never end");
            assert!(!phase.may_become(phase), "{phase:?} follows itself");
        }
    }

    #[test]
    fn a_step_goes_forward_or_is_undone() {
        use StepState::{Compensating, Pending, Processed, Processing};
        assert!(Pending.may_become(Processing));
        assert!(Processing.may_become(Processing), "armed again");
        assert!(!Processed.may_become(Processing), "done once");
        assert!(!Processed.may_become(Pending));
        assert!(Processed.may_become(Compensating));
    }
}
