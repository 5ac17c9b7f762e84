//! `mesh report`: what a run did.

use std::path::Path;

use crate::commands::target::{RunArgs, find_run};
use crate::error::CommandError;
use crate::exit_code;
use crate::report;
use crate::ui::shell::Shell;

/// Show what a run did.
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
        for line in report::report_lines(&summary, &mesh_dir.run(&run)) {
            shell.line(line);
        }
    }
    Ok(exit_code::OK)
}
