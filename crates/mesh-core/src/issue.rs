//! An issue of the tracker, in a form no dialect owns. The tracker's adapter fills it, the plan's reader makes tasks of it.

use crate::id::TaskId;

/// One issue as the tracker last showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The tracker's id.
    pub id: TaskId,
    /// One line.
    pub title: String,
    /// What is to be done.
    pub description: String,
    /// How one sees that it is done.
    pub acceptance: String,
    /// How it is to be built, if the tracker has it.
    pub design: String,
    /// Free notes.
    pub notes: String,
    /// Where the issue stands.
    pub status: IssueStatus,
    /// What kind of issue it is.
    pub kind: IssueKind,
    /// 0 is the most urgent.
    pub priority: i32,
    /// Who has it; `None` when nobody has.
    pub assignee: Option<String>,
    /// Labels, in the tracker's order.
    pub labels: Vec<String>,
    /// Edges that leave this issue.
    pub edges: Vec<Edge>,
    /// The author's guess, in minutes.
    pub estimate_minutes: Option<u32>,
    /// Metadata as text, sorted by key (numbers and booleans are written out).
    pub metadata: Vec<(String, String)>,
    /// Why it was closed, if it was.
    pub close_reason: Option<String>,
}

/// An edge: the issue that carries it depends on, or is a child of, `to`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The other end.
    pub to: TaskId,
    /// What the edge means.
    pub kind: EdgeKind,
}

/// Kinds of edges that mesh tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    /// `blocks`, `conditional-blocks`, `waits-for`: the carrier may not start before the other end is done.
    Gates,
    /// `parent-child`: the carrier belongs to the other end.
    Parent,
    /// Everything else; never gates.
    Other,
}

/// Where an issue stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssueStatus {
    /// Not begun.
    Open,
    /// Somebody is at it.
    InProgress,
    /// Marked as blocked by a person.
    Blocked,
    /// Put off.
    Deferred,
    /// Done.
    Closed,
    /// Any other word, as the tracker spells it (`hooked`, `pinned`, custom ones).
    Other(String),
}

impl IssueStatus {
    /// The tracker's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            IssueStatus::Open => "open",
            IssueStatus::InProgress => "in_progress",
            IssueStatus::Blocked => "blocked",
            IssueStatus::Deferred => "deferred",
            IssueStatus::Closed => "closed",
            IssueStatus::Other(word) => word,
        }
    }
}

/// What kind of issue it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssueKind {
    /// A container: never dispatched, done when its children are.
    Epic,
    /// A tracker's own bookkeeping (`molecule`, `gate`, `event`, `agent`, `message`): never dispatched.
    Bookkeeping(String),
    /// Work (`task`, `bug`, `feature`, `chore`, …), as the tracker spells it.
    Work(String),
}
