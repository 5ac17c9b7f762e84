//! What a source gives: tasks for the scheduler, the details of each, and everything that is wrong with the input.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use mesh_core::id::{LockGroup, TaskId};
use mesh_core::plan::{Plan, PlanProblem};
use mesh_core::task::Task;
use serde::{Deserialize, Serialize};

use crate::csv::CsvFormat;
use crate::details::TaskDetails;
use crate::diagnostic::{self, Diagnostic, Place, Severity};
use crate::file::FileFormat;
use crate::list::ListFormat;
use crate::nearest;
use crate::st::StFormat;

macro_rules! kinds {
    ($($(#[$about:meta])* $kind:ident $word:literal $format:expr,)*) => {
        /// Where tasks come from.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum SourceKind {
            $($(#[$about])* #[serde(rename = $word)] $kind,)*
        }

        impl SourceKind {
            /// All of them.
            pub const ALL: &[SourceKind] = &[$(SourceKind::$kind),*];

            /// The word that names it on the command line and in records.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(SourceKind::$kind => $word,)* }
            }

            /// What reads and writes its files; nothing for the tracker.
            #[must_use]
            pub fn format(self) -> Option<&'static dyn FileFormat> {
                match self { $(SourceKind::$kind => $format,)* }
            }
        }
    };
}

// A new source is a line here, and a file that has its format.
kinds! {
    /// The tracker.
    Bd "bd" None,
    /// A JSONL plan file, version 3.
    St "st" Some(&StFormat),
    /// A task list in Markdown or YAML.
    List "list" Some(&ListFormat),
    /// A wave CSV.
    Csv "csv" Some(&CsvFormat),
}

impl SourceKind {
    /// The inverse of [`SourceKind::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<SourceKind> {
        let mut all = SourceKind::ALL.iter().copied();
        all.find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which source this was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// Its kind.
    pub kind: SourceKind,
    /// The epic's or bead's id, or the file's name as it was given.
    pub id: String,
    /// One line for people.
    pub title: String,
}

/// A source, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSnapshot {
    /// The scheduler's part, in the source's order.
    pub tasks: Vec<Task>,
    /// The details of each task.
    pub details: BTreeMap<TaskId, TaskDetails>,
    /// Which source it was.
    pub source: SourceInfo,
    /// Everything that was noticed, in the order of the input.
    pub diagnostics: Vec<Diagnostic>,
    /// Where a task stands in the input, for messages; empty for the tracker.
    pub spans: BTreeMap<TaskId, Place>,
}

impl SourceSnapshot {
    /// Whether the input is no plan.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// Checks the tasks and builds the plan, with lock groups of these capacities.
    ///
    /// # Errors
    /// Everything that is known about the input, notes included, if an error is among it.
    pub fn plan(&self, capacity: &BTreeMap<LockGroup, u32>) -> Result<Plan, Vec<Diagnostic>> {
        let (plan, mut problems) = Plan::build_tolerant(self.tasks.clone());
        let (plan, too_many) = plan.with_capacities(capacity);
        problems.extend(too_many);
        if problems.is_empty() && !self.has_errors() {
            return Ok(plan);
        }
        let mut all = self.diagnostics.clone();
        all.extend(problems.iter().map(|problem| self.problem(problem)));
        diagnostic::sort(&mut all);
        Err(all)
    }

    /// What the core says about the tasks, as a diagnostic with its place.
    #[must_use]
    pub fn problem(&self, problem: &PlanProblem) -> Diagnostic {
        let mut message = problem.to_string();
        if let PlanProblem::UnknownNeed { need, .. } = problem {
            message.push_str(&nearest::hint(
                need.as_str(),
                self.details.keys().map(TaskId::as_str),
            ));
        }
        let found = Diagnostic::error(message);
        match problem.task() {
            Some(task) => found.about(task).at(self.spans.get(task).copied()),
            None => found,
        }
    }

    /// Keeps `ids` and all they need, directly or not; the rest is gone as if it had never been listed. Diagnostics about tasks
    /// that are gone go too, except errors.
    ///
    /// # Errors
    /// Ids that are no tasks of the source. The others are kept all the same: an id that vanishes in mid-run must not let the rest
    /// of the source in.
    pub fn restrict(&mut self, ids: &[TaskId]) -> Result<(), Vec<Diagnostic>> {
        let unknown: Vec<Diagnostic> = ids
            .iter()
            .filter(|id| !self.details.contains_key(id))
            .map(|id| {
                let near = nearest::hint(id.as_str(), self.details.keys().map(TaskId::as_str));
                Diagnostic::error(format!(
                    "{id} is no task of {} {}{near}",
                    self.source.kind, self.source.id
                ))
                .about(id)
            })
            .collect();
        let kept = closure(&self.tasks, ids);
        self.tasks.retain(|task| kept.contains(&task.id));
        self.details.retain(|id, _| kept.contains(id));
        self.spans.retain(|id, _| kept.contains(id));
        self.diagnostics.retain(|found| {
            found.severity == Severity::Error
                || found.task.as_ref().is_none_or(|id| kept.contains(id))
        });
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(unknown)
        }
    }
}

/// `ids` and all they need, directly or not.
#[must_use]
pub fn closure(tasks: &[Task], ids: &[TaskId]) -> BTreeSet<TaskId> {
    let by_id: BTreeMap<&TaskId, &Task> = tasks.iter().map(|task| (&task.id, task)).collect();
    let mut kept = BTreeSet::new();
    let mut open: Vec<&TaskId> = ids.iter().collect();
    while let Some(id) = open.pop() {
        if let Some(task) = by_id.get(id)
            && kept.insert(id.clone())
        {
            open.extend(&task.needs);
        }
    }
    kept
}
