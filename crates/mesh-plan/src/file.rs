//! Plan files: one [`FileFormat`] reads a format into tasks and says which bytes record a task's progress in it. Who opens, locks and
//! writes the file is not here.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use mesh_core::id::TaskId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::diagnostic::Diagnostic;
use crate::source_snapshot::{SourceKind, SourceSnapshot};

/// The most that a plan file may have, in bytes. What is larger was not written as one.
pub(crate) const MOST_BYTES: usize = 16 << 20;
/// What is said of a larger one.
pub(crate) const TOO_LARGE: &str = "this has more than 16 MiB, which is no list of tasks";

/// The format of this kind; none for the tracker.
#[must_use]
pub fn format(kind: SourceKind) -> Option<&'static dyn FileFormat> {
    kind.format()
}

/// The format of files whose name ends like this, without the dot.
#[must_use]
pub fn by_extension(extension: &str) -> Option<&'static dyn FileFormat> {
    let mut formats = SourceKind::ALL.iter().filter_map(|kind| kind.format());
    formats.find(|format| format.extensions().contains(&extension))
}

/// Which tasks of a file are meant, what is known of them beside it, and what is written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Selection {
    /// Only these tasks and what they need; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// The number of the task list where the file has several, 1 for the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pick: Option<usize>,
    /// Whether progress is written into a file that a person keeps as a document.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub write: bool,
    /// What is asked for each row of a wave CSV, with `{column}` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// The table that says what depends on what in a wave CSV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<Dependencies>,
    /// Where the results of the rows of a wave CSV are written, as an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
}

/// A table beside a wave CSV, as it was when the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependencies {
    /// What messages call it.
    pub name: String,
    /// The table.
    pub text: String,
}

impl Selection {
    /// The ids that can be those of tasks.
    #[must_use]
    pub fn task_ids(&self) -> Vec<TaskId> {
        self.ids
            .iter()
            .filter_map(|id| TaskId::new(id.clone()).ok())
            .collect()
    }

    /// Keeps what is meant of a file that has been read; unknown ids become diagnostics of it.
    pub(crate) fn restrict(&self, snapshot: &mut SourceSnapshot) {
        if !self.ids.is_empty()
            && let Err(problems) = snapshot.restrict(&self.task_ids())
        {
            snapshot.diagnostics.extend(problems);
        }
    }
}

/// What happened to a task, as far as a plan file shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Its first attempt starts.
    Started,
    /// It is verified.
    Verified,
    /// It failed for good.
    Failed,
    /// It waits for an answer.
    Question,
    /// The run gives it back.
    Released,
}

/// What is to be recorded of a task.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The task.
    pub task: &'a TaskId,
    /// What happened to it.
    pub progress: Progress,
    /// Whether its status follows; what somebody else gave it is not written over.
    pub sets_status: bool,
    /// What there is to say about it.
    pub detail: Option<&'a str>,
    /// Why it is blocked, in a word.
    pub reason: Option<&'a str>,
    /// The proof that ran, and how it ended.
    pub validation: Option<&'a str>,
    /// The text of a `mesh` block that its agents agreed on, where the task has none that is complete.
    pub metadata: Option<&'a str>,
    /// By which what was said of this attempt is found again.
    pub marker: &'a str,
    /// The time: UTC, whole seconds, `Z`.
    pub time: &'a str,
}

/// How a file changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Not at all: it says so already.
    None,
    /// Bytes behind its last whole line. What stands after `sound_bytes` is a line that was cut off, and goes.
    Append {
        /// Length of the file up to its last whole line.
        sound_bytes: u64,
        /// What is added.
        bytes: Vec<u8>,
    },
    /// The whole file is this now.
    Replace(Vec<u8>),
}

/// A format of plan files.
pub trait FileFormat: Send + Sync {
    /// Its kind.
    fn kind(&self) -> SourceKind;

    /// How names of such files end, without the dot.
    fn extensions(&self) -> &'static [&'static str];

    /// Reads the tasks that are meant. What is wrong with them stands in the snapshot's diagnostics. `name` is what messages call the
    /// file; its end may tell variants of the format apart.
    ///
    /// # Errors
    /// It is not clear which tasks are meant, or there are none.
    fn load(
        &self,
        name: &str,
        bytes: &[u8],
        selection: &Selection,
    ) -> Result<SourceSnapshot, Vec<Diagnostic>>;

    /// The status of a task after this.
    fn status(&self, progress: Progress) -> &'static str;

    /// Whether only a person gives a task this status.
    fn is_given_up(&self, status: &str) -> bool;

    /// How the file changes; `None` when progress is not recorded in it at all.
    ///
    /// # Errors
    /// The file has no place for it.
    fn record(
        &self,
        name: &str,
        bytes: &[u8],
        selection: &Selection,
        record: &Record<'_>,
    ) -> Result<Option<Edit>, String>;

    /// Whether writers of such files hold the lock `<file>.lock` while they add to them.
    fn has_lock_file(&self) -> bool {
        false
    }

    /// Whether a run takes up what others change in the file while it goes on.
    fn refreshes(&self) -> bool {
        false
    }

    /// The tasks whose last word in the file is of an attempt of `run`: nobody has said anything since.
    fn marked_by(&self, _bytes: &[u8], _run: &str) -> BTreeSet<TaskId> {
        BTreeSet::new()
    }
}

impl fmt::Debug for dyn FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.kind(), f)
    }
}

impl PartialEq for dyn FileFormat {
    fn eq(&self, other: &dyn FileFormat) -> bool {
        self.kind() == other.kind()
    }
}

impl Eq for dyn FileFormat {}

/// Stored as its kind.
impl Serialize for dyn FileFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.kind().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for &'static dyn FileFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = SourceKind::deserialize(deserializer)?;
        format(kind).ok_or_else(|| D::Error::custom(format!("{kind} is no plan file")))
    }
}
