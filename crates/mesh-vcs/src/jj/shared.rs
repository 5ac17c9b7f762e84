//! A snapshot of what all workspaces share: one call of jj, and the files of its configuration.
//!
//! The user's own files are not in it: jj tells of them only after it has recorded them, which is the user's to do.

use super::{Jj, argv, parse};
use crate::call::Span;
use crate::error::VcsError;
use crate::model::CommitId;
use crate::name;
use crate::shared::{Kind, SharedState, mark};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::PoisonError;

/// A bookmark, where it points, and whether that is a working-copy commit.
pub(super) type Bookmark = (String, CommitId, bool);

/// See [`crate::Repository::shared_state`].
pub(super) fn snapshot(jj: &Jj) -> Result<SharedState, VcsError> {
    // Before the look: what is done meanwhile is traced the next time.
    let operations = newest_operations(jj)?;
    let at = jj.reader();
    let command = jj.store_args(&at, argv::log(argv::NAMED_REVSET, argv::NAMED));
    // Nothing of what an agent may have configured runs here, and what it did is to be said all the same.
    let program = jj.program.unguarded();
    let answer = program.run(&at, &command, Span::Short, &[])?;
    let named = answer.parse(parse::named)?;
    let mut state = of_view(&named);
    state.operations = operations;
    let displaced = &mut *jj.displaced.lock().unwrap_or_else(PoisonError::into_inner);
    state.displaced = std::mem::take(displaced);
    let moved = jj.moved.lock().unwrap_or_else(PoisonError::into_inner);
    for (bookmark, to) in moved.iter() {
        state.landed(bookmark, to.as_str());
    }
    let bookmarks = named.iter().flat_map(|one| {
        let is_working_copy = !one.workspaces.is_empty();
        let names = one.bookmarks.iter().cloned();
        names.map(move |name| (name, one.commit.clone(), is_working_copy))
    });
    jj.known().bookmarks = Some(bookmarks.collect());
    if let Some(guard) = jj.guard.get() {
        state.look_at(Kind::Setting);
        for (name, value) in guard.settings_now()? {
            state.put(Kind::Setting, name, mark(value.as_bytes()));
        }
    }
    Ok(state)
}

/// The heads of the operation log; jj has a file for each.
fn newest_operations(jj: &Jj) -> Result<BTreeSet<String>, VcsError> {
    let mut heads = BTreeSet::new();
    let entries = match fs_err::read_dir(jj.store.join("op_heads/heads")) {
        // Kept in another way: then nothing is traced.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(heads),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.len() >= 40 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
            heads.insert(name);
        }
    }
    Ok(heads)
}

/// What names commits at one operation.
pub(super) fn of_view(named: &[parse::Named]) -> SharedState {
    let mut state = SharedState::default();
    let looked_at = [Kind::Branch, Kind::Tag, Kind::Worktree, Kind::Head];
    looked_at.iter().for_each(|kind| state.look_at(*kind));
    for one in named {
        let commit = one.commit.as_str();
        for bookmark in &one.bookmarks {
            state.add(Kind::Branch, bookmark, commit);
        }
        for tag in &one.tags {
            state.add(Kind::Tag, tag, commit);
        }
        for workspace in &one.workspaces {
            if workspace.starts_with(name::OURS) {
                continue;
            }
            // Its commit is another one after each edit; what it stands on is what matters, and that it is the same change.
            let parents: Vec<&str> = one.parents.iter().map(|parent| parent.as_str()).collect();
            let what = format!("the working copy of workspace {workspace}");
            state.put(Kind::Head, what, parents.join(" and "));
            state.put(Kind::Worktree, workspace, one.change.clone());
        }
    }
    state
}
