//! `mesh pick`: confirm the wave that is announced, or say which tasks it has.

use std::path::Path;

use mesh_core::event::Request;
use mesh_core::id::TaskId;

use crate::commands::run_lookup::{self, RunArgs};
use crate::error::CommandError;
use crate::exit_code;
use crate::inside;
use crate::ui::shell::Shell;

/// Confirm the wave that is announced, or say which tasks it has.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The tasks of the wave, in this order; without any it is the one that is recommended.
    #[arg(value_name = "IDS", value_delimiter = ',', conflicts_with = "yes")]
    pub tasks: Vec<String>,
    /// Accept what is recommended, as without IDS.
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub run: RunArgs,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (mesh_dir, run, run_dir) = args.run.find(folder)?;
    inside::refuse(&mesh_dir, "pick")?;
    let read = run_lookup::read_run_to_change(&run, &run_dir)?;
    let state = &read.state;
    let (wave, recommended) = match state.unconfirmed_wave() {
        Some(wave) => (wave.number, wave.tasks.as_slice()),
        // The run says why not.
        None => (0, &[] as &[_]),
    };
    let tasks: Vec<TaskId> = if args.tasks.is_empty() {
        let id = |at| state.plan().task(at).id.clone();
        recommended.iter().copied().map(id).collect()
    } else {
        let find = |word: &String| run_lookup::find_task(state, &run, word);
        args.tasks.iter().map(find).collect::<Result<_, _>>()?
    };
    let names: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
    let names = names.join(", ");
    let request = Request::Pick { wave, tasks };
    let said = run_lookup::ask(&read, &run, &run_dir, &request)?;
    shell.line(format!("wave {wave} is to be {names}: {said}"));
    Ok(exit_code::OK)
}
