//! What of a run is to be in the tracker's audit, and what of it is there: one file, a line for each entry that is wanted and one for
//! each that was recorded.
//!
//! An entry is noted here before anybody tries to record it, so that after a death at any point the next coordinator records what is
//! missing, and each once: of an entry without its second line the trail is asked. It records nothing itself, and nothing about a task is
//! decided by it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs_err::{File, OpenOptions};
use serde::{Deserialize, Serialize};

use super::AuditEntry;

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditWrite {
    /// An entry.
    Entry(AuditEntry),
    /// A label on another entry of the outbox.
    Label {
        /// The key of that entry.
        of: String,
        /// The label.
        label: String,
        /// Why.
        reason: String,
    },
}

/// One line of the outbox's first kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// What it is of the run: `t-1#2 prompt`, `wave-3 tool_call`. Never twice in a outbox.
    pub key: String,
    /// In whose name.
    pub actor: String,
    /// How long the trail was before: it does not stand earlier than that.
    pub after_bytes: u64,
    /// What is to be recorded.
    pub write: AuditWrite,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Wanted(Box<Wanted>),
    Recorded { key: String, id: String },
}

/// Everything that a outbox says, in the order in which it was wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboxEntries {
    keys: Vec<String>,
    entries: BTreeMap<String, (Wanted, Option<String>)>,
}

impl OutboxEntries {
    /// Reads the outbox at `path`; one that is not there has no entries. A last line that was torn by a crash is passed over.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(path: &Path) -> io::Result<OutboxEntries> {
        let bytes = match fs_err::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes?,
        };
        let mut entries = OutboxEntries::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(Line::Wanted(wanted)) => entries.want(*wanted),
                Ok(Line::Recorded { key, id }) => entries.recorded(&key, id),
                Err(_) => {}
            }
        }
        Ok(entries)
    }

    fn want(&mut self, wanted: Wanted) {
        if !self.entries.contains_key(&wanted.key) {
            self.keys.push(wanted.key.clone());
            self.entries.insert(wanted.key.clone(), (wanted, None));
        }
    }

    fn recorded(&mut self, key: &str, id: String) {
        if let Some((_, recorded)) = self.entries.get_mut(key) {
            *recorded = Some(id);
        }
    }

    /// Each entry with the tracker's id of it, if it is known to be there.
    pub fn iter(&self) -> impl Iterator<Item = (&Wanted, Option<&str>)> {
        let entry = |key| self.entries.get(key);
        self.keys
            .iter()
            .filter_map(entry)
            .map(|(wanted, id)| (wanted, id.as_deref()))
    }

    /// The tracker's id of the entry `key`.
    #[must_use]
    pub fn id(&self, key: &str) -> Option<&str> {
        self.entries.get(key)?.1.as_deref()
    }
}

/// A outbox that is being written. Threads share it.
#[derive(Debug)]
pub struct AuditOutbox {
    inner: Mutex<(OutboxEntries, File)>,
}

impl AuditOutbox {
    /// Opens the outbox at `path`, or begins it.
    ///
    /// # Errors
    /// Whatever the file system says, with the file named.
    pub fn open(path: &Path) -> io::Result<AuditOutbox> {
        let entries = OutboxEntries::read(path)?;
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let mut last = [b'\n'];
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
        Ok(AuditOutbox {
            inner: Mutex::new((entries, file)),
        })
    }

    /// A panic while the lock is held leaves at most an entry that no line of the file says.
    fn lock(&self) -> MutexGuard<'_, (OutboxEntries, File)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that `wanted` is to be recorded; false when the outbox has it already.
    ///
    /// # Errors
    /// When it cannot be written down; it is not wanted then.
    pub fn want(&self, wanted: &Wanted) -> io::Result<bool> {
        let mut inner = self.lock();
        if inner.0.entries.contains_key(&wanted.key) {
            return Ok(false);
        }
        append(&mut inner.1, &Line::Wanted(Box::new(wanted.clone())))?;
        inner.0.want(wanted.clone());
        Ok(true)
    }

    /// Notes that the entry `key` stands in the trail as `id`.
    ///
    /// # Errors
    /// When it cannot be written down; the trail is asked for it by the next coordinator then.
    pub fn recorded(&self, key: &str, id: &str) -> io::Result<()> {
        let mut inner = self.lock();
        inner.0.recorded(key, id.to_owned());
        let line = Line::Recorded {
            key: key.to_owned(),
            id: id.to_owned(),
        };
        append(&mut inner.1, &line)
    }

    /// What is not known to be recorded, in order.
    #[must_use]
    pub fn missing(&self) -> Vec<Wanted> {
        let inner = self.lock();
        let missing = |(wanted, id): (&Wanted, Option<&str>)| id.is_none().then(|| wanted.clone());
        inner.0.iter().filter_map(missing).collect()
    }

    /// The tracker's ids of what is recorded: none of them is another entry, however alike they are.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<String> {
        let inner = self.lock();
        let id = |(_, id): (&Wanted, Option<&str>)| id.map(str::to_owned);
        inner.0.iter().filter_map(id).collect()
    }

    /// The tracker's id of the entry `key`, if it is known to be there.
    #[must_use]
    pub fn id(&self, key: &str) -> Option<String> {
        self.lock().0.id(key).map(str::to_owned)
    }
}

/// One line in one write.
fn append(file: &mut File, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    file.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::id::TaskId;

    fn wanted(key: &str) -> Wanted {
        Wanted {
            key: key.to_owned(),
            actor: "mesh".to_owned(),
            after_bytes: 7,
            write: AuditWrite::Entry(AuditEntry::LlmResponse {
                issue: TaskId::new("t-1").expect("a plain id"),
                model: "m".to_owned(),
                response: "same".to_owned(),
            }),
        }
    }

    #[test]
    fn what_is_wanted_once_is_wanted_once_and_survives_a_torn_line() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("audit.jsonl");
        let outbox = AuditOutbox::open(&path).expect("a outbox");
        assert!(outbox.want(&wanted("a")).expect("written"));
        assert!(!outbox.want(&wanted("a")).expect("known"));
        assert!(outbox.want(&wanted("b")).expect("written"));
        outbox.recorded("a", "int-1").expect("written");
        drop(outbox);
        let mut file = OpenOptions::new().append(true).open(&path).expect("there");
        file.write_all(b"{\"recorded\":{\"key\":\"b\"")
            .expect("torn");
        let outbox = AuditOutbox::open(&path).expect("a outbox");
        assert_eq!(outbox.missing(), [wanted("b")]);
        assert_eq!(outbox.ids(), BTreeSet::from(["int-1".to_owned()]));
        outbox.recorded("b", "int-2").expect("written");
        let read = OutboxEntries::read(&path).expect("a outbox");
        assert_eq!(read.id("b"), Some("int-2"));
        assert_eq!(read.iter().count(), 2);
        let none = OutboxEntries::read(&temp.path().join("none")).expect("no outbox");
        assert_eq!(none, OutboxEntries::default());
    }
}
