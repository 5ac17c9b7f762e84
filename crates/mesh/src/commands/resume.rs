//! `mesh resume`: go on with a run that was stopped, left or killed.

use std::path::Path;

use mesh_agent::profile::SandboxMode;
use mesh_engine::World;
use mesh_proc::env::Env;

use crate::budget::BudgetArgs;
use crate::commands::run::{asking, world};
use crate::commands::run_lookup::RunArgs;
use crate::error::CommandError;
use crate::inside;
use crate::log;
use crate::opening;
use crate::report;
use crate::ui::shell::Shell;

/// Go on with a run that was stopped, left or killed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub run: RunArgs,
    /// Take as done what somebody else closed since the run began, and go on with what needs it.
    #[arg(long)]
    pub trust_outside: bool,
    /// Whether what starts from now on runs in a sandbox: `on`, `require` or `off`; as the run was begun when absent.
    #[arg(long, value_name = "MODE", value_parser = SandboxMode::WORDS)]
    pub sandbox: Option<String>,
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// Print the report as one JSON object at the end.
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (mesh_dir, run, run_dir) = args.run.find(folder)?;
    inside::refuse(&mesh_dir, "resume")?;
    let opening = opening::listen()?;
    log::of_run(&mesh_dir, &run_dir);
    let ours: Env = std::env::vars_os().collect();
    let world = World {
        sandbox: args.sandbox.as_deref().and_then(SandboxMode::from_word),
        ..asking(world(ours, shell, opening), &run_dir, shell)
    };
    let resumed = mesh_engine::resume(
        mesh_dir.clone(),
        run.clone(),
        world,
        args.trust_outside,
        args.budget.budget(),
    )?;
    if resumed.nothing {
        shell.line(format!(
            "nothing to do: run {run} has ended, and none of its tasks can be started"
        ));
    }
    report::finish(&mesh_dir, &run, &resumed.finished, None, shell)
}
