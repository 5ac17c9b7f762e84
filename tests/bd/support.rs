//! What the suites share.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use mesh_bd::{BdError, Listing, Refusal, RefusalReason, Setup, Tracker};
use mesh_core::id::TaskId;
use mesh_proc::run::{Command, Output, RunError, Runner, run};
pub use mesh_testkit::tracker::{Bd, NewTask, TrackerRepo};

/// The fake's path.
pub const FAKE: &str = env!("CARGO_BIN_EXE_fake-bd");

/// Makes each named function a test on the fake as each version and on each real version.
macro_rules! on_each_bd {
    ($($name:ident),* $(,)?) => {
        mod fake_1_3_0 { $(#[test] fn $name() { super::$name(&crate::support::Bd::fake(crate::support::FAKE, "1.3.0")); })* }
        mod fake_1_0_5 { $(#[test] fn $name() { super::$name(&crate::support::Bd::fake(crate::support::FAKE, "1.0.5")); })* }
        mod fake_0_47_1 { $(#[test] fn $name() { super::$name(&crate::support::Bd::fake(crate::support::FAKE, "0.47.1")); })* }
        mod real_1_3_0 { $(#[test] fn $name() { if let Some(bd) = crate::support::Bd::real("1.3.0") { super::$name(&bd); } })* }
        mod real_1_0_5 { $(#[test] fn $name() { if let Some(bd) = crate::support::Bd::real("1.0.5") { super::$name(&bd); } })* }
        mod real_0_47_1 { $(#[test] fn $name() { if let Some(bd) = crate::support::Bd::real("0.47.1") { super::$name(&bd); } })* }
    };
}
pub(crate) use on_each_bd;

/// As [`on_each_bd`], for what only the classic dialect has.
macro_rules! on_each_classic_bd {
    ($($name:ident),* $(,)?) => {
        mod fake_0_47_1 { $(#[test] fn $name() { super::$name(&crate::support::Bd::fake(crate::support::FAKE, "0.47.1")); })* }
        mod real_0_47_1 { $(#[test] fn $name() { if let Some(bd) = crate::support::Bd::real("0.47.1") { super::$name(&bd); } })* }
    };
}
pub(crate) use on_each_classic_bd;

/// One call that was made.
#[derive(Debug, Clone)]
pub struct HeardCall {
    /// Its arguments, without the program.
    pub line: String,
    /// From its start to its end.
    pub span: (Instant, Instant),
}

/// Makes calls and remembers them.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<HeardCall>>>);

impl Heard {
    /// The calls so far, as lines.
    pub fn lines(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.line).collect()
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<HeardCall> {
        let calls = self.0.lock().expect("no test panics while it holds this");
        calls.clone()
    }

    /// Makes the calls of `tracker` from now on.
    pub fn listen(tracker: &mut dyn Tracker) -> Heard {
        let heard = Heard::default();
        *tracker.runner() = Arc::new(heard.clone());
        heard
    }
}

impl Runner for Heard {
    fn run(&self, command: &Command) -> Result<Output, RunError> {
        let began = Instant::now();
        let result = run(command);
        let words = command.args.iter().map(|word| word.to_string_lossy());
        let call = HeardCall {
            line: words.collect::<Vec<_>>().join(" "),
            span: (began, Instant::now()),
        };
        let mut calls = self.0.lock().expect("no test panics while it holds this");
        calls.push(call);
        result
    }
}

/// A setup for the repository.
pub fn setup(repo: &TrackerRepo) -> Setup {
    let mut setup = Setup::new(&repo.tool().program, repo.root(), repo.env());
    setup.run = Some("run-1".to_owned());
    setup
}

/// An opened tracker and what it does from now on.
pub fn open(repo: &TrackerRepo) -> (Box<dyn Tracker>, Heard) {
    let mut tracker =
        mesh_bd::open(&setup(repo)).unwrap_or_else(|e| panic!("{}: {e}", repo.tool().name()));
    let heard = Heard::listen(&mut *tracker);
    (tracker, heard)
}

/// The id in `text`.
pub fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("an id")
}

/// Pairs of owned texts.
pub fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// The reason of a refusal, or a panic that shows what came instead.
pub fn refusal<T: std::fmt::Debug>(answer: Result<T, BdError>) -> RefusalReason {
    match answer {
        Err(BdError::Refused(Refusal { reason, .. })) => reason,
        other => panic!("no refusal: {other:?}"),
    }
}

/// Assignee of `task` in `listing`.
pub fn assignee(listing: &Listing, task: &TaskId) -> Option<String> {
    listing
        .get(task)
        .unwrap_or_else(|| panic!("no {task}"))
        .assignee
        .clone()
}
