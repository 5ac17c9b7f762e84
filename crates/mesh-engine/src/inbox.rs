//! The one channel into the loop. Whatever happens outside becomes an [`Input`] here.

use mesh_core::event::Event;
use mesh_core::id::AttemptId;
use mesh_proc::signal::OwnSignal;

/// Something from outside.
#[derive(Debug)]
pub enum Input {
    /// A fact for the core.
    Fact(Box<Event>),
    /// A shim has ended.
    ProcessEnded(Process),
    /// Somebody wrote a request into the control folder.
    ControlChanged,
    /// A signal to ourselves.
    Signal(OwnSignal),
    /// Something that people should hear of now.
    Note(String),
}

/// A process tree of an attempt that a shim owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The attempt.
    pub attempt: AttemptId,
    /// What it is for.
    pub role: Role,
}

/// What a process tree is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The agent.
    Agent,
    /// The proof in the attempt's workspace.
    Proof,
    /// The proof in a fresh workspace of the recorded commit.
    CleanProof,
    /// The proof on the integrated tree of a landing.
    LandingProof,
}
