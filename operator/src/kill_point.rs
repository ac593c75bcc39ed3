//! Named places at which a test may have the process killed or stopped. They exist only in builds with debug assertions.
//!
//! `LIFEBOAT_KILL_AT=shift-committed` kills the process with SIGKILL right after the register has stored the intent to
//! move traffic and before anything acts on it; `effect-due` is right before an agent acts on it, and `effect-done`
//! right after, when nobody knows it yet. With `LIFEBOAT_STOP_AT` the process stops there once, until SIGCONT.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicBool, Ordering};

use stamps::failover::FleetState;
#[cfg(debug_assertions)]
use stamps::failover::{StepKind, StepState};

/// A first attempt to move traffic is under way: without one, the other places are passed by.
#[cfg(debug_assertions)]
static SHIFTING: AtomicBool = AtomicBool::new(false);
#[cfg(debug_assertions)]
static STOPPED: AtomicBool = AtomicBool::new(false);

/// The register holds `state`, and the engine has not heard of it yet.
#[cfg(debug_assertions)]
pub fn stored(state: &FleetState) {
    let shifting = state.live_runs().any(|(_, run)| {
        run.step(StepKind::ShiftTraffic)
            .is_some_and(|step| step.state == StepState::Processing && step.attempt == 1)
    });
    SHIFTING.store(shifting, Ordering::Relaxed);
    reached("shift-committed");
}

/// An agent is about to change a zone.
#[cfg(debug_assertions)]
pub fn effect_due() {
    reached("effect-due");
}

/// An agent has changed a zone, and nobody knows it yet.
#[cfg(debug_assertions)]
pub fn effect_done() {
    reached("effect-done");
}

#[cfg(debug_assertions)]
fn reached(name: &str) {
    use rustix::process::{Signal, getpid, kill_process};
    if !SHIFTING.load(Ordering::Relaxed) {
        return;
    }
    let asked = |variable| std::env::var(variable).is_ok_and(|wanted| wanted == name);
    if asked("LIFEBOAT_KILL_AT") {
        tracing::warn!(name, "kill point reached");
        let _ = kill_process(getpid(), Signal::KILL);
    }
    if asked("LIFEBOAT_STOP_AT") && !STOPPED.swap(true, Ordering::Relaxed) {
        tracing::warn!(name, "stop point reached");
        let _ = kill_process(getpid(), Signal::STOP);
        tracing::warn!(name, "going on");
    }
}

/// Nothing, in a build that ships.
#[cfg(not(debug_assertions))]
pub fn stored(_: &FleetState) {}

/// Nothing, in a build that ships.
#[cfg(not(debug_assertions))]
pub fn effect_due() {}

/// Nothing, in a build that ships.
#[cfg(not(debug_assertions))]
pub fn effect_done() {}
