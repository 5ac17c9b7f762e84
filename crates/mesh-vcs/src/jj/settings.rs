//! The settings of a user that would change what mesh's own jj calls do, and the value that each call gets instead.
//!
//! `--config` beats every file: the user's, the repository's, a workspace's. What is not here is without effect on the calls of
//! mesh (`aliases` cannot take the place of a command, nothing is fetched, pushed or edited), or describes the file system
//! (`working-copy.exec-bit-change`). Read in the sources of 0.45.1; what an older jj does not know, it passes over.

use std::ffi::OsString;

/// Setting, value as TOML, and why it is fixed.
type Fixed = (&'static str, &'static str, &'static str);

/// How the first of [`FIXED`] stands in the operation log: calls of mesh are told by it.
pub(super) const FIRST: &str = "--config git.colocate=false --config ";

/// For every call.
const FIXED: &[Fixed] = &[
    (
        "git.colocate",
        "false",
        "newer versions would make new workspaces colocated",
    ),
    (
        "signing.behavior",
        "\"drop\"",
        "nobody is there to unlock a key",
    ),
    ("signing.backend", "\"none\"", "as signing.behavior"),
    (
        "ui.show-cryptographic-signatures",
        "false",
        "it runs a program",
    ),
    (
        "ui.quiet",
        "false",
        "the id of an operation that nobody sees is told on stderr alone",
    ),
    ("ui.log-word-wrap", "false", "one entry is one line"),
    (
        "templates.commit_summary",
        "\"commit_id.short()\"",
        "one that is broken makes the call fail",
    ),
    (
        "templates.op_summary",
        "\"id.short()\"",
        "as templates.commit_summary",
    ),
    (
        "templates.commit_trailers",
        "\"\"",
        "messages are written as they are",
    ),
    (
        "revsets.short-prefixes",
        "\"none()\"",
        "ids are written in full, and one that is broken is complained of",
    ),
    (
        "revset-aliases.\"immutable_heads()\"",
        "\"present(trunk()) | tags() | untracked_remote_bookmarks()\"",
        "one that covers all, or is broken, makes calls fail that touch only commits of ours",
    ),
    (
        "experimental-advance-branches.enabled-branches",
        "[]",
        "no bookmark moves but by a landing",
    ),
    (
        "merge.hunk-level",
        "\"line\"",
        "the same commits always merge to the same tree",
    ),
    ("merge.same-change", "\"accept\"", "as merge.hunk-level"),
    (
        "fsmonitor.backend",
        "\"none\"",
        "it is a program, and what it does not report would not be recorded",
    ),
];

/// For calls on the files of our own workspaces, on top.
const FOR_FILES: &[Fixed] = &[
    (
        "snapshot.auto-update-stale",
        "false",
        "an update replaces what is on disk; see `reattach`",
    ),
    (
        "snapshot.max-new-file-size",
        "0",
        "larger files would be left out with a warning",
    ),
    (
        "snapshot.auto-track",
        "\"all()\"",
        "new files would be left out",
    ),
    (
        "working-copy.eol-conversion",
        "\"none\"",
        "what is recorded is what is on disk",
    ),
];

fn options(fixed: &[Fixed]) -> impl Iterator<Item = OsString> {
    fixed
        .iter()
        .flat_map(|(name, value, _)| [OsString::from("--config"), format!("{name}={value}").into()])
}

/// Options for every call.
pub(super) fn for_all() -> impl Iterator<Item = OsString> {
    options(FIXED)
}

/// More options for calls on the files of our own workspaces.
pub(super) fn for_files() -> impl Iterator<Item = OsString> {
    options(FOR_FILES)
}

/// Whether a setting, its name without quotes, is fixed for the calls that read it.
pub(super) fn is_fixed(name: &str) -> bool {
    FIXED
        .iter()
        .chain(FOR_FILES)
        .any(|(fixed, _, _)| fixed.replace('"', "") == name)
}
