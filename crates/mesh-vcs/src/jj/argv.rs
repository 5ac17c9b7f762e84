//! Arguments of every jj command that is run, pure functions. What `mesh plan` shows is built by the same ones.

use crate::call::args;
use crate::model::CommitId;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Commit ids, one a line.
pub(crate) const COMMIT_IDS: &str = r#"commit_id ++ "\n""#;

/// Change ids, one a line.
pub(crate) const CHANGE_IDS: &str = r#"change_id ++ "\n""#;

/// How [`STATES`] ends.
const STATES_END: &str = r#" ++ "}\n""#;

/// One JSON object a line for [`super::parse::states`]. `json(self)` of a commit has none of these fields but the id.
pub(crate) const STATES: &str = concat!(
    r#""{\"commit\":" ++ json(commit_id) ++ ",\"parents\":" ++ json(parents.map(|c| c.commit_id()))"#,
    r#" ++ ",\"empty\":" ++ json(empty) ++ ",\"conflict\":" ++ json(conflict)"#,
    r#" ++ ",\"described\":" ++ json(description.len() > 0)"#,
    r#" ++ ",\"conflicted\":" ++ json(conflicted_files.map(|f| f.path())) ++ "}\n""#,
);

/// What stands before each commit of which a command tells in the form of [`told`].
pub(crate) const TOLD: &str = "mesh-commit: ";

/// `--config` options with which a command that moves a working copy tells more of the commits it names on stderr, the new
/// working-copy commit and its parents, for [`super::parse::told`]. Saves the call that would ask for it. `more` are further fields,
/// each a template that gives JSON.
fn told(more: &[(&str, String)]) -> Vec<OsString> {
    let mut template = format!("{} ++ {}", quoted(TOLD), states_without_end());
    // Not by a revset: `@` has no meaning where an `op restore` took the hub out of the view.
    let here = ("here", "json(self.current_working_copy())".to_owned());
    for (field, value) in [here].iter().chain(more) {
        template.push_str(&format!(r#" ++ ",\"{field}\":" ++ {value}"#));
    }
    template.push_str(r#" ++ "}""#);
    args![
        "--config",
        format!("templates.commit_summary={}", quoted(&template))
    ]
}

fn states_without_end() -> &'static str {
    STATES.trim_end_matches(STATES_END)
}

fn contained_in(revset: &str) -> String {
    format!("self.contained_in({})", quoted(revset))
}

/// Visible heads that are neither below `parents` or `here` nor anybody's working-copy commit.
fn left(here: &str, parents: &str) -> String {
    format!("visible_heads() ~ ::({parents}|{here}) ~ working_copies()")
}

/// Records the files of the workspace that it runs in and puts a fresh `@` on the result, so that nothing later rewrites that: on
/// `@`, or below it where `@` itself is such a fresh one. Tells of the result which of `parents` it stands on, and whether there
/// are visible heads beside it.
pub(crate) fn record(parents: &[CommitId]) -> Vec<OsString> {
    let stands_on: Vec<String> = parents
        .iter()
        .map(|parent| format!("json({})", contained_in(&format!("{parent}::"))))
        .collect();
    let stands_on = format!(r#""[" ++ {} ++ "]""#, stands_on.join(r#" ++ "," ++ "#));
    // All commits stand on the root: that one is below any head, and below none where there is none.
    let left = format!("(root() & ::({}))::", left("@", &any_of(parents)));
    let mut args = told(&[
        ("stands_on", stands_on),
        ("left", format!("json({})", contained_in(&left))),
    ]);
    args.extend(args![
        "new",
        r#"coalesce(@ ~ (empty() & description(exact:"") ~ merges()), @-)"#
    ]);
    args
}

/// What is asked about a result on `parents`, for [`super::parse::inspected`]: the parents (which of them are not below it, which are
/// the heads of those that are), and visible heads that are neither below those nor anybody's working-copy commit.
pub(crate) fn inspected(result: &CommitId, parents: &[CommitId]) -> Vec<OsString> {
    let parents = any_of(parents);
    let left = left(result.as_str(), &parents);
    let mut template = states_without_end().to_owned();
    for (flag, revset) in [
        ("missing", format!("({parents}) ~ ::{result}")),
        ("head", format!("heads(({parents}) & ::{result})")),
        ("left", left.clone()),
    ] {
        template.push_str(&format!(
            r#" ++ ",\"{flag}\":" ++ json({})"#,
            contained_in(&revset)
        ));
    }
    template.push_str(STATES_END);
    log(&format!("({parents}) | ({left})"), &template)
}

/// Bookmarked commits, as far as no other bookmarked one stands on them.
pub(crate) const BOOKMARKED: &str = "heads(bookmarks() ~ working_copies())";

/// One changed path a line for [`super::parse::changes`]; the JSON form survives any name. A rename is one line with the new path,
/// so the old one is asked for too.
pub(crate) const CHANGES: &str =
    r#"status_char ++ "\t" ++ json(path) ++ "\t" ++ json(source.path()) ++ "\n""#;

/// One workspace a line for [`super::parse::workspaces`]; the root is `null` when the folder is gone.
pub(crate) const WORKSPACES: &str =
    r#"json(name) ++ "\t" ++ json(root) ++ "\t" ++ json(target.commit_id()) ++ "\n""#;

/// The commits that a bookmark, a tag or a workspace names.
pub(crate) const NAMED_REVSET: &str = "bookmarks() | tags() | working_copies()";

/// Commit id, change id, parents, and the names, for [`super::parse::named`].
pub(crate) const NAMED: &str = concat!(
    r#""{\"commit\":" ++ json(commit_id) ++ ",\"change\":" ++ json(change_id)"#,
    r#" ++ ",\"parents\":" ++ json(parents.map(|c| c.commit_id()))"#,
    r#" ++ ",\"bookmarks\":" ++ json(local_bookmarks.map(|b| b.name()))"#,
    r#" ++ ",\"tags\":" ++ json(tags.map(|t| t.name()))"#,
    r#" ++ ",\"workspaces\":" ++ json(working_copies.map(|w| w.name())) ++ "}\n""#,
);

/// One path a line for [`super::parse::paths`].
pub(crate) const PATHS: &str = r#"json(path) ++ "\n""#;

/// One operation a line for [`super::parse::operations`].
pub(crate) const OPERATIONS: &str = r#"json(self) ++ "\n""#;

/// A description as one JSON text, for [`super::parse::one_text`].
pub(crate) const DESCRIPTION: &str = r#"json(description) ++ "\n""#;

/// Commit id, whether it changes nothing and whether it is in conflict, for [`super::parse::made_commits`].
pub(crate) const MADE: &str = concat!(
    r#"commit_id ++ "\t" ++ json(empty) ++ "\t" ++ json(conflict)"#,
    r#" ++ "\t" ++ json(conflicted_files.map(|f| f.path())) ++ "\n""#,
);

/// What a command may do with the files of the workspace that it runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// Neither looked at nor written.
    Ignored,
    /// Brought together with the workspace's commit; a stale workspace is an error. For our own workspaces only.
    Snapshotted,
    /// As `Snapshotted` in the hub, which has no files: a stale one is updated on the way.
    Hub,
    /// Looked at as by any jj command that the user types; a stale one is an error, because updating it would change files.
    Users,
}

/// Options that every call has, and where it runs.
pub(crate) fn at(folder: &Path, files: Files) -> Vec<OsString> {
    let mut args = args!["--no-pager", "--color", "never"];
    args.extend(super::settings::for_all());
    args.extend(args!["-R", folder]);
    match files {
        Files::Ignored => args.push("--ignore-working-copy".into()),
        Files::Snapshotted => args.extend(super::settings::for_files()),
        Files::Hub => {
            args.extend(super::settings::for_files());
            args.extend(args!["--config", "snapshot.auto-update-stale=true"]);
        }
        Files::Users => args.extend(args!["--config", "snapshot.auto-update-stale=false"]),
    }
    args
}

pub(crate) fn version() -> Vec<OsString> {
    args!["--version"]
}

pub(crate) fn log(revset: &str, template: &str) -> Vec<OsString> {
    args![
        "log",
        "--no-graph",
        format!("--revisions={revset}"),
        "-T",
        template
    ]
}

pub(crate) fn log_at_operation(operation: &str, revset: &str, template: &str) -> Vec<OsString> {
    let mut args = args!["--at-op", operation];
    args.extend(log(revset, template));
    args
}

pub(crate) fn add_hub(name: &str, path: &Path) -> Vec<OsString> {
    args![
        "workspace",
        "add",
        "--name",
        name,
        "--sparse-patterns",
        "empty",
        "-r",
        "root()",
        path
    ]
}

/// `--sparse-patterns full`: the default would copy the hub's, and the agent would get an empty folder. Commit ids only: a bad
/// revision leaves a half-made workspace.
pub(crate) fn add_workspace(
    name: &str,
    parents: &[CommitId],
    message: &str,
    path: &Path,
) -> Vec<OsString> {
    let mut args = told(&[]);
    args.extend(args![
        "workspace",
        "add",
        "--name",
        name,
        "--sparse-patterns",
        "full"
    ]);
    for parent in parents {
        args.extend(args!["-r", parent.as_str()]);
    }
    if !message.is_empty() {
        args.push(format!("--message={message}").into());
    }
    args.push(path.into());
    args
}

/// Puts the workspace that it runs in onto other parents; its `@` goes, if that is empty and without a description.
pub(crate) fn move_to(parents: &[CommitId], message: &str) -> Vec<OsString> {
    let mut args = told(&[]);
    args.push("new".into());
    args.extend(parents.iter().map(|parent| parent.as_str().into()));
    args.push(format!("--message={message}").into());
    args
}

pub(crate) fn forget(name: &str) -> Vec<OsString> {
    args!["workspace", "forget", name]
}

pub(crate) fn workspace_list() -> Vec<OsString> {
    args!["workspace", "list", "-T", WORKSPACES]
}

pub(crate) fn snapshot() -> Vec<OsString> {
    args!["util", "snapshot"]
}

pub(crate) fn restore_from(commit: &CommitId) -> Vec<OsString> {
    args!["restore", "--from", commit.as_str()]
}

pub(crate) fn diff(from: &str, to: &str) -> Vec<OsString> {
    args!["diff", "--from", from, "--to", to, "-T", CHANGES]
}

pub(crate) fn diff_range(revset: &str) -> Vec<OsString> {
    args!["diff", "-r", revset, "-T", CHANGES]
}

/// What the commits of `revset` changed together, in git's form.
pub(crate) fn patch(revset: &str) -> Vec<OsString> {
    args!["diff", "--git", "-r", revset]
}

/// A merge of `parents` in an operation that is never published.
pub(crate) fn unpublished_merge(parents: &[CommitId]) -> Vec<OsString> {
    let mut args = args!["--no-integrate-operation", "new", "--no-edit"];
    args.extend(parents.iter().map(|parent| parent.as_str().into()));
    args
}

/// The files of `commit` that are one of `paths` or lie below one.
pub(crate) fn file_list(commit: &CommitId, paths: &[PathBuf]) -> Vec<OsString> {
    let mut args = args!["file", "list", "-r", commit.as_str(), "-T", PATHS];
    let filesets = paths
        .iter()
        .map(|path| format!("root:{}", quoted(&path.to_string_lossy())));
    args.extend(filesets.map(OsString::from));
    args
}

pub(crate) fn operations(most: Option<u32>) -> Vec<OsString> {
    let mut args = args!["op", "log", "--no-graph", "-T", OPERATIONS];
    if let Some(most) = most {
        args.extend(args!["-n", most.to_string()]);
    }
    args
}

pub(crate) fn unpublished_duplicate(revset: &str, onto: &CommitId) -> Vec<OsString> {
    args![
        "--no-integrate-operation",
        "duplicate",
        revset,
        "-o",
        onto.as_str()
    ]
}

pub(crate) fn integrate(operation: &str) -> Vec<OsString> {
    args!["op", "integrate", operation]
}

pub(crate) fn abandon(revset: &str) -> Vec<OsString> {
    args!["abandon", revset]
}

/// Without `--allow-backwards` jj itself refuses to move a bookmark to anything but a descendant.
pub(crate) fn bookmark_set(name: &str, to: &CommitId) -> Vec<OsString> {
    args!["bookmark", "set", "-r", to.as_str(), "--", name]
}

pub(crate) fn bookmark_set_back(name: &str, to: &CommitId) -> Vec<OsString> {
    args![
        "bookmark",
        "set",
        "--allow-backwards",
        "-r",
        to.as_str(),
        "--",
        name
    ]
}

pub(crate) fn config_get(name: &str) -> Vec<OsString> {
    args!["config", "get", name]
}

pub(crate) fn config_user_paths() -> Vec<OsString> {
    args!["config", "path", "--user"]
}

/// Every setting of the user's files, with where it comes from, one a line.
pub(crate) fn config_sources() -> Vec<OsString> {
    args![
        "config",
        "list",
        "--include-overridden",
        "-T",
        r#"source ++ "\t" ++ name ++ "\n""#
    ]
}

pub(crate) fn config_set_for_workspace(name: &str, value: &str) -> Vec<OsString> {
    args!["config", "set", "--workspace", name, value]
}

/// The union of `commits` as a revset.
pub(crate) fn any_of(commits: &[CommitId]) -> String {
    if commits.is_empty() {
        return "none()".to_owned();
    }
    commits
        .iter()
        .map(CommitId::as_str)
        .collect::<Vec<_>>()
        .join("|")
}

/// A string literal of revsets, and of TOML.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
