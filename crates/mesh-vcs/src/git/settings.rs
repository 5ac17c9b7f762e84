//! The settings of a user that would change what mesh's own git calls do, and the value that each call gets instead.
//!
//! They go in by the environment, which has the rank of `-c`: it beats every file, the user's, the repository's and a worktree's.
//! What is not here is without effect on the calls of mesh, or describes the file system (`core.symlinks`; `core.fileMode` and
//! `core.ignoreCase` are given as they are found to be), or is the user's to decide (`core.excludesFile`, filters and merge drivers;
//! [`super::guard`] sees to it that these are the ones from before the run).

use crate::call::{Answer, Program, Span, args};
use crate::error::VcsError;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Setting, value, and why it is fixed.
pub(crate) const FIXED: &[(&str, &str, &str)] = &[
    (
        "core.hooksPath",
        "/dev/null",
        "hooks are for the commands of people and agents",
    ),
    (
        "core.fsmonitor",
        "false",
        "it is a program, and what it does not report would not be recorded",
    ),
    (
        "core.untrackedCache",
        "false",
        "what it believes unchanged would not be recorded",
    ),
    ("core.quotePath", "false", "paths are read as they are"),
    (
        "core.sparseCheckout",
        "false",
        "a workspace is whole, and what lies outside the user's patterns is recorded too",
    ),
    ("core.sparseCheckoutCone", "false", "as core.sparseCheckout"),
    ("index.sparse", "false", "as core.sparseCheckout"),
    (
        "sparse.expectFilesOutsideOfPatterns",
        "false",
        "as core.sparseCheckout",
    ),
    (
        "core.autocrlf",
        "false",
        "what is recorded is what is on disk; attributes in the tree hold all the same",
    ),
    ("core.eol", "native", "as core.autocrlf"),
    ("core.safecrlf", "false", "it makes `git add` fail"),
    (
        "core.ignoreStat",
        "false",
        "edits of the agent would be taken for unchanged",
    ),
    (
        "core.trustctime",
        "true",
        "an edit that keeps size and time would be missed",
    ),
    ("core.checkStat", "default", "as core.trustctime"),
    (
        "core.logAllRefUpdates",
        "true",
        "commits that an agent left behind are found in its workspace's log of HEAD",
    ),
    ("commit.gpgSign", "false", "nobody is there to unlock a key"),
    ("tag.gpgSign", "false", "as commit.gpgSign"),
    (
        "log.showSignature",
        "false",
        "it runs a program and writes into what is read",
    ),
    (
        "log.mailmap",
        "false",
        "authors are taken over as they were recorded",
    ),
    (
        "i18n.commitEncoding",
        "UTF-8",
        "messages are written and read as they are",
    ),
    ("i18n.logOutputEncoding", "UTF-8", "as i18n.commitEncoding"),
    (
        "submodule.recurse",
        "false",
        "a call would run in submodules, with whatever an agent configured there",
    ),
    (
        "diff.ignoreSubmodules",
        "none",
        "a submodule that moved is a change",
    ),
    (
        "diff.renames",
        "false",
        "a rename is a removal and an addition",
    ),
    (
        "diff.orderFile",
        "/dev/null",
        "one that is missing makes the call fail",
    ),
    (
        "diff.algorithm",
        "histogram",
        "the same commits always merge to the same tree",
    ),
    ("merge.renames", "true", "as diff.algorithm"),
    ("merge.renameLimit", "7000", "as diff.algorithm"),
    ("merge.directoryRenames", "conflict", "as diff.algorithm"),
    ("merge.renormalize", "false", "as diff.algorithm"),
    (
        "merge.conflictStyle",
        "merge",
        "conflict markers are looked for",
    ),
    (
        "merge.default",
        "text",
        "merge drivers are for the paths that attributes name",
    ),
    (
        "core.splitIndex",
        "false",
        "an index is copied, as one file",
    ),
    ("gc.auto", "0", "a collection is the user's to start"),
    ("maintenance.auto", "false", "as gc.auto"),
    (
        "worktree.useRelativePaths",
        "false",
        "the link of a workspace is read, and is an absolute path",
    ),
    (
        "advice.detachedHead",
        "false",
        "workspaces are detached, and nobody reads the advice",
    ),
];

/// For `git add` alone, on top: entries that are marked as outside a sparse checkout and lie there all the same are looked at
/// again, which git does only where the checkout may be sparse (measured on 2.39).
pub(crate) const LOOK_AT_SPARSE: &str = "core.sparseCheckout=true";

/// Options that every call has.
pub(crate) fn common() -> Vec<OsString> {
    args!["--no-pager", "--literal-pathspecs"]
}

/// The variables that every call has.
pub(crate) fn variables() -> Vec<(String, String)> {
    // A few words of stderr are looked for, so they are asked for in one language.
    let mut variables = vec![
        ("LC_ALL".to_owned(), "C".to_owned()),
        ("GIT_CONFIG_COUNT".to_owned(), FIXED.len().to_string()),
    ];
    for (number, (name, value, _)) in FIXED.iter().enumerate() {
        variables.push((format!("GIT_CONFIG_KEY_{number}"), (*name).to_owned()));
        variables.push((format!("GIT_CONFIG_VALUE_{number}"), (*value).to_owned()));
    }
    variables
}

/// Calls git with all that every call has; `input` is its standard input.
pub(crate) fn ask(
    program: &Program,
    at: &Path,
    command: Vec<OsString>,
    span: Span,
    extra: &[(&str, &OsStr)],
    input: &[u8],
) -> Result<Answer, VcsError> {
    let mut args = common();
    args.extend(command);
    let fixed = variables();
    let mut env: Vec<(&str, &OsStr)> = fixed
        .iter()
        .map(|(name, value)| (name.as_str(), OsStr::new(value)))
        .collect();
    env.extend_from_slice(extra);
    program.ask_with(at, &args, span, &env, input)
}
