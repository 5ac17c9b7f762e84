//! What has happened, a line an entry, on disk before anything follows from it. An attempt takes over what the one before it left
//! unfinished, if it is the same work on the same ground.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use fs_err::{File, OpenOptions};
use mesh_engine::{CompoundTask, ROLES_FOLDER};
use mesh_strategy::entry::Entry;
use mesh_strategy::step::Outcome;

use super::place::Place;

const FILE: &str = "transcript.jsonl";
/// How it ended. A transcript with this file beside it is not gone on with.
const OUTCOME: &str = "outcome.json";

pub(super) struct Transcript {
    entries: Vec<Entry>,
    file: File,
    folder: PathBuf,
}

impl Transcript {
    /// That of this attempt, with what holds of earlier ones.
    pub fn begin(place: &Place) -> std::io::Result<Transcript> {
        let entries = match read(&place.roles.join(FILE))? {
            Some(own) => own,
            None => unfinished_before(place)?,
        };
        let entries: Vec<Entry> = entries.into_iter().filter(Entry::is_carried_over).collect();
        let mut text = Vec::new();
        for entry in &entries {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        // Whole or not at all: half a line at its end would spoil the next one.
        let (path, temporary) = (place.roles.join(FILE), place.roles.join(".transcript"));
        fs_err::write(&temporary, text)?;
        fs_err::rename(&temporary, &path)?;
        Ok(Transcript {
            entries,
            file: OpenOptions::new().append(true).open(path)?,
            folder: place.roles.clone(),
        })
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Writes an entry down for good.
    pub fn append(&mut self, entry: Entry) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.entries.push(entry);
        Ok(())
    }

    /// Says that the next attempt begins anew.
    pub fn finish(&self, outcome: &Outcome) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(outcome)?;
        fs_err::write(self.folder.join(OUTCOME), text)
    }
}

/// The entries in a file; nothing when it is not there. A line that was cut at the end did not happen.
fn read(path: &Path) -> std::io::Result<Option<Vec<Entry>>> {
    let text = match fs_err::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let lines = text.split(|byte| *byte == b'\n');
    let entries = lines.map_while(|line| serde_json::from_slice(line).ok());
    Ok(Some(entries.collect()))
}

/// What the newest attempt before this one that has a transcript left, if that has no outcome.
fn unfinished_before(place: &Place) -> std::io::Result<Vec<Entry>> {
    for number in (1..place.attempt.number).rev() {
        let dir = place.attempt_dir(number);
        let folder = dir.path().join(ROLES_FOLDER);
        let Some(entries) = read(&folder.join(FILE))? else {
            continue;
        };
        let is_same = CompoundTask::read(&dir)?.is_some_and(|told| place.told.is_same_work(&told));
        let is_open = !folder.join(OUTCOME).exists();
        return Ok(match is_open && is_same {
            true => entries,
            false => Vec::new(),
        });
    }
    Ok(Vec::new())
}
