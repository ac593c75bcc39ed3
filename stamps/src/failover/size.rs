//! How large the register may grow: beyond a bound nothing new begins, so that what is under way can end.

use super::state::FleetState;

/// From this many bytes of JSON on no run begins. The codec writes up to 1 MiB; what runs and events of a fleet may still
/// add until they end is far less than the rest.
pub const NEW_RUNS_MAX_BYTES: usize = 192 * 1024;

/// Why no run may begin, if the register is too large. It is written out for that, so it is asked only when a run is
/// about to begin.
pub(super) fn full(state: &FleetState) -> Option<String> {
    let bytes = serde_json::to_vec(state).map_or(usize::MAX, |json| json.len());
    (bytes > NEW_RUNS_MAX_BYTES).then(|| {
        format!(
            "RegisterFull: the register holds {} KiB of JSON, and from {} KiB on no run begins, so that those under way \
             can end; look at its stamps and runs with `kubectl lifeboat state`",
            bytes / 1024,
            NEW_RUNS_MAX_BYTES / 1024
        )
    })
}
