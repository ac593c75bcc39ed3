//! Lines of the trace: what an engine was told, and what it asked for.

use stamps::failover::{GateAsk, Input, Output};

use crate::{replica::Life, world::World};

impl World {
    pub(crate) fn trace_input(&mut self, life: Life, input: &Input) {
        let name = self.replicas[life.replica].name.clone();
        match input {
            Input::Tick | Input::Observed { .. } | Input::Beaten { good: true, .. } => {}
            Input::Stored(state) => {
                self.note(format_args!("{name} <- register {} of {}", state.point, state.leader));
            }
            Input::Loaded { state, uid, .. } => {
                self.note(format_args!(
                    "{name} <- register {} of {}, read from {uid}",
                    state.point, state.leader
                ));
            }
            Input::Fleet(fleet) => self.note(format_args!("{name} <- fleet, {:?}", fleet.automation)),
            Input::Report { report, version } => {
                let down: Vec<&str> = report
                    .samples
                    .iter()
                    .filter(|(_, sample)| sample.strip.good & 1 == 0)
                    .map(|(stamp, _)| stamp.as_str())
                    .collect();
                self.note(format_args!(
                    "{name} <- report {version} of {}, {:?}, not good: {down:?}",
                    report.vantage, report.sight
                ));
            }
            Input::Outcome(key, outcome) => self.note(format_args!("{name} <- {key}: {outcome}")),
            Input::Request(run, request) => self.note(format_args!(
                "{name} <- {run}: {:?} of {}, {:?}, ended: {}",
                request.mode, request.subject, request.control, request.ended
            )),
            Input::Lease(lease) => {
                self.note(format_args!("{name} <- Lease of {:?}, version {}", lease.holder, lease.version));
            }
            other => self.note(format_args!("{name} <- {other:?}")),
        }
    }

    pub(crate) fn trace_output(&mut self, life: Life, output: &Output) {
        let name = self.replicas[life.replica].name.clone();
        match output {
            Output::WakeAt(_) | Output::Project(_) | Output::Beat => {}
            Output::Commit { state, base, gate } => {
                let live: Vec<String> =
                    state.live_runs().map(|(run, r)| format!("{run} {:?}", r.phase)).collect();
                self.note(format_args!(
                    "{name} -> commit {} over {base:?}{}, {live:?}",
                    state.point,
                    if *gate == GateAsk::Nothing { "" } else { " if the Gate is open" }
                ));
            }
            Output::Perform(key, _) => {
                if !matches!(key, stamps::failover::Key::Observe { .. }) {
                    self.note(format_args!("{name} -> {key}"));
                }
            }
            other => self.note(format_args!("{name} -> {other:?}")),
        }
    }
}
