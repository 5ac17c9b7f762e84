//! What became different of the user's repository and working copy while attempts ran: looked at when the first of them starts and
//! whenever one ends, and told as a fact. Nothing is taken back but bookmarks of jj that an attempt moved, and no verdict hangs on it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use mesh_core::event::Event;
use mesh_core::id::{AttemptId, TaskId};
use mesh_journal::results::ResultRecord;
use mesh_vcs::SharedState;
use serde::{Deserialize, Serialize};

use crate::actions::{folder, kept, learnings};
use crate::context::{RunContext, lock, try_lock};

/// The last look, and the attempts that ran then. Kept in the run folder, so that a coordinator that takes the run up compares
/// with what the one before it saw.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    state: Option<SharedState>,
    /// The repository's configuration of mesh, which the next run would use.
    #[serde(default)]
    config: Option<Vec<u8>>,
    /// How long the record of results was, and what tells its content apart: mesh itself only adds to it.
    #[serde(default)]
    results: Option<(usize, u64)>,
    running: BTreeSet<(String, u32)>,
}

/// What is shared by all that look.
pub(crate) struct Shared {
    seen: Mutex<Seen>,
    /// Attempts that have begun while somebody looked.
    begun: Mutex<BTreeSet<(String, u32)>>,
    /// Attempts that have ended and are not looked after yet: the next look is for all of them.
    ended: Mutex<BTreeSet<(String, u32)>>,
    /// Attempts whose results this coordinator records for later runs.
    recorded: Mutex<BTreeSet<(String, u32)>>,
}

impl Shared {
    /// What a coordinator before left, if one did.
    pub fn load(run_folder: &Path) -> Shared {
        let bytes = fs_err::read(file(run_folder)).ok();
        let seen = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Shared {
            seen: Mutex::new(seen.unwrap_or_default()),
            begun: Mutex::default(),
            ended: Mutex::default(),
            recorded: Mutex::default(),
        }
    }
}

fn file(run_folder: &Path) -> PathBuf {
    run_folder.join("shared.json")
}

/// The result of the attempt is about to be recorded for later runs.
pub(crate) fn will_record(context: &RunContext, attempt: &AttemptId) {
    lock(&context.shared.recorded).insert(key(attempt));
}

/// The attempt is about to run.
pub(crate) fn begin(context: &RunContext, attempt: &AttemptId) {
    lock(&context.shared.begun).insert(key(attempt));
    // Whoever is looking this moment takes it in, and nothing waits for that look.
    let Some(mut seen) = try_lock(&context.shared.seen) else {
        return;
    };
    if seen.running.is_empty() {
        // What the user did while nothing ran is nobody's concern.
        // The files first: version control takes its time, and those that begin meanwhile do not wait for this look.
        seen.config = config(context);
        seen.results = Some(mark(&results(context)));
        seen.state = context.vcs_gate.pass(|| look(context));
    }
    take_in(context, &mut seen);
    save(context, &seen);
}

fn take_in(context: &RunContext, seen: &mut Seen) {
    let mut begun = lock(&context.shared.begun);
    seen.running.append(&mut begun);
}

/// The attempt has ended, with all that belongs to it: says what became different since the last look.
pub(crate) fn end(context: &RunContext, attempt: &AttemptId) {
    lock(&context.shared.ended).insert(key(attempt));
    let mut seen = lock(&context.shared.seen);
    take_in(context, &mut seen);
    // Whoever looked while this one waited may have looked for it too.
    let ended = std::mem::take(&mut *lock(&context.shared.ended));
    if !ended.iter().any(|ended| seen.running.contains(ended)) {
        return;
    }
    let running: Vec<AttemptId> = seen.running.iter().filter_map(id).collect();
    let mut now = context.vcs_gate.pass_behind(|| look(context));
    let mut changes = match (&mut now, &seen.state) {
        (Some(now), Some(before)) if !now.is_as(before) => trace(context, before, now, &running),
        _ => Vec::new(),
    };
    let config = config(context);
    if config != seen.config {
        changes.push(format!(
            "{} was changed; this run does not use it, the next one will",
            context.mesh_dir.config().display()
        ));
        seen.config = config;
    }
    let results = results(context);
    if seen
        .results
        .is_some_and(|before| !is_only_longer(context, &results, before))
    {
        changes.push(format!(
            "{} was changed by somebody else; later runs take from it what is done",
            context.mesh_dir.results().display()
        ));
    }
    seen.results = Some(mark(&results));
    changes.extend(kept::check(context));
    if !changes.is_empty() {
        context.report(Event::Noticed {
            attempts: running,
            changes,
        });
    }
    seen.state = now.or(seen.state.take());
    seen.running.retain(|running| !ended.contains(running));
    take_in(context, &mut seen);
    save(context, &seen);
}

fn id((task, number): &(String, u32)) -> Option<AttemptId> {
    Some(AttemptId {
        task: TaskId::new(task.clone()).ok()?,
        number: *number,
    })
}

/// Says of each attempt what it is known to have done; what came of others, or of nobody knows whom, comes back.
fn trace(
    context: &RunContext,
    before: &SharedState,
    now: &mut SharedState,
    running: &[AttemptId],
) -> Vec<String> {
    let mut workers = BTreeMap::new();
    for attempt in running {
        let folder = context.run_dir.attempt(attempt).path().to_path_buf();
        if let Ok(Some(workspace)) = folder::load(&folder) {
            workers.insert(workspace.name, attempt.clone());
        }
    }
    let names: Vec<String> = workers.keys().cloned().collect();
    let traced = context
        .vcs_gate
        .pass_behind(|| context.vcs.trace(before, now, &names));
    match traced {
        Ok(traced) => {
            for (workspace, changes) in traced.done {
                let attempts = workers.get(&workspace).cloned().into_iter().collect();
                context.report(Event::Noticed { attempts, changes });
            }
            traced.others
        }
        Err(error) => {
            tracing::warn!(%error, "whose doing it is that what is shared has changed is not known");
            now.changes_since(before)
        }
    }
}

fn config(context: &RunContext) -> Option<Vec<u8>> {
    fs_err::read(context.mesh_dir.config()).ok()
}

fn results(context: &RunContext) -> Vec<u8> {
    fs_err::read(context.mesh_dir.results()).unwrap_or_default()
}

fn mark(results: &[u8]) -> (usize, u64) {
    let mut hasher = DefaultHasher::new();
    hasher.write(results);
    (results.len(), hasher.finish())
}

/// Whether nothing but results that this run has recorded came to the record of results.
fn is_only_longer(context: &RunContext, results: &[u8], before: (usize, u64)) -> bool {
    let Some((old, new)) = results.split_at_checked(before.0) else {
        return false;
    };
    let (kept, recorded) = (lock(&context.kept), lock(&context.shared.recorded));
    let is_ours = |line: &[u8]| {
        serde_json::from_slice::<ResultRecord>(line).is_ok_and(|record| {
            let is_kept = kept
                .iter()
                .any(|kept| kept.commit.as_str() == record.commit.0);
            record.run.as_str() == context.run
                && (is_kept || recorded.contains(&key(&record.attempt)))
        })
    };
    let mut lines = new
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    mark(old) == before && lines.all(is_ours)
}

fn key(attempt: &AttemptId) -> (String, u32) {
    (attempt.task.to_string(), attempt.number)
}

fn look(context: &RunContext) -> Option<SharedState> {
    // What mesh itself and the tracker write there is no news.
    let mut except = vec![
        context.mesh_dir.path().to_path_buf(),
        context.vcs.workspaces_root().to_path_buf(),
    ];
    except.push(context.setup.source.path().to_path_buf());
    if context.setup.learnings.write {
        except.push(learnings::file(&context.setup.repository));
    }
    context
        .vcs
        .shared_state(&except)
        .inspect_err(
            |error| tracing::warn!(%error, "what the working copies share could not be looked at"),
        )
        .ok()
}

fn save(context: &RunContext, seen: &Seen) {
    let written = serde_json::to_vec(seen)
        .map_err(std::io::Error::from)
        .and_then(|bytes| fs_err::write(file(context.run_dir.path()), bytes));
    if let Err(error) = written {
        tracing::warn!(%error, "the look at what the working copies share was not kept");
    }
}
