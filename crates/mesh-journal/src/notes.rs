//! What a run has to say beside its verdicts, for people: one line per note, kept so that a later report has it too.
//!
//! Nothing is decided by it, so it is not fsynced, and a torn line is shown as it is.

use std::io::{self, Write};
use std::path::Path;

use mesh_core::text::one_line;

/// Adds a note to the file.
///
/// # Errors
/// Whatever the file system says, with the file named.
pub fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs_err::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?;
    file.write_all(format!("{}\n", one_line(text)).as_bytes())
}

/// All notes, each once, in the order in which they were made. A run without any has none.
#[must_use]
pub fn read(path: &Path) -> Vec<String> {
    let text = fs_err::read(path).unwrap_or_default();
    let mut notes: Vec<String> = Vec::new();
    for line in String::from_utf8_lossy(&text).lines() {
        if !notes.iter().any(|note| note == line) {
            notes.push(line.to_owned());
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_kept_once_and_one_per_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        assert!(read(&path).is_empty());
        for text in ["one", "two\nlines\u{1b}", "one"] {
            append(&path, text).unwrap();
        }
        assert_eq!(read(&path), ["one", "two lines\\u{1b}"]);
    }
}
