//! When an attempt last showed a sign of life.

use std::sync::Arc;

use mesh_agent::activity;
use mesh_core::event::Event;
use mesh_core::id::AttemptId;
use mesh_core::time::Millis;

use crate::clock::unix_ms;
use crate::host::Host;
use crate::work::folder;

/// Looks at both logs and, if both are old, at the workspace.
pub(crate) fn look(host: &Arc<Host>, attempt: &AttemptId) {
    let last_sign = last_sign(host, attempt).unwrap_or(Millis(0));
    host.tell(Event::Looked {
        attempt: attempt.clone(),
        last_sign,
    });
}

fn last_sign(host: &Host, attempt: &AttemptId) -> Option<Millis> {
    let folder = folder::of(host, attempt).ok()?;
    let workspace = folder::recall(&folder).ok()??;
    let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
    let fresh_after = unix_ms().saturating_sub(host.profile.limits.silence.0);
    let activity = activity::last_sign(&[&stdout, &stderr], &workspace.path, fresh_after)?;
    Some(host.clock.at_unix_ms(activity.unix_ms))
}
