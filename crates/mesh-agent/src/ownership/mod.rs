//! Changed paths against the lock groups a task held.
//!
//! `[locks.groups] name = [globs]` says which paths a group stands for. A changed path in a group that the task did not hold breaks
//! the promise that locks hold; where a path lies in several groups all of them must have been held, since each of them promises
//! its holders that nobody else is there. A path in no group is reported and passes. Without a map nothing can be said.

mod glob;

pub use glob::{Glob, GlobProblem};

use mesh_core::evidence::ScopeBreach;
use mesh_core::id::{IdProblem, LockGroup};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Which paths each lock group stands for.
#[derive(Debug, Clone, Default)]
pub struct GroupMap {
    groups: BTreeMap<LockGroup, Vec<Glob>>,
}

/// One thing that is wrong with `[locks.groups]`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GroupProblem {
    /// Not the name of a group.
    #[error("locks.groups: {name:?} is no name of a lock group: {problem}")]
    Name {
        /// The key.
        name: String,
        /// Why.
        problem: IdProblem,
    },
    /// Not a pattern.
    #[error("locks.groups.{group}: {pattern:?}: {problem}")]
    Pattern {
        /// The group.
        group: String,
        /// The pattern.
        pattern: String,
        /// Why.
        problem: GlobProblem,
    },
    /// A group without paths could never be broken, and whoever wrote it believes otherwise.
    #[error("locks.groups.{group} has no pattern")]
    NoPattern {
        /// The group.
        group: String,
    },
}

/// What the comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum ScopeReport {
    /// There is no map: nothing was compared.
    Off,
    /// Every path was compared.
    Checked {
        /// One for each path and group that was not held, sorted by path.
        breaches: Vec<ScopeBreach>,
        /// Paths in no group.
        unmapped: Vec<String>,
    },
}

impl ScopeReport {
    /// The breaches; none where nothing was compared.
    #[must_use]
    pub fn breaches(&self) -> &[ScopeBreach] {
        match self {
            ScopeReport::Off => &[],
            ScopeReport::Checked { breaches, .. } => breaches,
        }
    }
}

impl GroupMap {
    /// Compiles the map of the configuration.
    ///
    /// # Errors
    /// All problems at once.
    pub fn compile(config: &BTreeMap<String, Vec<String>>) -> Result<GroupMap, Vec<GroupProblem>> {
        let mut groups = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, patterns) in config {
            let group = LockGroup::new(name.as_str())
                .map_err(|problem| {
                    let name = name.clone();
                    problems.push(GroupProblem::Name { name, problem });
                })
                .ok();
            if patterns.is_empty() {
                problems.push(GroupProblem::NoPattern {
                    group: name.clone(),
                });
            }
            let mut globs = Vec::new();
            for pattern in patterns {
                match Glob::parse(pattern) {
                    Ok(glob) => globs.push(glob),
                    Err(problem) => problems.push(GroupProblem::Pattern {
                        group: name.clone(),
                        pattern: pattern.clone(),
                        problem,
                    }),
                }
            }
            if let Some(group) = group {
                groups.insert(group, globs);
            }
        }
        if problems.is_empty() {
            Ok(GroupMap { groups })
        } else {
            Err(problems)
        }
    }

    /// Whether no group is mapped, so that nothing is checked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The groups that `path` (relative to the repository, with `/`) lies in.
    pub fn groups_of<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a LockGroup> {
        self.groups
            .iter()
            .filter(move |(_, globs)| globs.iter().any(|glob| glob.matches(path)))
            .map(|(group, _)| group)
    }

    /// Compares `paths` (relative to the repository, with `/`) with the groups in `held`.
    #[must_use]
    pub fn check(&self, paths: &[String], held: &BTreeSet<LockGroup>) -> ScopeReport {
        if self.is_empty() {
            return ScopeReport::Off;
        }
        let sorted: BTreeSet<&String> = paths.iter().collect();
        let mut breaches = Vec::new();
        let mut unmapped = Vec::new();
        for path in sorted {
            let mut is_mapped = false;
            for group in self.groups_of(path) {
                is_mapped = true;
                if !held.contains(group) {
                    breaches.push(ScopeBreach {
                        path: path.clone(),
                        group: group.clone(),
                    });
                }
            }
            if !is_mapped {
                unmapped.push(path.clone());
            }
        }
        ScopeReport::Checked { breaches, unmapped }
    }
}

#[cfg(test)]
#[path = "ownership_test.rs"]
mod tests;
