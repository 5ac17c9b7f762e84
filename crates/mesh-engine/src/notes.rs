//! What people are told beside the verdicts.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::Sender;

use mesh_journal::notes;

use crate::context::lock;
use crate::inbox::Input;

/// What went wrong without changing a verdict, for people at the end; each sentence once.
#[derive(Debug)]
pub struct Notes {
    inbox: Sender<Input>,
    file: PathBuf,
    known: Mutex<Vec<String>>,
}

impl Notes {
    /// Notes that are also kept in `file`, so that the report of a later coordinator has them.
    #[must_use]
    pub fn new(inbox: Sender<Input>, file: PathBuf) -> Notes {
        Notes {
            inbox,
            file,
            known: Mutex::default(),
        }
    }

    /// Says something to people now and in the report.
    pub fn warn(&self, text: String) {
        let _ = self.inbox.send(Input::Note(text.clone()));
        self.note(text);
    }

    /// Remembers something for the report and writes it into the log.
    pub fn note(&self, text: String) {
        let mut known = lock(&self.known);
        if known.contains(&text) {
            return;
        }
        tracing::warn!("{text}");
        if let Err(error) = notes::append(&self.file, &text) {
            tracing::warn!(%error, "a note for the report was not kept");
        }
        known.push(text);
    }

    /// All of them; none is left.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.known))
    }
}
