//! `mesh` in the background: signals, death, its end.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use mesh_testkit::env::Said;
use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::Fixture;
use crate::log::wait_until;

/// A coordinator that this test started.
pub struct Coordinator {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    ended: Option<ExitStatus>,
}

impl Coordinator {
    /// Starts `mesh` with these arguments in the repository.
    pub fn start(fixture: &Fixture, args: &[String]) -> Coordinator {
        Coordinator::start_with(fixture, args, &[])
    }

    /// The same with some variables changed.
    pub fn start_with(
        fixture: &Fixture,
        args: &[String],
        variables: &[(&'static str, PathBuf)],
    ) -> Coordinator {
        Coordinator::start_in(fixture, &fixture.repo, args, variables)
    }

    /// The same in some folder.
    pub fn start_in(
        fixture: &Fixture,
        folder: &Path,
        args: &[String],
        variables: &[(&'static str, PathBuf)],
    ) -> Coordinator {
        let variables = variables.iter().cloned();
        Coordinator::spawn(fixture, args, |command| {
            command.current_dir(folder).envs(variables)
        })
    }

    /// The same with a file as its standard input.
    pub fn start_reading(fixture: &Fixture, args: &[String], input: &Path) -> Coordinator {
        let input = fs_err::File::open(input).expect("a file").into_file();
        Coordinator::spawn(fixture, args, |command| command.stdin(input))
    }

    fn spawn(
        fixture: &Fixture,
        args: &[String],
        set_up: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Coordinator {
        let count = fixture.fresh_name();
        let stdout = fixture.env.dir().join(format!("mesh-{count}.stdout"));
        let stderr = fixture.env.dir().join(format!("mesh-{count}.stderr"));
        let open =
            |path: &PathBuf| Stdio::from(fs_err::File::create(path).expect("a file").into_file());
        let mut command = fixture.env.command(crate::fixture::MESH, &fixture.repo);
        set_up(&mut command)
            .args(args)
            .stdout(open(&stdout))
            .stderr(open(&stderr));
        let child = command.spawn().expect("mesh starts");
        Coordinator {
            child,
            stdout,
            stderr,
            ended: None,
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it lives");
    }

    /// As [`Coordinator::signal`], for one that may have ended meanwhile; our child's number is nobody else's until we look.
    pub fn signal_if_alive(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// kill -9, and gone.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        self.ended = Some(self.child.wait().expect("our child"));
    }

    /// What it has said on stderr so far.
    pub fn stderr(&self) -> String {
        fs_err::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Said {
        let mut status = None;
        wait_until(
            "mesh to end",
            || {
                status = self.child.try_wait().expect("our child");
                status.is_some()
            },
            || self_text(&self.stderr),
        );
        self.ended = status;
        let read = |path: &PathBuf| fs_err::read(path).expect("what it said");
        Said::new(
            status.expect("it ended"),
            &read(&self.stdout),
            &read(&self.stderr),
        )
    }
}

fn self_text(path: &PathBuf) -> String {
    fs_err::read_to_string(path).unwrap_or_default()
}

impl Drop for Coordinator {
    /// A test that failed leaves no coordinator.
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
