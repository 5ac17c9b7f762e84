//! When an attempt last showed a sign of life.

use mesh_core::event::Event;
use mesh_core::id::AttemptId;
use mesh_core::time::Millis;

use crate::actions::folder;
use crate::context::RunContext;

/// Looks at both logs and at the work of the processes and, if all that is old, at the workspace.
pub(crate) fn probe(context: &RunContext, attempt: &AttemptId) {
    let last_sign = last_sign(context, attempt).unwrap_or(Millis(0));
    context.report(Event::Probed {
        attempt: attempt.clone(),
        last_sign,
    });
}

fn last_sign(context: &RunContext, attempt: &AttemptId) -> Option<Millis> {
    let workspace = folder::load(context.run_dir.attempt(attempt).path()).ok()??;
    let sign = context
        .executor
        .last_sign_unix_ms(attempt, &workspace.path)?;
    Some(context.clock.at_unix_ms(sign))
}
