//! The supervised process trees of an attempt: what each is for, and by which words it is known.

use std::fmt;

use crate::id::AttemptId;

/// One supervised process tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId {
    /// The attempt that it belongs to.
    pub attempt: AttemptId,
    /// What it is for.
    pub role: Role,
}

/// What a process tree is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The agent.
    Agent,
    /// The command that makes a working copy usable.
    Setup(Tree),
    /// The command whose exit code 0 is part of "done".
    Proof(Tree),
}

/// Which working copy a setup or proof command runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tree {
    /// The attempt's own workspace.
    Workspace,
    /// A fresh workspace of the recorded commit.
    Recorded,
    /// A fresh workspace of the candidate of a landing.
    Integrated,
}

impl Role {
    /// Every role there is.
    pub const ALL: [Role; 7] = [
        Role::Agent,
        Role::Setup(Tree::Workspace),
        Role::Proof(Tree::Workspace),
        Role::Setup(Tree::Recorded),
        Role::Proof(Tree::Recorded),
        Role::Setup(Tree::Integrated),
        Role::Proof(Tree::Integrated),
    ];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Agent => "agent",
            Role::Setup(Tree::Workspace) => "setup",
            Role::Setup(Tree::Recorded) => "setup of the recorded commit",
            Role::Setup(Tree::Integrated) => "setup of the integrated tree",
            Role::Proof(Tree::Workspace) => "proof",
            Role::Proof(Tree::Recorded) => "proof of the recorded commit",
            Role::Proof(Tree::Integrated) => "landing proof",
        })
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.role, self.attempt)
    }
}

impl AttemptId {
    /// The process of the attempt with this role.
    #[must_use]
    pub fn process(&self, role: Role) -> ProcessId {
        ProcessId {
            attempt: self.clone(),
            role,
        }
    }
}
