//! The one writer. Text for people goes to stdout, or to stderr when stdout belongs to `--json`; errors always go to stderr.
//!
//! Text for people may hold titles, paths and words of agents: control characters in it are written out.

use std::io::{IsTerminal, Write};

use mesh_core::text::{is_control, visible};

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
        let text = visible(text.as_ref());
        // A reader that has gone away (`mesh status | head`) is no error of ours.
        let _ = if self.json {
            writeln!(std::io::stderr(), "{text}")
        } else {
            writeln!(std::io::stdout(), "{text}")
        };
    }

    /// One line beside the matter: notes, progress.
    pub fn note(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stderr(), "{}", visible(text.as_ref()));
    }

    /// Whether a terminal shows what goes to stdout.
    pub fn shows_to_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
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

    /// The one object of `--json`. Its strings are exact; what a terminal would obey is escaped, which a parser undoes.
    pub fn object(&mut self, value: &impl serde::Serialize) -> Result<(), CommandError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| CommandError::new(crate::error::Kind::Internal, error.to_string()))?;
        let _ = writeln!(std::io::stdout(), "{}", escaped(&text));
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
        let _ = write!(std::io::stderr(), "{} [y/N] ", visible(question));
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }

    /// Asks for a word on the terminal; empty when nothing was typed.
    pub fn ask(&mut self, question: &str) -> String {
        let _ = write!(std::io::stderr(), "{} ", visible(question));
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(_) => answer.trim().to_owned(),
            Err(_) => String::new(),
        }
    }
}

/// JSON text with escapes for the control characters that JSON itself lets stand: DEL, C1 and the bidirectional ones.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_control(c) {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_json_is_the_same_json() {
        let value = serde_json::json!({ "title": "a\u{202e}b\u{9b}c\u{7f}\n\u{1b}[1m日" });
        let text = escaped(&serde_json::to_string_pretty(&value).unwrap());
        assert!(
            !text.chars().any(|c| c != '\n' && is_control(c)),
            "{text:?}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }
}
