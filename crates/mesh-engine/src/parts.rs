//! What a coordinator is made of, and what it leaves.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use mesh_agent::profile::Profile;
use mesh_core::decision::Decision;
use mesh_core::event::{Event, Request};
use mesh_core::policy::Budget;
use mesh_core::state::State;
use mesh_core::time::Millis;
use mesh_journal::layout::{MeshDir, RunDir};
use mesh_journal::{Journal, JournalError, RunId, Timestamp};
use mesh_proc::env::Env;
use mesh_proc::signal::OwnSignal;
use mesh_vcs::Backend;

use crate::clock::Clock;
use crate::context::Details;
use crate::executor::Executor;
use crate::inbox::Input;
use crate::inbox::Inputs;
use crate::notes::Notes;
use crate::open::Locks;
use crate::setup::RunSetup;
use crate::source::Source;
use crate::workers::Workers;

/// Somebody who is shown what happens, after it is in the journal.
pub trait Observer: Send {
    /// A fact was taken in and these decisions were made; `state` is after them.
    fn happened(&mut self, now: Millis, event: &Event, decisions: &[Decision], state: &State);
    /// Something for people that changes nothing.
    fn note(&mut self, text: &str);
}

/// How a run ended, or how it was left.
#[derive(Debug)]
pub struct Finished {
    /// Its last state.
    pub state: State,
    /// The signal that a person or the system sent, if any.
    pub interrupted: Option<OwnSignal>,
    /// Agents were left running for a later `resume`.
    pub left: bool,
    /// What went wrong without changing a verdict.
    pub notes: Vec<String>,
    /// Held until this is dropped: nobody takes the run up while its end is being told.
    pub locks: Locks,
}

/// Where facts and decisions are recorded.
pub trait Log: Send {
    /// Appends one record; when this returns, no death of a process takes it away.
    ///
    /// # Errors
    /// It could not be written: nothing may be done any more.
    fn append(
        &mut self,
        at: Millis,
        wall: Timestamp,
        event: &Event,
        decisions: &[Decision],
    ) -> Result<(), JournalError>;

    /// Makes all records durable, against a loss of power too.
    ///
    /// # Errors
    /// As [`Log::append`].
    fn sync(&mut self) -> Result<(), JournalError>;

    /// What people should hear of the log itself.
    fn notes(&self) -> Vec<String>;
}

impl Log for Journal {
    fn append(
        &mut self,
        at: Millis,
        wall: Timestamp,
        event: &Event,
        decisions: &[Decision],
    ) -> Result<(), JournalError> {
        Journal::append(self, at, wall, event, decisions)
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        Journal::sync(self)
    }

    fn notes(&self) -> Vec<String> {
        Journal::notes(self).to_vec()
    }
}

/// An agent and where its program is.
#[derive(Debug, Clone)]
pub struct AgentProgram {
    /// What it is.
    pub profile: Profile,
    /// Its program.
    pub program: PathBuf,
}

/// What a coordinator is made of: the adapters, and the state that it begins with.
pub struct Parts {
    /// The run's id.
    pub run: RunId,
    /// All choices.
    pub setup: RunSetup,
    /// Where the runs of the repository are.
    pub mesh_dir: MeshDir,
    /// Where this one is.
    pub run_dir: RunDir,
    /// What agents are.
    pub profile: Profile,
    /// The agent's program.
    pub agent_program: PathBuf,
    /// The agents that follow it in the policy.
    pub more_agents: Vec<AgentProgram>,
    /// Our own environment.
    pub ours: Env,
    /// Whether processes are put into a sandbox.
    pub sandboxed: bool,
    /// Version control.
    pub vcs: Arc<Backend>,
    /// Where tasks come from.
    pub source: Arc<dyn Source>,
    /// What runs processes.
    pub executor: Box<dyn Executor>,
    /// What blocking work is done on.
    pub workers: Box<dyn Workers>,
    /// How long work that nobody waits for stands back for tasks that change over; zero where workers do not run side by side.
    pub patience: Duration,
    /// The time.
    pub clock: Arc<Clock>,
    /// Where all of them report to.
    pub inbox: Sender<Input>,
    /// Where that comes out.
    pub inputs: Box<dyn Inputs>,
    /// Where it is recorded.
    pub log: Box<dyn Log>,
    /// The texts of the tasks.
    pub details: Details,
    /// For people.
    pub notes: Arc<Notes>,
    /// Who is shown what happens.
    pub watch: Box<dyn Observer>,
    /// What the log says so far.
    pub state: State,
}

/// What a run is taken up for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResumeMode {
    /// To go on.
    GoOn {
        /// What somebody else closed counts as done.
        trust_outside: bool,
        /// What the run may use, in place of what was said of the same before.
        budget: Budget,
    },
    /// To put results onto a target; nothing else of it is begun.
    Land(Request),
    /// To end it: agents are stopped, what ended is recorded, claims are given back.
    End,
}
