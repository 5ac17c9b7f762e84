//! The task as the roles are told of it.

use serde::{Deserialize, Serialize};

/// One task. Empty texts and lists are what its source does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Task {
    /// Its id in the source.
    pub id: String,
    /// One line.
    pub title: String,
    /// The source's word for where it stands.
    pub status: String,
    /// Ids of what it stands on; the workspace contains their work.
    pub depends_on: Vec<String>,
    /// What is to be done.
    pub description: String,
    /// Everything else that its author wrote: design, notes, constraints, invariants.
    pub notes: String,
    /// Paths or globs it may change. Empty: not said.
    pub scope: Vec<String>,
    /// How one sees that it is done.
    pub acceptance: String,
    /// The commands that prove it, in order: its own, else what the configuration names.
    pub validation: Vec<String>,
    /// A result without any proof is accepted.
    pub allow_no_validation: bool,
    /// Why the attempt before was not accepted, if there was one.
    pub previous: Option<String>,
    /// The question that the attempt before ended with, if it did.
    pub question: Option<Asked>,
}

/// A question that was asked, and what a person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The question.
    pub question: String,
    /// The answer; `None` when a person wants the task to go on without one.
    pub answer: Option<String>,
}

/// The metadata of a task that `consensus` cannot do without: the `mesh` block of an item's notes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Paths or globs.
    pub scope: Vec<String>,
    /// What can be checked, one line each.
    pub acceptance: Vec<String>,
    /// Commands that are run after the patch is applied.
    pub validation: Vec<String>,
    /// The block as the proposer wrote it, between its fences.
    pub block: String,
}
