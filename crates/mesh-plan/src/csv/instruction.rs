//! What is asked for each row: a text with `{column}` in it. `{{` and `}}` are braces.

use super::table::{Cell, Table};
use crate::list::Lines;
use crate::nearest;

/// A text that is filled in for each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instruction(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The place of a column.
    Column(usize),
}

impl Instruction {
    /// Reads it for the columns of `table`.
    ///
    /// # Errors
    /// Each problem, as `1:4: …`.
    pub(super) fn parse(text: &str, table: &Table) -> Result<Instruction, Vec<String>> {
        let lines = Lines::new(text);
        let mut pieces = Vec::new();
        let mut problems = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(found) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(found);
            plain.push_str(before);
            let at = text.len() - from.len();
            let mut problem = |message: String| {
                let place = lines.place(at);
                let column = place.column.unwrap_or(0);
                problems.push(format!("{}:{column}: {message}", place.line));
            };
            rest = if let Some(rest) = from.strip_prefix("{{") {
                plain.push('{');
                rest
            } else if let Some(rest) = from.strip_prefix("}}") {
                plain.push('}');
                rest
            } else if let Some(rest) = from.strip_prefix('}') {
                problem("this `}` closes nothing; `}}` is a brace in the text".to_owned());
                rest
            } else {
                let inside = &from[1..];
                match inside.find(['{', '}', '\n']) {
                    Some(end) if inside[end..].starts_with('}') => {
                        let name = &inside[..end];
                        match table.column(name) {
                            Some(column) => {
                                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                                pieces.push(Piece::Column(column));
                            }
                            None => problem(unknown(name, table)),
                        }
                        &inside[end + 1..]
                    }
                    _ => {
                        problem("this `{` is never closed; `{{` is a brace in the text".to_owned());
                        inside
                    }
                }
            };
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        if text.trim().is_empty() {
            problems.push("1:1: it is empty".to_owned());
        }
        if problems.is_empty() {
            Ok(Instruction(pieces))
        } else {
            Err(problems)
        }
    }

    /// The text for one row.
    pub(super) fn render(&self, row: &[Cell]) -> String {
        let words = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Column(at) => row.get(*at).map_or("", |cell| cell.text.as_str()),
        });
        words.collect()
    }
}

fn unknown(name: &str, table: &Table) -> String {
    let names = || table.columns.iter().map(|column| column.text.as_str());
    let hint = nearest::hint(name, names());
    let shown = mesh_core::text::shortened(name, 40);
    let shown = shown.escape_debug();
    format!("there is no column `{shown}`{hint}; `{{{{{shown}}}}}` is the word in braces itself")
}
