//! Ending an attempt's process trees before their time.

use std::sync::Arc;
use std::time::Duration;

use mesh_core::event::{Event, StartFailure};
use mesh_core::evidence::{Ending, Failure, FailureClass, ProofEnd};
use mesh_core::id::AttemptId;
use mesh_proc::shim::ShimHandle;

use crate::actions::process;
use crate::context::{RunContext, lock};

/// How long a shim may take to kill its tree.
const SHIM_PATIENCE: Duration = Duration::from_secs(10);

/// The fact that the core waits for of an attempt that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// That its agent executes, or that it does not.
    Start,
    /// The end of its agent.
    End,
    /// What it left.
    Recording,
    /// The end of its proof.
    Proof,
}

/// Asks the living shims of the attempt to end their trees: SIGTERM, a grace, SIGKILL. Their ends are reported as always. An attempt
/// that has no shim at the moment hears of it again when its agent starts.
pub(crate) fn request(context: &RunContext, attempt: &AttemptId) {
    for process in context.run_dir.attempt(attempt).processes() {
        if let Some(live) = ShimHandle::adopt(&process.shim_json()) {
            live.request_stop();
        }
    }
}

/// Kills all that the attempt has, sees to it that nothing more is started for it, and tells what the core waits for: the worker
/// that should have told it may be the one that hangs. A report that comes after this one changes nothing.
pub(crate) fn kill(context: &Arc<RunContext>, attempt: &AttemptId, awaited: Option<Awaited>) {
    end_all(context, attempt);
    let Some(awaited) = awaited else { return };
    let attempt = attempt.clone();
    context.report(match awaited {
        Awaited::Start => {
            let failure = Failure::new(FailureClass::CouldNotStart, "it was killed");
            Event::StartFailed {
                attempt,
                cause: StartFailure::Failed(failure),
            }
        }
        Awaited::End => process::ended(context, &attempt),
        Awaited::Recording => Event::Inspected {
            attempt,
            evidence: Err(Failure::new(
                FailureClass::NotRecordable,
                "the recording did not come to an end",
            )),
        },
        Awaited::Proof => Event::Proved {
            attempt,
            proof: ProofEnd {
                ending: Ending::Stopped,
                tail: String::new(),
                passed_in_workspace: false,
            },
        },
    });
}

/// Ends every process of the attempt and lets none be started again. Blocks until they are gone.
pub(crate) fn end_all(context: &RunContext, attempt: &AttemptId) {
    lock(&context.cancelled).insert(attempt.clone());
    let folder = context.run_dir.attempt(attempt);
    for process in folder.processes() {
        end(process.path());
    }
    process::end_orphans(context, attempt, folder.path());
}

/// Kills the shim of a process folder, if it lives, with its tree.
pub(crate) fn end(folder: &std::path::Path) {
    if let Some(live) = process::living(folder) {
        live.request_kill();
        if !live.wait(SHIM_PATIENCE) {
            // It is stuck itself. Without it its tree is found by its markers.
            live.kill();
        }
    }
}
