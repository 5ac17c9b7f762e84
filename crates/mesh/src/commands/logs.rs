//! `mesh logs`: what an attempt's agent, its proof or its setup command wrote.
//!
//! A file or a pipe gets the exact bytes; a terminal gets them without escape sequences and other control characters.
//!
//! Following waits for the kernel to say that something changed; nothing is looked at in between.

use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use fs_err::File;
use mesh_agent::block::without_terminal_sequences;
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::process::{Role, Tree};
use mesh_core::state::State;
use mesh_journal::RunId;
use mesh_journal::layout::{AttemptDir, ProcessDir, RunDir};
use mesh_proc::shim::{self, ShimHandle};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::commands::run_lookup::{self, RunArgs};
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
    /// Only its standard output.
    #[arg(long, conflicts_with_all = ["stderr", "prompt"])]
    pub stdout: bool,
    /// Only its standard error.
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
    let state = run_lookup::read_run(&run_dir)?.state;
    let task = run_lookup::find_task(&state, &run, &args.task)?;
    let attempt = choose_attempt(&state, &run, task, args.attempt)?;
    let attempt_dir = run_dir.attempt(&attempt);
    if args.prompt {
        let prompt = Stream::new("prompt", attempt_dir.prompt());
        return Shown::new(vec![prompt], &attempt).all(shell);
    }
    let processes = processes_of(args, &attempt_dir);
    let mut streams = Vec::new();
    for (names, process) in &processes {
        if !args.stderr {
            streams.push(Stream::new(names.0, process.stdout()));
        }
        if !args.stdout {
            streams.push(Stream::new(names.1, process.stderr()));
        }
    }
    let id = attempt.clone();
    let mut shown = Shown::new(streams, &id);
    let last = processes.into_iter().next_back();
    let Some((_, process)) = last.filter(|_| args.follow) else {
        return shown.all(shell);
    };
    let followed = Followed {
        process,
        attempt,
        run_dir,
    };
    followed.follow(&mut shown, shell)
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

/// What the two streams of a process are called.
type Names = (&'static str, &'static str);

/// The processes that are asked for, in the order in which they run: a proof may run in up to three workspaces.
fn processes_of(args: &Args, attempt: &AttemptDir) -> Vec<(Names, ProcessDir)> {
    const PLAIN: Names = ("stdout", "stderr");
    const CLEAN: Names = ("stdout in a fresh workspace", "stderr in a fresh workspace");
    const LANDING: Names = ("stdout at the landing", "stderr at the landing");
    if !args.proof {
        let role = if args.setup {
            Role::Setup(Tree::Workspace)
        } else {
            Role::Agent
        };
        return vec![(PLAIN, attempt.process(role))];
    }
    let proof = |(name, tree)| (name, attempt.process(Role::Proof(tree)));
    let trees = [
        (PLAIN, Tree::Workspace),
        (CLEAN, Tree::Recorded),
        (LANDING, Tree::Integrated),
    ];
    let mut processes: Vec<_> = trees.into_iter().map(proof).collect();
    let first = processes.first().cloned();
    processes.retain(|(_, process)| process.stdout().is_file());
    if processes.is_empty() {
        processes.extend(first);
    }
    processes
}

/// A file of which as much is shown as there is.
struct Stream {
    name: &'static str,
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line whose end has not been read; only for a terminal.
    pending: Vec<u8>,
}

impl Stream {
    fn new(name: &'static str, path: PathBuf) -> Stream {
        Stream {
            name,
            path,
            file: None,
            pending: Vec::new(),
        }
    }

    /// Opens the file, if it is there by now.
    fn open(&mut self) -> Result<bool, CommandError> {
        if self.file.is_none() {
            self.file = match File::open(&self.path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error.into()),
            };
        }
        Ok(self.file.is_some())
    }

    fn is_empty(&self) -> bool {
        fs_err::metadata(&self.path).map_or(true, |metadata| metadata.len() == 0)
    }

    /// The next piece: a log may be larger than what anybody wants in memory.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, CommandError> {
        let Some(file) = &mut self.file else {
            return Ok(0);
        };
        loop {
            match file.read(buffer) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What is shown of an attempt, one stream after the other or as they grow. Where both streams have something, each part says of
/// which it is.
struct Shown<'a> {
    streams: Vec<Stream>,
    attempt: &'a AttemptId,
    /// The stream that was shown last.
    last: Option<usize>,
    /// Whether the output stands at the beginning of a line.
    at_line_start: bool,
}

impl Shown<'_> {
    fn new(streams: Vec<Stream>, attempt: &AttemptId) -> Shown<'_> {
        Shown {
            streams,
            attempt,
            last: None,
            at_line_start: true,
        }
    }

    /// All that is there now.
    fn all(&mut self, shell: &mut Shell) -> Result<u8, CommandError> {
        let mut is_there = false;
        for stream in &mut self.streams {
            is_there |= stream.open()?;
        }
        if !is_there {
            let place = self.streams.first().map(|stream| stream.path.display());
            let mut error = CommandError::usage(format!("{} has no such log", self.attempt));
            if let Some(place) = place {
                error = error.hint(format!("it would be {place}"));
            }
            return Err(error.hint("--setup and --proof show what these commands wrote"));
        }
        if self.copy(shell, true)? && self.last.is_none() {
            shell.note(format!("note: {} has written nothing", self.attempt));
        }
        Ok(exit_code::OK)
    }

    /// Shows what there is of each stream from where it stands; `is_over` when nothing more can come. Says whether anybody still
    /// reads it.
    fn copy(&mut self, shell: &mut Shell, is_over: bool) -> Result<bool, CommandError> {
        let mut buffer = vec![0_u8; 64 << 10];
        for at in 0..self.streams.len() {
            self.streams[at].open()?;
            loop {
                let count = self.streams[at].read(&mut buffer)?;
                let bytes = if shell.shows_to_terminal() {
                    safe_lines(&mut self.streams[at].pending, &buffer[..count], is_over)
                } else {
                    buffer[..count].to_vec()
                };
                if !bytes.is_empty() && !self.show(shell, at, &bytes) {
                    return Ok(false);
                }
                if count == 0 {
                    break;
                }
            }
        }
        Ok(true)
    }

    fn show(&mut self, shell: &mut Shell, at: usize, bytes: &[u8]) -> bool {
        let is_only_one = self
            .streams
            .iter()
            .enumerate()
            .all(|(other, stream)| other == at || stream.is_empty());
        let mut text = Vec::new();
        if self.last != Some(at) && !is_only_one {
            let line_end = if self.at_line_start { "" } else { "\n" };
            text.extend(format!("{line_end}==> {} <==\n", self.streams[at].name).bytes());
        }
        text.extend(bytes);
        self.last = Some(at);
        self.at_line_start = bytes.ends_with(b"\n");
        shell.raw(&text).is_ok()
    }
}

/// The longest line that a terminal gets in one piece.
const MAX_LINE_BYTES: usize = 64 << 10;

/// What a terminal may get of `bytes`, which follow `pending`: whole lines, without what it would obey. What a line lacks stays in
/// `pending` until it comes, or nothing more can.
fn safe_lines(pending: &mut Vec<u8>, bytes: &[u8], is_over: bool) -> Vec<u8> {
    pending.extend(bytes);
    let end = if (is_over && bytes.is_empty()) || pending.len() > MAX_LINE_BYTES {
        pending.len()
    } else {
        let line_end = pending.iter().rposition(|byte| *byte == b'\n');
        line_end.map_or(0, |at| at + 1)
    };
    let lines: Vec<u8> = pending.drain(..end).collect();
    without_terminal_sequences(&String::from_utf8_lossy(&lines)).into_bytes()
}

/// A log that is followed.
struct Followed {
    process: ProcessDir,
    attempt: AttemptId,
    run_dir: RunDir,
}

impl Followed {
    fn follow(&self, shown: &mut Shown<'_>, shell: &mut Shell) -> Result<u8, CommandError> {
        fs_err::create_dir_all(self.process.path())?;
        let watch = self.watch()?;
        loop {
            // Asked before the files are read: what was written before the end is then shown as well.
            let live = ShimHandle::adopt(&self.process.shim_json());
            let is_over = self.is_over(live.as_ref())?;
            if !shown.copy(shell, is_over)? || is_over {
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
    fn is_over(&self, live: Option<&ShimHandle>) -> Result<bool, CommandError> {
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
        let state = run_lookup::read_run(&self.run_dir)?.state;
        Ok(state.current(&self.attempt).is_none())
    }
}

/// Until something is written, or the process that is followed has ended.
fn wait(watch: &OwnedFd, live: Option<&ShimHandle>) -> Result<(), CommandError> {
    let mut fds = vec![PollFd::new(watch, PollFlags::IN)];
    let pidfd = live.map(ShimHandle::pidfd);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_whole_lines_without_what_it_would_obey() {
        let mut pending = Vec::new();
        let mut shown = Vec::new();
        // A character and a sequence are cut in two by the end of a piece.
        let pieces: [&[u8]; 4] = [
            b"a \x1b[3",
            b"1mred\x1b[0m \xc3",
            b"\xa9\n\xe2\x80\xaeb",
            b"",
        ];
        for piece in pieces {
            shown.extend(safe_lines(&mut pending, piece, true));
        }
        assert_eq!(String::from_utf8(shown).unwrap(), "a red \u{e9}\nb");
        assert!(safe_lines(&mut pending, b"no end yet", false).is_empty());
        let mut endless = Vec::new();
        let long = vec![b'x'; MAX_LINE_BYTES + 1];
        assert_eq!(safe_lines(&mut endless, &long, false).len(), long.len());
    }
}
