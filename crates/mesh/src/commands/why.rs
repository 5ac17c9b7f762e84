//! `mesh why`: one sentence on why a task is where it is, and for a failure the last lines that were written.

use std::path::Path;

use mesh_core::id::TaskId;
use serde::Serialize;

use crate::commands::run_lookup::RunArgs;
use crate::error::CommandError;
use crate::exit_code;
use crate::report;
use crate::ui::shell::Shell;

/// Say in one sentence why a task is where it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task.
    #[arg(value_name = "TASK")]
    pub task: String,
    #[command(flatten)]
    pub run: RunArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: u32,
    run: &'a str,
    task: &'a str,
    state: &'a str,
    reason: &'a str,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (mesh_dir, run, _) = args.run.find(folder)?;
    let summary = report::summary(&mesh_dir, &run)?;
    let id = TaskId::new(args.task.clone())
        .map_err(|problem| CommandError::usage(format!("{:?} is no id: {problem}", args.task)))?;
    let Some(task) = summary.tasks.iter().find(|task| task.id == id.as_str()) else {
        return Err(
            CommandError::usage(format!("there is no task {id} in run {run}"))
                .hint("`mesh status` lists its tasks"),
        );
    };
    if args.json {
        shell.object(&Answer {
            schema: 1,
            run: run.as_str(),
            task: &task.id,
            state: task.state,
            reason: &task.reason,
        })?;
    } else {
        let mut lines = task.reason.trim_end().lines();
        let reason = lines.next().unwrap_or_default();
        let stop = if reason.ends_with(['.', '?', '!']) {
            ""
        } else {
            "."
        };
        shell.line(format!("{} {reason}{stop}", task.id));
        let mut is_quoted = false;
        for line in lines {
            is_quoted = true;
            shell.line(format!("    {line}"));
        }
        if is_quoted {
            let last = task.attempts.last();
            let flag = match last.and_then(|attempt| attempt.outcome.as_deref()) {
                Some("verify-failed" | "not-recorded") => " --proof",
                Some("setup") => " --setup",
                _ => "",
            };
            shell.line(format!(
                "`mesh logs {}{flag}` shows all that it wrote.",
                task.id
            ));
        }
    }
    Ok(exit_code::OK)
}
