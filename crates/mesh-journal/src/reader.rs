//! Reading a journal, also while somebody writes it. It must never change the file, and never pass over a line that was durable.

use std::io;
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

/// All of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    /// The first line.
    pub header: Header,
    /// The records, in order.
    pub records: Vec<Record>,
    /// How it ends.
    pub tail: Tail,
}

/// Reads a whole journal.
///
/// # Errors
/// When it cannot be opened, has no header, is of a newer format, or a line before the last one is damaged or out of order.
pub fn read(path: &Path) -> Result<(Header, Vec<Record>, Tail), JournalError> {
    let Contents {
        header,
        records,
        tail,
    } = read_contents(path)?;
    Ok((header, records, tail))
}

pub(crate) fn read_contents(path: &Path) -> Result<Contents, JournalError> {
    let mut reader = Reader::open(path)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next_record()? {
        records.push(record);
    }
    Ok(Contents {
        header: reader.header,
        records,
        tail: reader.tail,
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
    expected: u64,
    tail: Tail,
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
            problem => bad_line(path, first.number, problem),
        })?;
        Ok(Reader {
            lines,
            path: path.to_owned(),
            header,
            expected: 1,
            tail: Tail::Clean,
        })
    }

    fn next_record(&mut self) -> Result<Option<Record>, JournalError> {
        let line = self.lines.next_line();
        let line = line.map_err(|source| JournalError::Unreadable {
            path: self.path.clone(),
            source,
        })?;
        let Some(line) = line else { return Ok(None) };
        if !line.ended {
            return Ok(self.torn(&line));
        }
        match decode_record(&line.bytes) {
            Ok(record) if record.number == self.expected => {
                self.expected += 1;
                Ok(Some(record))
            }
            Ok(record) => Err(JournalError::OutOfSequence {
                path: self.path.clone(),
                line: line.number,
                expected: self.expected,
                found: record.number,
            }),
            // A loss of power can leave blocks of a line unwritten and yet its end in place.
            Err(WireError::NotJson(_)) if line.last => Ok(self.torn(&line)),
            Err(problem) => Err(bad_line(&self.path, line.number, problem)),
        }
    }

    fn torn(&mut self, line: &RawLine) -> Option<Record> {
        let bytes = u64::try_from(line.bytes.len()).unwrap_or(u64::MAX) + u64::from(line.ended);
        self.tail = Tail::Torn {
            offset: line.offset,
            bytes,
        };
        None
    }
}

fn bad_line(path: &Path, line: usize, problem: WireError) -> JournalError {
    let path = path.to_owned();
    match problem {
        WireError::Format(found) => JournalError::TooNew {
            path,
            found,
            known: FORMAT,
        },
        problem => JournalError::BadLine {
            path,
            line,
            problem,
        },
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
