//! Arguments. Each subcommand's own are beside its function.

use clap::{Parser, Subcommand};

use crate::commands;

/// Works a list of tasks with many coding agents in parallel, each in its own workspace.
#[derive(Debug, Parser)]
#[command(name = "mesh", version, about, disable_help_subcommand = true, after_help = crate::helper::HELP)]
pub(crate) struct Args {
    /// Work in this folder instead of the current one.
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    pub directory: Option<std::path::PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented configuration for this repository.
    Init(commands::init::Args),
    /// Check programs, repository, tracker and configuration, and say where each value comes from.
    Doctor(commands::doctor::Args),
    /// Show what would run, in which order, with which commands, without running it.
    Plan(commands::plan::Args),
    /// Print a plain list of a document as a task list.
    Draft(commands::draft::Args),
    /// Work a source until it is done.
    Run(commands::run::Args),
    /// Show where a run stands.
    Status(commands::status::Args),
    /// Say in one sentence why a task is where it is.
    Why(commands::why::Args),
    /// Show what an attempt's agent wrote.
    Logs(commands::logs::Args),
    /// Show what a run did.
    Report(commands::report::Args),
    /// List or search what was learned here.
    Learnings(commands::learnings::Args),
    /// Show, check and label what a run left in the tracker's audit.
    Audit(commands::audit::Args),
    /// Go on with a run that was stopped, left or killed.
    Resume(commands::resume::Args),
    /// End a run: no new starts; with --now the agents are stopped too.
    Stop(commands::stop::Args),
    /// Run a task again.
    Retry(commands::retry::Args),
    /// Put verified results onto a bookmark or branch.
    Land(commands::land::Args),
    /// List the questions that are open.
    Questions(commands::questions::Args),
    /// Answer the question of a task.
    Answer(commands::answer::Args),
    /// Leave a task out.
    Skip(commands::skip::Args),
    /// Confirm the wave that is announced, or say which tasks it has.
    Pick(commands::pick::Args),
    /// List the workspaces that were kept.
    Workspaces(commands::workspaces::Args),
    /// Remove workspaces that were kept.
    Clean(commands::clean::Args),
    /// List the agents that there are, or try one.
    Agents(commands::agents::Args),
    /// Look at the formulas of a run's molecule, or install them.
    Formulas(commands::formulas::Args),
    /// Make a small repository and work a small plan in it, with a built-in agent.
    Demo(commands::demo::Args),
    /// Print the completions for a shell.
    Completions(commands::completions::Args),
    /// Print the manual page, in the form that `man` reads.
    Man(commands::completions::ManArgs),
    // The helper commands are listed apart, by `after_help`.
    #[command(hide = true)]
    Budget(commands::budget::Args),
    #[command(hide = true, alias = "plan_sync")]
    PlanSync(commands::plan_sync::Args),
    #[command(hide = true)]
    Slice(commands::slice::Args),
    #[command(hide = true)]
    Wave(commands::wave::Args),
    #[command(hide = true, alias = "run_csv")]
    RunCsv(commands::run_csv::Args),
    #[command(hide = true)]
    Ledger(commands::ledger::Args),
    #[command(hide = true)]
    Replay(commands::replay::Args),
    /// The built-in agent of the demo.
    #[command(name = "__demo-agent", hide = true)]
    DemoAgent(commands::demo::agent::Args),
    /// The driver of a strategy.
    #[command(name = "__strategy", hide = true)]
    Strategy(commands::strategy::Args),
}

impl Command {
    /// Whether stdout is kept for one JSON object.
    pub fn json(&self) -> bool {
        match self {
            Command::Agents(args) => args.json,
            Command::Doctor(args) => args.json,
            Command::Plan(args) => args.json,
            Command::Run(args) => args.json,
            Command::Status(args) => args.shown.json,
            Command::Why(args) => args.json,
            Command::Report(args) => args.shown.json,
            Command::Questions(args) => args.json,
            Command::Learnings(args) => args.json,
            Command::Audit(args) => args.json,
            Command::Resume(args) => args.json,
            Command::Land(args) => args.json,
            Command::Workspaces(args) => args.json,
            Command::Demo(args) => args.json,
            Command::Formulas(args) => args.json,
            Command::Budget(args) => args.format.is_json(),
            Command::PlanSync(args) => args.format.is_json(),
            Command::Slice(args) => args.format.is_json(),
            Command::Wave(args) => args.format.is_json(),
            Command::RunCsv(args) => args.format.is_json(),
            Command::Ledger(args) => args.format.is_json(),
            Command::Replay(args) => args.format.is_json(),
            Command::Init(_)
            | Command::Draft(_)
            | Command::Logs(_)
            | Command::Stop(_)
            | Command::Retry(_)
            | Command::Skip(_)
            | Command::Answer(_)
            | Command::Pick(_)
            | Command::Clean(_)
            | Command::Completions(_)
            | Command::Man(_)
            | Command::DemoAgent(_)
            | Command::Strategy(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn clap_finds_nothing_wrong() {
        super::Args::command().debug_assert();
    }

    #[test]
    fn every_command_is_listed_once() {
        let command = super::Args::command();
        let names = command.get_subcommands();
        let names =
            names.filter(|command| command.is_hide_set() && !command.get_name().starts_with("__"));
        let hidden: Vec<&str> = names.map(clap::Command::get_name).collect();
        let lines = crate::helper::HELP.lines().skip(1);
        let listed: Vec<&str> = lines
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(hidden, listed);
    }
}
