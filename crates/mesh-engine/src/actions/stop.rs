//! Ending an attempt that does not end by itself.

use mesh_core::event::{Event, StartFailure};
use mesh_core::evidence::{Ending, Failure, FailureClass, ProofEnd};
use mesh_core::id::AttemptId;

use crate::actions::process;
use crate::context::RunContext;

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

/// Kills all that the attempt has, sees to it that nothing more is started for it, and tells what the core waits for: the worker
/// that should have told it may be the one that hangs. A report that comes after this one changes nothing.
pub(crate) fn kill(context: &RunContext, attempt: &AttemptId, awaited: Option<Awaited>) {
    context.executor.end_attempt(attempt);
    context.recordings.end(attempt);
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
        Awaited::End => {
            for event in process::ended(context, &attempt) {
                context.report(event);
            }
            return;
        }
        Awaited::Recording => Event::Inspected {
            attempt,
            evidence: Err(Failure::new(
                FailureClass::NotRecordable,
                "the recording did not come to an end",
            )),
        },
        Awaited::Proof => Event::Proved {
            attempt,
            proof: ProofEnd::of(Ending::Stopped),
        },
    });
}
