//! What is written beside an issue: comments and audit entries.

use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

use mesh_core::id::TaskId;
use serde::Deserialize;

use crate::audit::{AuditEntry, AuditLine, MAX_INLINE_BYTES};
use crate::client::{Client, check_id};
use crate::commands;
use crate::error::BdError;
use crate::exec::{Call, CallOutput};
use crate::read_back::ReadBack;
use crate::reads::{Comment, parsed, says_not_found};
use crate::response::{not_found, unexpected};
use crate::wire::{self, WireComment};

impl Client {
    /// Writes a comment, whatever its text begins with. Up to 96 KiB.
    ///
    /// # Errors
    /// [`BdError::NotFound`]; [`BdError::BadArgument`] for a text that is empty, too long or has a zero byte.
    pub fn comment(&self, id: &TaskId, actor: &str, text: &str) -> Result<Comment, BdError> {
        check_id(id, "comment")?;
        check_text(text, "comment")?;
        let read = |output: &CallOutput| {
            if output.code != 0 && says_not_found(output) {
                return Err(not_found(id));
            }
            let wire = parsed(output, |bytes| {
                wire::read::<WireComment>(bytes, "a comment")
            })?;
            let comment = Comment::from(wire);
            if same_text(&comment.text, text) {
                Ok(comment)
            } else {
                Err(unexpected(output, "our comment"))
            }
        };
        let look = || {
            let comments = self.comments(id)?;
            let ours = comments
                .into_iter()
                .rev()
                .find(|comment| same_text(&comment.text, text));
            Ok(ours.map_or(ReadBack::NotApplied, ReadBack::Applied))
        };
        self.write_call(&Call::write(commands::comment(id, actor, text)), read, look)
    }

    /// Writes a comment unless one with the same marker line is there already: what a resumed run does.
    ///
    /// # Errors
    /// As [`Client::comment`]; [`BdError::BadArgument`] when `text` does not have the line `marker`.
    pub fn comment_once(
        &self,
        id: &TaskId,
        actor: &str,
        text: &str,
        marker: &str,
    ) -> Result<Comment, BdError> {
        if !crate::marker::has(text, marker) {
            let what = format!("the comment lacks its marker line {marker}");
            return Err(BdError::BadArgument {
                command: "comment".to_owned(),
                what,
            });
        }
        match self
            .comments(id)?
            .into_iter()
            .find(|comment| comment.has_marker(marker))
        {
            Some(comment) => Ok(comment),
            None => self.comment(id, actor, text),
        }
    }

    /// Appends an audit entry and returns bd's id of it. Long texts go through [`crate::audit::text_or_reference`] first.
    ///
    /// # Errors
    /// [`BdError::BadArgument`] for a text that is too long or has a zero byte.
    pub fn audit(&self, entry: &AuditEntry, actor: &str) -> Result<String, BdError> {
        #[derive(Deserialize)]
        struct Answer {
            id: String,
            kind: String,
        }
        check_id(entry.issue(), "audit")?;
        if entry.text().len() > MAX_INLINE_BYTES {
            let what = format!("a text of {} bytes belongs into a file", entry.text().len());
            return Err(BdError::BadArgument {
                command: "audit record".to_owned(),
                what,
            });
        }
        // bd appends, so what this call wrote stands behind what is there now.
        let before = self
            .interactions_path()
            .metadata()
            .map_or(0, |meta| meta.len());
        let read = |output: &CallOutput| {
            let answer = parsed(output, |bytes| {
                wire::read::<Answer>(bytes, "the audit entry's id")
            })?;
            if answer.kind == entry.kind() {
                Ok(answer.id)
            } else {
                Err(unexpected(output, "our audit entry"))
            }
        };
        let look = || {
            Ok(self
                .find_audit_from(entry, before)?
                .map_or(ReadBack::NotApplied, ReadBack::Applied))
        };
        self.write_call(&Call::write(commands::audit(entry, actor)), read, look)
    }

    /// bd's id of the first audit entry that says what `entry` says, if it was ever recorded. Reads the trail's file; bd has
    /// no command for that.
    ///
    /// # Errors
    /// When the file cannot be read; that it does not exist yet is none.
    pub fn find_audit(&self, entry: &AuditEntry) -> Result<Option<String>, BdError> {
        self.find_audit_from(entry, 0)
    }

    fn find_audit_from(&self, entry: &AuditEntry, offset: u64) -> Result<Option<String>, BdError> {
        let failed = |cause: std::io::Error| BdError::File {
            text: cause.to_string(),
        };
        let mut file = match fs_err::File::open(self.interactions_path()) {
            Ok(file) => file,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(failed(cause)),
        };
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        for line in BufReader::new(file).split(b'\n') {
            // Other kinds of entries, and a line that another program is about to finish, are not ours.
            let line = serde_json::from_slice::<AuditLine>(&line.map_err(failed)?);
            if let Some(line) = line.ok().filter(|line| line.is(entry)) {
                return Ok(Some(line.id));
            }
        }
        Ok(None)
    }

    fn interactions_path(&self) -> PathBuf {
        self.beads_dir().join("interactions.jsonl")
    }
}

/// Trackers and terminals differ in line ends and in white space at the end; that does not make a comment another one.
fn same_text(found: &str, wanted: &str) -> bool {
    found.replace("\r\n", "\n").trim_end() == wanted.replace("\r\n", "\n").trim_end()
}

fn check_text(text: &str, command: &str) -> Result<(), BdError> {
    let refuse = |what: String| {
        Err(BdError::BadArgument {
            command: command.to_owned(),
            what,
        })
    };
    match text.len() {
        _ if text.trim().is_empty() => refuse("the text is empty".to_owned()),
        bytes if bytes > MAX_INLINE_BYTES => refuse(format!("a text of {bytes} bytes is too long")),
        _ => Ok(()),
    }
}
