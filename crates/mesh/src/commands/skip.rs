//! `mesh skip`: leave a task out.

use std::path::Path;

use mesh_core::event::Request;

use crate::commands::run_lookup::{self, RunArgs};
use crate::error::CommandError;
use crate::exit_code;
use crate::inside;
use crate::ui::shell::Shell;

/// Leave a task out.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task.
    #[arg(value_name = "TASK")]
    pub task: String,
    #[command(flatten)]
    pub run: RunArgs,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (mesh_dir, run, run_dir) = args.run.find(folder)?;
    inside::refuse(&mesh_dir, "skip")?;
    let read = run_lookup::read_run_to_change(&run, &run_dir)?;
    let task = run_lookup::find_task(&read.state, &run, &args.task)?;
    let request = Request::Skip { task: task.clone() };
    let said = run_lookup::ask(&read, &run, &run_dir, &request)?;
    shell.line(format!("{task}: the request to leave it out is {said}"));
    Ok(exit_code::OK)
}
