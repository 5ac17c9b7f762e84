//! What an attempt left: committed, compared with what it stood on, and set back after a proof.

use super::record::{self, Recorded};
use super::worktree::Tree;
use super::{
    Git, changes_and_second, changes_between, entries, merge, parse, quarantine, worktree,
};
use crate::call::args;
use crate::claim;
use crate::error::VcsError;
use crate::model::{ChangeKind, Changed, CommitId, Snapshot, Unrecorded, Workspace};
use crate::submodule::{self, Kept};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Most sentences of what remains.
const MOST_REMAINS: usize = 20;

/// Reflog messages that begin with one of these made a commit.
const MAKING: &[&str] = &[
    "commit",
    "merge",
    "cherry-pick",
    "revert",
    "rebase",
    "am",
    "pull",
];

/// See [`crate::Repository::snapshot`]; `keep` is the ref that is to hold the result.
pub(super) fn snapshot(
    git: &Git,
    workspace: &Workspace,
    claimed: &[String],
    keep: Option<&str>,
) -> Result<Snapshot, VcsError> {
    let tree = open(git, workspace)?;
    let start = start_of(&tree, workspace)?;
    let taken = quarantine::take_over(&tree, &workspace.name, &start.commit)?;
    let head = taken.head.clone();
    let stood = worktree::detached_at(&tree.administrative);
    let Recorded {
        tree: files,
        unmerged,
        mut unrecorded,
        kept,
    } = record::record(&tree, &start.commit, &head)?;
    let commit = if git.tree_of(&head)? == files {
        head.clone()
    } else {
        let message = match worktree::message_for(&tree.administrative) {
            message if message.trim().is_empty() => format!("Work left in {}", workspace.name),
            message => message,
        };
        let parents = std::slice::from_ref(&head);
        merge::commit_tree(git, &files, parents, &message, &merge::Author::User)?
    };
    let changed = changes(git, &start.commit, &head, &commit)?;
    let mut conflicted: BTreeSet<PathBuf> = unmerged.into_iter().collect();
    conflicted.extend(start.conflicted);
    conflicted.retain(|path| has_markers(&workspace.path.join(path)));
    let mut missing_needs = Vec::new();
    for parent in &workspace.parents {
        if !git.is_in_any(parent, std::slice::from_ref(&commit))? {
            missing_needs.push(parent.clone());
        }
    }
    if missing_needs.is_empty() {
        // Of the commit itself the parent is known, if it was made here.
        let ancestry = &mut git.known().ancestry;
        ancestry.set_stands_on(&head, &workspace.parents);
    }
    unrecorded.extend(claim::links_into_workspace(&workspace.path, &changed));
    let open = claim::unsettled(&workspace.path, claimed, &changed, &unrecorded);
    unrecorded.extend(claims_left_out(git, workspace, &commit, &kept, open)?);
    unrecorded.sort();
    let strays = strays(git, &taken.left, &commit)?;
    let remains = remains(git, &taken, &commit)?;
    let head = (stood.as_ref() != Some(&commit)).then_some("HEAD");
    move_refs(&tree, head, keep, &commit)?;
    quarantine::stand(&tree.administrative)?;
    Ok(Snapshot {
        strays,
        remains,
        no_change: changed.is_empty(),
        changed,
        conflicted: conflicted.into_iter().collect(),
        missing_needs,
        unrecorded,
        commit,
    })
}

/// See [`crate::Repository::let_go`].
pub(super) fn let_go(git: &Git, workspace: &Workspace) -> Result<(), VcsError> {
    let tree = open(git, workspace)?;
    let start = merge::join(git, &workspace.parents)?;
    move_refs(&tree, Some("HEAD"), None, &start.commit)?;
    // It names what the worktree stood on.
    match fs_err::remove_file(tree.administrative.join("logs/HEAD")) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// What the workspace was started from. What is remembered holds while `HEAD` of the worktree keeps it from being collected;
/// otherwise it is made again.
fn start_of(tree: &Tree<'_>, workspace: &Workspace) -> Result<merge::Join, VcsError> {
    let start = tree.git.known().start(&workspace.name);
    let stands = worktree::detached_at(&tree.administrative);
    match start.filter(|start| stands.as_ref() == Some(&start.commit)) {
        Some(start) => Ok(start),
        None => merge::join(tree.git, &workspace.parents),
    }
}

/// Paths that differ between `start` and `commit`, which is `head` or stands on it alone.
fn changes(
    git: &Git,
    start: &CommitId,
    head: &CommitId,
    commit: &CommitId,
) -> Result<Vec<Changed>, VcsError> {
    if start == commit {
        return Ok(Vec::new());
    }
    let changed = if head == start {
        let answer = git.run(changes_and_second(commit))?;
        let (second, changed) = answer.parse(parse::second_and_changes)?;
        git.known().set_second(commit, second);
        changed
    } else {
        let answer = git.run(changes_between(start, commit))?;
        answer.parse(parse::changes)?
    };
    let there = changed.iter().filter(|one| one.kind != ChangeKind::Removed);
    let files = there.map(|one| one.path.clone()).collect();
    git.known().set_files(commit, files);
    Ok(changed)
}

/// Claims that are neither in the commit nor in a submodule that is kept.
fn claims_left_out(
    git: &Git,
    workspace: &Workspace,
    commit: &CommitId,
    kept: &BTreeMap<PathBuf, Kept>,
    claims: Vec<PathBuf>,
) -> Result<Vec<Unrecorded>, VcsError> {
    let (here, inside) = claim::by_submodule(kept, claims);
    let mut missing = not_in_tree(git, commit, here)?;
    if !inside.is_empty() {
        let submodules = git.submodules();
        missing.extend(submodules.missing(&workspace.path, kept, inside)?);
    }
    Ok(missing
        .into_iter()
        .map(|path| claim::left_out(&workspace.path, path))
        .collect())
}

/// Those of `paths` that `commit` has not.
fn not_in_tree(
    git: &Git,
    commit: &CommitId,
    mut paths: Vec<PathBuf>,
) -> Result<Vec<PathBuf>, VcsError> {
    paths.retain(|path| !git.known().has_path(commit, path));
    if paths.is_empty() {
        return Ok(paths);
    }
    let answer = git.run(entries(commit, &paths))?;
    let there: BTreeSet<PathBuf> = answer.parse(parse::paths)?.into_iter().collect();
    Ok(paths
        .into_iter()
        .filter(|path| !there.contains(path))
        .collect())
}

/// See [`crate::Repository::not_in_commit`].
pub(super) fn not_in_commit(
    git: &Git,
    workspace: &Workspace,
    commit: &CommitId,
    words: &[String],
) -> Result<Vec<String>, VcsError> {
    let claims = claim::named_by_command(&workspace.path, words);
    let paths = claims.iter().map(|claim| claim.path.clone()).collect();
    let missing = not_in_tree(git, commit, paths)?;
    Ok(claims
        .into_iter()
        .filter(|claim| missing.contains(&claim.path))
        .map(|claim| claim.word)
        .collect())
}

/// Checks that the folder is still the worktree that was made, and removes what killed commands left locked. Measured: 38 of 60
/// killed `git commit` left an `index.lock` that blocks every later one. The process tree is dead, so nobody holds them.
fn open<'a>(git: &'a Git, workspace: &'a Workspace) -> Result<Tree<'a>, VcsError> {
    let gone = |reason: String| VcsError::WorkspaceGone {
        name: workspace.name.clone(),
        reason,
    };
    let administrative = worktree::administrative_folder(git, &workspace.name)?
        .ok_or_else(|| gone("git does not list it".to_owned()))?;
    if !workspace.path.join(".git").is_file() {
        return Err(gone(format!(
            "{} has no .git file",
            workspace.path.display()
        )));
    }
    let store = fs_err::read_to_string(administrative.join("commondir"))?;
    let link = submodule::git_dir_of(&workspace.path);
    if link.is_some() && link == administrative.canonicalize().ok() {
        // Made when worktrees had no repository of their own, or put back by `git worktree repair`.
        match quarantine::folder(&administrative).is_dir() {
            true => quarantine::link(&workspace.path, &administrative)?,
            false => quarantine::make(git, &workspace.path, &administrative)?,
        }
    }
    let own = quarantine::folder(&administrative).canonicalize().ok();
    let is_ours = own.is_some()
        && submodule::git_dir_of(&workspace.path) == own
        && administrative
            .join(store.trim_end())
            .canonicalize()
            .ok()
            .as_ref()
            == Some(&git.store);
    if !is_ours {
        return Err(gone(format!(
            "{} belongs to another repository now",
            workspace.path.display()
        )));
    }
    worktree::settle_config(&administrative)?;
    for lock in ["index.lock", "HEAD.lock"] {
        match fs_err::remove_file(administrative.join(lock)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(Tree {
        git,
        at: &workspace.path,
        administrative,
    })
}

/// Puts `head` (the worktree's own) and the ref `keep` to `commit`, as far as they are given: both or neither.
fn move_refs(
    tree: &Tree<'_>,
    head: Option<&str>,
    keep: Option<&str>,
    commit: &CommitId,
) -> Result<(), VcsError> {
    let mut input = String::new();
    for name in head.into_iter().chain(keep) {
        input.push_str(&format!("option no-deref\nupdate {name} {commit}\n"));
    }
    if input.is_empty() {
        return Ok(());
    }
    let command = args!["update-ref", "-m", "mesh: record", "--stdin"];
    tree.run_with_input(command, input.as_bytes()).map(|_| ())
}

/// Whether a file still has a conflict's first and last marker. A file that is gone, or no text, has none.
fn has_markers(path: &Path) -> bool {
    let Ok(bytes) = fs_err::read(path) else {
        return false;
    };
    let has = |marker: &[u8]| {
        bytes
            .split(|b| *b == b'\n')
            .any(|line| line.starts_with(marker))
    };
    has(b"<<<<<<< ") && has(b">>>>>>> ")
}

/// Those of the commits that were made in the workspace, then left by a checkout, that are not below the result.
fn strays(git: &Git, left: &BTreeSet<CommitId>, tip: &CommitId) -> Result<Vec<CommitId>, VcsError> {
    let mut strays = Vec::new();
    for left in left {
        if !git.is_in_any(left, std::slice::from_ref(tip))? {
            strays.push(left.clone());
        }
    }
    Ok(strays)
}

/// See [`Snapshot::remains`].
fn remains(
    git: &Git,
    taken: &quarantine::TakenOver,
    tip: &CommitId,
) -> Result<Vec<String>, VcsError> {
    let mut remains = Vec::new();
    for (name, at) in &taken.refs {
        if let Some(branch) = name.strip_prefix("refs/remotes/") {
            let at = at.short();
            remains.push(format!(
                "remote branch {branch} is at {at} in its workspace: it fetched or pushed"
            ));
        } else if name != "refs/stash" && at != tip && *at != taken.head {
            // What was taken over is in the store, and nothing else can be below the result.
            let is_in_result =
                git.exists_as_commit(at)? && git.is_in_any(at, std::slice::from_ref(tip))?;
            if !is_in_result {
                let name = name.strip_prefix("refs/heads/").unwrap_or(name);
                let at = at.short();
                remains.push(format!(
                    "it left {name} at {at} in its workspace, which is not part of its result"
                ));
            }
        }
    }
    remains.extend(taken.refs.iter().filter_map(|(name, at)| {
        let tag = name.strip_prefix("refs/tags/")?;
        let is_named = at != tip && *at != taken.head;
        (!is_named).then(|| format!("it left the tag {tag} at {} in its workspace", at.short()))
    }));
    remains.extend(taken.worktrees.iter().map(|path| {
        format!("it added a worktree in {path}, whose work is not part of its result")
    }));
    if !taken.settings.is_empty() {
        let names: Vec<&str> = taken.settings.iter().map(String::as_str).collect();
        remains.push(format!(
            "it changed settings of its own repository, which count for nobody else: {}",
            names.join(", ")
        ));
    }
    let entries = taken.stash.iter();
    remains.extend(entries.map(|message| {
        format!(
            "it left a stash entry in its workspace, which is not part of its result: {message}"
        )
    }));
    let more = remains.len().saturating_sub(MOST_REMAINS);
    remains.truncate(MOST_REMAINS);
    if more > 0 {
        remains.push(format!("and {more} more of these"));
    }
    Ok(remains)
}

/// Commits that were made, then left by a checkout. What was amended, reset or rebased away was replaced on purpose.
pub(super) fn left_behind(moves: &[parse::Move]) -> BTreeSet<CommitId> {
    let mut made = BTreeSet::new();
    let mut left = BTreeSet::new();
    for one in moves {
        if one.what.starts_with("checkout: ") {
            left.extend(one.old.iter().filter(|old| made.contains(*old)).cloned());
        } else if MAKING.iter().any(|word| one.what.starts_with(word)) {
            made.insert(one.new.clone());
        }
    }
    left
}

/// See [`crate::Repository::discard_changes_since`].
pub(super) fn discard(
    git: &Git,
    workspace: &Workspace,
    result: &CommitId,
) -> Result<Vec<PathBuf>, VcsError> {
    let tree = open(git, workspace)?;
    if worktree::detached_at(&tree.administrative).as_ref() != Some(result) {
        move_refs(&tree, Some("HEAD"), None, result)?;
    }
    let command = args![
        "status",
        "--porcelain=v1",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--ignore-submodules=all"
    ];
    let entries = tree.run(command)?.parse(parse::status)?;
    if !entries.is_empty() {
        tree.run(args!["reset", "--hard", "--quiet", result.as_str()])?;
        tree.run(args!["clean", "-ffdq"])?;
    }
    quarantine::stand(&tree.administrative)?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path).collect();
    paths.sort();
    Ok(paths)
}

impl Git {
    fn exists_as_commit(&self, commit: &CommitId) -> Result<bool, VcsError> {
        match self.resolve(&self.main_root, commit.as_str()) {
            Ok(_) => Ok(true),
            Err(VcsError::UnknownRevision { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> CommitId {
        CommitId::new(digit.to_string().repeat(40)).unwrap()
    }

    fn log(lines: &[(char, char, &str)]) -> Vec<parse::Move> {
        let text: String = lines
            .iter()
            .map(|(old, new, what)| format!("{} {} T <t@x> 1 +0000\t{what}\n", id(*old), id(*new)))
            .collect();
        parse::reflog(text.as_bytes())
    }

    #[test]
    fn a_commit_that_a_checkout_left_is_a_stray() {
        let moves = log(&[
            ('0', 'a', ""),
            ('a', 'b', "commit: work"),
            ('b', 'a', "checkout: moving from b to a"),
        ]);
        assert_eq!(left_behind(&moves), BTreeSet::from([id('b')]));
    }

    #[test]
    fn what_was_replaced_or_never_made_here_is_none() {
        let moves = log(&[
            ('0', 'a', ""),
            ('a', 'b', "commit: work"),
            ('b', 'c', "commit (amend): work"),
            ('c', 'a', "reset: moving to HEAD^"),
            ('a', 'd', "checkout: moving from a to users-branch"),
            ('d', 'a', "checkout: moving from users-branch to a"),
        ]);
        assert_eq!(left_behind(&moves), BTreeSet::new());
    }
}
