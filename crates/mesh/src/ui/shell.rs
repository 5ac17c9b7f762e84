//! The one writer. Text for people goes to stdout, or to stderr when stdout belongs to `--json`; errors always go to stderr.

use std::io::{IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};

use crate::error::CommandError;

/// The one writer.
pub(crate) struct Shell {
    json: bool,
}

impl Shell {
    pub fn new(json: bool) -> Shell {
        Shell { json }
    }

    /// Whether stdout is kept for one JSON object.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person can be asked: both ends are a terminal.
    pub fn can_ask(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// One line for people.
    pub fn line(&mut self, text: impl AsRef<str>) {
        // A reader that has gone away (`mesh status | head`) is no error of ours.
        let _ = if self.json {
            writeln!(
                AutoStream::new(std::io::stderr(), ColorChoice::Auto),
                "{}",
                text.as_ref()
            )
        } else {
            writeln!(
                AutoStream::new(std::io::stdout(), ColorChoice::Auto),
                "{}",
                text.as_ref()
            )
        };
    }

    /// One line beside the matter: notes, progress.
    pub fn note(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(
            AutoStream::new(std::io::stderr(), ColorChoice::Auto),
            "{}",
            text.as_ref()
        );
    }

    /// Bytes as they are, to stdout at once.
    ///
    /// # Errors
    /// The reader has gone away: nobody is left to show anything to.
    pub fn raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// The one object of `--json`.
    pub fn object(&mut self, value: &impl serde::Serialize) -> Result<(), CommandError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| CommandError::new(crate::error::Kind::Internal, error.to_string()))?;
        let _ = writeln!(std::io::stdout(), "{text}");
        Ok(())
    }

    /// An error with its hints.
    pub fn error(&mut self, error: &CommandError) {
        self.note(format!("error: {}", error.message));
        for hint in &error.hints {
            self.note(format!("  {hint}"));
        }
    }

    /// Asks a yes-or-no question on the terminal; anything but yes is no.
    pub fn confirm(&mut self, question: &str) -> bool {
        let _ = write!(std::io::stderr(), "{question} [y/N] ");
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }

    /// Asks for a word on the terminal; empty when nothing was typed.
    pub fn ask(&mut self, question: &str) -> String {
        let _ = write!(std::io::stderr(), "{question} ");
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(_) => answer.trim().to_owned(),
            Err(_) => String::new(),
        }
    }
}
