//! Bytes to cells that know where they stand. RFC 4180, and nothing more lenient: what another program would read otherwise is refused.

use std::ops::Range;

use csv_core::{ReadFieldResult, Reader};

use crate::diagnostic::{Diagnostic, Place};
use crate::list::Lines;

/// A CSV file, read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// The first record: the names of the columns.
    pub columns: Vec<Cell>,
    /// The other records, without those in which every cell is empty. In a table without problems each has as many cells as there
    /// are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What it says, without its quotes.
    pub text: String,
    /// Where it begins.
    pub place: Place,
}

impl Table {
    /// Reads all of it. The second is everything that is wrong with its form.
    #[must_use]
    pub fn read(bytes: &[u8]) -> (Table, Vec<Diagnostic>) {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(problem) => {
                let valid = problem.valid_up_to();
                let lines = Lines::new(&String::from_utf8_lossy(&bytes[..valid]));
                let problem = Diagnostic::error("this is not UTF-8").at(Some(lines.place(valid)));
                return (Table::default(), vec![problem]);
            }
        };
        let mut reading = Reading {
            lines: Lines::new(text),
            problems: Vec::new(),
        };
        let mut records = reading.records(text).into_iter();
        let columns = records.next().unwrap_or_default();
        let is_filled = |row: &Vec<Cell>| row.iter().any(|cell| !cell.text.is_empty());
        let rows: Vec<Vec<Cell>> = records.filter(is_filled).collect();
        reading.check_columns(&columns);
        for row in &rows {
            reading.check_length(row, columns.len());
        }
        (Table { columns, rows }, reading.problems)
    }

    /// Where the column of this name stands.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|cell| cell.text == name)
    }
}

struct Reading {
    lines: Lines,
    problems: Vec<Diagnostic>,
}

impl Reading {
    fn error(&mut self, place: Place, message: impl Into<String>) {
        let found = Diagnostic::error(message).at(Some(place));
        self.problems.push(found);
    }

    fn records(&mut self, text: &str) -> Vec<Vec<Cell>> {
        let mut reader = Reader::new();
        let mut buffer = vec![0; text.len() + 1];
        let mut records = Vec::new();
        let mut record = Vec::new();
        let (mut begin, mut at, mut kept) = (0, 0, 0);
        loop {
            // An empty rest tells the reader that this is the end.
            let rest = text.as_bytes().get(at..).unwrap_or_default();
            let free = buffer.get_mut(kept..).unwrap_or_default();
            let (result, taken, written) = reader.read_field(rest, free);
            at += taken;
            kept += written;
            match result {
                ReadFieldResult::InputEmpty => {}
                ReadFieldResult::Field { record_end } => {
                    let value = buffer.get(..kept).unwrap_or_default();
                    record.push(self.cell(text, begin..at, record.is_empty(), value));
                    if record_end {
                        records.push(std::mem::take(&mut record));
                    }
                    (begin, kept) = (at, 0);
                }
                // The buffer holds the whole input, so it is never full.
                ReadFieldResult::OutputFull | ReadFieldResult::End => break,
            }
        }
        if !record.is_empty() {
            records.push(record);
        }
        records
    }

    /// The cell that stands at `range`, with the separator behind it, and says `value`.
    fn cell(&mut self, text: &str, range: Range<usize>, is_first: bool, value: &[u8]) -> Cell {
        let mut written = text.get(range.clone()).unwrap_or_default();
        if is_first {
            // Ends of lines before a record are those of the record before and of empty lines, and a file may begin with a mark.
            written = written
                .trim_start_matches('\u{feff}')
                .trim_start_matches(['\r', '\n']);
        }
        let place = self.lines.place(range.end - written.len());
        let written = written
            .strip_suffix(',')
            .unwrap_or_else(|| written.trim_end_matches(['\r', '\n']));
        if let Some(problem) = form_problem(written) {
            self.error(place, problem);
        }
        Cell {
            text: String::from_utf8_lossy(value).into_owned(),
            place,
        }
    }

    fn check_columns(&mut self, columns: &[Cell]) {
        for (at, column) in columns.iter().enumerate() {
            let name = column.text.as_str();
            if name.trim().is_empty() {
                self.error(column.place, format!("column {} has no name", at + 1));
            }
            let first = columns.iter().take(at).find(|other| other.text == name);
            if let Some(first) = first {
                let shown = name.escape_debug();
                let column_number = first.place.column.unwrap_or(0);
                self.error(
                    column.place,
                    format!("a second column `{shown}`; the first begins at {column_number}"),
                );
            }
        }
    }

    fn check_length(&mut self, row: &[Cell], columns: usize) {
        let Some(first) = row.first().filter(|_| row.len() != columns) else {
            return;
        };
        let cells = mesh_core::text::counted(row.len(), "cell");
        self.error(
            first.place,
            format!(
                "this row has {cells}, and there are {columns} columns; a cell with a comma in it stands in quotes"
            ),
        );
    }
}

/// What is wrong with a cell as it is written.
fn form_problem(written: &str) -> Option<&'static str> {
    let Some(inside) = written.strip_prefix('"') else {
        let is_late = written.trim_start().starts_with('"');
        return written.contains('"').then_some(if is_late {
            "there is a space before the quote that opens this cell"
        } else {
            "there is a quote in this cell, which does not begin with one: put the cell in quotes, and write each quote in it twice"
        });
    };
    let rest = inside.replace("\"\"", "");
    match rest.find('"') {
        Some(end) if end + 1 == rest.len() => None,
        Some(_) => Some(
            "something follows the quote that closes this cell; a quote in a cell is written twice",
        ),
        None => Some("the quote that opens this cell is never closed"),
    }
}
