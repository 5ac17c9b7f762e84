//! `mesh logs`: what an attempt's agent, its proof or its setup command wrote.
//!
//! Following waits for the kernel to say that something changed; nothing is looked at in between.

use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use fs_err::File;
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::state::State;
use mesh_journal::RunId;
use mesh_journal::layout::{AttemptDir, ProcessDir, RunDir};
use mesh_proc::shim::{self, Live};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::commands::target::{self, RunArgs};
use crate::error::CommandError;
use crate::exit_code;
use crate::ui::shell::Shell;

/// Show what an attempt's agent wrote.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task.
    #[arg(value_name = "TASK")]
    pub task: String,
    /// Which attempt, from 1; the newest when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
    /// Go on showing what is written until the process has ended.
    #[arg(short, long, conflicts_with = "prompt")]
    pub follow: bool,
    /// Its messages (standard error) instead of its output.
    #[arg(long, conflicts_with = "prompt")]
    pub stderr: bool,
    /// The proof instead of the agent.
    #[arg(long, conflicts_with_all = ["setup", "prompt"])]
    pub proof: bool,
    /// The workspace's setup command instead of the agent.
    #[arg(long, conflicts_with = "prompt")]
    pub setup: bool,
    /// What the agent was told.
    #[arg(long)]
    pub prompt: bool,
    #[command(flatten)]
    pub run: RunArgs,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (_, run, run_dir) = args.run.find(folder)?;
    let state = target::read_run(&run_dir)?.state;
    let task = target::find_task(&state, &run, &args.task)?;
    let attempt = choose_attempt(&state, &run, task, args.attempt)?;
    let attempt_dir = run_dir.attempt(&attempt);
    if args.prompt {
        return show(&attempt_dir.prompt(), &attempt, shell);
    }
    let process = process_of(args, &attempt_dir);
    let path = if args.stderr {
        process.stderr()
    } else {
        process.stdout()
    };
    if !args.follow {
        return show(&path, &attempt, shell);
    }
    let followed = Followed {
        path,
        process,
        attempt,
        run_dir,
    };
    followed.follow(shell)
}

fn choose_attempt(
    state: &State,
    run: &RunId,
    task: TaskId,
    number: Option<u32>,
) -> Result<AttemptId, CommandError> {
    let made = state.find(&task).map_or(0, |(_, state)| state.attempts);
    match number.unwrap_or(made) {
        _ if made == 0 => Err(CommandError::usage(format!(
            "{task} has not been started in run {run}"
        ))
        .hint(format!("`mesh why {task}` says why"))),
        number if number > made => Err(CommandError::usage(format!(
            "{task} has {made} attempt{} in run {run}, and no attempt {number}",
            if made == 1 { "" } else { "s" }
        ))),
        number => Ok(AttemptId { task, number }),
    }
}

fn process_of(args: &Args, attempt_dir: &AttemptDir) -> ProcessDir {
    if args.proof {
        attempt_dir.proof()
    } else if args.setup {
        attempt_dir.setup()
    } else {
        attempt_dir.agent()
    }
}

/// All of a file, in pieces: a log may be larger than what anybody wants in memory.
fn show(path: &Path, attempt: &AttemptId, shell: &mut Shell) -> Result<u8, CommandError> {
    match File::open(path) {
        Ok(mut file) => {
            copy(&mut file, shell)?;
            Ok(exit_code::OK)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(CommandError::usage(format!("{attempt} has no such file"))
                .hint(format!("it would be {}", path.display())))
        }
        Err(error) => Err(error.into()),
    }
}

/// Shows what `file` has from where it stands. Says whether anybody still reads it.
fn copy(file: &mut File, shell: &mut Shell) -> Result<bool, CommandError> {
    let mut buffer = vec![0_u8; 64 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(count) => {
                if shell.raw(&buffer[..count]).is_err() {
                    return Ok(false);
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A log that is followed.
struct Followed {
    path: PathBuf,
    process: ProcessDir,
    attempt: AttemptId,
    run_dir: RunDir,
}

impl Followed {
    fn follow(&self, shell: &mut Shell) -> Result<u8, CommandError> {
        fs_err::create_dir_all(self.process.path())?;
        let watch = self.watch()?;
        let mut file: Option<File> = None;
        loop {
            // Asked before the file is read: what was written before the end is then shown as well.
            let live = Live::adopt(&self.process.shim_json());
            let is_over = self.is_over(live.as_ref())?;
            if file.is_none() {
                file = match File::open(&self.path) {
                    Ok(file) => Some(file),
                    Err(error) if error.kind() == ErrorKind::NotFound => None,
                    Err(error) => return Err(error.into()),
                };
            }
            if let Some(file) = &mut file
                && !copy(file, shell)?
            {
                return Ok(exit_code::OK);
            }
            if is_over {
                return Ok(exit_code::OK);
            }
            wait(&watch, live.as_ref())?;
        }
    }

    /// Tells of everything that is written into the folder of the process and, for the time before there is a process, into the
    /// journal, which says when a start came to nothing.
    fn watch(&self) -> Result<OwnedFd, CommandError> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(std::io::Error::from)?;
        let folder = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        inotify::add_watch(&watch, self.process.path(), folder).map_err(std::io::Error::from)?;
        if !self.process.shim_json().exists() {
            inotify::add_watch(&watch, self.run_dir.journal(), WatchFlags::MODIFY)
                .map_err(std::io::Error::from)?;
        }
        Ok(watch)
    }

    /// Whether nothing more can come.
    fn is_over(&self, live: Option<&Live>) -> Result<bool, CommandError> {
        if live.is_some() {
            return Ok(false);
        }
        let has_report = matches!(shim::read_report(&self.process.exit_json()), Ok(Some(_)));
        if has_report
            || (self.process.shim_json().exists() && !shim::is_locked(&self.process.lock()))
        {
            return Ok(true);
        }
        // A process that has not begun can begin as long as its attempt is the task's current one.
        let state = target::read_run(&self.run_dir)?.state;
        Ok(state.current(&self.attempt).is_none())
    }
}

/// Until something is written, or the process that is followed has ended.
fn wait(watch: &OwnedFd, live: Option<&Live>) -> Result<(), CommandError> {
    let mut fds = vec![PollFd::new(watch, PollFlags::IN)];
    let pidfd = live.map(Live::pidfd);
    if let Some(pidfd) = &pidfd {
        fds.push(PollFd::new(pidfd, PollFlags::IN));
    }
    match poll(&mut fds, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(std::io::Error::from(error).into()),
    }
    // Only that something changed matters.
    let mut buffer = [0_u8; 4096];
    while rustix::io::read(watch, &mut buffer).is_ok_and(|count| count > 0) {}
    Ok(())
}
