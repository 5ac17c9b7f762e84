//! Starting process trees under shims, and reading how they ended.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mesh_agent::launch::Launch;
use mesh_agent::profile::Limits;
use mesh_core::event::Event;
use mesh_core::evidence::Ending;
use mesh_core::id::AttemptId;
use mesh_proc::orphans::{self, Marked, Search};
use mesh_proc::shim::{self, Cause, ShimHandle, lock_attempt};

use crate::actions::{output, stop};
use crate::context::{RunContext, lock};
use crate::workers;

/// How long strays may resist before it is reported that they do.
const STRAY_PATIENCE: Duration = Duration::from_secs(30);

/// How long a shim may take for its own work after its child's limit and grace.
const SHIM_PATIENCE: Duration = Duration::from_secs(60);

/// How long a shim that holds its lock may take to say who it is.
const RECORD_PATIENCE: Duration = Duration::from_secs(10);

/// Starts `launch` for the attempt under a shim with its files in `folder`, which is emptied of an earlier try's reports first.
/// Nothing is started for an attempt that is over.
pub(crate) fn start(
    context: &RunContext,
    attempt: &AttemptId,
    launch: &Launch,
    folder: &Path,
    limits: &Limits,
) -> Result<ShimHandle, String> {
    // Held until the shim has its lock: whoever ends the attempt either comes first, or finds this process.
    let cancelled = lock(&context.cancelled);
    if cancelled.contains(attempt) {
        return Err("the attempt has been ended".to_owned());
    }
    fs_err::create_dir_all(folder).map_err(|error| error.to_string())?;
    let held = lock_attempt(&folder.join("lock")).map_err(|error| error.to_string())?;
    for stale in ["exit.json", "shim.json", "stdout", "stderr"] {
        match fs_err::remove_file(folder.join(stale)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let spec = launch.shim_spec(folder, limits);
    shim::start(&spec, &folder.join("spec.json"), held, &context.launcher)
        .map_err(|error| error.to_string())
}

/// Starts `launch` as [`start`] does and waits for its end. `Err` when it could not be started or ended.
pub(crate) fn run(
    context: &RunContext,
    attempt: &AttemptId,
    launch: &Launch,
    folder: &Path,
    limits: &Limits,
) -> Result<Ending, String> {
    let live = start(context, attempt, launch, folder, limits)?;
    let patience = limits.hard.0.saturating_add(limits.grace.0);
    if !live.wait(Duration::from_millis(patience).saturating_add(SHIM_PATIENCE)) {
        live.kill();
        end_orphans(context, attempt, folder);
        return Err("it could not be ended at its time limit".to_owned());
    }
    Ok(ending(context, attempt, folder))
}

/// The agent's shim has ended: tells how, from a thread of its own.
pub(crate) fn watch_end(context: &Arc<RunContext>, attempt: AttemptId) {
    let (theirs, ours) = (Arc::clone(context), Arc::clone(context));
    let id = attempt.clone();
    workers::spawn(
        move || theirs.report(ended(&theirs, &id)),
        move |problem| {
            ours.warn(format!("a bug of mesh, please report it: {problem}"));
            stop::end_all(&ours, &attempt);
            ours.report(Event::Ended {
                attempt,
                ending: Ending::NoReport,
                tail: String::new(),
            });
        },
    );
}

/// The shim in `folder`, if it lives.
pub(crate) fn living(folder: &Path) -> Option<ShimHandle> {
    ShimHandle::adopt_or_wait(
        &folder.join("shim.json"),
        &folder.join("lock"),
        RECORD_PATIENCE,
    )
}

/// How the tree in `folder` ended, once its shim is gone. Without a report whatever is left of the tree is ended first: only then
/// may anybody take the attempt for dead.
pub(crate) fn ending(context: &RunContext, attempt: &AttemptId, folder: &Path) -> Ending {
    match shim::read_report(&folder.join("exit.json")) {
        Ok(Some(report)) => of_report(report),
        Ok(None) | Err(_) => {
            end_orphans(context, attempt, folder);
            Ending::NoReport
        }
    }
}

/// The fact that the agent's tree has ended, once its shim is gone.
pub(crate) fn ended(context: &RunContext, attempt: &AttemptId) -> Event {
    let folder = context.run_dir.attempt(attempt).path().to_path_buf();
    let ending = ending(context, attempt, &folder);
    let tail = match ending {
        Ending::Exited(0) | Ending::CouldNotStart(_) => String::new(),
        _ => {
            context.note_withheld();
            output::of_agent(context, &folder)
        }
    };
    Event::Ended {
        attempt: attempt.clone(),
        ending,
        tail,
    }
}

/// As [`ending`], for a look that changes nothing: an attempt without a report just has none.
pub(crate) fn ending_now(folder: &Path) -> Ending {
    match shim::read_report(&folder.join("exit.json")) {
        Ok(Some(report)) => of_report(report),
        Ok(None) | Err(_) => Ending::NoReport,
    }
}

fn of_report(report: shim::ExitReport) -> Ending {
    match (report.cause, report.ending) {
        (_, shim::Ending::CouldNotStart { reason }) => Ending::CouldNotStart(reason),
        (Cause::HardLimit, _) => Ending::HardLimit,
        (Cause::Flood, _) => Ending::Flood,
        (Cause::Stopped, _) => Ending::Stopped,
        (Cause::Ended, shim::Ending::Exited { code }) => Ending::Exited(code),
        (Cause::Ended, shim::Ending::Signaled { signal }) => Ending::Signaled(signal),
    }
}

/// Ends all processes of the attempt that are left. Blocks until they are gone: an attempt with a living process must not be
/// followed by another. What cannot be ended (another user's, held by the kernel) is tried again for ever, and said so.
pub(crate) fn end_orphans(context: &RunContext, attempt: &AttemptId, folder: &Path) {
    let marker = attempt.to_string();
    let dead_shim = shim::read_record(&folder.join("shim.json"))
        .ok()
        .flatten()
        .map(|record| record.identity);
    let shims: Vec<_> = dead_shim.into_iter().collect();
    let search = Search {
        shims: &shims,
        ..Search::new(&context.run, Marked::Attempt(&marker))
    };
    let mut said = false;
    loop {
        match orphans::end(&search, STRAY_PATIENCE) {
            Ok(killed) => {
                for process in killed {
                    tracing::warn!(%attempt, pid = process.pid, command = process.command, "ended a process that outlived its shim");
                }
                return;
            }
            Err(error) => {
                tracing::error!(%attempt, %error, "processes of the attempt are left; no new attempt starts until they are gone");
                if !std::mem::replace(&mut said, true) {
                    context.warn(format!(
                        "{attempt}: processes of it cannot be ended, and no new attempt starts until they are gone: {error}"
                    ));
                }
            }
        }
    }
}
