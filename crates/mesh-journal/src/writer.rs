//! Writing a journal: one record, one line, one write, then durable. It must never allow an act that a crash could make it forget.
//!
//! Whoever writes a journal holds its lock, from before anybody else can see the file until the [`Journal`] and all copies of its
//! [`Journal::lock`] are dropped.

use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err::{File, OpenOptions};
use mesh_core::decision::Decision;
use mesh_core::event::Event;
use mesh_core::time::Millis;

use crate::append::{refuse_special, sync_folder};
use crate::error::JournalError;
use crate::locks::{self, Guard};
use crate::reader::{self, Tail};
use crate::timestamp::Timestamp;
use crate::wire::{Header, encode_header, encode_record};

/// An open journal. Whoever has one holds its lock: there is one writer.
#[derive(Debug)]
pub struct Journal {
    file: File,
    lock: Arc<Guard>,
    path: PathBuf,
    /// Where it is to take the place of a damaged one.
    place: Option<PathBuf>,
    next: u64,
    broken: bool,
    /// How many bytes it has, as far as we wrote them or found them.
    length: u64,
    /// What somebody else did to it, and what became of that.
    notes: Vec<String>,
}

/// What may be done to a journal in which there is something that is no record, before it is gone on with. In any case the file as
/// it was is kept beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// Take it out, when no record is missing.
    Complete,
    /// Also cut it where records may be missing. What is left takes the journal's place only with [`Journal::publish`], when it has
    /// been closed: until then a crash leaves the damage for all to see, and nobody takes what is left for a whole run.
    Cut,
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
            replace(&temporary, path).map_err(disk)?;
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
        let mut file = options().create_new(true).open(temporary).map_err(disk)?;
        let lock = Arc::new(lock_of(&file, path)?);
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(disk)?;
        Ok(Journal {
            file,
            lock,
            path: path.to_owned(),
            place: None,
            next: 1,
            broken: false,
            length: bytes_of(&line),
            notes: Vec::new(),
        })
    }

    /// Opens a journal to go on with it: locks it, reads it, cuts a torn last line, takes out what is no record, and gives back
    /// what it holds.
    ///
    /// # Errors
    /// [`JournalError::Lock`] when a coordinator lives; then nothing was changed. [`JournalError::Lossy`] when records may be
    /// missing and `mend` does not allow to go on without them; then nothing was changed either. Those of [`reader::read`], and
    /// [`JournalError::Disk`].
    pub fn open_to_append(
        path: &Path,
        mend: Mend,
    ) -> Result<(Journal, reader::Contents), JournalError> {
        let disk = |source| JournalError::Disk {
            path: path.to_owned(),
            source,
        };
        let (mut file, mut lock) = open_locked(path)?;
        let contents = reader::read(path)?;
        let (mut at, mut place, mut notes) = (path.to_owned(), None, Vec::new());
        if let Some(damage) = &contents.damage {
            if damage.is_lossy && mend != Mend::Cut {
                return Err(JournalError::Lossy {
                    damage: Box::new(damage.clone()),
                });
            }
            let kept = keep_beside(path).map_err(disk)?;
            notes.push(format!(
                "{damage}; it is kept as it was as {}",
                kept.display()
            ));
            let bytes = fs_err::read(path).map_err(disk)?;
            let temporary = path.with_extension("new");
            write_without(&temporary, &bytes, &damage.rubbish).map_err(disk)?;
            // The lock goes on to the new file before anybody else can see it.
            let new = options().open(&temporary).map_err(disk)?;
            let old = std::mem::replace(&mut lock, Arc::new(lock_of(&new, &temporary)?));
            file = new;
            if damage.is_lossy {
                lock.keep(old);
                (at, place) = (temporary, Some(path.to_owned()));
            } else {
                replace(&temporary, path).map_err(disk)?;
            }
        } else if let Tail::Torn { offset, .. } = contents.tail {
            file.set_len(offset)
                .and_then(|()| file.sync_all())
                .map_err(disk)?;
        }
        let next = contents
            .records
            .last()
            .map_or(1, |record| record.number + 1);
        let length = file.metadata().map_err(disk)?.len();
        let journal = Journal {
            file,
            lock,
            path: at,
            place,
            next,
            broken: false,
            length,
            notes,
        };
        Ok((journal, contents))
    }

    /// Lets what is left of a journal that was cut take its place.
    ///
    /// # Errors
    /// [`JournalError::Disk`]; then the damaged one lies there as before.
    pub fn publish(&mut self) -> Result<(), JournalError> {
        let Some(place) = self.place.take() else {
            return Ok(());
        };
        replace(&self.path, &place).map_err(|source| JournalError::Disk {
            path: place.clone(),
            source,
        })?;
        self.path = place;
        Ok(())
    }

    /// The lock, for whoever must go on holding it when the journal is closed.
    #[must_use]
    pub fn lock(&self) -> Arc<Guard> {
        Arc::clone(&self.lock)
    }

    /// What somebody else did to the journal while it was ours, and what became of that, for people.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
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

    /// Appends one record. When this returns, no death of a process takes it away; what it allows may be done after
    /// [`Journal::sync`].
    ///
    /// # Errors
    /// [`JournalError::Disk`] when it could not be written; from then on [`JournalError::Broken`], because half a line may stand
    /// at the end.
    pub fn append(
        &mut self,
        at: Millis,
        wall: Timestamp,
        event: &Event,
        decisions: &[Decision],
    ) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken {
                path: self.path.clone(),
            });
        }
        let mut lines = encode_record(self.next, at, wall, event, decisions);
        lines.push('\n');
        self.look_after()?;
        let before = self.length_found()?;
        if before > self.length {
            // Whoever added something may have left half a line; ours must not be glued to it. Readers pass over it.
            lines.insert(0, '\n');
        }
        self.file
            .write_all(lines.as_bytes())
            .map_err(|source| self.broke(source))?;
        self.next += 1;
        // Not what is found now: somebody may have cut it between the two, and the next record must notice.
        self.length = before.saturating_add(bytes_of(&lines));
        Ok(())
    }

    /// Makes all records durable, against a loss of power too.
    ///
    /// # Errors
    /// Those of [`Journal::append`].
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.file.sync_data().map_err(|source| self.broke(source))
    }

    fn broke(&mut self, source: io::Error) -> JournalError {
        self.broken = true;
        JournalError::Disk {
            path: self.path.clone(),
            source,
        }
    }

    fn length_found(&self) -> Result<u64, JournalError> {
        let found = self.file.metadata().map(|stat| stat.len());
        found.map_err(|source| JournalError::Disk {
            path: self.path.clone(),
            source,
        })
    }

    /// Nobody else may write a journal, and people and their tools do it all the same: one that was deleted or replaced is put
    /// back from the file that we have open, one that was cut cannot be mended.
    fn look_after(&mut self) -> Result<(), JournalError> {
        let disk = |source| JournalError::Disk {
            path: self.path.clone(),
            source,
        };
        let found = self.length_found()?;
        if found < self.length {
            self.broken = true;
            return Err(JournalError::Cut {
                path: self.path.clone(),
                found,
                expected: self.length,
            });
        }
        let ours = self.file.metadata().map_err(disk)?;
        match fs_err::symlink_metadata(&self.path) {
            Ok(stat) if (stat.dev(), stat.ino()) == (ours.dev(), ours.ino()) => return Ok(()),
            _ => {}
        }
        let (file, lock, note) = self.put_back()?;
        self.file = file;
        self.lock.keep(Arc::new(lock));
        self.notes.push(note);
        Ok(())
    }

    fn put_back(&self) -> Result<(File, Guard, String), JournalError> {
        let disk = |source| JournalError::Disk {
            path: self.path.clone(),
            source,
        };
        let mut bytes = vec![0; usize::try_from(self.length).unwrap_or(usize::MAX)];
        self.file
            .file()
            .read_exact_at(&mut bytes, 0)
            .map_err(disk)?;
        let temporary = self.path.with_extension("new");
        write_without(&temporary, &bytes, &[]).map_err(disk)?;
        let file = options().open(&temporary).map_err(disk)?;
        let lock = lock_of(&file, &temporary)?;
        let path = self.path.display();
        let note = if fs_err::symlink_metadata(&self.path).is_ok() {
            let kept = free_name(&self.path);
            fs_err::rename(&self.path, &kept).map_err(disk)?;
            format!(
                "somebody replaced {path}; it was put back, and what lay there is {}",
                kept.display()
            )
        } else {
            format!("somebody deleted {path}; it was put back")
        };
        replace(&temporary, &self.path).map_err(disk)?;
        Ok((file, lock, note))
    }
}

fn bytes_of(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    options
}

/// The journal at `path`, open and locked: the file that lies there, not one that lay there while we waited for its lock.
fn open_locked(path: &Path) -> Result<(File, Arc<Guard>), JournalError> {
    let unreadable = |source| JournalError::Unreadable {
        path: path.to_owned(),
        source,
    };
    loop {
        refuse_special(path).map_err(unreadable)?;
        let file = options().open(path).map_err(unreadable)?;
        let lock = Arc::new(lock_of(&file, path)?);
        let (ours, there) = (
            file.metadata().map_err(unreadable)?,
            fs_err::metadata(path).map_err(unreadable)?,
        );
        if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
            return Ok((file, lock));
        }
    }
}

/// A copy of what lies at `path`, beside it, under a name that nobody has. Durable.
fn keep_beside(path: &Path) -> io::Result<PathBuf> {
    let kept = free_name(path);
    fs_err::copy(path, &kept)?;
    File::open(&kept)?.sync_all()?;
    Ok(kept)
}

/// `journal.jsonl.damaged-1`, or the next one that is free.
fn free_name(path: &Path) -> PathBuf {
    let name = |number: u32| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".damaged-{number}"));
        path.with_file_name(name)
    };
    let mut names = (1..).map(name);
    names
        .find(|name| fs_err::symlink_metadata(name).is_err())
        .unwrap_or_else(|| name(0))
}

/// Writes `bytes` without these parts and without a torn last line, durably.
fn write_without(path: &Path, bytes: &[u8], parts: &[Range<u64>]) -> io::Result<()> {
    let mut file = File::create(path)?;
    let end = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let mut from = 0;
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(end);
    for part in parts {
        file.write_all(&bytes[from..at(part.start).max(from)])?;
        from = at(part.end);
    }
    file.write_all(&bytes[from..end])?;
    file.sync_all()
}

/// Moves a file to its place, durably.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    fs_err::rename(from, to)?;
    to.parent().map_or(Ok(()), sync_folder)
}

/// The lock of an open journal; it belongs to every copy of the open file.
fn lock_of(file: &File, path: &Path) -> Result<Guard, JournalError> {
    let copy = file.file().try_clone();
    let copy = copy.map_err(|source| JournalError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Ok(locks::acquire_open(copy, path)?)
}

#[cfg(test)]
#[path = "writer_test.rs"]
mod tests;
