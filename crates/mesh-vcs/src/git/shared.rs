//! A snapshot of what all worktrees share. One call of git, two when refs have changed; the rest is read from the store's files.

use super::guard::bytes_of;
use super::{Git, parse, settings};
use crate::call::{Span, args};
use crate::error::VcsError;
use crate::name;
use crate::shared::{KINDS, Kind, SharedState, mark};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

/// See [`crate::Repository::shared_state`].
pub(super) fn snapshot(git: &Git, except: &[PathBuf]) -> Result<SharedState, VcsError> {
    let mut state = SharedState::default();
    for kind in KINDS.into_iter().filter(|kind| *kind != Kind::File) {
        state.look_at(kind);
    }
    refs(git, &mut state)?;
    stash(&git.store, &mut state)?;
    worktrees(&git.store, &mut state)?;
    head(&git.start_root, &mut state);
    store_files(&git.store, &mut state)?;
    if let Some(guard) = git.guard.get() {
        for (name, values) in guard.settings_now()? {
            state.put(Kind::Setting, name, mark(values.join("\0").as_bytes()));
        }
    }
    match files(git, except, &mut state) {
        // Filters would run on the user's files. The setting that forbids it is in the snapshot.
        Err(VcsError::StoreChanged { .. }) => {}
        looked => looked?,
    }
    Ok(state)
}

/// The files of the refs, but for those of mesh: content by name, and of the packed ones what changes with it.
pub(super) type RefFiles = BTreeMap<PathBuf, Vec<u8>>;

/// `None` where the refs are not in such files, or one went while they were looked at.
fn ref_files(store: &Path) -> Option<RefFiles> {
    let mut found = RefFiles::new();
    let mut folders = vec![store.join("refs")];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).ok()? {
            let path = entry.ok()?.path();
            if path.is_dir() {
                folders.extend(Some(path).filter(|path| *path != store.join("refs/mesh")));
            } else {
                found.insert(path.clone(), bytes_of(&path).ok()??);
            }
        }
    }
    let packed = store.join("packed-refs");
    let stands = match fs_err::metadata(&packed) {
        // Whoever writes into it changes these, whatever time they give it.
        Ok(meta) => format!(
            "{} {} {}.{}",
            meta.ino(),
            meta.size(),
            meta.ctime(),
            meta.ctime_nsec()
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(_) => return None,
    };
    found.insert(packed, stands.into_bytes());
    let is_in_files = !store.join("reftable").exists();
    is_in_files.then_some(found)
}

fn refs(git: &Git, state: &mut SharedState) -> Result<(), VcsError> {
    let moved = git.moved.lock().unwrap_or_else(PoisonError::into_inner);
    for (branch, to) in moved.iter() {
        state.landed(branch, to.as_str());
    }
    for line in listed_refs(git)?.lines() {
        // Each line has both: see below.
        let (commit, full) = line.split_once(' ').unwrap_or((line, ""));
        let kinds = [
            ("refs/heads/", Kind::Branch),
            ("refs/tags/", Kind::Tag),
            ("refs/remotes/", Kind::RemoteBranch),
        ];
        if full.starts_with("refs/mesh/") || full == "refs/stash" {
            continue;
        }
        let (name, kind) = kinds
            .into_iter()
            .find_map(|(start, kind)| Some((full.strip_prefix(start)?, kind)))
            .unwrap_or((full, Kind::Ref));
        state.put(kind, name, commit);
    }
    Ok(())
}

/// All refs as git lists them; it is not asked again while their files are the same.
pub(super) fn listed_refs(git: &Git) -> Result<String, VcsError> {
    let mut seen = git.refs.lock().unwrap_or_else(PoisonError::into_inner);
    let before = ref_files(&git.store);
    if let (Some((files, listed)), Some(before)) = (&*seen, &before)
        && files == before
    {
        return Ok(listed.clone());
    }
    let command = args!["for-each-ref", "--format=%(objectname) %(refname)"];
    // Nothing of what an agent may have configured runs here, and what it did is to be said all the same.
    let answer = settings::ask(
        &git.program.unguarded(),
        &git.main_root,
        command,
        Span::Short,
        &[],
        &[],
    )?;
    let answer = super::succeeded(answer)?;
    let listed = answer.stdout_text();
    if listed.lines().any(|line| !line.contains(' ')) {
        return Err(answer.unreadable("a line names no ref"));
    }
    // One that changed meanwhile may be in the list or not.
    let files = before.filter(|before| ref_files(&git.store).as_ref() == Some(before));
    *seen = files.map(|files| (files, listed.clone()));
    Ok(listed)
}

fn stash(store: &Path, state: &mut SharedState) -> Result<(), VcsError> {
    let log = bytes_of(&store.join("logs/refs/stash"))?.unwrap_or_default();
    for entry in parse::reflog(&log) {
        state.put(Kind::Stash, entry.new.as_str(), entry.what);
    }
    Ok(())
}

fn worktrees(store: &Path, state: &mut SharedState) -> Result<(), VcsError> {
    let entries = match fs_err::read_dir(store.join("worktrees")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let folder = entry?.path();
        let reason = fs_err::read_to_string(folder.join("locked")).unwrap_or_default();
        let ours = format!("{}{}", super::worktree::LOCK_REASON, name::OURS);
        // One that comes or goes at this moment has no link.
        let Ok(link) = fs_err::read_to_string(folder.join("gitdir")) else {
            continue;
        };
        if !reason.starts_with(&ours) {
            let at = Path::new(link.trim_end())
                .parent()
                .unwrap_or(Path::new("/"));
            state.put(Kind::Worktree, at.display().to_string(), "there");
        }
    }
    Ok(())
}

/// The branch that is checked out where the user stands. Where it points is the branch's own matter.
fn head(start_root: &Path, state: &mut SharedState) {
    let head = crate::submodule::git_dir_of(start_root)
        .and_then(|folder| fs_err::read_to_string(folder.join("HEAD")).ok())
        .unwrap_or_default();
    let head = head.trim_end();
    let shown = match head.strip_prefix("ref: refs/heads/") {
        Some(branch) => format!("branch {branch}"),
        None => head.to_owned(),
    };
    state.put(Kind::Head, "your working copy", shown);
}

fn store_files(store: &Path, state: &mut SharedState) -> Result<(), VcsError> {
    for name in ["attributes", "exclude", "grafts", "sparse-checkout"] {
        if let Some(bytes) = bytes_of(&store.join("info").join(name))? {
            state.put(Kind::StoreFile, format!(".git/info/{name}"), mark(&bytes));
        }
    }
    let hooks = match fs_err::read_dir(store.join("hooks")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        hooks => hooks?,
    };
    for hook in hooks {
        let hook = hook?;
        let name = hook.file_name().to_string_lossy().into_owned();
        let Ok(meta) = fs_err::metadata(hook.path()) else {
            continue;
        };
        if meta.is_file() && !name.ends_with(".sample") {
            let bytes = bytes_of(&hook.path())?.unwrap_or_default();
            let can_run = meta.permissions().mode() & 0o111;
            state.put(Kind::Hook, name, format!("{can_run} {}", mark(&bytes)));
        }
    }
    Ok(())
}

/// Files of the working copy in which the user stands that are not as recorded, without those below `except`.
fn files(git: &Git, except: &[PathBuf], state: &mut SharedState) -> Result<(), VcsError> {
    let at = &git.start_root;
    // Without optional locks: otherwise the question itself refreshes the user's index.
    let command = args![
        "--no-optional-locks",
        "status",
        "--porcelain=v1",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--ignore-submodules=all"
    ];
    let entries = git.run_on_files(at, command)?.parse(parse::status)?;
    state.look_at(Kind::File);
    for entry in entries {
        let whole = at.join(&entry.path);
        if except.iter().any(|path| whole.starts_with(path)) {
            continue;
        }
        let stands = match fs_err::symlink_metadata(&whole) {
            Ok(meta) => format!(
                "{} {} {}.{}",
                meta.mode(),
                meta.size(),
                meta.mtime(),
                meta.mtime_nsec()
            ),
            Err(_) => "gone".to_owned(),
        };
        let path = entry.path.display().to_string();
        state.put(Kind::File, path, stands);
    }
    Ok(())
}
