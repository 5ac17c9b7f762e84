//! `mesh retry`: run a task again.

use std::path::Path;

use mesh_core::event::Request;

use crate::commands::target::{self, RunArgs};
use crate::error::CommandError;
use crate::exit_code;
use crate::ui::shell::Shell;

/// Run a task again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task.
    #[arg(value_name = "TASK")]
    pub task: String,
    /// Run again what was built on it, too.
    #[arg(long)]
    pub with_dependents: bool,
    #[command(flatten)]
    pub run: RunArgs,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (_, run, run_dir) = args.run.find(folder)?;
    let read = target::read_run(&run_dir)?;
    let task = target::find_task(&read.state, &run, &args.task)?;
    let request = Request::Retry {
        task: task.clone(),
        with_dependents: args.with_dependents,
    };
    let said = target::ask(&read, &run, &run_dir, &request)?;
    shell.line(format!("{task}: the retry is {said}"));
    Ok(exit_code::OK)
}
