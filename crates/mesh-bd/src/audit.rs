//! Entries of bd's audit trail and the rule for long texts. It writes no file: bd appends, the caller stores long texts.

use std::path::Path;

use mesh_core::id::TaskId;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Longest text that goes on a command line, in bytes. Linux allows one argument 128 KiB with its closing zero; 96 KiB
/// leaves room for what a shell or wrapper adds (measured: bd 1.0.5 and 1.3.0 take it).
pub const MAX_INLINE_BYTES: usize = 96 * 1024;

/// One entry to append.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// The text that must not be too long for a command line.
    pub(crate) fn text(&self) -> &str {
        match self {
            AuditEntry::LlmPrompt { prompt, .. } => prompt,
            AuditEntry::LlmResponse { response, .. } => response,
            AuditEntry::ToolCall { payload, .. } => payload,
        }
    }
}

/// A line of `interactions.jsonl`, as far as it is compared. Other kinds (`field_change`, `label`) have other fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AuditLine {
    /// bd's id of the entry.
    pub id: String,
    /// `llm_call`, `tool_call`, `field_change`, …
    pub kind: String,
    /// Who wrote it.
    #[serde(default)]
    pub actor: String,
    /// The issue.
    #[serde(default)]
    pub issue_id: String,
    /// The model.
    #[serde(default)]
    pub model: String,
    /// The prompt.
    #[serde(default)]
    pub prompt: String,
    /// The answer.
    #[serde(default)]
    pub response: String,
    /// The tool.
    #[serde(default)]
    pub tool_name: String,
    /// The exit code; absent when it was not given.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// The payload of a tool call.
    #[serde(default)]
    pub error: String,
}

impl AuditLine {
    /// Whether this line is what recording `entry` writes.
    #[must_use]
    pub fn is(&self, entry: &AuditEntry) -> bool {
        let same_text = match entry {
            AuditEntry::LlmPrompt { model, prompt, .. } => {
                self.model == *model && self.prompt == *prompt
            }
            AuditEntry::LlmResponse {
                model, response, ..
            } => self.model == *model && self.response == *response,
            AuditEntry::ToolCall {
                tool_name,
                exit_code,
                payload,
                ..
            } => {
                self.tool_name == *tool_name
                    && self.exit_code == Some(*exit_code)
                    && self.error == *payload
            }
        };
        same_text && self.kind == entry.kind() && self.issue_id == entry.issue().as_str()
    }
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

/// SHA-256 of `bytes`, in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
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
        let line: AuditLine = serde_json::from_str(
            r#"{"id":"int-1","kind":"tool_call","issue_id":"t-1","tool_name":"mesh.attempt","exit_code":0,"error":"{}"}"#,
        )
        .expect("a line");
        let entry = |exit_code, payload: &str| AuditEntry::ToolCall {
            issue: issue.clone(),
            tool_name: "mesh.attempt".into(),
            exit_code,
            payload: payload.into(),
        };
        assert!(line.is(&entry(0, "{}")));
        assert!(!line.is(&entry(1, "{}")));
        assert!(!line.is(&entry(0, "{\"ok\":true}")));
        assert!(!line.is(&AuditEntry::LlmPrompt {
            issue,
            model: String::new(),
            prompt: String::new()
        }));
    }
}
