//! `mesh plan-sync`: how many steps of a plan stand where.

use std::path::{Path, PathBuf};

use mesh_plan::units::{PlanSummary, summary};
use serde::Serialize;

use crate::error::CommandError;
use crate::exit_code;
use crate::helper::{Format, refused};
use crate::ui::shell::Shell;

/// Count the steps of a plan by status.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan: an array of steps, or an object with one under `plan` or `steps`.
    #[arg(long, value_name = "FILE")]
    input_json: PathBuf,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Serialize)]
struct Answer {
    command: &'static str,
    #[serde(flatten)]
    summary: PlanSummary,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let path = folder.join(&args.input_json);
    let bytes = fs_err::read(&path)?;
    let summary = summary(&bytes).map_err(|problems| refused(&path, &problems))?;
    let line = format!(
        "plan_sync: {} steps, pending {}, in_progress {}, completed {}, other {}",
        summary.total_steps, summary.pending, summary.in_progress, summary.completed, summary.other
    );
    let command = "plan_sync";
    args.format
        .print(shell, &Answer { command, summary }, &line)?;
    Ok(exit_code::OK)
}
