//! Named places at which a test may have the process killed. They exist only in builds with debug assertions.
//!
//! `LIFEBOAT_KILL_AT=shift-committed` kills the process with SIGKILL right after the register has stored the intent to
//! move traffic and before anything acts on it.

use stamps::failover::{FleetState, StepKind, StepState};

/// The register has stored `state`.
pub fn committed(state: &FleetState) {
    let shifting = state.live_runs().any(|(_, run)| {
        run.step(StepKind::ShiftTraffic)
            .is_some_and(|step| step.state == StepState::Processing && step.attempt == 1)
    });
    if shifting {
        reached("shift-committed");
    }
}

/// An effect took place and nobody knows it yet.
pub fn effect_done() {
    reached("effect-done");
}

#[cfg(debug_assertions)]
fn reached(name: &str) {
    if std::env::var("LIFEBOAT_KILL_AT").is_ok_and(|wanted| wanted == name) {
        tracing::warn!(name, "kill point reached");
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

#[cfg(not(debug_assertions))]
fn reached(_: &str) {}
