//! Failover runs: what the register remembers, how it changes, what follows from it, and the engine around all that.
//!
//! One line runs through the files: an [`Input`] changes what the [`Engine`] knows; [`decide`] turns that into
//! [`Event`]s; [`FleetState::after`] applies them by the table in `phase`; the register stores the result; what
//! it gives back is [`Committed`], and only from that are [`Command`]s derived. Their outcomes come in as inputs again.

mod apply;
mod command;
mod contagion;
mod control;
mod decide;
mod engine;
mod event;
mod leadership;
mod phase;
mod plan;
mod progress;
mod request;
mod restore;
mod run;
mod size;
mod state;
mod supervise;
#[cfg(test)]
mod tests;
mod words;

pub use command::{Command, Committed, Key, Settled, commands};
pub use decide::{World, ZoneSeen, decide};
pub use engine::{COMMIT_EVERY, Engine, REPORT_PERIOD};
pub use event::{Event, Illegal};
pub use leadership::{LeaseSeen, PATIENCE, RENEW_EVERY, SELF_STOP};
pub use phase::{Phase, StepKind, StepState};
pub(crate) use plan::hex;
pub use plan::{NoPlan, evacuation, plan};
pub use request::{Control, Request};
pub use restore::{RegisterLife, Restored, Survey, Suspicion};
pub use run::{HeldBy, Plan, Run, Said, Step, Targets, Times};
pub use size::NEW_RUNS_MAX_BYTES;
pub use state::{
    About, Change, Closed, Content, Doubt, ENDED_RUNS_MAX, FORGOTTEN_MAX, FORMAT_VERSION, FleetState, Mode,
    Notice, OUTBOX_MAX, Origin, Out, Outbox, Past, Settling, StampRecord, Subject, TIMELINE_MAX,
    UnknownSubject, ZoneState,
};
pub use supervise::{AgeKey, Ages};
pub use words::{GateAsk, Input, Output, Picture};
