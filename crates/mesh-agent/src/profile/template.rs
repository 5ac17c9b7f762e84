//! Command templates: words with placeholders.
//!
//! A template is split into words first and filled in afterwards, word by word, so no value can add a word or split one. A value
//! inside the script of a shell (`sh -c '… {task}'`) would be read as shell text all the same; there only values without any
//! character that a shell could act on are let in.

use crate::nearest::nearest;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use thiserror::Error;

/// What a template may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placeholder {
    /// `{prompt_file}`: the absolute path of the prompt.
    PromptFile,
    /// `{workspace}`: the absolute path of the attempt's working copy.
    Workspace,
    /// `{task}`: the task's id, as its source gives it.
    Task,
    /// `{attempt}`: the attempt's number.
    Attempt,
}

impl Placeholder {
    /// All placeholders.
    pub const ALL: [Placeholder; 4] = [
        Placeholder::PromptFile,
        Placeholder::Workspace,
        Placeholder::Task,
        Placeholder::Attempt,
    ];

    /// The name between the braces.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Placeholder::PromptFile => "prompt_file",
            Placeholder::Workspace => "workspace",
            Placeholder::Task => "task",
            Placeholder::Attempt => "attempt",
        }
    }

    fn from_name(name: &str) -> Option<Placeholder> {
        Placeholder::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// The values of one attempt.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// For `{prompt_file}`.
    pub prompt_file: &'a Path,
    /// For `{workspace}`.
    pub workspace: &'a Path,
    /// For `{task}`.
    pub task: &'a str,
    /// For `{attempt}`.
    pub attempt: u32,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateProblem {
    /// No word in it.
    #[error("the command is empty: name a program")]
    Empty,
    /// A quote is opened and not closed, or the text ends in a backslash.
    #[error("the command has an unbalanced quote or ends in a backslash: {template}")]
    Unbalanced {
        /// The template.
        template: String,
    },
    /// A NUL byte cannot be part of an argument.
    #[error("the command contains a NUL byte")]
    Nul,
    /// A placeholder that does not exist.
    #[error("there is no placeholder {{{name}}}{}; known are {{prompt_file}} {{workspace}} {{task}} {{attempt}}, and {{{{{name}}}}} stands for the text itself", meant(.nearest))]
    UnknownPlaceholder {
        /// The name between the braces.
        name: String,
        /// The one that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The program must be known before a task is.
    #[error("the program itself must not contain a placeholder: {word}")]
    PlaceholderInProgram {
        /// The first word.
        word: String,
    },
}

fn meant(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean {{{name}}}?)"))
}

/// A value that must not be put where the template wants it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{{{}}} stands in the script of a shell, and its value {value:?} has characters that a shell would act on: use \"${variable}\" there instead", .placeholder.name()
)]
pub struct UnsafeValue {
    /// Which placeholder.
    pub placeholder: Placeholder,
    /// Its value.
    pub value: String,
    /// The environment variable that holds the same value.
    pub variable: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Placeholder),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    pieces: Vec<Piece>,
    is_shell_script: bool,
}

/// A checked template: a program and words to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    program: String,
    words: Vec<Word>,
}

impl Template {
    /// Splits `source` as a shell would (quotes and backslashes, nothing else) and checks every placeholder.
    ///
    /// `{name}` is a placeholder when `name` is letters, `_` and `-` only and no `$` stands before it; `{{name}}` stands for the text
    /// `{name}`. All other braces are plain text.
    ///
    /// # Errors
    /// All problems at once.
    pub fn parse(source: &str) -> Result<Template, Vec<TemplateProblem>> {
        if source.contains('\0') {
            return Err(vec![TemplateProblem::Nul]);
        }
        let Some(split) = shlex::split(source) else {
            let template = source.to_owned();
            return Err(vec![TemplateProblem::Unbalanced { template }]);
        };
        let Some((program, rest)) = split.split_first().filter(|(first, _)| !first.is_empty())
        else {
            return Err(vec![TemplateProblem::Empty]);
        };
        let mut problems = Vec::new();
        let program_pieces = pieces(program, &mut problems);
        if program_pieces.iter().any(|p| matches!(p, Piece::Value(_))) {
            let word = program.clone();
            problems.push(TemplateProblem::PlaceholderInProgram { word });
        }
        let scripts = shell_scripts(&split);
        let words = rest
            .iter()
            .zip(scripts.into_iter().skip(1))
            .map(|(word, is_shell_script)| Word {
                pieces: pieces(word, &mut problems),
                is_shell_script,
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        let program = program_pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Value(_) => "",
            })
            .collect();
        Ok(Template {
            source: source.to_owned(),
            program,
            words,
        })
    }

    /// The template as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The program, as it was written: a name or a path.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Whether any word names `placeholder`.
    #[must_use]
    pub fn names(&self, placeholder: Placeholder) -> bool {
        let wanted = Piece::Value(placeholder);
        self.words.iter().any(|word| word.pieces.contains(&wanted))
    }

    /// The arguments, one for each word after the program.
    ///
    /// # Errors
    /// When a value would become part of a shell script and holds anything that a shell could act on.
    pub fn args(&self, values: &Values<'_>) -> Result<Vec<OsString>, UnsafeValue> {
        self.words.iter().map(|word| filled(word, values)).collect()
    }

    /// The arguments with the placeholders left as they are, for people who ask what would run.
    #[must_use]
    pub fn shown_args(&self) -> Vec<String> {
        let shown = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Value(placeholder) => format!("{{{}}}", placeholder.name()),
        };
        self.words
            .iter()
            .map(|word| word.pieces.iter().map(shown).collect())
            .collect()
    }
}

fn filled(word: &Word, values: &Values<'_>) -> Result<OsString, UnsafeValue> {
    let number = values.attempt.to_string();
    let mut text = OsString::new();
    for piece in &word.pieces {
        let placeholder = match piece {
            Piece::Text(plain) => {
                text.push(plain);
                continue;
            }
            Piece::Value(placeholder) => *placeholder,
        };
        let (value, variable): (&OsStr, &'static str) = match placeholder {
            Placeholder::PromptFile => (values.prompt_file.as_os_str(), "MESH_PROMPT_FILE"),
            Placeholder::Workspace => (values.workspace.as_os_str(), "MESH_WORKSPACE"),
            Placeholder::Task => (values.task.as_ref(), "MESH_TASK"),
            Placeholder::Attempt => (number.as_ref(), "MESH_ATTEMPT"),
        };
        if word.is_shell_script && !is_inert(value) {
            return Err(UnsafeValue {
                placeholder,
                value: value.to_string_lossy().into_owned(),
                variable,
            });
        }
        text.push(value);
    }
    Ok(text)
}

/// Whether no shell finds anything to act on in `value`, quoted or not.
fn is_inert(value: &OsStr) -> bool {
    value
        .as_encoded_bytes()
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || b"_./:@%+,=-".contains(b))
}

/// For each word whether it is the script of a shell: the word after an option cluster with `c`, once a shell was named.
fn shell_scripts(words: &[String]) -> Vec<bool> {
    let mut after_shell = false;
    let mut next_is_script = false;
    words
        .iter()
        .map(|word| {
            let is_script = next_is_script;
            next_is_script = after_shell && is_script_option(word);
            after_shell |= crate::shell::is_shell(word);
            is_script
        })
        .collect()
}

fn is_script_option(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|cluster| {
        cluster.contains('c') && cluster.bytes().all(|b| b.is_ascii_alphabetic())
    })
}

fn pieces(word: &str, problems: &mut Vec<TemplateProblem>) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut text = String::new();
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let name = (c == '{').then(|| name_in_braces(&rest[1..])).flatten();
        if let Some(inner) = rest.strip_prefix("{{").and_then(name_in_braces)
            && rest[2 + inner.len()..].starts_with("}}")
        {
            text.push_str(&format!("{{{inner}}}"));
            rest = &rest[inner.len() + 4..];
        } else if let Some(name) = name.filter(|_| !text.ends_with('$')) {
            if let Some(placeholder) = Placeholder::from_name(name) {
                if !text.is_empty() {
                    found.push(Piece::Text(std::mem::take(&mut text)));
                }
                found.push(Piece::Value(placeholder));
            } else {
                problems.push(TemplateProblem::UnknownPlaceholder {
                    name: name.to_owned(),
                    nearest: nearest(name, Placeholder::ALL.map(Placeholder::name)),
                });
            }
            rest = &rest[name.len() + 2..];
        } else {
            text.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    if !text.is_empty() {
        found.push(Piece::Text(text));
    }
    found
}

/// The name at the start of `text` when `}` follows it.
fn name_in_braces(text: &str) -> Option<&str> {
    let end = text
        .bytes()
        .take_while(|b| b.is_ascii_alphabetic() || *b == b'_' || *b == b'-')
        .count();
    (end > 0 && text[end..].starts_with('}')).then(|| &text[..end])
}

#[cfg(test)]
#[path = "template_test.rs"]
mod tests;
