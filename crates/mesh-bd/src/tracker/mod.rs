//! What can be asked of a tracker, and opening one. Each dialect is one module, which spells the arguments of every call and reads
//! its answer; nobody else does either.
//!
//! A dialect must never take an exit code for an answer, and never call what deletes (`delete`, `mol burn`, `mol squash`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh_core::id::TaskId;
use mesh_core::issue::Issue;
use mesh_proc::env::Env;
use mesh_proc::run::{Direct, Runner};
use serde::Deserialize;

use crate::audit::{self, AuditEntry};
use crate::environment;
use crate::error::{BdError, Refusal};
use crate::finalize::{self, Finalization, Finalized};
use crate::listing::Listing;
use crate::read_back::ReadBack;
use crate::transport::{Call, CallOutput, Limits, Transport};
use molecule::{FormulaUse, Molecule};
use swarm::{SwarmCreated, SwarmStatus, SwarmValidation};
use version::Dialect;

mod classic;
mod joined;
mod modern;
pub mod molecule;
mod pool;
pub mod swarm;
pub mod version;
mod wire;

/// What a tracker is opened with.
#[derive(Clone)]
pub struct Setup {
    /// The `bd` program.
    pub program: PathBuf,
    /// The repository's root, in which every call runs.
    pub repo_root: PathBuf,
    /// The `.beads` folder, if it is known; else bd is asked from `repo_root`.
    pub beads_dir: Option<PathBuf>,
    /// Our own environment, of which a keep list passes.
    pub environment: Env,
    /// The run's id, put on every call as `MESH_RUN`.
    pub run: Option<String>,
    /// Go on with versions nobody has tried (`--allow-untested-bd`).
    pub allow_untested: bool,
    /// Limits of the calls.
    pub limits: Limits,
    /// Makes every call, the opening ones included: where a call log goes.
    pub runner: Arc<dyn Runner>,
}

impl Setup {
    /// A setup with the usual limits that asks bd where its database is.
    #[must_use]
    pub fn new(
        program: impl Into<PathBuf>,
        repo_root: impl Into<PathBuf>,
        environment: Env,
    ) -> Setup {
        Setup {
            program: program.into(),
            repo_root: repo_root.into(),
            beads_dir: None,
            environment,
            run: None,
            allow_untested: false,
            limits: Limits::default(),
            runner: Arc::new(Direct),
        }
    }
}

/// Asks the binary what it is, what it can do and where the tracker lies: four short calls.
///
/// # Errors
/// When it cannot be started, is not supported, finds no tracker, or does not answer what it should.
pub fn open(setup: &Setup) -> Result<Box<dyn Tracker>, BdError> {
    #[derive(Deserialize)]
    struct Answer {
        version: String,
    }
    let env = |beads_dir: Option<&Path>| {
        environment::of_call(&setup.environment, beads_dir, setup.run.as_deref())
    };
    let mut bd = Transport {
        program: setup.program.clone(),
        folder: setup.repo_root.clone(),
        env: env(setup.beads_dir.as_deref()),
        global: &[],
        limits: setup.limits,
        runner: Arc::clone(&setup.runner),
    };
    let call = Call::read(&["version"]).json();
    let version = bd
        .read(&call, |output| {
            output.json_of_any_end::<Answer>("a version")
        })?
        .version;
    let version = version.trim();
    let dialect = version::judge(version, setup.allow_untested)?;
    let features = match dialect {
        Dialect::Modern => modern::Features::ask(&bd, version, setup.allow_untested)?,
        Dialect::Classic => {
            bd.global = classic::GLOBAL;
            classic::ask(&bd, version)?
        }
    };
    let beads_dir = find(&bd)?;
    bd.env = env(Some(&beads_dir));
    let about = About {
        dialect,
        version: version.trim_start_matches('v').to_owned(),
        beads_dir,
        has_leases: features.leases,
    };
    let modern = modern::Modern::new(bd, about, features);
    Ok(match dialect {
        Dialect::Modern => Box::new(modern),
        Dialect::Classic => Box::new(classic::Classic::new(modern)),
    })
}

/// Where the tracker lies.
fn find(bd: &Transport) -> Result<PathBuf, BdError> {
    #[derive(Deserialize)]
    struct Answer {
        path: PathBuf,
    }
    let call = Call::read(&["where"]).json();
    let answer: Answer = bd.read(&call, |output| match output.code {
        0 => output.json_of_any_end("the tracker's path"),
        _ => Err(BdError::NoDatabase {
            looked_from: bd.folder.clone(),
            text: output.error_text(),
        }),
    })?;
    // Relative only if BEADS_DIR was; then it is relative to the folder that the call ran in.
    fs_err::canonicalize(bd.folder.join(answer.path)).map_err(|cause| BdError::File {
        text: cause.to_string(),
    })
}

/// What an opened tracker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The kind of bd.
    pub dialect: Dialect,
    /// The version, as the binary gave it.
    pub version: String,
    /// The tracker's folder, absolute and without symbolic links: the key of the one-coordinator lock.
    pub beads_dir: PathBuf,
    /// Whether a claim is a lease, which ends unless it is renewed.
    pub has_leases: bool,
}

/// An opened tracker. Each method is one call or a few, on the calling thread; [`crate::Queue`] keeps them one at a time.
///
/// An id that looks like a flag, a metadata key that bd does not take, a text with a zero byte or of more than
/// [`audit::MAX_INLINE_BYTES`] gives [`BdError::BadArgument`], and an issue that is not there [`BdError::NotFound`], without
/// further mention.
pub trait Tracker: Send + Sync {
    /// What it is.
    fn about(&self) -> &About;

    /// What makes every call; to be replaced by what makes them from now on.
    fn runner(&mut self) -> &mut Arc<dyn Runner>;

    /// Every issue with its edges: closed ones, gates and bookkeeping too.
    ///
    /// # Errors
    /// When bd fails or its answer cannot be read.
    fn listing(&self) -> Result<Listing, BdError>;

    /// One issue in full.
    ///
    /// # Errors
    /// As [`Tracker::listing`].
    fn show(&self, id: &TaskId) -> Result<Issue, BdError>;

    /// The comments of an issue, oldest first.
    ///
    /// # Errors
    /// As [`Tracker::listing`].
    fn comments(&self, id: &TaskId) -> Result<Vec<Comment>, BdError>;

    /// The calls of [`Tracker::claim`], in order.
    fn claim_steps<'a>(
        &'a self,
        id: &'a TaskId,
        actor: &'a str,
        metadata: &'a [(String, String)],
    ) -> Vec<ClaimStep<'a>>;

    /// Claims an open, unassigned issue for `actor`, and notes `metadata` with it. Claiming again by the same actor is harmless,
    /// and is how a claim that stopped half-way goes on. It does not look whether the issue is blocked: bd claims blocked issues
    /// too.
    ///
    /// # Errors
    /// [`BdError::Refused`] when somebody else has it or its status does not allow it. What the steps before did stays.
    fn claim(
        &self,
        id: &TaskId,
        actor: &str,
        metadata: &[(String, String)],
    ) -> Result<Claimed, BdError> {
        ClaimStep::take_all(self.claim_steps(id, actor, metadata))?;
        Ok(Claimed {
            is_leased: self.about().has_leases,
        })
    }

    /// The calls that find or make the bead of `agent`, before its first task. None where agents have no beads, and when it is known.
    fn agent_steps<'a>(&'a self, _agent: &'a str) -> Vec<ClaimStep<'a>> {
        Vec::new()
    }

    /// The calls that put `task` on the hook of `agent`, whose bead is known by then.
    fn hook_steps<'a>(&'a self, _agent: &'a str, _task: &'a TaskId) -> Vec<ClaimStep<'a>> {
        Vec::new()
    }

    /// Shows that `agent` (an actor) works on `task`: on the bead that the agent has, or now gets. Harmless when it shows that already,
    /// and how a call that stopped half-way goes on. What an ended run left on the agent's hook is taken off.
    ///
    /// # Errors
    /// When it is unknown whether it is shown, or is not. What the steps before did stays.
    fn hook(&self, agent: &str, task: &TaskId) -> Result<(), BdError> {
        ClaimStep::take_all(self.agent_steps(agent))?;
        ClaimStep::take_all(self.hook_steps(agent, task))
    }

    /// Takes `task` off the hook of the agent that has it, and says how it went. An agent that works on another task by now is left
    /// alone.
    ///
    /// # Errors
    /// As [`Tracker::hook`].
    fn unhook(&self, _task: &TaskId, _state: AgentState) -> Result<(), BdError> {
        Ok(())
    }

    /// Leaves every agent of mesh idle and without a task, whoever gave it one.
    ///
    /// # Errors
    /// As [`Tracker::hook`].
    fn idle_agents(&self) -> Result<(), BdError> {
        Ok(())
    }

    /// Gives an issue back: open and nobody's. Only what `actor` has in progress is touched; what is already open and
    /// nobody's is fine as it is.
    ///
    /// # Errors
    /// [`BdError::Refused`] when somebody else has it or it is closed or put aside.
    fn release(&self, id: &TaskId, actor: &str) -> Result<(), BdError>;

    /// What a person types to give issues back that nobody works on.
    fn release_by_hand(&self, ids: &[&TaskId]) -> String;

    /// Closes an issue that nobody else has.
    ///
    /// # Errors
    /// [`BdError::Refused`] when somebody else has it or its blockers are open.
    fn close(&self, id: &TaskId, actor: &str, reason: &str) -> Result<(), BdError>;

    /// Renews the lease of a claim.
    ///
    /// # Errors
    /// When it is unknown whether it was renewed; that somebody else has the issue is an answer.
    fn renew(&self, id: &TaskId, actor: &str) -> Result<Renewal, BdError>;

    /// Writes a comment, whatever its text begins with.
    ///
    /// # Errors
    /// [`BdError::BadArgument`] for an empty text.
    fn comment(&self, id: &TaskId, actor: &str, text: &str) -> Result<Comment, BdError>;

    /// Writes a comment unless one with the same marker line is there already: what a resumed run does.
    ///
    /// # Errors
    /// As [`Tracker::comment`]; [`BdError::BadArgument`] when `text` does not have the line `marker`.
    fn comment_once(
        &self,
        id: &TaskId,
        actor: &str,
        text: &str,
        marker: &str,
    ) -> Result<Comment, BdError> {
        if !has_marker(text, marker) {
            return Err(BdError::BadArgument {
                command: "comment".to_owned(),
                what: format!("the comment lacks its marker line {marker}"),
            });
        }
        let mut comments = self.comments(id)?.into_iter();
        match comments.find(|comment| has_marker(&comment.text, marker)) {
            Some(comment) => Ok(comment),
            None => self.comment(id, actor, text),
        }
    }

    /// Writes down what is to be known of issues at attempts' ends, in as few calls as this bd allows. A comment is there once, also
    /// after a doubtful end. The listing, if one had to be read for it, shows the issues as they were before.
    fn finalize(&self, ends: &[Finalization]) -> (Vec<Finalized>, Option<Listing>) {
        let finalized = ends.iter().map(|end| finalize::alone(self, end));
        (finalized.collect(), None)
    }

    /// Appends an audit entry and returns bd's id of it. Long texts go through [`audit::text_or_reference`] first.
    ///
    /// # Errors
    /// When it is unknown whether it was written.
    fn audit(&self, entry: &AuditEntry, actor: &str) -> Result<String, BdError>;

    /// Puts a label on an audit entry, and returns bd's id of that.
    ///
    /// # Errors
    /// When it is unknown whether it was written. bd does not look whether there is such an entry.
    fn audit_label(
        &self,
        entry_id: &str,
        label: &str,
        reason: &str,
        actor: &str,
    ) -> Result<String, BdError>;

    /// bd's id of an audit entry that says what `entry` says, if one was recorded at the byte `after` of the trail or behind it and is
    /// none of `known`. Reads the trail's file; bd has no command for that.
    ///
    /// # Errors
    /// When the file cannot be read; that it does not exist yet is none.
    fn find_audit(
        &self,
        entry: &AuditEntry,
        after: u64,
        known: &BTreeSet<String>,
    ) -> Result<Option<String>, BdError> {
        audit::find(&self.about().beads_dir, entry, after, known)
    }

    /// bd's id of a label, as [`Tracker::find_audit`].
    ///
    /// # Errors
    /// As [`Tracker::find_audit`].
    fn find_audit_label(
        &self,
        entry_id: &str,
        label: &str,
        after: u64,
    ) -> Result<Option<String>, BdError> {
        audit::find_label(&self.about().beads_dir, (entry_id, label), after)
    }

    /// Marks an epic as worked by a swarm. Called with anything but an epic (or molecule), bd wraps that in a *new* epic each
    /// time: look with [`Listing::wrapper_of`] first.
    ///
    /// # Errors
    /// [`BdError::Refused`] when the epic's graph has a cycle.
    fn swarm_create(&self, id: &TaskId, actor: &str) -> Result<SwarmCreated, BdError>;

    /// What bd thinks of an epic's structure.
    ///
    /// # Errors
    /// As [`Tracker::listing`]; a graph with errors is an answer.
    fn swarm_validate(&self, epic: &TaskId) -> Result<SwarmValidation, BdError>;

    /// What bd thinks of an epic's progress.
    ///
    /// # Errors
    /// As [`Tracker::listing`].
    fn swarm_status(&self, epic: &TaskId) -> Result<SwarmStatus, BdError>;

    /// How many children an epic may have at most for [`Tracker::swarm_validate`] and [`Tracker::swarm_status`] to answer in a few
    /// seconds.
    fn most_children_to_check(&self) -> usize;

    /// Asks bd whether it can make a molecule of the formula in `file`, which is absolute. Nothing is written.
    ///
    /// # Errors
    /// [`BdError::Failed`] with bd's reason when it cannot.
    fn cook(&self, file: &Path) -> Result<(), BdError>;

    /// Makes a molecule.
    ///
    /// # Errors
    /// When the formula is not found or lacks a value.
    fn pour(&self, what: &FormulaUse, actor: &str) -> Result<Molecule, BdError>;

    /// Makes a molecule that bd may forget, as a part of the molecule `onto`, which must be one that was poured here.
    ///
    /// # Errors
    /// As [`Tracker::pour`].
    fn bond(&self, what: &FormulaUse, onto: &TaskId, actor: &str) -> Result<Molecule, BdError>;

    /// Closes issues that mesh itself has made, gates among them, in this order; those that are closed already stay so. Who has
    /// them and what blocks them is not looked at.
    ///
    /// # Errors
    /// One of them is not there, or it is unknown whether they were closed. Some of them may be.
    fn close_own(&self, ids: &[TaskId], actor: &str, reason: &str) -> Result<(), BdError>;
}

/// One call of a claim. It is a value, so that what a plan prints and what a run does are the same.
pub struct ClaimStep<'a> {
    command_line: Vec<String>,
    take: Box<dyn FnOnce() -> Result<(), BdError> + 'a>,
}

impl<'a> ClaimStep<'a> {
    /// The step that makes `call`, reads its answer with `read`, and looks with `look` when that leaves it in doubt.
    pub(crate) fn new(
        bd: &'a Transport,
        call: Call,
        read: impl FnOnce(&CallOutput) -> Result<(), BdError> + 'a,
        look: impl FnOnce() -> Result<ReadBack<()>, BdError> + 'a,
    ) -> ClaimStep<'a> {
        ClaimStep {
            command_line: bd.command_line(&call),
            take: Box::new(move || bd.write(&call, read, look)),
        }
    }

    /// The step that `take`s what begins with `call`.
    pub(crate) fn of(
        bd: &Transport,
        call: &Call,
        take: impl FnOnce() -> Result<(), BdError> + 'a,
    ) -> ClaimStep<'a> {
        ClaimStep {
            command_line: bd.command_line(call),
            take: Box::new(take),
        }
    }

    /// Program and arguments of the call.
    #[must_use]
    pub fn command_line(&self) -> &[String] {
        &self.command_line
    }

    /// Takes one after the other, up to the first that fails.
    fn take_all(steps: Vec<ClaimStep<'_>>) -> Result<(), BdError> {
        steps.into_iter().try_for_each(|step| (step.take)())
    }
}

/// How it goes with an agent of the pool, in bd's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentState {
    /// It works on a task.
    Working,
    /// It asked a question, or hung.
    Stuck,
    /// Its last task is verified.
    Done,
    /// It has nothing to do.
    Idle,
}

impl AgentState {
    /// bd's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AgentState::Working => "working",
            AgentState::Stuck => "stuck",
            AgentState::Done => "done",
            AgentState::Idle => "idle",
        }
    }
}

/// A claim that the tracker has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// It ends unless it is renewed.
    pub is_leased: bool,
}

/// What came of renewing a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// It runs for another while.
    Renewed,
    /// The claim is no longer the actor's.
    Refused(Refusal),
    /// This bd knows no leases; nothing was called.
    NoLeases,
}

/// A comment on an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// bd's id of it.
    pub id: String,
    /// Who wrote it.
    pub author: String,
    /// What it says.
    pub text: String,
}

/// Whether `text` has exactly this line, by which a comment is known as that of a run and an attempt.
fn has_marker(text: &str, marker: &str) -> bool {
    text.lines().any(|line| line.trim() == marker)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use mesh_proc::run::{Command, Output, RunError, Status};

    use super::*;

    type Made = Arc<Mutex<Vec<String>>>;

    /// Notes each call and answers nothing.
    struct Silent(Made);

    impl Runner for Silent {
        fn run(&self, command: &Command) -> Result<Output, RunError> {
            let words = command.args.iter().map(|word| word.to_string_lossy());
            self.0
                .lock()
                .expect("no panic")
                .extend(words.map(String::from));
            Ok(Output {
                status: Status::Exited(0),
                stdout: Vec::new(),
                stderr: Vec::new(),
                elapsed: Duration::ZERO,
            })
        }
    }

    type Look = fn() -> Result<ReadBack<()>, BdError>;

    /// Takes the steps `one`, `two`, `three`, whose answers say nothing, and of which the look shows what `looks` says.
    fn take(looks: [Look; 3]) -> (Result<(), BdError>, String) {
        let made = Made::default();
        let bd = Transport::answered_by(Silent(Arc::clone(&made)));
        let names = ["one", "two", "three"].into_iter().zip(looks);
        let steps = names.map(|(name, look)| {
            ClaimStep::new(
                &bd,
                Call::read(&[name]),
                |output| output.json("a claim"),
                look,
            )
        });
        let taken = ClaimStep::take_all(steps.collect());
        let made = made.lock().expect("no panic").join(" ");
        (taken, made)
    }

    #[test]
    fn each_step_of_a_claim_is_asked_back_and_the_first_that_fails_is_the_last() {
        let applied = || Ok(ReadBack::Applied(()));
        assert_eq!(take([applied; 3]), (Ok(()), "one two three".to_owned()));
        let not_applied = || Ok(ReadBack::NotApplied);
        let (failed, made) = take([applied, not_applied, applied]);
        assert!(
            matches!(failed, Err(BdError::Unreadable { .. })),
            "{failed:?}"
        );
        assert_eq!(made, "one two");
        let blind = || Err(BdError::QueueClosed);
        let (failed, made) = take([blind, applied, applied]);
        assert!(matches!(failed, Err(BdError::InDoubt { .. })), "{failed:?}");
        assert_eq!(made, "one");
    }

    #[test]
    fn a_marker_is_found_again_and_no_other() {
        let marker = "(mesh r7 t-1.2#1)";
        let text = format!("Verified.\n(mesh r7 t-1.2#12)\n{marker}\n");
        assert!(has_marker(&text, marker));
        assert!(!has_marker("see (mesh r7 t-1.2#1) above", marker));
        assert!(!has_marker("(mesh r7 t-1.2#12)", marker));
    }
}
