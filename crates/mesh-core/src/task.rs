//! A task as the scheduler sees it: what orders it and what holds it back. What is to be done in it is the source's business.

use std::collections::BTreeSet;

use crate::id::{LockGroup, TaskId};

/// Estimate for a task when its plan has no estimate at all, in minutes.
pub const DEFAULT_ESTIMATE_MINUTES: u32 = 30;

/// One unit of work with one objective, or a container of such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its name in the source.
    pub id: TaskId,
    /// One line for people.
    pub title: String,
    /// Whether it may be run at all.
    pub eligibility: Eligibility,
    /// Tasks of the same plan that must be verified first.
    pub needs: Vec<TaskId>,
    /// Open blockers that are not part of the plan; nothing here can finish them, but a later listing may.
    pub outside: Vec<TaskId>,
    /// Contention domains it takes, all or none. Empty means that its author named none.
    pub locks: BTreeSet<LockGroup>,
    /// 0 is the most urgent.
    pub priority: i32,
    /// The author's guess in minutes, if there is one.
    pub estimate_minutes: Option<u32>,
    /// An integration point: goes before its equals.
    pub checkpoint: bool,
    /// Last tie-break before the id, smaller first: the place in a file, or 0 where the source has no order.
    pub tie: u32,
}

impl Task {
    /// A plain open task; tests and generators change the fields they care about.
    #[must_use]
    pub fn open(id: TaskId) -> Task {
        Task {
            title: id.to_string(),
            id,
            eligibility: Eligibility::Open,
            needs: Vec::new(),
            outside: Vec::new(),
            locks: BTreeSet::new(),
            priority: 2,
            estimate_minutes: None,
            checkpoint: false,
            tie: 0,
        }
    }
}

/// Whether a task may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eligibility {
    /// To be done in this run.
    Open,
    /// Done before the run; its work, if mesh made it, lies in `commit`.
    Satisfied {
        /// Version-control id of the recorded result.
        commit: Option<Commit>,
    },
    /// Holds other tasks and is done when its needs are; never dispatched.
    Container,
    /// Somebody else's, or put aside; reported, not run.
    NotOurs {
        /// Why, as a fragment: `blocked by hand`, `held by ada`.
        reason: String,
    },
    /// Its record contradicts the plan (a cycle, an unknown need that appeared while running): held until it is mended.
    Faulty {
        /// What is wrong, as a fragment.
        reason: String,
    },
}

/// A version-control id, as its backend writes it. The core compares and hands on, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commit(pub String);

impl std::fmt::Display for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
