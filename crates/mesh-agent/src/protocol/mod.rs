//! What a program's output means. Each protocol has one file.

pub mod claude;
pub mod codex;
pub mod plain;
pub mod transcript;

use crate::profile::Protocol;
use mesh_core::evidence::BlockReading;
use std::io;
use std::path::Path;

pub use plain::LastMessage;
pub use transcript::{SessionId, Usage};

impl Protocol {
    /// The final block from the attempt's standard output.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_block(self, stdout: &Path) -> io::Result<BlockReading> {
        match self {
            Protocol::Plain => plain::read_block(stdout),
            Protocol::Codex => Ok(codex::read(stdout)?.block()),
            Protocol::Claude => Ok(claude::read(stdout)?.block()),
        }
    }

    /// What the agent says of why it ended as it did, beside what it wrote for people; nothing of one that writes for people only.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn explanation(self, stdout: &Path) -> io::Result<Option<String>> {
        Ok(match self {
            Protocol::Plain => None,
            Protocol::Codex => codex::read(stdout)?.explanation(),
            Protocol::Claude => claude::read(stdout)?.explanation(),
        })
    }

    /// The tokens that the agent says it used; nothing of one that does not say.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn usage(self, stdout: &Path) -> io::Result<Option<Usage>> {
        let transcript = match self {
            Protocol::Plain => return Ok(None),
            Protocol::Codex => codex::read(stdout)?,
            Protocol::Claude => claude::read(stdout)?,
        };
        Ok(Some(transcript.usage).filter(|usage| *usage != Usage::default()))
    }

    /// The session that the agent says it worked in; nothing of one that does not say.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn session(self, stdout: &Path) -> io::Result<Option<SessionId>> {
        Ok(match self {
            Protocol::Plain => None,
            Protocol::Codex => codex::read(stdout)?.session,
            Protocol::Claude => claude::read(stdout)?.session,
        })
    }

    /// The agent's last message, at most `limit` bytes from its end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last_message(self, stdout: &Path, limit: u64) -> io::Result<LastMessage> {
        match self {
            Protocol::Plain => plain::last_message(stdout, limit),
            Protocol::Codex => Ok(codex::read(stdout)?.last_message(limit)),
            Protocol::Claude => Ok(claude::read(stdout)?.last_message(limit)),
        }
    }
}
