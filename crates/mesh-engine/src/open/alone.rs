//! One coordinator at a time: for a store, for a tracker, and for a repository with a run that has not ended.

use mesh_core::state::RunEnd;
use mesh_journal::layout::MeshDir;
use mesh_journal::locks::{self, Guard, Holder};
use mesh_journal::{RunId, WallTime, replay};
use mesh_vcs::Backend;

use super::World;
use crate::clock::unix_ms;
use crate::error::EngineError;
use crate::setup::{RunSetup, SourceSetup};

/// One coordinator for each store and each tracker. The kernel gives the locks back when we die.
pub(super) fn hold(
    world: &World,
    setup: &RunSetup,
    run: &RunId,
    vcs: &Backend,
) -> Result<Vec<Guard>, EngineError> {
    let holder = Holder {
        pid: std::process::id(),
        run: run.to_string(),
        repository: setup.repository.display().to_string(),
        since: WallTime(unix_ms()),
    };
    let tracker = match &setup.source {
        SourceSetup::St { path, .. } => path.clone(),
        SourceSetup::Bd { beads_dir, .. } => beads_dir.clone(),
    };
    let mut guards = Vec::new();
    for key in [vcs.store_path().to_path_buf(), tracker] {
        guards.push(locks::acquire(&world.state_home, &key, &holder)?);
    }
    Ok(guards)
}

/// A run that has not ended may still have agents at work; a second one beside it would be blind to them.
pub(super) fn refuse_beside_unfinished(mesh_dir: &MeshDir) -> Result<(), EngineError> {
    match unfinished(mesh_dir)? {
        Some(run) => Err(EngineError::Unfinished {
            run: run.to_string(),
        }),
        None => Ok(()),
    }
}

/// The newest run of this repository that has not ended.
///
/// # Errors
/// When the folder of runs cannot be read. A journal that cannot be read is passed over: nothing can go on from it.
pub fn unfinished(mesh_dir: &MeshDir) -> Result<Option<RunId>, EngineError> {
    let mut runs = mesh_dir.list().map_err(EngineError::folder)?;
    runs.sort();
    for run in runs.into_iter().rev() {
        let Ok((_, records, _)) = mesh_journal::read(&mesh_dir.run(&run).journal()) else {
            continue;
        };
        let Ok(state) = replay(&records) else {
            continue;
        };
        if state.run_end() != RunEnd::Concluded && !records.is_empty() {
            return Ok(Some(run));
        }
    }
    Ok(None)
}
