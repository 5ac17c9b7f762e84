//! Parsers of what jj writes: bytes in, data or the reason why not.

use crate::model::{ChangeKind, Changed, CommitId, Listed};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One commit as [`super::argv::STATES`] shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct CommitState {
    pub commit: CommitId,
    pub parents: Vec<CommitId>,
    pub empty: bool,
    pub conflict: bool,
    pub described: bool,
    pub conflicted: Vec<PathBuf>,
}

/// One commit as [`super::argv::inspected`] shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Inspected {
    #[serde(flatten)]
    pub state: CommitState,
    /// The workspace was made on it, and the result does not stand on it.
    pub missing: bool,
    /// A head of what of the parents the result stands on.
    pub head: bool,
    /// A visible head beside all that.
    pub left: bool,
}

/// One commit as a command tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Told {
    #[serde(flatten)]
    pub state: CommitState,
    /// It is the workspace's working-copy commit.
    pub here: bool,
    /// Whether it stands on each of the commits that [`super::argv::record`] was given.
    #[serde(default)]
    pub stands_on: Vec<bool>,
    /// Whether there are visible heads beside it.
    #[serde(default)]
    pub left: bool,
}

/// One operation of the operation log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Operation {
    pub id: String,
    pub parents: Vec<String>,
    pub description: String,
    /// It only records files.
    #[serde(default)]
    pub is_snapshot: bool,
    /// The workspace that the command ran in.
    #[serde(default)]
    pub workspace_name: Option<String>,
    /// What jj wrote down beside it; called so since 0.44.
    #[serde(default, alias = "tags")]
    pub attributes: BTreeMap<String, String>,
}

impl Operation {
    /// Whether the command ran in the workspace `name`.
    pub fn ran_in(&self, name: &str) -> bool {
        self.workspace_name.as_deref() == Some(name)
    }

    /// Whether it was a call of mesh: all of them have the same options, in the same order.
    pub fn is_ours(&self) -> bool {
        let args = self.attributes.get("args");
        args.is_some_and(|args| args.contains(super::settings::FIRST))
    }
}

/// A commit that an unpublished operation made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub commit: CommitId,
    pub empty: bool,
    pub conflict: bool,
    pub conflicted: Vec<PathBuf>,
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

fn rubbish(line: &str) -> String {
    let shown: String = line.chars().take(80).collect();
    format!("the line {shown:?} is not what was asked for")
}

fn lines<T>(bytes: &[u8], one: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    let text = text(bytes)?;
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("its last line is not complete".to_owned());
    }
    text.lines()
        .map(|line| one(line).ok_or_else(|| rubbish(line)))
        .collect()
}

/// Commit ids, one a line.
pub(crate) fn commit_ids(bytes: &[u8]) -> Result<Vec<CommitId>, String> {
    lines(bytes, |line| CommitId::new(line).ok())
}

/// [`super::argv::STATES`].
pub(crate) fn states(bytes: &[u8]) -> Result<Vec<CommitState>, String> {
    lines(bytes, |line| serde_json::from_str(line).ok())
}

/// [`super::argv::inspected`].
pub(crate) fn inspected(bytes: &[u8]) -> Result<Vec<Inspected>, String> {
    lines(bytes, |line| serde_json::from_str(line).ok())
}

/// The commits of which a command tells on its stderr. Lines that are not in the form that was asked for are left out.
pub(crate) fn told(stderr: &str) -> Vec<Told> {
    let marked = stderr
        .lines()
        .filter_map(|line| line.split_once(super::argv::TOLD));
    marked
        .filter_map(|(_, commit)| serde_json::from_str(commit).ok())
        .collect()
}

/// [`super::argv::DESCRIPTION`] of one commit.
pub(crate) fn one_text(bytes: &[u8]) -> Result<String, String> {
    match lines(bytes, |line| serde_json::from_str(line).ok())?.pop() {
        Some(text) => Ok(text),
        None => Err("it is empty".to_owned()),
    }
}

/// [`super::argv::OPERATIONS`].
pub(crate) fn operations(bytes: &[u8]) -> Result<Vec<Operation>, String> {
    lines(bytes, |line| {
        serde_json::from_str(line)
            .ok()
            .filter(|op: &Operation| is_operation_id(&op.id))
    })
}

/// [`super::argv::CHANGES`]. jj shows a rename as one change; here it is what it does to both paths.
pub(crate) fn changes(bytes: &[u8]) -> Result<Vec<Changed>, String> {
    let found = lines(bytes, |line| {
        let mut fields = line.split('\t');
        let (status, path, source) = (fields.next()?, fields.next()?, fields.next()?);
        let path: PathBuf = serde_json::from_str(path).ok()?;
        let source: PathBuf = serde_json::from_str(source).ok()?;
        let change = |path, kind| Changed { path, kind };
        match (status, fields.next()) {
            ("A" | "C", None) => Some(vec![change(path, ChangeKind::Added)]),
            ("M", None) => Some(vec![change(path, ChangeKind::Modified)]),
            ("D", None) => Some(vec![change(path, ChangeKind::Removed)]),
            ("R", None) => Some(vec![
                change(source, ChangeKind::Removed),
                change(path, ChangeKind::Added),
            ]),
            _ => None,
        }
    })?;
    let mut changes: Vec<Changed> = found.into_iter().flatten().collect();
    changes.sort();
    Ok(changes)
}

/// A commit with the names that it has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Named {
    pub commit: CommitId,
    pub change: String,
    pub parents: Vec<CommitId>,
    pub bookmarks: Vec<String>,
    pub tags: Vec<String>,
    pub workspaces: Vec<String>,
}

/// [`super::argv::NAMED`].
pub(crate) fn named(bytes: &[u8]) -> Result<Vec<Named>, String> {
    lines(bytes, |line| serde_json::from_str(line).ok())
}

/// [`super::argv::PATHS`].
pub(crate) fn paths(bytes: &[u8]) -> Result<Vec<PathBuf>, String> {
    lines(bytes, |line| serde_json::from_str(line).ok())
}

/// [`super::argv::WORKSPACES`].
pub(crate) fn workspaces(bytes: &[u8]) -> Result<Vec<Listed>, String> {
    lines(bytes, |line| {
        let mut fields = line.split('\t');
        let (name, root, commit) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() {
            return None;
        }
        Some(Listed {
            name: serde_json::from_str(name).ok()?,
            path: serde_json::from_str(root).ok()?,
            commit: Some(serde_json::from_str(commit).ok()?),
        })
    })
}

/// [`super::argv::MADE`], newest first.
pub(crate) fn made_commits(bytes: &[u8]) -> Result<Vec<Made>, String> {
    lines(bytes, |line| {
        let mut fields = line.splitn(4, '\t');
        Some(Made {
            commit: CommitId::new(fields.next()?).ok()?,
            empty: fields.next()?.parse().ok()?,
            conflict: fields.next()?.parse().ok()?,
            conflicted: serde_json::from_str(fields.next()?).ok()?,
        })
    })
}

/// The operation id that `--no-integrate-operation` leaves on stderr, and nowhere else.
pub(crate) fn unpublished_operation(stderr: &str) -> Result<String, String> {
    stderr
        .lines()
        .filter_map(|line| line.split_once("--no-integrate-operation was requested: "))
        .map(|(_, id)| id.trim().to_owned())
        .rfind(|id| is_operation_id(id))
        .ok_or_else(|| "stderr names no unpublished operation".to_owned())
}

fn is_operation_id(id: &str) -> bool {
    id.len() >= 12 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What a secondary workspace's `.jj/repo` file names: a path, relative to `.jj` since 0.39.
pub(crate) fn repo_link(bytes: &[u8]) -> Result<PathBuf, String> {
    let text = text(bytes)?.trim_end_matches('\n');
    if text.is_empty() || text.contains('\0') {
        Err("it names no path".to_owned())
    } else {
        Ok(PathBuf::from(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    #[derive(Deserialize)]
    struct Recorded {
        step: String,
        argv: Vec<String>,
        rc: i32,
        stdout: String,
        stderr: String,
    }

    /// The calls recorded on jj 0.45.1 that succeeded and whose arguments contain `words`.
    fn recorded(words: &str) -> Vec<Recorded> {
        let text = include_str!("../../../../fixtures/jj/jj-0.45.1.jsonl");
        let all = text
            .lines()
            .map(|line| serde_json::from_str::<Recorded>(line).unwrap());
        let found: Vec<Recorded> = all
            .filter(|call| call.rc == 0 && call.argv.join(" ").contains(words))
            .collect();
        assert!(!found.is_empty(), "nothing is recorded for {words}");
        found
    }

    #[test]
    fn everything_recorded_can_be_read() {
        for call in recorded(super::super::argv::STATES) {
            assert_eq!(
                states(call.stdout.as_bytes()).unwrap().len(),
                call.stdout.lines().count()
            );
        }
        for call in recorded(super::super::argv::MADE) {
            assert!(!made_commits(call.stdout.as_bytes()).unwrap().is_empty());
        }
        for call in recorded(super::super::argv::OPERATIONS) {
            let name = format!("mesh-rec+{}+1", call.step.trim_start_matches("snapshot "));
            let operations = operations(call.stdout.as_bytes()).unwrap();
            assert!(operations.iter().any(|op| op.ran_in(&name)), "{name}");
            assert!(
                operations.iter().any(|op| op.ran_in("default"))
                    && !operations.iter().any(|op| op.ran_in("mesh"))
            );
        }
        for call in recorded("--no-integrate-operation") {
            assert_eq!(unpublished_operation(&call.stderr).unwrap().len(), 12);
        }
    }

    #[test]
    fn a_conflicted_merge_shows_its_paths() {
        // It is made on one of them, and moved onto both.
        let mut moved = recorded(" new ").into_iter();
        let clash = moved.find(|call| call.step == "add clash");
        let told = told(&clash.unwrap().stderr);
        assert!(told.iter().any(|one| !one.here));
        let state = told.into_iter().find(|one| one.here).unwrap().state;
        assert!(state.conflict && state.empty && state.described);
        assert_eq!(
            (state.conflicted, state.parents.len()),
            (vec![PathBuf::from("shared.txt")], 2)
        );
    }

    #[test]
    fn a_workspace_whose_folder_is_gone_has_no_path() {
        let id = "a".repeat(40);
        let text = format!("\"mesh-x\"\tnull\t\"{id}\"\n\"a\\tb\"\t\"/w s\"\t\"{id}\"\n");
        let listed = workspaces(text.as_bytes()).unwrap();
        assert_eq!(
            (listed[0].path.as_deref(), listed[1].path.as_deref()),
            (None, Some(Path::new("/w s")))
        );
        assert_eq!(listed[1].name, "a\tb");
    }

    #[test]
    fn changes_keep_odd_names_and_refuse_odd_lines() {
        let text = b"M\t\"b\\nc\"\t\"b\\nc\"\nA\t\"a\"\t\"a\"\nR\t\"new\"\t\"old\"\nC\t\"y\"\t\"a\"\nD\t\"z\"\t\"z\"\n";
        let found = changes(text).unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|one| (one.path.to_str().unwrap(), one.kind))
            .collect();
        use ChangeKind::{Added, Modified, Removed};
        let expected = [
            ("a", Added),
            ("b\nc", Modified),
            ("new", Added),
            ("old", Removed),
            ("y", Added),
            ("z", Removed),
        ];
        assert_eq!(shown, expected);
        for bad in [
            "M a.txt\n",
            "M\ta\ta\n",
            "?\t\"a\"\t\"a\"\n",
            "M\t\"a\"\n",
            "M\t\"a\"\t\"a\"",
            "Error: no\n",
        ] {
            assert!(changes(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_last_line_must_be_whole() {
        let id = "a".repeat(40);
        assert!(
            commit_ids(format!("{id}\n{id}").as_bytes()).is_err(),
            "cut off between the id and its end"
        );
        assert_eq!(commit_ids(b"").unwrap(), []);
        assert!(commit_ids(b"\n").is_err());
    }

    #[test]
    fn a_link_names_one_path() {
        assert_eq!(
            repo_link(b"../../../repo/.jj/repo").unwrap(),
            Path::new("../../../repo/.jj/repo")
        );
        assert!(
            repo_link(b"").is_err() && repo_link(b"a\0b").is_err() && repo_link(b"\xff").is_err()
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (commit_ids(&bytes), states(&bytes), operations(&bytes), changes(&bytes), workspaces(&bytes), made_commits(&bytes));
            let _ = (repo_link(&bytes), unpublished_operation(&String::from_utf8_lossy(&bytes)));
        }
    }
}
