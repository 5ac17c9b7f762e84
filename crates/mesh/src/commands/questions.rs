//! `mesh questions`: the questions of a run that are open.

use std::path::Path;

use mesh_core::id::TaskId;
use mesh_core::state::Phase;
use serde::Serialize;

use crate::commands::run_lookup::{self, RunArgs};
use crate::error::CommandError;
use crate::exit_code;
use crate::ui::shell::Shell;

/// List the questions that are open.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub run: RunArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Questions {
    schema: u32,
    run: String,
    questions: Vec<Question>,
}

/// One that is open.
#[derive(Serialize)]
struct Question {
    task: TaskId,
    attempt: u32,
    text: String,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (_, run, run_dir) = args.run.find(folder)?;
    let read = run_lookup::read_run(&run_dir)?;
    let state = &read.state;
    let questions: Vec<Question> = state
        .questions()
        .filter_map(|at| match &state.task(at).phase {
            Phase::Question { attempt, text } => Some(Question {
                task: state.plan().task(at).id.clone(),
                attempt: *attempt,
                text: text.clone(),
            }),
            _ => None,
        })
        .collect();
    if args.json {
        let run = run.to_string();
        shell.object(&Questions {
            schema: 1,
            run,
            questions,
        })?;
        return Ok(exit_code::OK);
    }
    if questions.is_empty() {
        shell.line(format!("run {run} has no open question"));
        return Ok(exit_code::OK);
    }
    for question in &questions {
        let (task, attempt) = (&question.task, question.attempt);
        let mut lines = question.text.lines();
        let first = lines.next().unwrap_or_default();
        shell.line(format!("{task}#{attempt}: {}", first));
        lines.for_each(|line| shell.line(format!("  {}", line)));
    }
    shell.line("`mesh answer TASK TEXT` goes on with one");
    Ok(exit_code::OK)
}
