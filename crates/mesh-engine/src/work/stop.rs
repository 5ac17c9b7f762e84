//! Ending an attempt's process trees before their time.

use std::time::Duration;

use mesh_core::id::AttemptId;
use mesh_proc::shim::Live;

use crate::host::Host;

/// How long a shim may take to kill its tree.
const SHIM_PATIENCE: Duration = Duration::from_secs(10);

/// How an attempt is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// SIGTERM, a grace, SIGKILL.
    Politely,
    /// SIGKILL at once.
    AtOnce,
}

/// Asks the living shims of the attempt (setup, agent, proof) to end their trees. Their ends are reported as always. An attempt
/// that has no shim at the moment hears of it again when its agent starts.
pub(crate) fn stop(host: &Host, attempt: &AttemptId, how: How) {
    let folder = host.run_dir.attempt(attempt).path().to_path_buf();
    for folder in [folder.join("setup"), folder.clone(), folder.join("proof")] {
        if let Some(live) = Live::adopt(&folder.join("shim.json")) {
            match how {
                How::Politely => live.request_stop(),
                How::AtOnce => {
                    live.request_kill();
                    if !live.wait(SHIM_PATIENCE) {
                        // It is stuck itself. Without it its tree is found by its markers.
                        live.kill();
                    }
                }
            }
        }
    }
}
