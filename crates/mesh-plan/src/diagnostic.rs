//! What is wrong with an input, and where. It only describes; nobody here decides what to do about it.

use std::fmt;

use mesh_core::id::TaskId;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The input is no plan.
    Error,
    /// The plan stands, but something in it was not used or is probably not meant so.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The word for people and for `--json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in an input: line from 1, column in bytes from 1 where it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Byte column in the line, from 1.
    pub column: Option<u32>,
}

/// One problem of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The task it is about, if it is about one.
    pub task: Option<TaskId>,
    /// What is wrong, as a fragment, with the way out where the user has one.
    pub message: String,
    /// Line in the input, from 1; `None` for inputs without lines.
    pub line: Option<u32>,
    /// Byte column in that line, from 1.
    pub column: Option<u32>,
}

impl Diagnostic {
    /// A problem without a place.
    #[must_use]
    pub fn new(severity: Severity, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity,
            task: None,
            message: message.into(),
            line: None,
            column: None,
        }
    }

    /// An error without a place.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, message)
    }

    /// A warning without a place.
    #[must_use]
    pub fn warning(message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, message)
    }

    /// A note without a place.
    #[must_use]
    pub fn note(message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Note, message)
    }

    /// The same, about `task`.
    #[must_use]
    pub fn about(mut self, task: &TaskId) -> Diagnostic {
        self.task = Some(task.clone());
        self
    }

    /// The same, at `place` if there is one.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Diagnostic {
        self.line = place.map(|place| place.line);
        self.column = place.and_then(|place| place.column);
        self
    }

    /// Whether the input is no plan because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The line for people with the name of the input in front: `plan.jsonl:12:4: error: …`.
    #[must_use]
    pub fn in_input(&self, name: &str) -> String {
        if self.line.is_some() {
            format!("{name}:{self}")
        } else {
            format!("{name}: {self}")
        }
    }
}

impl fmt::Display for Diagnostic {
    /// `12:4: error: …`, or `error: …` without a place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
            if let Some(column) = self.column {
                write!(f, "{column}:")?;
            }
            f.write_str(" ")?;
        }
        write!(f, "{}: {}", self.severity, self.message)
    }
}

/// All problems of the input `name`, for a message of one line.
#[must_use]
pub fn in_one_line(problems: &[Diagnostic], name: &str) -> String {
    let lines: Vec<String> = problems.iter().map(|one| one.in_input(name)).collect();
    lines.join("; ")
}

/// Puts diagnostics into the order of the input: those with a place first, by place.
pub(crate) fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|found| {
        (
            found.line.unwrap_or(u32::MAX),
            found.column.unwrap_or(0),
            found.severity,
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_stands_in_front_as_compilers_write_it() {
        let found = Diagnostic::error("no").at(Some(Place {
            line: 12,
            column: Some(4),
        }));
        assert_eq!(found.in_input("plan.jsonl"), "plan.jsonl:12:4: error: no");
        let found = Diagnostic::warning("no").at(Some(Place {
            line: 3,
            column: None,
        }));
        assert_eq!(found.in_input("plan.jsonl"), "plan.jsonl:3: warning: no");
        assert_eq!(
            Diagnostic::note("no").in_input("epic t-1"),
            "epic t-1: note: no"
        );
    }
}
