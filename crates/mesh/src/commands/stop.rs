//! `mesh stop`: end a run.
//!
//! A living coordinator is asked. Without one this command takes the run up itself, only to end it: agents are stopped, what ended
//! is recorded, claims are given back. When even that cannot be done, the agents are ended all the same.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mesh_core::event::Request;
use mesh_core::state::RunEnd;
use mesh_journal::RunId;
use mesh_journal::layout::{MeshDir, RunDir};
use mesh_journal::locks::{self, Holder};
use mesh_proc::env::Env;
use mesh_proc::orphans::{self, Marked, Search};
use mesh_proc::shim::{self, ShimHandle};
use mesh_proc::tree::Identity;

use crate::commands::run::world;
use crate::commands::run_lookup::{self, Coordinator, RunArgs, RunState};
use crate::error::{CommandError, Kind};
use crate::exit_code;
use crate::inside;
use crate::log;
use crate::opening;
use crate::scope;
use crate::ui::shell::Shell;

/// How long a coordinator may take to stop its agents and give its claims back before this command no longer waits.
const COORDINATOR_PATIENCE: Duration = Duration::from_secs(300);
/// How long it may stay unclear whether somebody takes the run up.
const TAKEOVER_PATIENCE: Duration = Duration::from_secs(30);
const TAKEOVER_PAUSE: Duration = Duration::from_millis(50);
/// How long a shim may take to end its tree after it was asked to kill it.
const KILL_PATIENCE: Duration = Duration::from_secs(30);
/// Grace of a shim whose spec cannot be read.
const USUAL_GRACE: Duration = Duration::from_secs(10);

/// End a run: no new starts; with --now the agents are stopped too.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Stop running agents as well, and wait until they have ended.
    #[arg(long)]
    pub now: bool,
    #[command(flatten)]
    pub run: RunArgs,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (mesh_dir, run, run_dir) = args.run.find(folder)?;
    inside::refuse(&mesh_dir, "stop")?;
    let deadline = Instant::now() + TAKEOVER_PATIENCE;
    loop {
        let read = match run_lookup::read_run(&run_dir) {
            Ok(read) => read,
            Err(unreadable) => return end_unreadable(unreadable, &run, &run_dir, folder, shell),
        };
        let held = match run_lookup::coordinator(&read.setup, &run, &run_dir)? {
            Coordinator::Ours => return ask(args.now, &read, &run, &run_dir, shell),
            Coordinator::Another(_) | Coordinator::Nobody
                if read.state.run_end() == RunEnd::Concluded && read.lost.is_none() =>
            {
                shell.line(format!("run {run} has ended already"));
                return Ok(exit_code::OK);
            }
            Coordinator::Another(holder) => {
                let is_run = holder.run.is_some();
                let error = another(&run, &holder);
                if is_run {
                    return Err(error);
                }
                error
            }
            Coordinator::Nobody => match end_ourselves(&read, &mesh_dir, &run, &run_dir, shell) {
                Err(error) if error.kind == Kind::Held => error,
                ended => return ended,
            },
        };
        // Somebody takes this run up, or ends it, at this very moment: soon it shows whom to ask.
        if Instant::now() >= deadline {
            return Err(held);
        }
        std::thread::sleep(TAKEOVER_PAUSE);
    }
}

/// Somebody else works on the store or the source of the run.
fn another(run: &RunId, holder: &Holder) -> CommandError {
    let error = CommandError::new(
        Kind::Held,
        format!("run {run} has not ended, and its store or source is in use by {holder}"),
    );
    match (&holder.run, &holder.repository) {
        (Some(other), Some(repository)) => error.hint(format!(
            "stop that one first: `mesh -C {} stop --run {other}`",
            mesh_proc::show::word(repository)
        )),
        _ => error.hint("try again when it has ended"),
    }
}

/// Asks the living coordinator; with `now`, waits until it has done so.
fn ask(
    now: bool,
    read: &RunState,
    run: &RunId,
    run_dir: &RunDir,
    shell: &mut Shell,
) -> Result<u8, CommandError> {
    run_lookup::write(run_dir, &Request::Stop { now })?;
    if !now {
        shell.line(format!(
            "run {run} starts nothing new; running agents finish, `mesh stop --now` stops them"
        ));
        return Ok(exit_code::OK);
    }
    shell.note(format!(
        "run {run} stops its agents and gives its claims back"
    ));
    // The store too: of a journal that was replaced the coordinator holds the old file.
    for key in [run_dir.journal(), read.setup.store()] {
        if run_lookup::coordinator(&read.setup, run, run_dir)? == Coordinator::Ours {
            locks::wait_until_free(&key, COORDINATOR_PATIENCE)?;
        }
    }
    if run_lookup::coordinator(&read.setup, run, run_dir)? == Coordinator::Ours {
        return Err(CommandError::new(
            Kind::Environment,
            format!("the coordinator of run {run} does not end"),
        )
        .hint("end it with Ctrl-C in its terminal, or kill it, then `mesh stop --now` again"));
    }
    end_trees(run, run_dir)?;
    shell.line(format!("run {run} has ended; no agent is left"));
    Ok(exit_code::OK)
}

/// Ends what lives of a run whose journal says nothing, unless its coordinator lives.
fn end_unreadable(
    unreadable: CommandError,
    run: &RunId,
    run_dir: &RunDir,
    folder: &Path,
    shell: &mut Shell,
) -> Result<u8, CommandError> {
    let (vcs, ..) = scope::open_repository(folder)?;
    let _store = locks::acquire(vcs.store_path())?;
    let journal = run_dir.journal();
    let _journal = match journal.is_file() {
        true => Some(locks::acquire(&journal)?),
        false => None,
    };
    end_trees(run, run_dir)?;
    shell.line(format!(
        "run {run} has no coordinator, and no agent of it is left; it cannot be gone on with: {}",
        unreadable.message
    ));
    shell.line("a new `mesh run` goes on from what is verified");
    Ok(exit_code::OK)
}

/// Ends a run that nobody coordinates.
fn end_ourselves(
    read: &RunState,
    mesh_dir: &MeshDir,
    run: &RunId,
    run_dir: &RunDir,
    shell: &mut Shell,
) -> Result<u8, CommandError> {
    let opening = opening::listen()?;
    log::of_run(mesh_dir, run_dir);
    if read.lost.is_some() {
        // Closing such a run tells nobody of its agents, so they end first. Nobody can take it up meanwhile.
        let _lock = locks::acquire(&run_dir.journal())?;
        end_trees(run, run_dir)?;
    }
    let ours: Env = std::env::vars_os().collect();
    let ended = mesh_engine::end(mesh_dir.clone(), run.clone(), world(ours, shell, opening));
    match ended.map_err(CommandError::from) {
        Ok(resumed) => {
            for note in &resumed.finished.notes {
                shell.note(format!("note: {note}"));
            }
            end_trees(run, run_dir)?;
            shell.line(format!(
                "run {run} had no coordinator; it has ended now, no agent is left"
            ));
            Ok(exit_code::OK)
        }
        // Somebody took it up between the question and now; it is theirs.
        Err(error) if error.kind == Kind::Held => Err(error),
        Err(error) => {
            // Nobody may take it up while its agents are ended.
            let _lock = locks::acquire(&run_dir.journal())?;
            end_trees(run, run_dir)?;
            Err(CommandError {
                message: format!(
                    "the agents of run {run} have been ended, but the run could not be: {}",
                    error.message
                ),
                ..error
            }
            .hint("its claims are not given back; mend that, then `mesh stop` or `mesh resume`"))
        }
    }
}

/// Ends every process tree of the run that still lives. It has no coordinator, so nothing new can appear.
fn end_trees(run: &RunId, run_dir: &RunDir) -> Result<(), CommandError> {
    let living = living_shims(run_dir)?;
    for (live, _) in &living {
        live.request_stop();
    }
    for (live, grace) in &living {
        if !live.wait(*grace) {
            live.request_kill();
        }
        if !live.wait(KILL_PATIENCE) {
            // What it leaves behind is found by its markers.
            live.kill();
        }
    }
    let own: Vec<Identity> = Identity::own().into_iter().collect();
    let processes = run_dir.processes()?;
    let records = processes
        .iter()
        .filter_map(|process| shim::read_record(&process.shim_json()).ok()?);
    let groups: Vec<PathBuf> = records.filter_map(|record| record.group).collect();
    let search = Search {
        spare: &own,
        groups: &groups,
        ..Search::new(run.as_str(), Marked::Any)
    };
    orphans::end(&search, KILL_PATIENCE).map_err(|error| {
        CommandError::new(
            Kind::Environment,
            format!("agents of run {run} are left: {error}"),
        )
    })?;
    Ok(())
}

/// All shims of the run that live, with the time that their trees have to end.
fn living_shims(run_dir: &RunDir) -> Result<Vec<(ShimHandle, Duration)>, CommandError> {
    let mut living = Vec::new();
    for process in run_dir.processes()? {
        let (record, lock) = (process.shim_json(), process.lock());
        let found = ShimHandle::adopt_or_wait(&record, &lock, Duration::from_secs(10));
        living.extend(found.map(|live| (live, grace_of(process.path()))));
    }
    Ok(living)
}

/// Between the request to end and the kill, as the shim was told, and a moment more for its own work.
fn grace_of(folder: &Path) -> Duration {
    let spec = fs_err::read(folder.join("spec.json")).ok();
    let spec = spec.and_then(|bytes| serde_json::from_slice::<shim::ShimSpec>(&bytes).ok());
    let grace = spec.map_or(USUAL_GRACE, |spec| Duration::from_millis(spec.grace_ms));
    grace.saturating_add(Duration::from_secs(5))
}
