//! `mesh retry`: run a task again.
//!
//! In a tracker a task can only be done again when it can be claimed again. mesh opens no bead that it has closed: that is said here,
//! before the run takes its result back.

use std::path::Path;

use mesh_core::decision::Decision;
use mesh_core::event::Request;
use mesh_core::graph::Ix;
use mesh_core::id::TaskId;
use mesh_core::issue::{Issue, IssueStatus};
use mesh_core::state::Phase;
use mesh_engine::{BdSetup, SourceSetup, is_ours};
use mesh_journal::RunId;
use mesh_journal::layout::MeshDir;

use crate::commands::run_lookup::{self, RunArgs, RunState};
use crate::error::CommandError;
use crate::exit_code;
use crate::inside;
use crate::ui::shell::Shell;

/// Run a task again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task.
    #[arg(value_name = "TASK", required_unless_present = "failed")]
    pub task: Option<String>,
    /// Run every task again that failed.
    #[arg(long, conflicts_with = "task")]
    pub failed: bool,
    /// Run again what was built on it, too.
    #[arg(long)]
    pub with_dependents: bool,
    #[command(flatten)]
    pub run: RunArgs,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (mesh_dir, run, run_dir) = args.run.find(folder)?;
    inside::refuse(&mesh_dir, "retry")?;
    let read = run_lookup::read_run_to_change(&run, &run_dir)?;
    let tasks = match &args.task {
        Some(task) => vec![run_lookup::find_task(&read.state, &run, task)?],
        None => failed(&read),
    };
    if tasks.is_empty() {
        shell.line(format!("no task of run {run} has failed"));
    }
    let requests: Vec<Request> = tasks
        .into_iter()
        .map(|task| Request::Retry {
            task,
            with_dependents: args.with_dependents,
        })
        .collect();
    // All or none.
    let mut again = Vec::new();
    for request in &requests {
        again.extend(tasks_again(&run_lookup::decisions(
            &read, &run_dir, request,
        )?));
    }
    check_claimable(&read, &run, again)?;
    for request in &requests {
        let said = run_lookup::ask(&read, &run, &run_dir, request)?;
        if let Request::Retry { task, .. } = request {
            shell.line(format!("{task}: the retry is {said}"));
        }
    }
    Ok(exit_code::OK)
}

fn failed(read: &RunState) -> Vec<TaskId> {
    let state = &read.state;
    let has_failed = |at: &Ix| matches!(state.task(*at).phase, Phase::Failed { .. });
    let failed = state.plan().all().filter(has_failed);
    failed.map(|at| state.plan().task(at).id.clone()).collect()
}

/// The tasks that would be done again.
fn tasks_again(decisions: &[Decision]) -> Vec<TaskId> {
    decisions
        .iter()
        .filter_map(|decision| match decision {
            Decision::Reset { task, dependents } => Some(std::iter::once(task).chain(dependents)),
            _ => None,
        })
        .flatten()
        .cloned()
        .collect()
}

/// Looks into the tracker whether those of the tasks that are done can be claimed. Where the run still has the claim it needs none;
/// those that were not done were given back, and what has become of them since is found out by the claim.
fn check_claimable(
    read: &RunState,
    run: &RunId,
    mut tasks: Vec<TaskId>,
) -> Result<(), CommandError> {
    let SourceSetup::Bd(BdSetup {
        beads_dir,
        allow_untested,
        ..
    }) = &read.setup.source
    else {
        return Ok(());
    };
    let state = &read.state;
    let is_done_and_given_back = |task: &TaskId| {
        let at = state.plan().find(task);
        at.is_some_and(|at| state.is_done(at) && !state.task(at).claimed)
    };
    tasks.retain(is_done_and_given_back);
    let (false, Some(program)) = (tasks.is_empty(), &read.setup.programs.bd) else {
        return Ok(());
    };
    let ours = std::env::vars_os().collect();
    let mut setup = mesh_bd::Setup::new(program, &read.setup.repository, ours);
    setup.beads_dir = Some(beads_dir.clone());
    setup.allow_untested = *allow_untested;
    setup.limits = read.setup.tracker_limits.of_calls();
    let tracker = mesh_bd::open(&setup)?;
    let listing = tracker.listing()?;
    let ours = is_ours(&MeshDir::of(&read.setup.repository), run);
    let problem = |task: &TaskId| Some((task.clone(), unclaimable(listing.get(task), &ours)?));
    let problems: Vec<(TaskId, String)> = tasks.iter().filter_map(problem).collect();
    if problems.is_empty() {
        return Ok(());
    }
    let said: Vec<String> = problems
        .iter()
        .map(|(task, problem)| format!("{task} {problem}"))
        .collect();
    let tasks: Vec<&TaskId> = problems.iter().map(|(task, _)| task).collect();
    Err(CommandError::usage(format!(
        "only an open bead that nobody has can be done again, and {}",
        said.join(", ")
    ))
    .hint(format!(
        "first `{}`, then retry",
        tracker.release_by_hand(&tasks)
    )))
}

/// Why nobody can claim it.
fn unclaimable(issue: Option<&Issue>, is_ours: &dyn Fn(&Issue) -> bool) -> Option<String> {
    let Some(issue) = issue else {
        return Some("is no longer in the tracker".to_owned());
    };
    match (&issue.status, &issue.assignee) {
        _ if is_ours(issue) => None,
        (IssueStatus::Open, None) => None,
        (IssueStatus::Closed, _) | (_, None) => Some(format!("is {}", issue.status.as_str())),
        (_, Some(holder)) => Some(format!("is held by {holder}")),
    }
}
