//! Names of things. Each has its own type, so that a task cannot be passed where a slot is meant.

use std::fmt;

/// Longest id that is accepted, in bytes. Far above any tracker's; it keeps a hostile input from filling every record.
pub const MAX_ID_BYTES: usize = 512;

/// Why a word is no id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdProblem {
    /// Nothing, or only white space.
    Empty,
    /// More than [`MAX_ID_BYTES`].
    TooLong(usize),
    /// A control character, which would break lines of logs and comments.
    Control,
    /// A lock group that is not kebab-case (`[a-z0-9]` words joined by `-`).
    NotKebab,
}

impl fmt::Display for IdProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdProblem::Empty => f.write_str("it is empty"),
            IdProblem::TooLong(bytes) => write!(
                f,
                "it has {bytes} bytes, at most {MAX_ID_BYTES} are allowed"
            ),
            IdProblem::Control => f.write_str("it contains a control character"),
            IdProblem::NotKebab => {
                f.write_str("it is not kebab-case (lower-case letters, digits and single hyphens)")
            }
        }
    }
}

impl std::error::Error for IdProblem {}

/// Why a stored text is refused: what it was meant to be, and the text itself in so far as it can be shown.
#[cfg(feature = "serde")]
fn unfit(text: &str, what: &str, problem: &IdProblem) -> String {
    let shown = crate::text::shortened(text, 60);
    format!("{shown:?} is not {what}: {problem}")
}

/// A task, by the name its source gives it. Any text without control characters: spaces, quotes and slashes are legal here
/// and are made safe where a file name is needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String"))]
pub struct TaskId(String);

impl TaskId {
    /// Checks `text` and makes an id of it.
    ///
    /// # Errors
    /// When it is empty, too long or has control characters.
    pub fn new(text: impl Into<String>) -> Result<TaskId, IdProblem> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(IdProblem::Empty);
        }
        if text.len() > MAX_ID_BYTES {
            return Err(IdProblem::TooLong(text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err(IdProblem::Control);
        }
        Ok(TaskId(text))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(feature = "serde")]
impl TryFrom<String> for TaskId {
    type Error = String;

    fn try_from(text: String) -> Result<TaskId, String> {
        TaskId::new(text.as_str()).map_err(|problem| unfit(&text, "a task id", &problem))
    }
}

/// A named contention domain: two tasks that share one never run at the same time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String"))]
pub struct LockGroup(String);

impl LockGroup {
    /// Checks `text` and makes a group name of it.
    ///
    /// # Errors
    /// When it is empty, too long or not kebab-case.
    pub fn new(text: impl Into<String>) -> Result<LockGroup, IdProblem> {
        let text = text.into();
        if text.is_empty() {
            return Err(IdProblem::Empty);
        }
        if text.len() > MAX_ID_BYTES {
            return Err(IdProblem::TooLong(text.len()));
        }
        let word = |w: &str| {
            !w.is_empty()
                && w.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        if !text.split('-').all(word) {
            return Err(IdProblem::NotKebab);
        }
        Ok(LockGroup(text))
    }

    /// The group as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LockGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(feature = "serde")]
impl TryFrom<String> for LockGroup {
    type Error = String;

    fn try_from(text: String) -> Result<LockGroup, String> {
        LockGroup::new(text.as_str()).map_err(|problem| unfit(&text, "a lock group", &problem))
    }
}

/// One of the pool's stable agent identities; slot 1 is `mesh-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u16"))]
pub struct SlotId(pub u16);

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mesh-{}", self.0)
    }
}

#[cfg(feature = "serde")]
impl TryFrom<u16> for SlotId {
    type Error = &'static str;

    /// A slot is a place in a table that grows to it: 0 is none.
    fn try_from(number: u16) -> Result<SlotId, &'static str> {
        if number == 0 {
            return Err("slots are numbered from 1");
        }
        Ok(SlotId(number))
    }
}

/// One try at a task. Numbers start at 1 and never repeat within a run, so the pair fences every write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AttemptId {
    /// The task.
    pub task: TaskId,
    /// The try, from 1.
    pub number: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.task, self.number)
    }
}
