//! Path patterns: `*`, `?`, `**`, and a pattern that matches a folder matches all below it.
//!
//! Brackets and braces are refused rather than taken literally: a pattern that silently matches nothing would leave a hole where
//! its author believes a lock.

use regex::Regex;
use thiserror::Error;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Glob(Regex);

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GlobProblem {
    /// Nothing in it.
    #[error("the pattern is empty")]
    Empty,
    /// Patterns are relative to the repository and stay inside.
    #[error("`..` leaves the repository")]
    Parent,
    /// Something other tools know and this one does not.
    #[error(
        "`{0}` has no meaning here: write one pattern for each case, or `\\{0}` for the character itself"
    )]
    Unsupported(char),
    /// A backslash at the end.
    #[error("it ends in a backslash")]
    Backslash,
    /// The pattern is too large to compile.
    #[error("{0}")]
    Invalid(String),
}

impl Glob {
    /// Compiles `pattern`, which is relative to the repository; a leading `/` or `./` and a trailing `/` change nothing.
    ///
    /// # Errors
    /// When it is empty, leaves the repository or uses what is not supported.
    pub fn parse(pattern: &str) -> Result<Glob, GlobProblem> {
        let mut names = Vec::new();
        for name in pattern.trim().split('/') {
            match name {
                "" | "." => {}
                ".." => return Err(GlobProblem::Parent),
                "**" if names.last() == Some(&"**") => {}
                name => names.push(name),
            }
        }
        // A folder and all below it is what the folder's own name matches.
        while names.len() > 1 && names.last() == Some(&"**") {
            names.pop();
        }
        if names.is_empty() {
            return Err(GlobProblem::Empty);
        }
        let mut regex = String::from("(?s)^");
        let last = names.len() - 1;
        for (place, name) in names.iter().enumerate() {
            match (*name, place == last) {
                ("**", true) => regex.push_str(".+"),
                ("**", false) => regex.push_str("(?:[^/]+/)*"),
                (name, is_last) => {
                    push_name(&mut regex, name)?;
                    regex.push_str(if is_last { "" } else { "/" });
                }
            }
        }
        regex.push_str("(?:/.*)?$");
        Regex::new(&regex)
            .map(Glob)
            .map_err(|cause| GlobProblem::Invalid(cause.to_string()))
    }

    /// Whether the pattern matches `path` or a folder above it.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let names = path.split('/').filter(|name| !matches!(*name, "" | "."));
        self.0.is_match(&names.collect::<Vec<_>>().join("/"))
    }
}

/// Adds what matches one name of a path.
fn push_name(regex: &mut String, name: &str) -> Result<(), GlobProblem> {
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '[' | ']' | '{' | '}' | '!' => return Err(GlobProblem::Unsupported(c)),
            c => {
                let literal = if c == '\\' {
                    chars.next().ok_or(GlobProblem::Backslash)?
                } else {
                    c
                };
                regex.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4])));
            }
        }
    }
    Ok(())
}
