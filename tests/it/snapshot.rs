//! A repository as it is, to be compared with what it is later.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::fixture::{Fixture, Vcs};

/// Everything of the user's that a run must leave alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The working copy, files with modes and bytes.
    tree: BTreeMap<PathBuf, (u32, Vec<u8>)>,
    /// Branches, tags, bookmarks, what is checked out.
    refs: String,
}

/// A snapshot of the user's own things. mesh's own folder and the tracker's are looked at elsewhere.
pub fn of(fixture: &Fixture) -> Snapshot {
    Snapshot {
        tree: tree(&fixture.repo, &[".git", ".jj", ".mesh", ".beads"]),
        refs: refs(fixture),
    }
}

/// A snapshot in which a refused run must leave no trace at all: mesh's folder, the tracker and the workspaces are in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Everything {
    user: Snapshot,
    mesh: BTreeMap<PathBuf, (u32, Vec<u8>)>,
    tracker: String,
    workspaces: bool,
    operations: Vec<PathBuf>,
}

/// As above.
pub fn everything(fixture: &Fixture) -> Everything {
    let heads = fixture.repo.join(".jj/repo/op_heads/heads");
    Everything {
        user: of(fixture),
        mesh: tree(&fixture.repo.join(".mesh"), &[]),
        tracker: fixture.tracker_state(),
        workspaces: fixture.workspaces().exists(),
        operations: tree(&heads, &[]).into_keys().collect(),
    }
}

fn refs(fixture: &Fixture) -> String {
    let git = |args: &[&str]| fixture.env.must("git", args, &fixture.repo);
    let mut text = git(&["for-each-ref", "refs/heads", "refs/tags", "refs/remotes"]);
    text += &git(&["rev-parse", "HEAD"]);
    if fixture.backends.vcs == Vcs::Jj {
        // The commit of `@` follows the files at any jj command, `workspace add` for the hub among them; what stays is the change.
        let template =
            "change_id ++ ' ' ++ description ++ parents.map(|c| c.commit_id()).join(',')";
        let jj = |args: &[&str]| {
            let args = [&["--ignore-working-copy", "--no-pager"], args].concat();
            fixture.env.must("jj", &args, &fixture.repo)
        };
        text += &jj(&["log", "--no-graph", "-r", "@", "-T", template]);
        text += &jj(&["bookmark", "list", "--all-remotes"]);
    } else {
        text += &git(&["symbolic-ref", "HEAD"]);
        text += &git(&[
            "status",
            "--porcelain",
            "--untracked-files=all",
            "--",
            ".",
            ":!.beads",
        ]);
    }
    text
}

fn tree(root: &Path, without: &[&str]) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs_err::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("an entry").path();
            let name = path
                .strip_prefix(root)
                .expect("below the root")
                .to_path_buf();
            if without.iter().any(|folder| name == Path::new(folder)) {
                continue;
            }
            let facts = fs_err::symlink_metadata(&path).expect("it is there");
            let content = if facts.is_dir() {
                folders.push(path);
                Vec::new()
            } else if facts.is_symlink() {
                fs_err::read_link(&path)
                    .expect("a link")
                    .into_os_string()
                    .into_encoded_bytes()
            } else {
                fs_err::read(&path).expect("a file")
            };
            found.insert(name, (facts.permissions().mode(), content));
        }
    }
    found
}
