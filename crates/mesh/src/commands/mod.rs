//! One file a subcommand: its arguments, then the function that carries it out.

pub(crate) mod agents;
pub(crate) mod answer;
pub(crate) mod audit;
pub(crate) mod budget;
pub(crate) mod clean;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod draft;
pub(crate) mod formulas;
pub(crate) mod init;
pub(crate) mod land;
pub(crate) mod learnings;
pub(crate) mod ledger;
pub(crate) mod logs;
pub(crate) mod pick;
pub(crate) mod plan;
pub(crate) mod plan_sync;
pub(crate) mod questions;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod resume;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod run_csv;
pub(crate) mod run_lookup;
pub(crate) mod show_run;
pub(crate) mod skip;
pub(crate) mod slice;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod strategy;
pub(crate) mod wave;
pub(crate) mod why;
pub(crate) mod workspaces;

use std::path::PathBuf;

use crate::cli::{Args, Command};
use crate::error::CommandError;
use crate::ui::shell::Shell;

/// Carries a command out and gives the exit code.
pub(crate) fn run(args: Args, shell: &mut Shell) -> Result<u8, CommandError> {
    let folder: PathBuf = match args.directory {
        Some(folder) => fs_err::canonicalize(folder)?,
        None => std::env::current_dir()?,
    };
    match args.command {
        Command::Init(args) => init::run(&args, &folder, shell),
        Command::Agents(args) => agents::run(&args, &folder, shell),
        Command::Doctor(args) => doctor::run(&args, &folder, shell),
        Command::Plan(args) => plan::run(&args, &folder, shell),
        Command::Draft(args) => draft::run(&args, &folder),
        Command::Run(args) => run::run(&args, &folder, shell),
        Command::Status(args) => status::run(&args, &folder, shell),
        Command::Why(args) => why::run(&args, &folder, shell),
        Command::Logs(args) => logs::run(&args, &folder, shell),
        Command::Report(args) => report::run(&args, &folder, shell),
        Command::Learnings(args) => learnings::run(&args, &folder, shell),
        Command::Audit(args) => audit::run(&args, &folder, shell),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => completions::man(&args),
        Command::Resume(args) => resume::run(&args, &folder, shell),
        Command::Stop(args) => stop::run(&args, &folder, shell),
        Command::Land(args) => land::run(&args, &folder, shell),
        Command::Retry(args) => retry::run(&args, &folder, shell),
        Command::Pick(args) => pick::run(&args, &folder, shell),
        Command::Skip(args) => skip::run(&args, &folder, shell),
        Command::Questions(args) => questions::run(&args, &folder, shell),
        Command::Answer(args) => answer::run(&args, &folder, shell),
        Command::Workspaces(args) => workspaces::run(&args, &folder, shell),
        Command::Clean(args) => clean::run(&args, &folder, shell),
        Command::Formulas(args) => formulas::run(&args, &folder, shell),
        Command::Demo(args) => demo::run(&args, &folder, shell),
        Command::Budget(args) => budget::run(&args, shell),
        Command::PlanSync(args) => plan_sync::run(&args, &folder, shell),
        Command::Slice(args) => slice::run(&args, &folder, shell),
        Command::Wave(args) => wave::run(&args, &folder, shell),
        Command::RunCsv(args) => run_csv::run(&args, &folder, shell),
        Command::Ledger(args) => ledger::run(&args, &folder, shell),
        Command::Replay(args) => replay::run(&args, shell),
        Command::DemoAgent(args) => demo::agent::run(&args),
        Command::Strategy(args) => strategy::run(&args),
    }
}
