//! Which run a command means: the one that is named, else the latest of the repository around the folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mesh_core::decision::Decision;
use mesh_core::event::{Event, Request};
use mesh_core::id::TaskId;
use mesh_core::state::State;
use mesh_core::time::Millis;
use mesh_engine::RunSetup;
use mesh_journal::control::{read_requests, write_request};
use mesh_journal::layout::{MeshDir, RunDir};
use mesh_journal::locks::{self, Holder, LockError};
use mesh_journal::{Contents, JournalError, RunId, Timestamp};

use crate::error::{CommandError, Kind};
use crate::scope;

/// Which run.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RunArgs {
    /// The run; the latest one when absent.
    #[arg(long = "run", value_name = "ID")]
    pub run: Option<String>,
}

impl RunArgs {
    /// The run that is meant.
    ///
    /// # Errors
    /// No repository, no run, no such run.
    pub fn find(&self, folder: &Path) -> Result<(MeshDir, RunId, RunDir), CommandError> {
        find_run(folder, self.run.as_deref())
    }
}

/// The run that `run` names, or the latest one.
///
/// # Errors
/// No repository, no run, no such run.
fn find_run(folder: &Path, run: Option<&str>) -> Result<(MeshDir, RunId, RunDir), CommandError> {
    let mesh_dir = find_mesh_dir(folder)?;
    let runs = mesh_dir.list()?;
    let Some(latest) = runs.last() else {
        return Err(CommandError::usage(format!(
            "there is no run in {}",
            mesh_dir.path().display()
        ))
        .hint("`mesh run` begins one"));
    };
    let run = match run {
        None => latest.clone(),
        Some(text) => {
            let asked =
                RunId::parse(text).map_err(|problem| CommandError::usage(problem.to_string()))?;
            if !runs.contains(&asked) {
                return Err(CommandError::usage(format!(
                    "there is no run {asked} in this repository"
                ))
                .hint(format!("the latest is {latest}")));
            }
            asked
        }
    };
    let run_dir = mesh_dir.run(&run);
    Ok((mesh_dir, run, run_dir))
}

/// The folder `.mesh` of the repository around `folder`, whether it is there or not. Version control is asked only when walking up
/// finds none: a call of it takes longer than most commands here.
///
/// # Errors
/// No repository, its program missing.
pub(crate) fn find_mesh_dir(folder: &Path) -> Result<MeshDir, CommandError> {
    for above in folder.ancestors() {
        if let Some(root) = jj_main_root(above) {
            return Ok(MeshDir::of(&root));
        }
        let is_root = above.join(".jj").is_dir() || above.join(".git").is_dir();
        let mesh_dir = MeshDir::of(above);
        if is_root || mesh_dir.runs().is_dir() {
            return Ok(mesh_dir);
        }
        // A file `.git` is a worktree or a submodule: git knows whose.
        if above.join(".git").exists() {
            break;
        }
    }
    let (vcs, ..) = scope::open_repository(folder)?;
    Ok(MeshDir::of(vcs.main_root()))
}

/// The main working copy that a secondary workspace of jj belongs to: there `.jj/repo` is a file that holds the store's path,
/// relative to `.jj` where it is relative (measured on jj 0.45.1).
fn jj_main_root(folder: &Path) -> Option<PathBuf> {
    let pointer = folder.join(".jj").join("repo");
    if !pointer.is_file() {
        return None;
    }
    let text = fs_err::read_to_string(&pointer).ok()?;
    let store = fs_err::canonicalize(folder.join(".jj").join(text.trim_end_matches('\n'))).ok()?;
    Some(store.parent()?.parent()?.to_path_buf())
}

/// Who coordinates a run at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Coordinator {
    /// Nobody.
    Nobody,
    /// This run's own.
    Ours,
    /// Somebody else who works on the same store or source.
    Another(Holder),
}

/// Whether somebody coordinates `run`, from the locks that its coordinator would hold.
///
/// # Errors
/// A lock cannot be asked; then nothing may be taken for dead.
pub(crate) fn coordinator(
    setup: &RunSetup,
    run: &RunId,
    run_dir: &RunDir,
) -> Result<Coordinator, CommandError> {
    if locks::is_held(&run_dir.journal())? {
        return Ok(Coordinator::Ours);
    }
    for key in mesh_engine::locked_things(&setup.store(), setup) {
        let is_held = match locks::is_held(&key) {
            // There nobody can coordinate.
            Err(LockError::Unsupported { .. }) => false,
            held => held?,
        };
        if is_held {
            let holder = locks::holder_of(&key).unwrap_or_default();
            // Its journal may have been replaced under it.
            return Ok(match &holder.run {
                Some(held) if held == run.as_str() => Coordinator::Ours,
                _ => Coordinator::Another(holder),
            });
        }
    }
    Ok(Coordinator::Nobody)
}

/// A run's choices and the state its journal leads to.
pub(crate) struct RunState {
    pub setup: RunSetup,
    pub state: State,
    /// When the last record was written, on the run's own clock.
    pub latest: Millis,
    /// Why records may be missing, if they may: then the state is that of an earlier moment, and nobody can go on from it.
    pub lost: Option<String>,
}

/// Reads a run's journal.
///
/// # Errors
/// It cannot be read or understood.
pub(crate) fn read_run(run_dir: &RunDir) -> Result<RunState, CommandError> {
    let Contents {
        header,
        records,
        damage,
        ..
    } = mesh_journal::read(&run_dir.journal())?;
    let setup = mesh_engine::read_setup(&header)?;
    let state = mesh_journal::replay(&records)
        .map_err(|error| CommandError::new(Kind::Environment, error.to_string()))?;
    let latest = records.last().map_or(Millis(0), |record| record.at);
    let lost = match damage {
        Some(damage) if damage.is_lossy => {
            let damage = Box::new(damage);
            Some(JournalError::Lossy { damage }.to_string())
        }
        _ => mesh_engine::check_attempts(&header.run, &state, run_dir)
            .err()
            .map(|error| error.to_string()),
    };
    Ok(RunState {
        setup,
        state,
        latest,
        lost,
    })
}

/// As [`read_run`], for a command that asks something of the run.
///
/// # Errors
/// Also when nobody can go on with it.
pub(crate) fn read_run_to_change(run: &RunId, run_dir: &RunDir) -> Result<RunState, CommandError> {
    let read = read_run(run_dir)?;
    // A living coordinator knows what its journal no longer says.
    match &read.lost {
        Some(lost) if coordinator(&read.setup, run, run_dir)? != Coordinator::Ours => {
            Err(CommandError::new(Kind::Environment, lost))
        }
        _ => Ok(read),
    }
}

/// The task that `word` names in a run.
///
/// # Errors
/// With the nearest name when there is none.
pub(crate) fn find_task(state: &State, run: &RunId, word: &str) -> Result<TaskId, CommandError> {
    let id = TaskId::new(word.to_owned())
        .map_err(|problem| CommandError::usage(format!("{word:?} is no id: {problem}")))?;
    if state.plan().find(&id).is_some() {
        return Ok(id);
    }
    let names = state.plan().tasks().iter().map(|task| task.id.as_str());
    let hint = match mesh_agent::nearest::nearest(word, names) {
        Some(name) => format!("did you mean {name}?"),
        None => "`mesh status` lists its tasks".to_owned(),
    };
    Err(CommandError::usage(format!("there is no task {id} in run {run}")).hint(hint))
}

/// Passes a request on, or queues it when nobody coordinates the run, and says which, as the end of a sentence.
///
/// # Errors
/// The run would refuse it as it stands now; the reason is the run's own.
pub(crate) fn ask(
    read: &RunState,
    run: &RunId,
    run_dir: &RunDir,
    request: &Request,
) -> Result<String, CommandError> {
    decisions(read, run_dir, request)?;
    write(run_dir, request)?;
    // Asked afterwards: a coordinator that lives now has it before it ends.
    Ok(match coordinator(&read.setup, run, run_dir)? {
        Coordinator::Ours => {
            format!("passed to run {run}; `mesh status` shows what comes of it")
        }
        Coordinator::Nobody | Coordinator::Another(_) => {
            format!("queued, since nobody works on run {run}; `mesh resume --run {run}` applies it")
        }
    })
}

/// What the run would decide, asked of the core on the journal's state and the requests that wait already.
///
/// # Errors
/// It would refuse; the reason is the run's own.
pub(crate) fn decisions(
    read: &RunState,
    run_dir: &RunDir,
    request: &Request,
) -> Result<Vec<Decision>, CommandError> {
    let mut state = read.state.clone();
    for (_, waiting) in read_requests(&run_dir.control()).unwrap_or_default() {
        if let Ok(request) = waiting {
            let _ = mesh_core::handle(&mut state, read.latest, &Event::Requested { request });
        }
    }
    let event = Event::Requested {
        request: request.clone(),
    };
    let decisions = mesh_core::decide(&state, read.latest, &event);
    let refused = decisions.iter().find_map(|decision| match decision {
        Decision::Refuse { reason } => Some(reason.clone()),
        _ => None,
    });
    match refused {
        Some(reason) => Err(CommandError::usage(reason)),
        None => Ok(decisions),
    }
}

/// Writes a request where a coordinator finds it.
///
/// # Errors
/// The run folder cannot be written.
pub(crate) fn write(run_dir: &RunDir, request: &Request) -> Result<(), CommandError> {
    fs_err::create_dir_all(run_dir.control())?;
    write_request(
        &run_dir.control(),
        Timestamp(mesh_engine::unix_ms()),
        request,
    )?;
    Ok(())
}

/// A variable of our own environment.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_in(root: &Path, id: &str) {
        let run = RunId::parse(id).unwrap();
        let dir = MeshDir::of(root).run(&run);
        fs_err::create_dir_all(dir.path()).unwrap();
        fs_err::write(dir.journal(), "").unwrap();
    }

    #[test]
    fn the_latest_run_is_found_from_below_and_a_named_one_by_its_name() {
        let temp = tempfile::tempdir().unwrap();
        let root = fs_err::canonicalize(temp.path()).unwrap();
        fs_err::create_dir_all(root.join(".git")).unwrap();
        fs_err::create_dir_all(root.join("deep/er")).unwrap();
        let none = find_run(&root.join("deep"), None).unwrap_err();
        assert!(none.message.contains("no run"), "{none:?}");
        run_in(&root, "20260301-081530-4f2a");
        run_in(&root, "20260302-081530-0000");
        let (_, run, dir) = find_run(&root.join("deep/er"), None).unwrap();
        assert_eq!(run.as_str(), "20260302-081530-0000");
        assert_eq!(dir, MeshDir::of(&root).run(&run));
        let (_, run, _) = find_run(&root, Some("20260301-081530-4f2a")).unwrap();
        assert_eq!(run.as_str(), "20260301-081530-4f2a");
        for bad in ["../../x", "latest", "20260301-081530-ffff"] {
            let error = find_run(&root, Some(bad)).unwrap_err();
            assert_eq!(error.kind, Kind::Usage, "{bad}");
        }
    }

    #[test]
    fn a_secondary_workspace_leads_to_the_main_one() {
        let temp = tempfile::tempdir().unwrap();
        let root = fs_err::canonicalize(temp.path()).unwrap();
        let main = root.join("repo");
        fs_err::create_dir_all(main.join(".jj/repo")).unwrap();
        run_in(&main, "20260301-081530-4f2a");
        for (name, pointer) in [
            ("relative", "../../repo/.jj/repo".to_owned()),
            ("absolute", main.join(".jj/repo").display().to_string()),
        ] {
            let second = root.join(name);
            fs_err::create_dir_all(second.join(".jj")).unwrap();
            fs_err::create_dir_all(second.join("src")).unwrap();
            fs_err::write(second.join(".jj/repo"), pointer).unwrap();
            let found = find_mesh_dir(&second.join("src")).unwrap();
            assert_eq!(found, MeshDir::of(&main), "{name}");
        }
    }
}
