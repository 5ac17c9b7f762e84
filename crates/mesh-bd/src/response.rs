//! What a response to a write says: the issue as it is now, or why bd refused. It reads texts and calls nothing.

use mesh_core::id::TaskId;
use mesh_core::issue::Issue;

use crate::error::{BdError, Refusal, RefusalReason, excerpt};
use crate::exec::CallOutput;
use crate::reads::{parsed, says_not_found};
use crate::wire::{self, WireIssue};

/// The issue `id` in a response that is an array of issues.
pub(crate) fn one_issue(output: &CallOutput, id: &TaskId) -> Result<(Issue, Option<u64>), BdError> {
    let wires: Vec<WireIssue> = parsed(output, |bytes| wire::issues(bytes, "the changed issue"))?;
    for wire in wires {
        let lease = wire.lease_end();
        let issue = wire
            .into_issue()
            .map_err(|parse_error| output.unreadable(parse_error))?;
        if issue.id == *id {
            return Ok((issue, lease));
        }
    }
    Err(unexpected(output, id.as_str()))
}

/// Why bd said no, from its words; words nobody knows give [`BdError::Failed`], after which the tracker is looked at.
pub(crate) fn refused_by_text(output: &CallOutput, id: &TaskId, what: &'static str) -> BdError {
    let text = output.all_text();
    let reason =
        if let Some(holder) = between(&text, "already claimed by ", &['\n', '"', ';', '\\']) {
            RefusalReason::HeldBy(holder)
        } else if let Some(holder) = between(&text, "assignee is \"", &['"'])
            .or_else(|| between(&text, ": held by \"", &['"']))
        {
            RefusalReason::HeldBy(holder)
        } else if let Some((_, rest)) = text.split_once("not claimable: ") {
            match between(rest, "status ", &['\n', '"', ' ']) {
                Some(word) => RefusalReason::Status(wire::status(&word)),
                None => RefusalReason::Other(output.error_text()),
            }
        } else if says_not_found(output) {
            return not_found(id);
        } else if let Some(line) = output.line_with("cannot close") {
            if line.contains("blocked") {
                RefusalReason::BlockedBy(line)
            } else {
                RefusalReason::Other(line)
            }
        } else {
            return output.failed();
        };
    Refusal {
        what,
        id: id.clone(),
        reason,
    }
    .into()
}

/// What stands between `start` and the first of `ends`, if that is anything.
fn between(text: &str, start: &str, ends: &[char]) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    let end = rest.find(ends).unwrap_or(rest.len());
    let found = rest[..end].trim();
    (!found.is_empty()).then(|| found.to_owned())
}

pub(crate) fn held_by(holder: &str, id: &TaskId, what: &'static str) -> Refusal {
    Refusal {
        what,
        id: id.clone(),
        reason: RefusalReason::HeldBy(holder.to_owned()),
    }
}

pub(crate) fn not_found(id: &TaskId) -> BdError {
    BdError::NotFound {
        ids: vec![id.clone()],
    }
}

pub(crate) fn unexpected(output: &CallOutput, looked_for: &str) -> BdError {
    output.unreadable(wire::ParseError {
        looked_for: looked_for.to_owned(),
        got: excerpt(&output.stdout),
    })
}

pub(crate) fn has_metadata(issue: &Issue, key: &str, value: &str) -> bool {
    issue
        .metadata
        .iter()
        .any(|(k, found)| k == key && wire::same_metadata(value, found))
}

/// bd's own rule for keys (measured on 1.0.5 and 1.3.0): `[a-zA-Z_][a-zA-Z0-9_.]*`, so no hyphens; 1.3.0 also takes `/`.
pub(crate) fn check_metadata(metadata: &[(String, String)]) -> Result<(), BdError> {
    let is_key = |key: &str| {
        let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && key.chars().all(rest)
    };
    match metadata.iter().find(|(key, _)| !is_key(key)) {
        None => Ok(()),
        Some((key, _)) => {
            let what = format!("{key:?} is no metadata key for bd (letters, digits, `_`, `.`)");
            Err(BdError::BadArgument {
                command: "update".to_owned(),
                what,
            })
        }
    }
}
