//! Whether this command is run by something that mesh itself runs: an agent, a proof or a setup command of an attempt.
//!
//! Such a one may look at its own run, and may use mesh in another repository (a project that tests with it does). It may not
//! change a run of the repository that it works for: an agent that stops or retries decides about itself and its siblings. It can
//! still write a file into `control/` by hand; only a sandbox prevents that.

use mesh_journal::RunId;
use mesh_journal::layout::MeshDir;
use mesh_proc::env::{MESH_ATTEMPT, MESH_RUN};
use mesh_proc::shim;

use crate::error::CommandError;

/// Refuses to go on inside an attempt of a run of this repository.
///
/// # Errors
/// We are inside one.
pub(crate) fn refuse(mesh_dir: &MeshDir, command: &str) -> Result<(), CommandError> {
    let variable = |name: &str| std::env::var(name).ok();
    let marked = variable(MESH_RUN)
        .and_then(|run| RunId::parse(&run).ok())
        .filter(|run| mesh_dir.run(run).path().is_dir());
    let who = match marked {
        Some(run) => {
            let attempt = variable(MESH_ATTEMPT).map(|attempt| format!("attempt {attempt} of "));
            format!("{}run {run}", attempt.unwrap_or_default())
        }
        // The environment may have been cleared.
        None if shim::specs_above()
            .iter()
            .any(|spec| spec.starts_with(mesh_dir.runs())) =>
        {
            "an attempt of a run of this repository".to_owned()
        }
        None => return Ok(()),
    };
    Err(CommandError::usage(format!(
        "`mesh {command}` is refused inside {who}: an attempt may not change the run that it is part of; \
         what it needs from a person belongs into its line `Blockers:`"
    )))
}
