//! The words in which this crate and its callers speak. Data only; nothing here runs a program.

use crate::error::VcsError;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// A commit's full id in lower-case hexadecimal digits, 40 (SHA-1) or 64 (SHA-256) of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

impl CommitId {
    /// Checks `text` and makes an id of it.
    ///
    /// # Errors
    /// [`VcsError::NotACommitId`].
    pub fn new(text: impl Into<String>) -> Result<CommitId, VcsError> {
        let text = text.into();
        let digits = text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if digits && (text.len() == 40 || text.len() == 64) {
            Ok(CommitId(text))
        } else {
            Err(VcsError::NotACommitId { text })
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for CommitId {
    type Error = VcsError;
    fn try_from(text: String) -> Result<CommitId, VcsError> {
        CommitId::new(text)
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> String {
        id.0
    }
}

/// Which program works the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// jujutsu.
    Jj,
    /// git with worktrees.
    Git,
}

impl Kind {
    /// The program's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Jj => "jj",
            Kind::Git => "git",
        }
    }
}

/// A version, ordered by its numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Major, minor and patch number.
    pub numbers: (u32, u32, u32),
    /// The word that the numbers were read from, with what is behind them.
    pub text: String,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The programs that were found; which one is needed depends on the repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tools {
    /// Absolute path of `jj`.
    pub jj: Option<PathBuf>,
    /// Absolute path of `git`.
    pub git: Option<PathBuf>,
}

/// A workspace to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkspace {
    /// Its name, from [`crate::name::workspace_name`]: never used before for another attempt.
    pub name: String,
    /// Its folder, strictly inside the workspaces root. Parents of it are made.
    pub path: PathBuf,
    /// What it stands on: [`crate::Repository::heads`] of base and needs, at least one.
    pub parents: Vec<CommitId>,
    /// The description of its first commit (jj); git has no use for it until something is committed.
    pub message: String,
}

/// A workspace that is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// What it was made on.
    pub parents: Vec<CommitId>,
    /// Paths in which the parents conflict: their files hold conflict markers. Empty = the parents merge cleanly.
    pub conflicted: Vec<PathBuf>,
}

/// What version control gives to the processes of an attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentAccess {
    /// Variables that every one of them gets.
    pub env: Vec<(&'static str, OsString)>,
    /// Folders and files outside the workspace that they have to write, absolute. All of them are there. Whatever else belongs to
    /// the repository may be read-only for them.
    pub write: Vec<PathBuf>,
}

/// One workspace of ours as the repository lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its folder, unless it is gone.
    pub path: Option<PathBuf>,
    /// What it stands on now, if that can be told.
    pub commit: Option<CommitId>,
}

/// What happened to one path between the start of an attempt and its result. A rename is a removal and an addition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Changed {
    /// The path, relative to the workspace.
    pub path: PathBuf,
    /// What happened.
    pub kind: ChangeKind,
}

/// Kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The path is new.
    Added,
    /// Content, mode or type differ.
    Modified,
    /// The path is gone.
    Removed,
}

/// What an attempt left, recorded as a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The result. Without changes it is what the workspace stood on.
    pub commit: CommitId,
    /// Paths that differ from the merged parents, sorted.
    pub changed: Vec<Changed>,
    /// Paths that are in conflict in the result, sorted.
    pub conflicted: Vec<PathBuf>,
    /// Whether no path differs.
    pub no_change: bool,
    /// Heads of work that was made in this workspace and is not part of the result.
    pub strays: Vec<CommitId>,
    /// Parents of the workspace that are not ancestors of the result.
    pub missing_needs: Vec<CommitId>,
    /// What is in the workspace and not in the result, although somebody would look for it there. Sorted by path.
    pub unrecorded: Vec<Unrecorded>,
    /// What else the attempt left behind in its own repository, as sentences for people: work on branches, a stash.
    #[serde(default)]
    pub remains: Vec<String>,
}

/// Something in a workspace that its result does not hold, and that goes with the workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unrecorded {
    /// The path, relative to the workspace.
    pub path: PathBuf,
    /// Why it is not in the result, as an end of the sentence "PATH …", for people.
    pub why: String,
}

impl Unrecorded {
    /// A repository inside a workspace.
    pub(crate) fn repository(path: &Path) -> Unrecorded {
        Unrecorded {
            path: path.to_path_buf(),
            why: "is a repository of its own, whose files are not part of this one".to_owned(),
        }
    }
}

impl fmt::Display for Unrecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path.display(), self.why)
    }
}

/// One result to be put onto a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landing {
    /// Name of the bookmark (jj) or branch (git); it must exist.
    pub target: String,
    /// The result.
    pub tip: CommitId,
    /// What the attempt stood on (base and needs): none of these nor of their ancestors is landed.
    pub without: Vec<CommitId>,
}

/// What may become the target. Nobody sees it there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Where the target was when it was made.
    pub from: CommitId,
    /// Where the target would be.
    pub to: CommitId,
    /// The commits that were made for it, oldest first; none when the result itself can land.
    pub copies: Vec<CommitId>,
}

/// What became of joining a result with the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integration {
    /// They merge.
    Candidate(Candidate),
    /// The target holds all of it already.
    AlreadyThere {
        /// Where the target is.
        at: CommitId,
    },
    /// They do not merge.
    Conflict {
        /// The paths in conflict, sorted.
        paths: Vec<PathBuf>,
    },
    /// A working copy has the target checked out (git): moving the branch would make that copy look edited.
    CheckedOut {
        /// That working copy.
        at: PathBuf,
    },
}

/// What became of moving the target. In every case but `Moved` it is where it was, or where somebody else moved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publication {
    /// The candidate is the target, or below it.
    Moved,
    /// Somebody moved the target meanwhile: integrate again.
    TargetMoved {
        /// Where it is now, if it still exists and is one commit.
        found: Option<CommitId>,
    },
    /// A working copy has the target checked out (git).
    CheckedOut {
        /// That working copy.
        at: PathBuf,
    },
}

/// The version in the first line of `program --version`, which begins with `prefix`.
pub(crate) fn parse_version(bytes: &[u8], prefix: &str) -> Result<Version, String> {
    let line = String::from_utf8_lossy(bytes)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    let word = line
        .strip_prefix(prefix)
        .and_then(|rest| rest.split_whitespace().next())
        .unwrap_or_default();
    let digits = |part: &str| {
        part.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse::<u32>()
            .ok()
    };
    let mut parts = word.split('.');
    let (major, minor) = (parts.next().and_then(digits), parts.next().and_then(digits));
    let patch = parts.next().and_then(digits).unwrap_or(0);
    match (major, minor) {
        (Some(major), Some(minor)) => Ok(Version {
            numbers: (major, minor, patch),
            text: word.to_owned(),
        }),
        _ => Err(format!("{line:?} is no version")),
    }
}

/// Each of `commits` once, in their order.
pub(crate) fn unique(commits: &[CommitId]) -> Vec<CommitId> {
    let mut unique: Vec<CommitId> = Vec::new();
    for commit in commits {
        if !unique.contains(commit) {
            unique.push(commit.clone());
        }
    }
    unique
}

/// Where something was found that was looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundIn {
    /// Where.
    pub place: Place,
    /// What, in the words of whoever looked.
    pub what: String,
}

/// A place in a change set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A file's content, by its path from the repository's root.
    File(PathBuf),
    /// The message of a commit, or who made it.
    Message(CommitId),
    /// A path itself.
    Path,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_lower_case_ids_are_ids() {
        assert!(CommitId::new("a".repeat(40)).is_ok() && CommitId::new("0".repeat(64)).is_ok());
        for bad in [
            "",
            "main",
            "abc",
            &"A".repeat(40),
            &"g".repeat(40),
            &"a".repeat(41),
            "--help",
        ] {
            assert!(CommitId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_are_read_and_compared_by_number() {
        let jj = |text: &str| parse_version(text.as_bytes(), "jj ").unwrap();
        assert_eq!(jj("jj 0.45.1\n").numbers, (0, 45, 1));
        assert_eq!(jj("jj 0.45.1-2ba4a8d1b1fa\n").text, "0.45.1-2ba4a8d1b1fa");
        assert!(jj("jj 0.9.0").numbers < jj("jj 0.41.0").numbers);
        let git = |text: &str| parse_version(text.as_bytes(), "git version ");
        assert_eq!(
            git("git version 2.39.5 (Apple Git-154)\n").unwrap().numbers,
            (2, 39, 5)
        );
        assert_eq!(
            git("git version 2.50.0.windows.1\n").unwrap().numbers,
            (2, 50, 0)
        );
        for bad in ["", "jj 0.45.1", "git version ", "git version x.y", "\u{0}"] {
            assert!(git(bad).is_err(), "{bad:?}");
        }
    }
}
