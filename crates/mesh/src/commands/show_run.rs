//! What `mesh status` and `mesh report` have in common: a run that is found, read, and shown as lines or as the object.

use std::path::Path;

use mesh_journal::layout::RunDir;
use mesh_journal::summary::Summary;

use crate::commands::run_lookup::RunArgs;
use crate::error::CommandError;
use crate::exit_code;
use crate::report;
use crate::ui::shell::Shell;

/// Which run to show, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Shows the run that is meant; `lines` is what people see of it.
///
/// # Errors
/// No such run, or its journal cannot be read.
pub(crate) fn show(
    args: &ShowArgs,
    folder: &Path,
    shell: &mut Shell,
    lines: impl FnOnce(&Summary, &RunDir) -> Vec<String>,
) -> Result<u8, CommandError> {
    let (mesh_dir, run, run_dir) = args.run.find(folder)?;
    let summary = report::summary(&mesh_dir, &run)?;
    if args.json {
        shell.object(&summary)?;
    } else {
        for line in lines(&summary, &run_dir) {
            shell.line(line);
        }
    }
    Ok(exit_code::OK)
}
