//! What a program's output means. Each protocol has one file.

mod activity;
pub mod claude;
pub mod codex;
mod meter;
pub mod plain;
mod rollout;
pub mod strategy;
pub mod transcript;

use crate::profile::Protocol;
use mesh_core::evidence::BlockReading;
use mesh_core::metered::Metered;
use mesh_core::time::Millis;
use std::io;
use std::path::Path;
use transcript::Transcript;

pub use activity::Activity;
pub use meter::Sources;
pub use plain::{LIMIT_PATTERNS, LastMessage, check_limit_pattern};
pub use transcript::SessionId;

impl Protocol {
    /// What the stream of events in the file comes to; nothing of a program that writes for people.
    fn transcript(self, stdout: &Path) -> io::Result<Option<Transcript>> {
        Ok(match self {
            Protocol::Plain => None,
            Protocol::Codex => Some(codex::read(stdout)?),
            Protocol::Claude => Some(claude::read(stdout, &Millis)?),
            Protocol::Strategy => Some(strategy::read(stdout)?),
        })
    }

    /// The final block from the attempt's standard output.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_block(self, stdout: &Path) -> io::Result<BlockReading> {
        match self.transcript(stdout)? {
            None => plain::read_block(stdout),
            Some(transcript) => Ok(transcript.block()),
        }
    }

    /// What the agent says of why it ended as it did, beside what it wrote for people; nothing of one that writes for people only.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn explanation(self, stdout: &Path) -> io::Result<Option<String>> {
        let transcript = self.transcript(stdout)?;
        Ok(transcript.and_then(|transcript| transcript.explanation()))
    }

    /// What the agent says that it used and may use, and whether a refusal of its provider ended it. Good also while it runs: then it
    /// is what is known so far.
    ///
    /// # Errors
    /// When its standard output cannot be read.
    pub fn metered(self, sources: &Sources<'_>) -> io::Result<Metered> {
        let transcript = match self {
            Protocol::Plain => return plain::metered(sources),
            Protocol::Codex => codex::read_with_session(sources)?,
            Protocol::Claude => claude::read(sources.stdout, sources.moment)?,
            Protocol::Strategy => strategy::read(sources.stdout)?,
        };
        Ok(transcript.metered)
    }

    /// The session that the agent says it worked in; nothing of one that does not say.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn session(self, stdout: &Path) -> io::Result<Option<SessionId>> {
        let transcript = self.transcript(stdout)?;
        Ok(transcript.and_then(|transcript| transcript.session))
    }

    /// The answer of an agent that has ended well, at most `limit` bytes from its end; else why there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn answer(self, stdout: &Path, limit: u64) -> io::Result<Result<String, String>> {
        Ok(match self.transcript(stdout)? {
            None => Ok(plain::last_message(stdout, limit)?.text),
            Some(transcript) => transcript.answer(limit),
        })
    }

    /// The agent's last message, at most `limit` bytes from its end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last_message(self, stdout: &Path, limit: u64) -> io::Result<LastMessage> {
        match self.transcript(stdout)? {
            None => plain::last_message(stdout, limit),
            Some(transcript) => Ok(transcript.last_message(limit)),
        }
    }
}
