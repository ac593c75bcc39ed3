//! The only way the register changes: events, applied by the table of legal transitions.

use chrono::{DateTime, Utc};

use super::{
    phase::{Phase, StepKind, StepState},
    restore::{Survey, Suspicion},
    run::{HeldBy, Plan, Run},
    state::{Content, StampRecord, Subject},
};
use crate::{
    names::{FleetUid, RegisterUid, ReplicaName, RunName, StampName, ZoneName},
    safety::Allowed,
};

/// Something that was decided. Refusals are events too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A replica took the lead under a higher epoch.
    Led {
        /// Who.
        replica: ReplicaName,
        /// The new epoch.
        epoch: i64,
    },
    /// A stamp is new, or publishes other addresses.
    StampSeen {
        /// Which.
        stamp: StampName,
        /// What is remembered of it.
        record: StampRecord,
    },
    /// The program or the policy is not what it was: automation warms up again.
    Settling {
        /// Version of the program.
        program: String,
        /// Hash of the policy.
        policy: String,
    },
    /// Automation closes itself.
    Closed {
        /// Why.
        because: String,
    },
    /// A person has opened automation again.
    Opened,
    /// Time has passed that must not be lost with this leader.
    ClockKept,
    /// A zone should hold other content than was wanted so far.
    ZoneWanted {
        /// Which.
        zone: ZoneName,
        /// Hash of the content.
        hash: String,
    },
    /// The primary has accepted the content.
    ZoneApplied {
        /// Which.
        zone: ZoneName,
        /// What.
        content: Content,
    },
    /// Vantages outside a subject began to say that it is down.
    Doubted {
        /// Whom.
        subject: Subject,
        /// Who says so.
        sentence: String,
    },
    /// The doubt is gone.
    DoubtCleared {
        /// About whom.
        subject: Subject,
    },
    /// The hold window has passed, and rules forbid to act.
    DoubtHeld {
        /// About whom.
        subject: Subject,
        /// One sentence a rule.
        because: Vec<String>,
    },
    /// The hold window has passed, and automation only observes.
    WouldHave {
        /// About whom.
        subject: Subject,
        /// What would have been done.
        sentence: String,
    },
    /// A run was accepted.
    RunAccepted {
        /// Its name.
        run: RunName,
        /// As it was asked for.
        record: Box<Run>,
    },
    /// Precheck made a plan.
    Planned {
        /// Which run.
        run: RunName,
        /// What moves where.
        plan: Plan,
    },
    /// A step that only looks or waits begins.
    StepBegun {
        /// Which run.
        run: RunName,
        /// Which step.
        kind: StepKind,
        /// By when it should be complete, for people.
        complete_by: DateTime<Utc>,
    },
    /// The intent to move traffic. It cannot be made without what the safety rules gave.
    ShiftBegun {
        /// Which run.
        run: RunName,
        /// What the rules allowed.
        allowed: Allowed,
        /// By when it should be complete, for people.
        complete_by: DateTime<Utc>,
    },
    /// The intent to move the next stage's traffic.
    StageBegun {
        /// Which run.
        run: RunName,
        /// What the rules allowed.
        allowed: Allowed,
    },
    /// The next stage waits, because rules forbid it now.
    StageWaits {
        /// Which run.
        run: RunName,
        /// Why.
        reason: String,
    },
    /// The intent to bring back what a planned run has moved.
    UndoBegun {
        /// Which run.
        run: RunName,
        /// What the rules allowed.
        allowed: Allowed,
        /// Why, and what stays.
        reason: String,
    },
    /// What an undo brought back is at home.
    Undone {
        /// Which run.
        run: RunName,
        /// What came of it.
        result: String,
    },
    /// A run holds where it is.
    RunHeld {
        /// Which run.
        run: RunName,
        /// What holds it.
        by: HeldBy,
        /// Why.
        reason: String,
    },
    /// A run that waits for a person has another plan than it had.
    Replanned {
        /// Which run.
        run: RunName,
        /// What moves where.
        plan: Plan,
    },
    /// A person has agreed to a run's plan.
    Approved {
        /// Which run.
        run: RunName,
        /// The plan's hash.
        hash: String,
    },
    /// The supervisor armed an overdue step again.
    StepRearmed {
        /// Which run.
        run: RunName,
        /// Which step.
        kind: StepKind,
        /// Why.
        reason: String,
        /// By when the new attempt should be complete, for people.
        complete_by: DateTime<Utc>,
    },
    /// A step took effect.
    StepDone {
        /// Which run.
        run: RunName,
        /// Which step.
        kind: StepKind,
        /// What came of it.
        result: String,
    },
    /// A step cannot take effect.
    StepFailed {
        /// Which run.
        run: RunName,
        /// Which step.
        kind: StepKind,
        /// Why.
        reason: String,
    },
    /// A run goes on to another phase.
    PhaseChanged {
        /// Which run.
        run: RunName,
        /// Where to.
        to: Phase,
        /// Why.
        reason: String,
    },
    /// The object of a run that the engine made has this UID.
    RunNamed {
        /// Which run.
        run: RunName,
        /// The UID.
        uid: String,
    },
    /// The register is not the one that the world follows. Nothing is done until a person confirms.
    FoundRestored {
        /// Why.
        suspicion: Suspicion,
        /// The register object that the fleet knew until now.
        replaces: Option<RegisterUid>,
    },
    /// What the world really serves, while the register is not believed.
    Surveyed(Survey),
    /// A person has confirmed: what is served becomes the register's truth.
    Recovered {
        /// The fleet that it belongs to from now on.
        fleet: FleetUid,
        /// Every zone that was looked at.
        zones: Vec<ZoneName>,
        /// Commands that this register knows nothing of, or whose end it does not know: they may have been carried out.
        leftovers: Vec<RunName>,
    },
    /// Everything up to this number has been published.
    Published {
        /// The last number.
        through: u64,
    },
}

/// An event that the table does not allow. It is a fault in the engine; the commit is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// No such run.
    #[error("run {0} is not in the register")]
    NoRun(RunName),
    /// The run exists already.
    #[error("run {0} is in the register already")]
    RunExists(RunName),
    /// The phase may not follow.
    #[error("run {run} may not go from {from:?} to {to:?}")]
    Phase {
        /// Which run.
        run: RunName,
        /// Where it is.
        from: Phase,
        /// Where it was to go.
        to: Phase,
    },
    /// The step's state may not follow.
    #[error("step {kind:?} of run {run} may not go from {from:?} to {to:?}")]
    Step {
        /// Which run.
        run: RunName,
        /// Which step.
        kind: StepKind,
        /// Where it is.
        from: StepState,
        /// Where it was to go.
        to: StepState,
    },
    /// A plan is set once.
    #[error("run {0} has a plan already")]
    PlanExists(RunName),
    /// The epoch may not fall.
    #[error("epoch {to} is not above {from}")]
    Epoch {
        /// The register's.
        from: i64,
        /// The event's.
        to: i64,
    },
    /// No such zone or doubt.
    #[error("{0} is not in the register")]
    Unknown(String),
}
