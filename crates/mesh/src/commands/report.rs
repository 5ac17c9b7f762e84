//! `mesh report`: what a run did.

use std::path::Path;

use crate::commands::show_run::{self, ShowArgs};
use crate::error::CommandError;
use crate::report;
use crate::ui::shell::Shell;

/// Show what a run did.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub shown: ShowArgs,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    show_run::show(&args.shown, folder, shell, report::report_lines)
}
