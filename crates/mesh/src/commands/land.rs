//! `mesh land`: put verified results onto a bookmark or branch.

use std::collections::BTreeSet;
use std::path::Path;

use mesh_core::event::{Delivery, Request};
use mesh_core::graph::Ix;
use mesh_core::id::TaskId;
use mesh_core::state::{Phase, RunEnd, State};
use mesh_proc::env::Env;

use crate::commands::run::world;
use crate::commands::run_lookup::{self, Coordinator, RunArgs};
use crate::error::CommandError;
use crate::exit_code;
use crate::inside;
use crate::log;
use crate::opening;
use crate::report;
use crate::ui::shell::Shell;

/// Put verified results onto a bookmark or branch, each proved on the tree it makes.
///
/// A result lands after those that it stands on. A conflict or a failed proof leaves the target as it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Tasks whose results are landed, with those of what they need; all verified ones when none is named.
    #[arg(value_name = "TASK")]
    pub tasks: Vec<String>,
    /// The bookmark (jj) or branch (git); the one of the run when it has one.
    #[arg(long, value_name = "NAME")]
    pub onto: Option<String>,
    #[command(flatten)]
    pub run: RunArgs,
    /// Print the report as one JSON object at the end.
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (mesh_dir, run, run_dir) = args.run.find(folder)?;
    inside::refuse(&mesh_dir, "land")?;
    let read = run_lookup::read_run_to_change(&run, &run_dir)?;
    let onto = args.onto.as_ref().or(read.state.policy().land.as_ref());
    let onto = onto.cloned().ok_or_else(|| {
        CommandError::usage(format!("run {run} lands on no bookmark or branch"))
            .hint("name one with --onto")
    })?;
    let tasks = args
        .tasks
        .iter()
        .map(|task| run_lookup::find_task(&read.state, &run, task))
        .collect::<Result<Vec<TaskId>, _>>()?;
    let request = Request::Land {
        tasks: tasks.clone(),
        onto,
    };
    if let Coordinator::Ours = run_lookup::coordinator(&read.setup, &run, &run_dir)? {
        let said = run_lookup::ask(&read, &run, &run_dir, &request)?;
        shell.line(format!("the landing is {said}"));
        return Ok(exit_code::OK);
    }
    run_lookup::decisions(&read, &run_dir, &request)?;
    if read.state.run_end() != RunEnd::Concluded {
        return Err(
            CommandError::usage(format!("run {run} has not ended")).hint(format!(
                "`mesh resume --run {run}` goes on with it, `mesh stop --run {run}` ends it"
            )),
        );
    }
    let opening = opening::listen()?;
    log::of_run(&mesh_dir, &run_dir);
    let ours: Env = std::env::vars_os().collect();
    let world = world(ours, shell, opening);
    let landed = mesh_engine::land(mesh_dir.clone(), run.clone(), world, request)?;
    let state = &landed.finished.state;
    report::write(&mesh_dir, &run, &landed.finished, shell)?;
    let mut code = report::interrupted(landed.finished.interrupted).unwrap_or(exit_code::OK);
    for (task, delivery) in deliveries(state, &tasks) {
        match delivery {
            Delivery::Landed { commit } if !shell.is_json() => {
                shell.line(format!("{task}: landed as {commit}"));
            }
            Delivery::NotLanded { reason } => {
                shell.note(format!("{task}: not landed: {reason}"));
                code = code.max(exit_code::SOME_FAILED);
            }
            Delivery::Landed { .. } | Delivery::Kept | Delivery::Queued => {}
        }
    }
    Ok(code)
}

/// What became of each verified result of `tasks` and of what they need; of all when there are none.
fn deliveries<'a>(
    state: &'a State,
    tasks: &[TaskId],
) -> impl Iterator<Item = (&'a TaskId, &'a Delivery)> {
    let plan = state.plan();
    let named: Vec<Ix> = tasks.iter().filter_map(|task| plan.find(task)).collect();
    let needs = named.iter().flat_map(|at| plan.graph().all_needs(*at));
    let wanted: BTreeSet<Ix> = needs.chain(named.iter().copied()).collect();
    let of = |at: Ix| match &state.task(at).phase {
        Phase::Verified { delivery, .. } => Some((&state.plan().task(at).id, delivery)),
        _ => None,
    };
    let is_wanted = move |at: &Ix| wanted.is_empty() || wanted.contains(at);
    plan.all().filter(is_wanted).filter_map(of)
}
