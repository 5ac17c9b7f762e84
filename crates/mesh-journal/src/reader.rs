//! Reading a journal, also while somebody writes it. It must never change the file, and never pass over a record that was durable
//! without saying so.
//!
//! A line that is no record is damage. Records are numbered without gaps, so when the one that must follow does follow, the line
//! came from somebody else and nothing is missing. Otherwise records may be lost, and what is read ends before the damage: records
//! behind a gap say nothing that can be relied on.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::append::{RawLine, RawLines};
use crate::error::JournalError;
use crate::wire::{FORMAT, Header, Record, WireError, decode_header, decode_record};

/// How a journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// With a whole line.
    Clean,
    /// With a part of a line: a write that never was reported as done, so nothing that it allows has happened. It is dropped.
    Torn {
        /// Where the part begins, in bytes from the start of the file.
        offset: u64,
        /// How long it is.
        bytes: u64,
    },
}

/// A line of a journal that is no record, or not the one that must stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The journal.
    pub path: PathBuf,
    /// The first such line, from 1; the header is line 1.
    pub line: usize,
    /// Where it begins, in bytes from the start of the file.
    pub offset: u64,
    /// What is wrong with it, as a fragment.
    pub problem: String,
    /// Records may be missing: what was read ends before this line.
    pub is_lossy: bool,
    /// What is no record, in bytes. Without these the journal is sound; of a lossy one it is all from the line on.
    pub(crate) rubbish: Vec<Range<u64>>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage {
            path,
            line,
            offset,
            problem,
            ..
        } = self;
        let path = path.display();
        write!(
            f,
            "line {line} (byte {offset}) of {path} is damaged: {problem}; "
        )?;
        f.write_str(if self.is_lossy {
            "records may be missing from there on"
        } else {
            "no record is missing"
        })
    }
}

/// What a journal holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    /// The first line.
    pub header: Header,
    /// The records, in order, up to the end or to where some may be missing.
    pub records: Vec<Record>,
    /// How it ends.
    pub tail: Tail,
    /// What is in it that is no record.
    pub damage: Option<Damage>,
}

/// Reads a whole journal.
///
/// # Errors
/// When it cannot be opened, has no header, or is of a newer format.
pub fn read(path: &Path) -> Result<Contents, JournalError> {
    let mut reader = Reader::open(path)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next_record(&records)? {
        records.push(record);
    }
    let mut damage = reader.damage;
    if let (Some(damage), Some((line, offset, problem))) = (&mut damage, reader.gap) {
        damage.rubbish.retain(|range| range.end <= offset);
        damage.rubbish.push(offset..u64::MAX);
        damage.is_lossy = true;
        (damage.line, damage.offset, damage.problem) = (line, offset, problem);
    }
    Ok(Contents {
        header: reader.header,
        records,
        tail: reader.tail,
        damage,
    })
}

/// Reads the header alone; enough to list runs.
///
/// # Errors
/// Those of [`read`] that concern the first line.
pub fn read_header(path: &Path) -> Result<Header, JournalError> {
    Reader::open(path).map(|reader| reader.header)
}

/// Reads a journal record by record.
struct Reader {
    lines: RawLines,
    path: PathBuf,
    header: Header,
    tail: Tail,
    damage: Option<Damage>,
    /// Where records may be missing: line, offset and problem. Until the record that must follow is met.
    gap: Option<(usize, u64, String)>,
}

impl Reader {
    fn open(path: &Path) -> Result<Reader, JournalError> {
        let unreadable = |source: io::Error| JournalError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut lines = RawLines::open(path).map_err(unreadable)?;
        let no_header = || JournalError::NoHeader {
            path: path.to_owned(),
        };
        let first = lines
            .next_line()
            .map_err(unreadable)?
            .filter(|line| line.ended)
            .ok_or_else(no_header)?;
        let header = decode_header(&first.bytes).map_err(|problem| match problem {
            WireError::NotJson(_) if first.last => no_header(),
            problem => bad_header(path, problem),
        })?;
        Ok(Reader {
            lines,
            path: path.to_owned(),
            header,
            tail: Tail::Clean,
            damage: None,
            gap: None,
        })
    }

    fn next_record(&mut self, before: &[Record]) -> Result<Option<Record>, JournalError> {
        let expected = before.last().map_or(1, |record| record.number + 1);
        loop {
            let line = self.lines.next_line();
            let line = line.map_err(|source| JournalError::Unreadable {
                path: self.path.clone(),
                source,
            })?;
            let Some(line) = line else { return Ok(None) };
            if !line.ended {
                return Ok(self.torn(&line));
            }
            let (problem, hides_records) = match decode_record(&line.bytes) {
                Ok(record) if record.number == expected => {
                    self.gap = None;
                    return Ok(Some(record));
                }
                // The same once more tells nothing new.
                Ok(record) if before.iter().rev().any(|known| *known == record) => (
                    format!("record {} stands there again", record.number),
                    false,
                ),
                Ok(record) => {
                    let found = record.number;
                    let problem = format!("record {found} stands where {expected} must");
                    self.damaged(&line, problem, true);
                    return Ok(None);
                }
                // A loss of power can leave blocks of a line unwritten and yet its end in place.
                Err(WireError::NotJson(_)) if line.last => return Ok(self.torn(&line)),
                Err(problem @ WireError::Format(_)) => return Err(bad_header(&self.path, problem)),
                Err(problem) => (problem.to_string(), true),
            };
            self.damaged(&line, problem, hides_records);
        }
    }

    /// `hides_records`: there may have been a record in its place.
    fn damaged(&mut self, line: &RawLine, problem: String, hides_records: bool) {
        if hides_records && self.gap.is_none() {
            self.gap = Some((line.number, line.offset, problem.clone()));
        }
        let damage = self.damage.get_or_insert_with(|| Damage {
            path: self.path.clone(),
            line: line.number,
            offset: line.offset,
            problem,
            is_lossy: false,
            rubbish: Vec::new(),
        });
        let end = line.offset + length(line);
        damage.rubbish.push(line.offset..end);
    }

    fn torn(&mut self, line: &RawLine) -> Option<Record> {
        self.tail = Tail::Torn {
            offset: line.offset,
            bytes: length(line),
        };
        None
    }
}

/// With the end of the line, where it has one.
fn length(line: &RawLine) -> u64 {
    u64::try_from(line.bytes.len()).unwrap_or(u64::MAX) + u64::from(line.ended)
}

fn bad_header(path: &Path, problem: WireError) -> JournalError {
    let path = path.to_owned();
    match problem {
        WireError::Format(found) => JournalError::TooNew {
            path,
            found,
            known: FORMAT,
        },
        problem => JournalError::BadHeader { path, problem },
    }
}

#[cfg(test)]
#[path = "reader_test.rs"]
mod tests;
