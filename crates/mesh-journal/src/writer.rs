//! Writing a journal: one record, one line, one write, then durable. It must never allow an act that a crash could make it forget.
//!
//! Whoever writes a journal holds its lock, from before anybody else can see the file until the [`Journal`] and all copies of its
//! [`Journal::lock`] are dropped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err::{File, OpenOptions};
use mesh_core::decision::Decision;
use mesh_core::event::Event;
use mesh_core::time::Millis;

use crate::append::sync_folder;
use crate::error::JournalError;
use crate::locks::{self, Guard};
use crate::reader::{self, Tail};
use crate::wall::WallTime;
use crate::wire::{Header, encode_header, encode_record};

/// An open journal. Whoever has one holds its lock: there is one writer.
#[derive(Debug)]
pub struct Journal {
    file: File,
    lock: Arc<Guard>,
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
        if fs_err::symlink_metadata(path).is_ok() {
            return Err(JournalError::Exists {
                path: path.to_owned(),
            });
        }
        // Nobody may see it without its header, or before it is locked.
        let temporary = path.with_extension("new");
        let begun = Journal::begin(&temporary, path, header).and_then(|journal| {
            fs_err::rename(&temporary, path)
                .and_then(|()| path.parent().map_or(Ok(()), sync_folder))
                .map_err(disk)?;
            Ok(journal)
        });
        if begun.is_err() {
            // A run that never began must not be taken for the latest one.
            for leftover in [&temporary, path] {
                let _ = fs_err::remove_file(leftover);
            }
        }
        begun
    }

    /// A locked file with the header, at `temporary`, that is to become `path`.
    fn begin(temporary: &Path, path: &Path, header: &Header) -> Result<Journal, JournalError> {
        let disk = |source| JournalError::Disk {
            path: path.to_owned(),
            source,
        };
        let mut line = encode_header(header);
        line.push('\n');
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(temporary)
            .map_err(disk)?;
        let lock = lock_of(&file, path)?;
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(disk)?;
        Ok(Journal {
            file,
            lock,
            path: path.to_owned(),
            next: 1,
            broken: false,
        })
    }

    /// Opens a journal to go on with it: locks it, reads it, cuts a torn last line, and gives back what it holds.
    ///
    /// # Errors
    /// [`JournalError::Lock`] when a coordinator lives; then nothing was changed. Those of [`reader::read`], and
    /// [`JournalError::Disk`].
    pub fn open_to_append(path: &Path) -> Result<(Journal, reader::Contents), JournalError> {
        let disk = |source| JournalError::Disk {
            path: path.to_owned(),
            source,
        };
        let file = OpenOptions::new().append(true).open(path).map_err(disk)?;
        let lock = lock_of(&file, path)?;
        let contents = reader::read_contents(path)?;
        if let Tail::Torn { offset, .. } = contents.tail {
            file.set_len(offset)
                .and_then(|()| file.sync_all())
                .map_err(disk)?;
        }
        let next = contents
            .records
            .last()
            .map_or(1, |record| record.number + 1);
        Ok((
            Journal {
                file,
                lock,
                path: path.to_owned(),
                next,
                broken: false,
            },
            contents,
        ))
    }

    /// The lock, for whoever must go on holding it when the journal is closed.
    #[must_use]
    pub fn lock(&self) -> Arc<Guard> {
        Arc::clone(&self.lock)
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

/// The lock of an open journal; it belongs to every copy of the open file.
fn lock_of(file: &File, path: &Path) -> Result<Arc<Guard>, JournalError> {
    let copy = file.file().try_clone();
    let copy = copy.map_err(|source| JournalError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Ok(Arc::new(locks::acquire_open(copy, path)?))
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
