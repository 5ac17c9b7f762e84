//! The JSONL plan, version 3: one record a line, events and now and then a checkpoint with the full state. [`read`] takes the
//! bytes of a file, [`crate::file::FileFormat::record`] makes bytes to append, and [`new_plan`] those to begin a file with. Nothing here
//! opens a file; who appends does so under the lock `<file>.lock`.
//!
//! Lines of version 2 are read if they come first, and the older spellings `kind` for `lane`, `replace_all`, `upsert_item`,
//! `append_comment` and `comment`. Every dependency gates, whatever its type is called.

mod event;
mod format;
mod item;
mod load;
mod meta;
mod read;
mod write;

use std::collections::BTreeMap;

use mesh_core::id::TaskId;

use crate::diagnostic::{self, Diagnostic, Place};
use crate::source_snapshot::SourceSnapshot;
use meta::Notes;

pub(crate) use format::StFormat;
pub use meta::{MeshBlock, mesh_block};
pub use write::new_plan;

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemStatus {
    /// Not begun; also `open`, `queued`.
    Pending,
    /// Begun; also `active`, `doing`, `in-progress`.
    InProgress,
    /// Done; also `done`, `closed`.
    Completed,
    /// Stopped by somebody, for a reason that a comment gives.
    Blocked,
    /// Put off.
    Deferred,
    /// Given up; also `cancelled`.
    Canceled,
}

impl ItemStatus {
    /// All, in the order of the enum.
    pub const ALL: [ItemStatus; 6] = [
        ItemStatus::Pending,
        ItemStatus::InProgress,
        ItemStatus::Completed,
        ItemStatus::Blocked,
        ItemStatus::Deferred,
        ItemStatus::Canceled,
    ];

    /// The word that is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ItemStatus::Pending => "pending",
            ItemStatus::InProgress => "in_progress",
            ItemStatus::Completed => "completed",
            ItemStatus::Blocked => "blocked",
            ItemStatus::Deferred => "deferred",
            ItemStatus::Canceled => "canceled",
        }
    }

    /// Reads a word or one of its older spellings, in any case.
    #[must_use]
    pub fn from_word(word: &str) -> Option<ItemStatus> {
        match word.trim().to_ascii_lowercase().as_str() {
            "pending" | "open" | "queued" => Some(ItemStatus::Pending),
            "in_progress" | "active" | "doing" | "in-progress" => Some(ItemStatus::InProgress),
            "completed" | "done" | "closed" => Some(ItemStatus::Completed),
            "blocked" => Some(ItemStatus::Blocked),
            "deferred" => Some(ItemStatus::Deferred),
            "canceled" | "cancelled" => Some(ItemStatus::Canceled),
            _ => None,
        }
    }
}

/// A dependency: the item may not start before `id` is completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StDep {
    /// The other item.
    pub id: TaskId,
    /// What it is called, `blocks` by default; it gates whatever it is called.
    pub kind: String,
}

impl StDep {
    /// A dependency of the usual type.
    #[must_use]
    pub fn blocks(id: TaskId) -> StDep {
        StDep {
            id,
            kind: DEFAULT_DEP_TYPE.to_owned(),
        }
    }
}

/// The type of a dependency that names none.
pub const DEFAULT_DEP_TYPE: &str = "blocks";

/// A comment on an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StComment {
    /// When: UTC, whole seconds, `Z`.
    pub ts: String,
    /// Who.
    pub author: String,
    /// What.
    pub text: String,
}

/// One item of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StItem {
    /// Its id.
    pub id: TaskId,
    /// What is to be done; never empty in a plan that is accepted.
    pub step: String,
    /// Where it stands.
    pub status: ItemStatus,
    /// What it waits for.
    pub deps: Vec<StDep>,
    /// Free text with at most one fenced `mesh` block.
    pub notes: String,
    /// Comments, oldest first.
    pub comments: Vec<StComment>,
}

impl StItem {
    /// A pending item without anything else.
    #[must_use]
    pub fn pending(id: TaskId, step: impl Into<String>) -> StItem {
        StItem {
            id,
            step: step.into(),
            status: ItemStatus::Pending,
            deps: Vec::new(),
            notes: String::new(),
            comments: Vec::new(),
        }
    }
}

/// An item with where it was last written as a whole, and its notes read.
#[derive(Debug, Clone)]
struct Slot {
    item: StItem,
    place: Place,
    notes: Notes,
}

/// A plan file, read up to some line. It can go on where it stopped: see [`StPlan::extend`].
#[derive(Debug, Clone, Default)]
pub struct StPlan {
    /// Items in file order; removed ones leave a hole.
    slots: Vec<Option<Slot>>,
    index: BTreeMap<TaskId, usize>,
    watermark: Option<u64>,
    lines: u32,
    sound_bytes: u64,
    needs_newline: bool,
    saw_record: bool,
    saw_version_3: bool,
    problems: Vec<Diagnostic>,
    torn: Option<Diagnostic>,
}

impl StPlan {
    /// Items in file order.
    pub fn items(&self) -> impl Iterator<Item = &StItem> {
        self.slots.iter().flatten().map(|slot| &slot.item)
    }

    /// The item `id`.
    #[must_use]
    pub fn item(&self, id: &TaskId) -> Option<&StItem> {
        self.slot(id).map(|slot| &slot.item)
    }

    /// The highest `seq` so far, 0 without any; the next event has one more.
    #[must_use]
    pub fn watermark(&self) -> u64 {
        self.watermark.unwrap_or(0)
    }

    /// Length of the file up to its last whole line. What stands behind it is a torn line: who appends cuts it off first.
    #[must_use]
    pub fn sound_bytes(&self) -> u64 {
        self.sound_bytes
    }

    /// Whether the last whole line has no line end: who appends writes one first.
    #[must_use]
    pub fn needs_newline(&self) -> bool {
        self.needs_newline
    }

    /// Everything that was noticed while reading, in file order.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut all = self.problems.clone();
        all.extend(
            self.slots
                .iter()
                .flatten()
                .flat_map(|slot| slot.notes.problems.iter().cloned()),
        );
        all.extend(self.torn.clone());
        diagnostic::sort(&mut all);
        all
    }

    /// Reads on: `bytes` are what the file holds behind [`StPlan::sound_bytes`].
    pub fn extend(&mut self, bytes: &[u8]) {
        read::extend(self, bytes);
    }

    /// Tasks and details of the items; `name` is the file as the user gave it.
    #[must_use]
    pub fn load(&self, name: &str) -> SourceSnapshot {
        load::load(self, name)
    }

    fn slot(&self, id: &TaskId) -> Option<&Slot> {
        self.index
            .get(id)
            .and_then(|at| self.slots.get(*at))
            .and_then(Option::as_ref)
    }

    fn slot_mut(&mut self, id: &TaskId) -> Option<&mut Slot> {
        self.index
            .get(id)
            .and_then(|at| self.slots.get_mut(*at))
            .and_then(Option::as_mut)
    }
}

/// Reads a whole file. All problems are reported, and what could be understood is kept, so that errors do not hide each other.
#[must_use]
pub fn read(bytes: &[u8]) -> (StPlan, Vec<Diagnostic>) {
    let mut plan = StPlan::default();
    plan.extend(bytes);
    let diagnostics = plan.diagnostics();
    (plan, diagnostics)
}

/// Reads a whole file and makes tasks of it; `name` is the file as the user gave it.
#[must_use]
pub fn load(name: &str, bytes: &[u8]) -> SourceSnapshot {
    read(bytes).0.load(name)
}

#[cfg(test)]
#[path = "st_test.rs"]
mod tests;
