//! Writing a journal: one record, one line, one write, then durable. It must never allow an act that a crash could make it forget.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err::{File, OpenOptions};
use mesh_core::decision::Decision;
use mesh_core::event::Event;
use mesh_core::time::Millis;

use crate::append::sync_folder;
use crate::error::JournalError;
use crate::reader::{self, Tail};
use crate::wall::WallTime;
use crate::wire::{Header, encode_header, encode_record};

/// An open journal. Whoever has one holds the run's coordinator lock; there is one writer.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    next: u64,
    broken: bool,
}

/// One entry of [`Journal::append_all`].
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// When the fact was taken in, since the run's start.
    pub at: Millis,
    /// The same by the clock on the wall.
    pub wall: WallTime,
    /// The fact.
    pub event: &'a Event,
    /// What was decided on it.
    pub decisions: &'a [Decision],
}

impl Journal {
    /// Begins a journal at `path`, whose folder must exist. When this returns, header and name are durable.
    ///
    /// # Errors
    /// [`JournalError::Exists`], and [`JournalError::Disk`] for everything else.
    pub fn create(path: &Path, header: &Header) -> Result<Journal, JournalError> {
        let disk = |source| JournalError::Disk {
            path: path.to_owned(),
            source,
        };
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let mut file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => JournalError::Exists {
                path: path.to_owned(),
            },
            _ => disk(error),
        })?;
        let mut line = encode_header(header);
        line.push('\n');
        let mut write = || {
            file.write_all(line.as_bytes())?;
            file.sync_all()?;
            path.parent().map_or(Ok(()), sync_folder)
        };
        if let Err(error) = write() {
            // A run that never began must not be taken for the latest one.
            let _ = fs_err::remove_file(path);
            return Err(disk(error));
        }
        Ok(Journal {
            file,
            path: path.to_owned(),
            next: 1,
            broken: false,
        })
    }

    /// Opens a journal to go on with it: reads it, cuts a torn last line, and gives back what it holds.
    ///
    /// # Errors
    /// Those of [`reader::read`], and [`JournalError::Disk`].
    pub fn open_to_append(path: &Path) -> Result<(Journal, reader::Contents), JournalError> {
        let contents = reader::read_contents(path)?;
        let disk = |source| JournalError::Disk {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new().write(true).open(path).map_err(disk)?;
        if let Tail::Torn { offset, .. } = contents.tail {
            file.set_len(offset)
                .and_then(|()| file.sync_all())
                .map_err(disk)?;
        }
        file.seek(SeekFrom::End(0)).map_err(disk)?;
        let next = contents
            .records
            .last()
            .map_or(1, |record| record.number + 1);
        Ok((
            Journal {
                file,
                path: path.to_owned(),
                next,
                broken: false,
            },
            contents,
        ))
    }

    /// Where the journal lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number that the next record gets.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// Appends one record. When this returns, it is durable and what it allows may be done.
    ///
    /// # Errors
    /// [`JournalError::Disk`] when it could not be written; from then on [`JournalError::Broken`], because half a line may stand
    /// at the end.
    pub fn append(
        &mut self,
        at: Millis,
        wall: WallTime,
        event: &Event,
        decisions: &[Decision],
    ) -> Result<(), JournalError> {
        self.append_all(&[Entry {
            at,
            wall,
            event,
            decisions,
        }])
    }

    /// Appends several records with one write and one sync. A crash in between leaves the first few of them, whole.
    ///
    /// # Errors
    /// Those of [`Journal::append`]; none of the records may then be acted upon.
    pub fn append_all(&mut self, entries: &[Entry<'_>]) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken {
                path: self.path.clone(),
            });
        }
        let mut lines = String::new();
        let mut number = self.next;
        for entry in entries {
            lines.push_str(&encode_record(
                number,
                entry.at,
                entry.wall,
                entry.event,
                entry.decisions,
            ));
            lines.push('\n');
            number += 1;
        }
        if lines.is_empty() {
            return Ok(());
        }
        let written = self
            .file
            .write_all(lines.as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            self.broken = true;
            return Err(JournalError::Disk {
                path: self.path.clone(),
                source,
            });
        }
        self.next = number;
        Ok(())
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
