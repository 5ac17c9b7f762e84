//! Molecules: what bd makes of a formula. The calls are the same in all dialects, except how several of their issues are closed.
//!
//! A molecule is only ever poured, bonded to one of ours, and closed. It must never be burnt or squashed, and no issue of a person
//! is ever bonded: that deletes the issue with its children (measured on 0.47.1 and 1.3.0).

use std::collections::BTreeMap;
use std::path::Path;

use mesh_core::id::TaskId;
use mesh_core::issue::IssueStatus;
use serde::Deserialize;

use super::wire;
use crate::error::{BdError, excerpt};
use crate::listing::Listing;
use crate::read_back::ReadBack;
use crate::transport::{Call, CallOutput, Transport};

/// The variable in whose folder bd looks for `.beads/formulas` after it has looked in the tracker's and in the user's own. So a
/// formula that a team has installed goes before ours (measured on 0.47.1, 1.0.5 and 1.3.0).
const FORMULAS: &str = "GT_ROOT";

/// A formula that became issues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Molecule {
    /// The issue above all others of it.
    pub root: TaskId,
    /// The others by their names in the formula: `arm`; the gate of a step `s` is `gate-s`.
    pub steps: BTreeMap<String, TaskId>,
}

/// What is to become a molecule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormulaUse {
    /// The formula's name.
    pub formula: &'static str,
    /// The folder whose `.beads/formulas` holds it.
    pub folder: std::path::PathBuf,
    /// Values of its variables.
    pub variables: Vec<(String, String)>,
    /// The title that one of its steps will have, and no other issue of the tracker: by it the molecule is found again.
    pub found_by: String,
}

/// What bd answers to `mol pour` and to `mol bond`.
#[derive(Deserialize)]
struct Spawned {
    id_mapping: BTreeMap<String, String>,
}

fn read(output: &CallOutput, formula: &str) -> Result<Molecule, BdError> {
    let spawned: Spawned = output.json("the ids of the molecule")?;
    let id = |text: &String| TaskId::new(text.clone()).ok();
    let root = spawned.id_mapping.get(formula).and_then(id);
    let step = |(name, text): (&String, &String)| {
        let name = name.strip_prefix(formula)?.strip_prefix('.')?;
        Some((name.to_owned(), id(text)?))
    };
    Ok(Molecule {
        root: root.ok_or_else(|| output.unreadable("the molecule's root"))?,
        steps: spawned.id_mapping.iter().filter_map(step).collect(),
    })
}

/// Pours `what`, or bonds it to the molecule `onto` as something that bd may forget.
pub(super) fn spawn(
    bd: &Transport,
    what: &FormulaUse,
    onto: Option<&TaskId>,
    actor: &str,
    listing: impl FnOnce() -> Result<Listing, BdError>,
) -> Result<Molecule, BdError> {
    let mut call = match onto {
        None => Call::write(actor, &["mol", "pour", what.formula]),
        // The usual type of a bond makes what is bonded wait for the molecule.
        Some(root) => Call::write(actor, &["mol", "bond", what.formula])
            .id(root)
            .words(&["--ephemeral", "--type", "parallel"]),
    };
    for (name, value) in &what.variables {
        call = call.words(&["--var", &format!("{name}={value}")]);
    }
    let call = call.json().variable(FORMULAS, what.folder.as_os_str());
    let look = || {
        let found = listing()?.molecule_with(&what.found_by);
        Ok(found.map_or(ReadBack::NotApplied, ReadBack::Applied))
    };
    bd.write(&call, |output| read(output, what.formula), look)
}

/// Asks bd whether it can make a molecule of the formula in `file`; its words if it cannot.
pub(super) fn cook(bd: &Transport, file: &Path) -> Result<(), BdError> {
    let call = Call::read(&["cook"])
        .words(&[&file.to_string_lossy(), "--dry-run"])
        .unless(
            file.is_relative()
                .then(|| format!("{} is not absolute", file.display())),
        );
    bd.read(&call, |output| match output.code {
        0 => Ok(()),
        _ => Err(failed(output)),
    })
}

/// The failure with all of bd's words on one line: the reason stands in later lines here.
fn failed(output: &CallOutput) -> BdError {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let words: Vec<&str> = said.split_whitespace().collect();
    BdError::Failed {
        command: output.command.clone(),
        code: output.code,
        text: excerpt(words.join(" ").as_bytes()),
    }
}

/// Closes issues of molecules of ours through `batch`, which makes no other check than that they are there. One call of it takes
/// about as long as one `close` for three to five issues (measured on 1.3.0, where each close of a step takes more than a second).
pub(super) fn close_in_batch(
    bd: &Transport,
    ids: &[TaskId],
    actor: &str,
    reason: &str,
    listing: impl FnOnce() -> Result<Listing, BdError>,
) -> Result<(), BdError> {
    #[derive(Deserialize)]
    struct Answer {
        operations: usize,
        status: String,
    }
    if ids.is_empty() {
        return Ok(());
    }
    let mut reason = mesh_core::text::one_line(reason);
    reason.retain(|letter| !matches!(letter, '"' | '\\'));
    let lines: String = ids
        .iter()
        .map(|id| format!("close {id} \"{reason}\"\n"))
        .collect();
    let is_word = |id: &TaskId| {
        !id.as_str()
            .contains(|c: char| c.is_whitespace() || c == '"')
    };
    let call = Call::write(actor, &["batch"])
        .json()
        .stdin(lines)
        .unless((!ids.iter().all(is_word)).then(|| "an id has white space".to_owned()));
    let read = |output: &CallOutput| {
        if output.code != 0 {
            return Err(failed(output));
        }
        let answer: Answer = output.json("how many were closed")?;
        match answer.status == "ok" && answer.operations == ids.len() {
            true => Ok(()),
            false => Err(output.unreadable("all closed")),
        }
    };
    bd.write(&call, read, || all_closed(ids, listing))
}

/// As [`close_in_batch`], for a bd without `batch`: one `close` for all, in whose order a gate opens the way for its step. It exits
/// with 0 when it refuses one (measured on 0.47.1).
pub(super) fn close_together(
    bd: &Transport,
    ids: &[TaskId],
    actor: &str,
    reason: &str,
    listing: impl FnOnce() -> Result<Listing, BdError>,
) -> Result<(), BdError> {
    if ids.is_empty() {
        return Ok(());
    }
    let call = Call::write(actor, &["close"]);
    let call = ids.iter().fold(call, Call::id);
    let call = call.words(&["--reason", reason]).json();
    let read = |output: &CallOutput| {
        if output.code != 0 || output.stdout.is_empty() {
            return Err(failed(output));
        }
        let issues = wire::listing(output)?;
        let is_closed = |id: &TaskId| {
            let issue = issues.get(id);
            issue.is_some_and(|issue| issue.status == IssueStatus::Closed)
        };
        match ids.iter().all(is_closed) {
            true => Ok(()),
            false => Err(failed(output)),
        }
    };
    bd.write(&call, read, || all_closed(ids, listing))
}

/// Whether none of `ids` is open any more.
fn all_closed(
    ids: &[TaskId],
    listing: impl FnOnce() -> Result<Listing, BdError>,
) -> Result<ReadBack<()>, BdError> {
    let listing = listing()?;
    Ok(match ids.iter().all(|id| !listing.is_open(id)) {
        true => ReadBack::Applied(()),
        false => ReadBack::NotApplied,
    })
}
