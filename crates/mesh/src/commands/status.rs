//! `mesh status`: where a run stands.

use std::path::Path;

use crate::commands::target::{RunArgs, find_run};
use crate::error::CommandError;
use crate::exit_code;
use crate::report;
use crate::ui::shell::Shell;

/// Show where a run stands.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub run: RunArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (mesh_dir, run, _) = find_run(folder, args.run.run.as_deref())?;
    let summary = report::summary(&mesh_dir, &run)?;
    if args.json {
        shell.object(&summary)?;
    } else {
        for line in report::status_lines(&summary) {
            shell.line(line);
        }
    }
    Ok(exit_code::OK)
}
