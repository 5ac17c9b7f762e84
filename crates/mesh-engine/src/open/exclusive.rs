//! One coordinator at a time: for a store, for a tracker, and for a repository with a run that has not ended.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh_journal::layout::{MeshDir, RunDir};
use mesh_journal::locks::{self, Coordinator, Guard, LockError};
use mesh_journal::{Journal, RunId, Timestamp};
use mesh_vcs::Backend;

use crate::clock::unix_ms;
use crate::error::EngineError;
use crate::setup::RunSetup;

use super::lost;

/// What a coordinator holds while it works, and a little longer: until what it leaves in the run's folder is written. The kernel
/// gives it all back when the process dies.
#[derive(Debug, Default)]
pub struct Locks {
    things: Vec<Guard>,
    journal: Option<Arc<Guard>>,
}

impl Locks {
    /// Takes the locks of store and source, always in this order, so that of two who begin at once one goes on.
    pub(super) fn take(setup: &RunSetup, vcs: &Backend) -> Result<Locks, LockError> {
        let mut locks = Locks::default();
        for key in locked_things(vcs.store_path(), setup) {
            locks.things.push(locks::acquire(&key)?);
        }
        Ok(locks)
    }

    /// Keeps the journal's lock too, and leaves word of who we are.
    pub(super) fn with_journal(mut self, journal: &Journal, run_dir: &RunDir) -> Locks {
        self.journal = Some(journal.lock());
        let coordinator = Coordinator {
            pid: std::process::id(),
            since: Timestamp(unix_ms()),
        };
        if let Err(error) = coordinator.write(run_dir) {
            tracing::warn!(%error, "who coordinates the run is not written down");
        }
        self
    }
}

/// What the coordinator of a run holds the locks of, apart from its journal: the store, for jj also the git repository that it
/// keeps its commits in (a linked worktree of that is a way to it that knows nothing of jj), and the source.
#[must_use]
pub fn locked_things(store: &Path, setup: &RunSetup) -> Vec<PathBuf> {
    let mut things = vec![store.to_path_buf()];
    things.extend(git_of_jj(store));
    things.push(setup.source.path().to_path_buf());
    things
}

/// `.jj/repo/store/git_target` holds the path of the git repository, relative to its own folder (measured on jj 0.45.1).
fn git_of_jj(store: &Path) -> Option<PathBuf> {
    let folder = store.join("store");
    let target = fs_err::read_to_string(folder.join("git_target")).ok()?;
    fs_err::canonicalize(folder.join(target.trim_end_matches('\n'))).ok()
}

/// A run that has not ended may still have agents at work; a second one beside it would be blind to them.
///
/// # Errors
/// There is one; the message says who works on it, if anybody does.
pub fn refuse_beside_unfinished(mesh_dir: &MeshDir) -> Result<(), EngineError> {
    let Some(run) = unfinished(mesh_dir)? else {
        return Ok(());
    };
    let journal = mesh_dir.run(&run).journal();
    match locks::holder_of(&journal) {
        Some(holder) => Err(LockError::Held {
            key: journal,
            holder,
        }
        .into()),
        None => Err(EngineError::Unfinished {
            run: run.to_string(),
        }),
    }
}

/// The newest run of this repository that has not ended.
///
/// # Errors
/// When the folder of runs cannot be read.
pub fn unfinished(mesh_dir: &MeshDir) -> Result<Option<RunId>, EngineError> {
    let runs = mesh_dir.list().map_err(EngineError::folder)?;
    Ok(runs.into_iter().rev().find(|run| {
        let run_dir = mesh_dir.run(run);
        lost::is_unfinished(mesh_journal::read(&run_dir.journal()), &run_dir)
    }))
}
