//! Entries of bd's audit trail, the look for them, and the rule for long texts. It writes no file but the [`outbox`] of a run: bd
//! appends to the trail, the caller stores long texts.

pub mod outbox;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use mesh_core::id::TaskId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::BdError;

/// Longest text that goes on a command line, in bytes. Linux allows one argument 128 KiB with its closing zero; 96 KiB
/// leaves room for what a shell or wrapper adds (measured: bd 1.0.5 and 1.3.0 take it).
pub const MAX_INLINE_BYTES: usize = 96 * 1024;

/// The label of entries that a person should look at, after the skill's contract.
pub const NEEDS_REVIEW: &str = "needs_review";

/// One entry to append.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditEntry {
    /// An agent was given a prompt.
    LlmPrompt {
        /// The bead, or the run's root.
        issue: TaskId,
        /// The model, or `command:<name>` for a plain program.
        model: String,
        /// The prompt, or a reference to it (see [`text_or_reference`]).
        prompt: String,
    },
    /// An agent answered.
    LlmResponse {
        /// The bead, or the run's root.
        issue: TaskId,
        /// The model, or `command:<name>` for a plain program.
        model: String,
        /// The answer, or a reference to it.
        response: String,
    },
    /// Something was done: an attempt, a wave.
    ToolCall {
        /// The bead, or the run's root.
        issue: TaskId,
        /// `mesh.attempt`, `mesh.wave`.
        tool_name: String,
        /// Its exit code.
        exit_code: i32,
        /// JSON with `ok`, `input`, `output` or `error`; bd keeps it in its field `error`.
        payload: String,
    },
}

impl AuditEntry {
    /// bd's word for the kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            AuditEntry::LlmPrompt { .. } | AuditEntry::LlmResponse { .. } => "llm_call",
            AuditEntry::ToolCall { .. } => "tool_call",
        }
    }

    /// The issue it belongs to.
    #[must_use]
    pub fn issue(&self) -> &TaskId {
        match self {
            AuditEntry::LlmPrompt { issue, .. }
            | AuditEntry::LlmResponse { issue, .. }
            | AuditEntry::ToolCall { issue, .. } => issue,
        }
    }

    /// What bd keeps of it, by the names of its fields in the trail; a field without text is left out there.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("kind", self.kind().to_owned()),
            ("issue_id", self.issue().to_string()),
        ];
        let of_this_kind = match self {
            AuditEntry::LlmPrompt { model, prompt, .. } => {
                vec![("model", model.clone()), ("prompt", prompt.clone())]
            }
            AuditEntry::LlmResponse {
                model, response, ..
            } => vec![("model", model.clone()), ("response", response.clone())],
            AuditEntry::ToolCall {
                tool_name,
                exit_code,
                payload,
                ..
            } => vec![
                ("tool_name", tool_name.clone()),
                ("exit_code", exit_code.to_string()),
                ("error", payload.clone()),
            ],
        };
        fields.extend(of_this_kind);
        fields
    }

    /// Whether `line` of the trail is what recording this writes. Other kinds of entries have other fields.
    fn is(&self, line: &Value) -> bool {
        let has = |(field, wanted): (&str, String)| match &line[field] {
            Value::String(found) => *found == wanted,
            Value::Null => wanted.is_empty(),
            other => other
                .as_i64()
                .is_some_and(|code| wanted.parse() == Ok(code)),
        };
        self.fields().into_iter().all(has)
    }
}

/// The trail of the tracker whose folder is `beads_dir`.
#[must_use]
pub fn trail(beads_dir: &Path) -> PathBuf {
    beads_dir.join("interactions.jsonl")
}

/// How long the trail is; one that cannot be looked at has no bytes yet.
#[must_use]
pub fn trail_bytes(beads_dir: &Path) -> u64 {
    fs_err::metadata(trail(beads_dir)).map_or(0, |meta| meta.len())
}

/// bd's id of the first entry at `offset` or behind it that says what `entry` says, those `known` as others apart. A trail that is
/// shorter than that is another one, and read from its beginning.
pub(crate) fn find(
    beads_dir: &Path,
    entry: &AuditEntry,
    offset: u64,
    known: &BTreeSet<String>,
) -> Result<Option<String>, BdError> {
    find_line(beads_dir, offset, |line| {
        let id = line["id"].as_str().filter(|id| !known.contains(*id))?;
        entry.is(line).then(|| id.to_owned())
    })
}

/// bd's id of the first label `label` on the entry `parent`, at `offset` or behind it.
pub(crate) fn find_label(
    beads_dir: &Path,
    (parent, label): (&str, &str),
    offset: u64,
) -> Result<Option<String>, BdError> {
    find_line(beads_dir, offset, |line| {
        let is_it =
            line["kind"] == "label" && line["parent_id"] == parent && line["label"] == label;
        let id = line["id"].as_str().filter(|_| is_it)?;
        Some(id.to_owned())
    })
}

fn find_line<T>(
    beads_dir: &Path,
    offset: u64,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, BdError> {
    let failed = |cause: std::io::Error| BdError::File {
        text: cause.to_string(),
    };
    let mut file = match fs_err::File::open(trail(beads_dir)) {
        Ok(file) => file,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(failed(cause)),
    };
    let bytes = file.metadata().map_err(failed)?.len();
    let from = if offset <= bytes { offset } else { 0 };
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    for line in BufReader::new(file).split(b'\n') {
        // A line that another program is about to finish is not ours.
        let Ok(line) = serde_json::from_slice::<Value>(&line.map_err(failed)?) else {
            continue;
        };
        if let Some(found) = read(&line) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// `text` itself if a command line can carry it, else a line that names `stored_at` (where the caller keeps the text) with
/// its length and SHA-256.
#[must_use]
pub fn text_or_reference(text: &str, stored_at: &Path) -> String {
    if text.len() <= MAX_INLINE_BYTES && !text.contains('\0') {
        return text.to_owned();
    }
    format!(
        "(stored) file={} bytes={} sha256={}",
        stored_at.display(),
        text.len(),
        sha256_hex(text.as_bytes())
    )
}

/// SHA-256 in lower-case hexadecimal.
fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_is_the_standard_one() {
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn long_texts_and_zero_bytes_are_referred_to() {
        let here = Path::new("/runs/1/prompt.md");
        let fits = "x".repeat(MAX_INLINE_BYTES);
        assert_eq!(text_or_reference(&fits, here), fits);
        let long = text_or_reference(&format!("{fits}y"), here);
        assert!(
            long.starts_with("(stored) file=/runs/1/prompt.md bytes=98305 sha256="),
            "{long}"
        );
        assert!(text_or_reference("a\0b", here).starts_with("(stored)"));
    }

    #[test]
    fn a_line_is_compared_with_all_its_fields() {
        let issue = TaskId::new("t-1").expect("a plain id");
        let line = serde_json::json!({
            "id": "int-1", "kind": "tool_call", "issue_id": "t-1", "tool_name": "mesh.attempt", "exit_code": 0, "error": "{}",
        });
        let entry = |exit_code, payload: &str| AuditEntry::ToolCall {
            issue: issue.clone(),
            tool_name: "mesh.attempt".into(),
            exit_code,
            payload: payload.into(),
        };
        assert!(entry(0, "{}").is(&line));
        assert!(!entry(1, "{}").is(&line));
        assert!(!entry(0, "{\"ok\":true}").is(&line));
        let prompt = AuditEntry::LlmPrompt {
            issue: issue.clone(),
            model: String::new(),
            prompt: String::new(),
        };
        assert!(!prompt.is(&line));
        assert!(prompt.is(&serde_json::json!({ "kind": "llm_call", "issue_id": "t-1" })));
        assert!(!prompt.is(&serde_json::json!(["llm_call", "t-1"])));
    }
}
