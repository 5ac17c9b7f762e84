//! What a stream of events, one JSON object a line, comes to. Lines that are no events are passed over: programs write warnings in
//! between. What the stream says of itself is a claim like all that an agent says.

use crate::block;
use crate::protocol::LastMessage;
use mesh_core::evidence::BlockReading;
use mesh_core::metered::Metered;
use serde_json::Value;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transcript {
    /// What the program calls the session.
    pub session: Option<SessionId>,
    /// The last message.
    pub message: Option<String>,
    /// What it says of itself beside its messages.
    pub metered: Metered,
    /// How it ended.
    pub end: StreamEnd,
    /// Tools that the program did not let the model use.
    pub denied: Vec<String>,
}

/// What a program calls a session, to take it up again with. It comes from an agent's output and becomes an argument, so nothing
/// that could be taken for an option or for shell text is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// The id that `text` is, if it can be one: letters, digits, `-` and `_`, at most 128, the first a letter or digit.
    #[must_use]
    pub fn new(text: &str) -> Option<SessionId> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_one = text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.len() <= 128
            && text.bytes().all(plain);
        is_one.then(|| SessionId(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StreamEnd {
    /// It has no end: the program was ended, or wrote none. With what it said last of an error.
    #[default]
    None,
    /// With such a last error.
    NoneAfter(String),
    /// The conversation is complete.
    Complete,
    /// The program gave up, for this reason.
    Failed(String),
}

impl Transcript {
    /// The final block of the last message. A conversation that is not complete has none, whatever its last message looks like.
    #[must_use]
    pub fn block(&self) -> BlockReading {
        let message = match self.complete_message() {
            Ok(message) => message,
            Err(missing) => return BlockReading::Missing(missing),
        };
        match block::parse(message) {
            BlockReading::Missing(why) if !self.denied.is_empty() => {
                let denied = self.denied.join(", ");
                BlockReading::Missing(format!("{why}; it was not allowed to use {denied}"))
            }
            reading => reading,
        }
    }

    /// The last message of a conversation that is complete; else why there is none.
    fn complete_message(&self) -> Result<&str, String> {
        match &self.end {
            StreamEnd::None => Err("its stream of events has no end".to_owned()),
            StreamEnd::NoneAfter(error) => Err(format!(
                "its stream of events has no end; its last error: {error}"
            )),
            StreamEnd::Failed(reason) => Err(format!("it gave up: {reason}")),
            StreamEnd::Complete => {
                let message = self.message.as_deref();
                message.ok_or_else(|| "it ended without a message".to_owned())
            }
        }
    }

    /// [`Transcript::last_message`] of a conversation that is complete.
    ///
    /// # Errors
    /// Why there is none.
    pub fn answer(&self, limit: u64) -> Result<String, String> {
        self.complete_message()?;
        Ok(self.last_message(limit).text)
    }

    /// Why the conversation is not complete, if the program says so; else its last message.
    #[must_use]
    pub fn explanation(&self) -> Option<String> {
        match &self.end {
            StreamEnd::Failed(reason) => Some(format!("it gave up: {reason}")),
            StreamEnd::NoneAfter(error) => Some(format!("its last error: {error}")),
            StreamEnd::None | StreamEnd::Complete => self.message.clone(),
        }
    }

    /// The last message, at most `limit` bytes from its end; nothing when there is none.
    #[must_use]
    pub fn last_message(&self, limit: u64) -> LastMessage {
        let text = self.message.as_deref().unwrap_or_default();
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut start = text.len().saturating_sub(most);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        LastMessage {
            text: block::without_terminal_sequences(&text[start..]),
            left_out_bytes: start as u64,
        }
    }
}

/// Hands each event in the file `stdout` to `take`.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn each_event(stdout: &Path, mut take: impl FnMut(&Value)) -> io::Result<()> {
    let mut lines = BufReader::new(fs_err::File::open(stdout)?);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        if let Ok(event) = serde_json::from_slice::<Value>(&line)
            && event.is_object()
        {
            take(&event);
        }
        line.clear();
    }
    Ok(())
}

/// The text at `pointer`.
pub(crate) fn text<'a>(event: &'a Value, pointer: &str) -> Option<&'a str> {
    event.pointer(pointer).and_then(Value::as_str)
}

/// The number at `pointer`; 0 when there is none.
pub(crate) fn number(event: &Value, pointer: &str) -> u64 {
    event
        .pointer(pointer)
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

#[cfg(test)]
#[path = "transcript_test.rs"]
mod tests;
