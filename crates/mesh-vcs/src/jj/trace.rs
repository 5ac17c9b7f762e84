//! Whose doing it is that bookmarks, tags and workspaces are not as they were: jj writes down in which workspace each command ran.
//!
//! Asked only when something is different, or when a workspace was found out of its place: then the operation log since the last look
//! is read, and the view before and after each operation that was no call of mesh. Nothing is undone but bookmarks, one by one: an
//! `undo` or `op restore` of ours would take back the work of others.

use super::parse::Operation;
use super::{Jj, argv, land, parse, shared};
use crate::error::VcsError;
use crate::model::CommitId;
use crate::shared::{Difference, Kind, SharedState, Traced, in_sentences};
use std::collections::BTreeSet;

/// How many operations of one stretch of the log are read.
const MOST_READ: u32 = 512;
/// How many of them are looked into; the newest count.
const MOST_TRACED: usize = 32;
/// Most characters of a command that are shown.
const MOST_SHOWN: usize = 100;

/// Descriptions of operations that put the whole repository to what it was begin so.
const WHOLE: [&str; 4] = [
    "undo: ",
    "redo: ",
    "restore to operation ",
    "revert operation ",
];

/// What one operation did.
struct Deed {
    workspace: String,
    command: String,
    /// Of the operation, as far as that tells something: `undo` and the like.
    is_whole: bool,
    id: String,
    differences: Vec<Difference>,
}

/// See [`crate::Repository::trace`].
pub(super) fn trace(
    jj: &Jj,
    before: &SharedState,
    now: &mut SharedState,
    workspaces: &[String],
) -> Result<Traced, VcsError> {
    let differences = now.differences(before);
    let mut deeds = Vec::new();
    for operation in operations_since(jj, &before.operations)? {
        deeds.extend(deed(jj, &operation)?);
    }
    let mut traced = Traced::default();
    let mut explained = BTreeSet::new();
    for deed in &deeds {
        if !workspaces.contains(&deed.workspace) {
            continue;
        }
        let said = traced.done.entry(deed.workspace.clone()).or_default();
        if deed.is_whole {
            said.push(format!(
                "`{}` took back operations of all workspaces",
                deed.command
            ));
        }
        for (sentence, one) in sentences(deed) {
            explained.insert((one.kind, one.name.clone()));
            said.push(sentence);
        }
    }
    traced.done.retain(|_, said| !said.is_empty());
    let mut others = Vec::new();
    for one in differences {
        let put_back = one.kind == Kind::Branch && put_back(jj, &one, &deeds, workspaces)?;
        if put_back {
            now.put(Kind::Branch, &one.name, one.was.clone().unwrap_or_default());
            if let Some(said) = last_mover(&one, &deeds).and_then(|by| traced.done.get_mut(by)) {
                said.push(format!("branch {} was put back by mesh", one.name));
            }
        } else if !explained.contains(&(one.kind, one.name.clone())) {
            others.push(one);
        }
    }
    traced.others = in_sentences(&others);
    let nobody = !deeds
        .iter()
        .any(|deed| deed.is_whole || removes_workspace(deed));
    if nobody {
        traced.others.extend(now.displaced.iter().map(|name| {
            format!("the workspace {name} lost its place in jj's operation log; its files were recorded as they were")
        }));
    }
    Ok(traced)
}

fn removes_workspace(deed: &Deed) -> bool {
    let mut differences = deed.differences.iter();
    differences.any(|one| one.kind == Kind::Worktree && one.is.is_none())
}

/// What is said of a deed, each with what it is about.
fn sentences(deed: &Deed) -> impl Iterator<Item = (String, &Difference)> {
    deed.differences.iter().map(|one| {
        let mut sentence = format!("{}, by `{}`", one.sentence(), deed.command);
        if one.kind == Kind::Worktree
            && one.is.is_none()
            && !one.name.starts_with(crate::name::OURS)
        {
            sentence.push_str(&format!(
                "; `jj --ignore-working-copy op revert {:.12}` brings it back",
                deed.id
            ));
        }
        (sentence, one)
    })
}

/// The operations since `known`, oldest first, that were no calls of mesh and may have changed what is shared. None where the log does
/// not lead back there.
fn operations_since(jj: &Jj, known: &BTreeSet<String>) -> Result<Vec<Operation>, VcsError> {
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let answer = jj.on_store(argv::operations(Some(MOST_READ)))?;
    let mut operations = answer.parse(parse::operations)?;
    let Some(end) = operations.iter().position(|one| known.contains(&one.id)) else {
        return Ok(Vec::new());
    };
    operations.truncate(end);
    operations.retain(|one| {
        !one.is_snapshot && !one.is_ours() && one.workspace_name.is_some() && one.parents.len() == 1
    });
    operations.truncate(MOST_TRACED);
    operations.reverse();
    Ok(operations)
}

fn deed(jj: &Jj, operation: &Operation) -> Result<Option<Deed>, VcsError> {
    let (Some(workspace), Some(parent)) = (&operation.workspace_name, operation.parents.first())
    else {
        return Ok(None);
    };
    let (was, is) = (view_at(jj, parent)?, view_at(jj, &operation.id)?);
    let command = operation.attributes.get("args");
    let command = command.unwrap_or(&operation.description);
    let command: String = command.chars().take(MOST_SHOWN).collect();
    Ok(Some(Deed {
        workspace: workspace.clone(),
        command: command.split_whitespace().collect::<Vec<_>>().join(" "),
        is_whole: WHOLE
            .iter()
            .any(|start| operation.description.starts_with(start)),
        id: operation.id.clone(),
        differences: is.differences(&was),
    }))
}

/// What names commits at an operation, and which workspaces of ours there are.
fn view_at(jj: &Jj, operation: &str) -> Result<SharedState, VcsError> {
    let command = argv::log_at_operation(operation, argv::NAMED_REVSET, argv::NAMED);
    let named = jj.on_store(command)?.parse(parse::named)?;
    let mut state = shared::of_view(&named);
    for name in named.iter().flat_map(|one| &one.workspaces) {
        if name.starts_with(crate::name::OURS) {
            state.put(Kind::Worktree, name, "there");
        }
    }
    Ok(state)
}

/// In which workspace the last operation ran that changed it.
fn last_mover<'a>(difference: &Difference, deeds: &'a [Deed]) -> Option<&'a String> {
    movers(difference, deeds)
        .last()
        .map(|(deed, _)| &deed.workspace)
}

/// The operations that changed it, in their order.
fn movers<'a>(difference: &Difference, deeds: &'a [Deed]) -> Vec<(&'a Deed, &'a Difference)> {
    let (kind, name) = (difference.kind, difference.name.clone());
    let of = |deed: &'a Deed| {
        let mut differences = deed.differences.iter();
        let one = differences.find(|one| one.kind == kind && one.name == name)?;
        Some((deed, one))
    };
    deeds.iter().filter_map(of).collect()
}

/// Whether a bookmark is where it was put: on that commit, or on what became of it when files were recorded.
fn is_same(jj: &Jj, put: Option<&str>, is: Option<&str>) -> Result<bool, VcsError> {
    let (Some(put), Some(is), true) = (put, is, put != is) else {
        return Ok(put == is);
    };
    let (Ok(put), Ok(is)) = (CommitId::new(put), CommitId::new(is)) else {
        return Ok(false);
    };
    let command = argv::log(&format!("{put}|{is}"), argv::CHANGE_IDS);
    let changes = jj.on_store(command)?.stdout_text();
    let changes: BTreeSet<&str> = changes.lines().collect();
    Ok(changes.len() == 1)
}

/// Puts a bookmark back to where it was, if nobody but `workspaces` moved it and it is where they put it. jj has no
/// compare-and-swap for bookmarks: it is looked at right before.
fn put_back(
    jj: &Jj,
    difference: &Difference,
    deeds: &[Deed],
    workspaces: &[String],
) -> Result<bool, VcsError> {
    let movers = movers(difference, deeds);
    let (Some((_, first)), Some((_, last))) = (movers.first(), movers.last()) else {
        return Ok(false);
    };
    let all_theirs = movers
        .iter()
        .all(|(deed, _)| workspaces.contains(&deed.workspace));
    let as_they_say =
        first.was == difference.was && is_same(jj, last.is.as_deref(), difference.is.as_deref())?;
    // Several commits are a conflict of bookmarks, which is a person's to settle.
    let (Some(Ok(was)), true, true) = (
        difference.was.clone().map(CommitId::new),
        all_theirs,
        as_they_say,
    ) else {
        return Ok(false);
    };
    let now = land::targets(jj, &difference.name)?;
    let now: Vec<&str> = now.iter().map(CommitId::as_str).collect();
    if now != difference.is.as_deref().into_iter().collect::<Vec<_>>() {
        return Ok(false);
    }
    land::at_main(jj, argv::bookmark_set_back(&difference.name, &was))?;
    Ok(land::targets(jj, &difference.name)? == [was])
}
