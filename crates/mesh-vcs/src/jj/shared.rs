//! A picture of what all workspaces share: one call of jj, and the files of its configuration.
//!
//! The user's own files are not in it: jj tells of them only after it has recorded them, which is the user's to do.

use super::{Jj, argv, parse};
use crate::error::VcsError;
use crate::name;
use crate::shared::{Kind, SharedState};
use std::sync::PoisonError;

/// See [`crate::Repository::shared_state`].
pub(super) fn picture(jj: &Jj) -> Result<SharedState, VcsError> {
    let mut state = SharedState::default();
    let named = jj
        .on_store(argv::log(argv::NAMED_REVSET, argv::NAMED))?
        .parse(parse::named)?;
    let moved = jj.moved.lock().unwrap_or_else(PoisonError::into_inner);
    for one in named {
        let commit = one.commit.as_str();
        for bookmark in one.bookmarks {
            // A landing of ours is said elsewhere.
            if !moved
                .iter()
                .any(|(name, to)| *name == bookmark && *to == one.commit)
            {
                state.add(Kind::Branch, bookmark, commit);
            }
        }
        for tag in one.tags {
            state.add(Kind::Tag, tag, commit);
        }
        for workspace in one.workspaces {
            if workspace.starts_with(name::OURS) {
                continue;
            }
            // Its commit is another one after each edit; what it stands on is what matters.
            let parents: Vec<&str> = one.parents.iter().map(|parent| parent.as_str()).collect();
            let what = format!("the working copy of workspace {workspace}");
            state.put(Kind::Head, what, parents.join(" and "));
            state.put(Kind::Worktree, workspace, "there");
        }
    }
    if let Some(guard) = jj.guard.get() {
        for (name, mark) in guard.settings_now()? {
            state.put(Kind::Setting, name, mark);
        }
    }
    Ok(state)
}
