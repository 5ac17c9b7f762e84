//! Path patterns: `*`, `?`, `**`, and a pattern that matches a folder matches all below it.
//!
//! Brackets and braces are refused rather than taken literally: a pattern that silently matches nothing would leave a hole where
//! its author believes a lock.

use thiserror::Error;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    parts: Vec<Part>,
}

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
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`: any number of folders, also none.
    Folders,
    /// One name.
    Name(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    AnyChar,
    AnyChars,
}

impl Glob {
    /// Compiles `pattern`, which is relative to the repository; a leading `/` or `./` and a trailing `/` change nothing.
    ///
    /// # Errors
    /// When it is empty, leaves the repository or uses what is not supported.
    pub fn parse(pattern: &str) -> Result<Glob, GlobProblem> {
        let mut parts = Vec::new();
        for name in pattern.trim().split('/') {
            match name {
                "" | "." => {}
                ".." => return Err(GlobProblem::Parent),
                "**" => {
                    if parts.last() != Some(&Part::Folders) {
                        parts.push(Part::Folders);
                    }
                }
                name => parts.push(Part::Name(tokens(name)?)),
            }
        }
        if parts.is_empty() {
            Err(GlobProblem::Empty)
        } else {
            Ok(Glob { parts })
        }
    }

    /// Whether the pattern matches `path` or a folder above it.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path
            .split('/')
            .filter(|name| !matches!(*name, "" | "."))
            .collect();
        if names.is_empty() {
            return false;
        }
        // reached[i]: the parts so far match exactly the first i names. One pass a part keeps the cost at parts × names, whatever
        // the pattern.
        let mut reached = vec![false; names.len() + 1];
        reached[0] = true;
        for part in &self.parts {
            let mut next = vec![false; names.len() + 1];
            match part {
                Part::Folders => {
                    let mut any = false;
                    for (i, slot) in next.iter_mut().enumerate() {
                        any |= reached[i];
                        *slot = any;
                    }
                }
                Part::Name(tokens) => {
                    for (i, name) in names.iter().enumerate() {
                        next[i + 1] = reached[i] && name_matches(tokens, name);
                    }
                }
            }
            reached = next;
        }
        // A match of the first i names, i >= 1, is the path itself or a folder above it.
        reached[1..].contains(&true)
    }
}

fn tokens(name: &str) -> Result<Vec<Token>, GlobProblem> {
    let mut found = Vec::new();
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        found.push(match c {
            '*' => Token::AnyChars,
            '?' => Token::AnyChar,
            '\\' => Token::Char(chars.next().ok_or(GlobProblem::Backslash)?),
            '[' | ']' | '{' | '}' | '!' => return Err(GlobProblem::Unsupported(c)),
            c => Token::Char(c),
        });
    }
    Ok(found)
}

fn name_matches(tokens: &[Token], name: &str) -> bool {
    let chars: Vec<char> = name.chars().collect();
    let mut reached = vec![false; chars.len() + 1];
    reached[0] = true;
    for token in tokens {
        let mut next = vec![false; chars.len() + 1];
        match token {
            Token::AnyChars => {
                let mut any = false;
                for (i, slot) in next.iter_mut().enumerate() {
                    any |= reached[i];
                    *slot = any;
                }
            }
            Token::AnyChar => next[1..].copy_from_slice(&reached[..chars.len()]),
            Token::Char(wanted) => {
                for (i, c) in chars.iter().enumerate() {
                    next[i + 1] = reached[i] && c == wanted;
                }
            }
        }
        reached = next;
    }
    reached[chars.len()]
}
