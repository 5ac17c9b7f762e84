//! `mesh report`: what a run did.

use std::path::Path;

use crate::commands::show_run::{self, ShowArgs};
use crate::error::CommandError;
use crate::exit_code;
use crate::report::{self, ReportFormat};
use crate::ui::shell::Shell;

/// Show what a run did.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub shown: ShowArgs,
    /// The form of the report: as an earlier program of this name gave it.
    #[arg(long, value_name = "FORMAT", conflicts_with = "json")]
    pub report_format: Option<ReportFormat>,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let Some(format) = args.report_format else {
        return show_run::show(&args.shown, folder, shell, report::report_lines);
    };
    let (mesh_dir, run, run_dir) = args.shown.run.find(folder)?;
    let summary = report::summary(&mesh_dir, &run)?;
    let setup = report::setup_of(&run_dir);
    report::show(format, &summary, setup.as_ref(), shell)?;
    Ok(exit_code::OK)
}
