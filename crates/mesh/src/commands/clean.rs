//! `mesh clean`: remove workspaces that were kept. Never one that somebody works in or that a run goes on from.

use std::path::Path;

use mesh_core::text::counted;
use mesh_journal::layout::MeshDir;
use mesh_journal::locks::LockError;
use mesh_journal::{RunId, locks};
use mesh_vcs::{Backend, Workspace};

use crate::commands::run_lookup::RunArgs;
use crate::commands::workspaces::{Found, Held, Owner, Removability, inventory};
use crate::error::{CommandError, Kind};
use crate::exit_code;
use crate::inside;
use crate::scope;
use crate::ui::shell::Shell;

/// Remove workspaces that were kept.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those of these tasks.
    #[arg(value_name = "TASK")]
    pub tasks: Vec<String>,
    #[command(flatten)]
    pub run: RunArgs,
    /// Those of all runs, also of runs that are no longer known.
    #[arg(long, conflicts_with = "run")]
    pub all: bool,
    /// Do not ask; needed without a terminal.
    #[arg(short, long)]
    pub yes: bool,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let run = match args.all {
        true => None,
        false => {
            let found = args.run.find(folder).map_err(|error| {
                error
                    .hint("`mesh clean --all` removes also what runs left that are no longer known")
            });
            Some(found?.1)
        }
    };
    let (vcs, ..) = scope::open_repository(folder)?;
    inside::refuse(&MeshDir::of(vcs.main_root()), "clean")?;
    let asked: Vec<Found> = inventory(&vcs, &Held::default())?
        .into_iter()
        .filter(|found| is_asked(found, run.as_ref(), &args.tasks))
        .collect();
    check_tasks(&asked, &args.tasks)?;
    let may_go = |found: &Found, is_store_free: bool| match found.removability {
        Removability::Kept | Removability::Unused => true,
        Removability::Unknown => args.all && is_store_free,
        Removability::InUse | Removability::PendingWork => false,
    };
    let is_store_free = !locks::is_held(vcs.store_path())?;
    let (mut goes, stays): (Vec<Found>, Vec<Found>) = asked
        .into_iter()
        .partition(|found| may_go(found, is_store_free));
    for found in &stays {
        shell.line(format!("stays: {found}"));
    }
    if goes.is_empty() {
        shell.line("nothing to remove");
        return Ok(exit_code::OK);
    }
    confirm(&goes, args.yes, shell)?;
    let held = hold(&vcs, &goes)?;
    // A person may take their time, and a run may have been taken up and left again meanwhile.
    let still: Vec<Found> = inventory(&vcs, &held)?;
    goes.retain(|found| {
        let mut now = still.iter().filter(|now| may_go(now, held.store.is_some()));
        now.any(|now| now.listed.name == found.listed.name)
    });
    remove_all(&vcs, goes, shell)
}

/// Takes the locks under which workspaces may be removed: that of the store, so that no run begins or is taken up. Beside a living
/// coordinator, who keeps others out anyway, those of the runs that are not its own are enough.
fn hold(vcs: &Backend, goes: &[Found]) -> Result<Held, CommandError> {
    let mut held = Held::default();
    match locks::acquire(vcs.store_path()) {
        Ok(lock) => held.store = Some(lock),
        Err(LockError::Held { .. }) => {
            let mesh_dir = MeshDir::of(vcs.main_root());
            for run in goes.iter().filter_map(|found| found.owner.run()) {
                if !held.runs.contains_key(run) {
                    let lock = locks::acquire(&mesh_dir.run(run).journal())?;
                    held.runs.insert(run.clone(), lock);
                }
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(held)
}

fn is_asked(found: &Found, run: Option<&RunId>, tasks: &[String]) -> bool {
    let of_run = run.is_none_or(|run| found.owner.run() == Some(run));
    let task = found.owner.attempt().map(|attempt| attempt.task.as_str());
    let of_task = tasks.is_empty() || tasks.iter().any(|word| Some(word.as_str()) == task);
    of_run && of_task
}

/// A task that has no workspace is a slip more often than not.
fn check_tasks(asked: &[Found], tasks: &[String]) -> Result<(), CommandError> {
    let known = || asked.iter().filter_map(|found| found.owner.attempt());
    for word in tasks {
        if !known().any(|attempt| attempt.task.as_str() == word) {
            return Err(
                CommandError::usage(format!("no workspace of {word} is left"))
                    .hint("`mesh workspaces` lists them; --all looks at all runs"),
            );
        }
    }
    Ok(())
}

fn confirm(goes: &[Found], yes: bool, shell: &mut Shell) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    if !shell.can_ask() {
        return Err(CommandError::usage(format!(
            "{} would be removed, and there is no terminal to ask",
            counted(goes.len(), "workspace")
        ))
        .hint("pass --yes"));
    }
    for found in goes {
        shell.line(format!("goes: {found}"));
    }
    if shell.confirm(&format!(
        "Remove {} with all that is in them?",
        counted(goes.len(), "workspace")
    )) {
        Ok(())
    } else {
        Err(CommandError::usage("not confirmed; nothing was removed"))
    }
}

fn remove_all(vcs: &Backend, goes: Vec<Found>, shell: &mut Shell) -> Result<u8, CommandError> {
    let count = goes.len();
    let mut refused = Vec::new();
    for found in goes {
        let line = found.to_string();
        let saved = save(vcs, &found);
        match remove(vcs, found) {
            Ok(()) => shell.line(format!("removed: {line}{saved}")),
            Err(error) => refused.push(format!("{line}: {error}")),
        }
    }
    if refused.is_empty() {
        return Ok(exit_code::OK);
    }
    let message = format!(
        "{} of {} could not be removed",
        refused.len(),
        counted(count, "workspace")
    );
    let mut error = CommandError::new(Kind::Environment, message);
    error.hints = refused;
    Err(error)
}

/// What an attempt changed is not lost with its workspace. Says what became of it, as the end of a line.
fn save(vcs: &Backend, found: &Found) -> String {
    let (Owner::Attempt(run, attempt), Removability::Kept) = (&found.owner, found.removability)
    else {
        return String::new();
    };
    let dir = MeshDir::of(vcs.main_root()).run(run).attempt(attempt);
    match mesh_engine::save_changes(vcs, run.as_str(), attempt, &dir) {
        Ok(Some(patch)) => format!("; its changes are in {}", patch.display()),
        Ok(None) => String::new(),
        Err(reason) => format!("; its changes could not be saved: {reason}"),
    }
}

fn remove(vcs: &Backend, found: Found) -> Result<(), mesh_vcs::VcsError> {
    if let Owner::Hub(run) = &found.owner {
        return vcs.close_hub(run.as_str());
    }
    vcs.forget(&found.listed.name)?;
    match found.listed.path {
        None => Ok(()),
        Some(path) => vcs.remove(&Workspace {
            name: found.listed.name,
            path,
            parents: Vec::new(),
            conflicted: Vec::new(),
        }),
    }?;
    match found.owner {
        Owner::Attempt(run, attempt) => {
            mesh_engine::remove_tmp(&MeshDir::of(vcs.main_root()).run(&run), &attempt.task)
        }
        _ => Ok(()),
    }
}
