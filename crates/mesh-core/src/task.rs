//! A task as the scheduler sees it: what orders it and what holds it back. What is to be done in it is the source's business.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{LockGroup, TaskId};
#[cfg(feature = "serde")]
use crate::text::shortened;
use crate::time::Span;

/// Estimate for a task when its plan has no estimate at all, in minutes.
pub const DEFAULT_ESTIMATE_MINUTES: u32 = 30;

/// One unit of work with one objective, or a container of such.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Task {
    /// Its name in the source.
    pub id: TaskId,
    /// One line for people.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "String::is_empty")
    )]
    pub title: String,
    /// Whether it may be run at all.
    #[cfg_attr(feature = "serde", serde(rename = "standing"))]
    pub eligibility: Eligibility,
    /// Tasks of the same plan that must be verified first.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub needs: Vec<TaskId>,
    /// Open blockers that are not part of the plan; nothing here can finish them, but a later listing may.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub outside: Vec<TaskId>,
    /// Contention domains it takes, all or none. Empty means that its author named none.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Locks::is_empty")
    )]
    pub locks: Locks,
    /// 0 is the most urgent.
    pub priority: i32,
    /// The author's guess in minutes, if there is one.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub estimate_minutes: Option<u32>,
    /// An integration point: goes before its equals.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "crate::stored::is_false")
    )]
    pub checkpoint: bool,
    /// Limits of its own for its attempts.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "TaskLimits::is_none")
    )]
    pub limits: TaskLimits,
    /// The agents that may work it, by name, the one to prefer first. Empty means those of the run.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub agents: Vec<String>,
    /// Last tie-break before the id, smaller first: the place in a file, or 0 where the source has no order.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "crate::stored::is_zero")
    )]
    pub tie: u32,
}

/// Limits that a task sets for its attempts, in place of those of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TaskLimits {
    /// An agent that has shown no first sign of life after this long is hung.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "start_ms", default, skip_serializing_if = "Option::is_none")
    )]
    pub start: Option<Span>,
    /// An agent that runs longer is noted.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "soft_ms", default, skip_serializing_if = "Option::is_none")
    )]
    pub soft: Option<Span>,
    /// An agent that runs longer is ended.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "hard_ms", default, skip_serializing_if = "Option::is_none")
    )]
    pub hard: Option<Span>,
}

impl TaskLimits {
    /// Whether those of the run hold.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == TaskLimits::default()
    }
}

/// The lock groups of a task, each with how many units of it the task takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(try_from = "Vec<String>", into = "Vec<String>")
)]
pub struct Locks(BTreeMap<LockGroup, u32>);

impl Locks {
    /// Adds one unit of a group.
    pub fn insert(&mut self, group: LockGroup) {
        self.insert_units(group, 1);
    }

    /// Takes `units` of a group, at least one.
    pub fn insert_units(&mut self, group: LockGroup, units: u32) {
        self.0.insert(group, units.max(1));
    }

    /// The groups, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &LockGroup> {
        self.0.keys()
    }

    /// The groups with their units, ascending.
    pub fn units(&self) -> impl Iterator<Item = (&LockGroup, u32)> {
        self.0.iter().map(|(group, units)| (group, *units))
    }

    /// The groups as a set.
    #[must_use]
    pub fn groups(&self) -> BTreeSet<LockGroup> {
        self.0.keys().cloned().collect()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many groups there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// As people write them: `core`, `gpu=2`.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.units().map(|(group, units)| match units {
            1 => group.to_string(),
            units => format!("{group}={units}"),
        })
    }

    /// The inverse of [`Locks::texts`] for one of them.
    ///
    /// # Errors
    /// What is wrong, as a fragment: no name of a lock group, or no number of units.
    pub fn parse(text: &str) -> Result<(LockGroup, u32), String> {
        let (name, units) = match text.split_once('=') {
            Some((name, units)) => match units.parse() {
                Ok(units) if units > 0 => (name, units),
                _ => return Err("the units after `=` are no whole number from 1 on".to_owned()),
            },
            None => (text, 1),
        };
        let group = LockGroup::new(name).map_err(|problem| problem.to_string())?;
        Ok((group, units))
    }
}

impl FromIterator<LockGroup> for Locks {
    fn from_iter<T: IntoIterator<Item = LockGroup>>(groups: T) -> Locks {
        Locks(groups.into_iter().map(|group| (group, 1)).collect())
    }
}

#[cfg(feature = "serde")]
impl From<Locks> for Vec<String> {
    fn from(locks: Locks) -> Vec<String> {
        locks.texts().collect()
    }
}

#[cfg(feature = "serde")]
impl TryFrom<Vec<String>> for Locks {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Locks, String> {
        let mut locks = Locks::default();
        for text in texts {
            let parsed = Locks::parse(&text);
            let (group, units) = parsed.map_err(|problem| {
                format!("{:?} is not a lock group: {problem}", shortened(&text, 60))
            })?;
            locks.insert_units(group, units);
        }
        Ok(locks)
    }
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
            locks: Locks::default(),
            priority: 2,
            estimate_minutes: None,
            checkpoint: false,
            limits: TaskLimits::default(),
            agents: Vec::new(),
            tie: 0,
        }
    }
}

/// Whether a task may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "is", rename_all = "snake_case"))]
pub enum Eligibility {
    /// To be done in this run.
    Open,
    /// Done before the run; its work, if mesh made it, lies in `commit`.
    Satisfied {
        /// Version-control id of the recorded result.
        #[cfg_attr(
            feature = "serde",
            serde(default, skip_serializing_if = "Option::is_none")
        )]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Commit(pub String);

impl std::fmt::Display for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
