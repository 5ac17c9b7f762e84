//! `mesh answer`: answer the question of a task.

use std::io::Read as _;
use std::path::Path;

use mesh_core::event::Request;

use crate::commands::run_lookup::{self, RunArgs};
use crate::error::CommandError;
use crate::exit_code;
use crate::inside;
use crate::ui::shell::Shell;

/// Most bytes of an answer: it becomes part of a prompt.
const MOST_BYTES: u64 = 64 * 1024;

/// Answer the question of a task: it goes on in its workspace, and in its agent's session where that can be taken up.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task.
    #[arg(value_name = "TASK")]
    pub task: String,
    /// The answer, each word as it is; `-` reads it from standard input.
    #[arg(value_name = "TEXT", required = true, num_args = 1..)]
    pub text: Vec<String>,
    #[command(flatten)]
    pub run: RunArgs,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (mesh_dir, run, run_dir) = args.run.find(folder)?;
    inside::refuse(&mesh_dir, "answer")?;
    let read = run_lookup::read_run_to_change(&run, &run_dir)?;
    let task = run_lookup::find_task(&read.state, &run, &args.task)?;
    let text = text(&args.text)?;
    let request = Request::Answer {
        task: task.clone(),
        text,
    };
    let said = run_lookup::ask(&read, &run, &run_dir, &request)?;
    shell.line(format!("{task}: the answer is {said}"));
    Ok(exit_code::OK)
}

fn text(words: &[String]) -> Result<String, CommandError> {
    let text = if words == ["-"] {
        let mut bytes = Vec::new();
        std::io::stdin()
            .take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)?;
        String::from_utf8(bytes)
            .map_err(|_| CommandError::usage("the answer on standard input is not UTF-8"))?
    } else {
        words.join(" ")
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(CommandError::usage("the answer is empty")
            .hint("`mesh retry TASK` goes on without one"));
    }
    if text.len() as u64 > MOST_BYTES {
        return Err(CommandError::usage(format!(
            "the answer is longer than {} KiB",
            MOST_BYTES / 1024
        ))
        .hint("put it into a file of the repository and name that"));
    }
    Ok(text.to_owned())
}
