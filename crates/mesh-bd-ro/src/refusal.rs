//! Why a call is not carried out: one line that says which rule, and what is allowed instead.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::find::NotFound;
use crate::parse::{MAX_ARGUMENTS, MAX_BYTES};
use crate::shape::Kind;
use crate::table::{self, RULES, Rule};
use crate::view::ViewError;
use crate::{EXIT_CANNOT_RUN, EXIT_NOT_FOUND};

/// Said with every refusal that may have been meant as a write.
const WRITES: &str =
    "changes to the tracker are made by the coordinator: say in your answer what should change";

/// A call that the table forbids. Its `Display` is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "names and messages say it; numbers are a count or a position from 1"
)]
pub enum Refusal {
    TooManyArguments(usize),
    TooLong(usize),
    NotText(usize),
    ControlCharacter(usize),
    NoCommand,
    UnknownCommand(String),
    Subcommand(&'static str, Option<String>),
    NotGlobal(String),
    UnknownFlag(&'static Rule, String),
    Bundled(String),
    Repeated(&'static str),
    TakesNoValue(&'static str),
    MissingValue(&'static str),
    BadValue(&'static str, Kind, String),
    LooksLikeFlag(String),
    BadPositional(&'static Rule, Kind, String),
    TooFewPositionals(&'static Rule),
    TooManyPositionals(&'static Rule),
}

impl Refusal {
    /// Short stable name of the rule, for the log and for scripts.
    pub fn rule(&self) -> &'static str {
        self.parts().0
    }

    /// The rule's name, and what is wrong and allowed instead.
    fn parts(&self) -> (&'static str, String) {
        use Refusal::*;
        let usage = |rule: &Rule| format!("{} {}", rule.name(), rule.positionals.describe());
        match self {
            TooManyArguments(n) => (
                "too-many-arguments",
                format!("{n} words; at most {MAX_ARGUMENTS}"),
            ),
            TooLong(n) => (
                "too-long",
                format!("{n} bytes of arguments; at most {MAX_BYTES}"),
            ),
            NotText(n) => ("not-text", format!("argument {n} is not UTF-8 text")),
            ControlCharacter(n) => (
                "control-character",
                format!("argument {n} holds a control or invisible character"),
            ),
            NoCommand => (
                "no-command",
                format!("nothing to read; allowed: {}", commands(None)),
            ),
            UnknownCommand(word) => (
                "command",
                format!(
                    "{} is not an allowed read; allowed: {}; {WRITES}",
                    shown(word),
                    commands(None)
                ),
            ),
            Subcommand(group, word) => {
                let word = word.as_deref().map_or("alone".to_string(), shown);
                (
                    "subcommand",
                    format!(
                        "{group} {word} is not an allowed read; allowed: {}; {WRITES}",
                        commands(Some(group))
                    ),
                )
            }
            NotGlobal(flag) => {
                let why = why(None, flag);
                (
                    "global-flag",
                    format!(
                        "{} before the command{why}; allowed there: {}",
                        shown(flag),
                        globals()
                    ),
                )
            }
            UnknownFlag(rule, flag) => {
                let why = why(Some(rule), flag);
                (
                    "flag",
                    format!(
                        "{} for {}{why}; allowed: {}; {WRITES}",
                        shown(flag),
                        rule.name(),
                        flags(rule)
                    ),
                )
            }
            Bundled(word) => (
                "bundled-flags",
                format!(
                    "{}: write each short flag alone, its value after a space",
                    shown(word)
                ),
            ),
            Repeated(flag) => ("repeated-flag", format!("--{flag} twice; give it once")),
            TakesNoValue(flag) => (
                "flag-without-value",
                format!("--{flag} takes no value; write it alone"),
            ),
            MissingValue(flag) => (
                "missing-value",
                format!("--{flag} needs a value that does not start with a dash"),
            ),
            BadValue(flag, kind, value) => (
                "value",
                format!("--{flag} wants {}, not {}", kind.describe(), shown(value)),
            ),
            LooksLikeFlag(word) => (
                "looks-like-a-flag",
                format!("{}: no id or word may start with a dash", shown(word)),
            ),
            BadPositional(rule, kind, word) => (
                "argument",
                format!(
                    "{} wants {}, not {}",
                    rule.name(),
                    kind.describe(),
                    shown(word)
                ),
            ),
            TooFewPositionals(rule) => ("missing-argument", format!("allowed: {}", usage(rule))),
            TooManyPositionals(rule) => (
                "extra-argument",
                format!("allowed: {}, and flags", usage(rule).trim_end()),
            ),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rule, text) = self.parts();
        write!(f, "refused ({rule}): {text}")
    }
}

/// Why an allowed call could not be carried out. Its `Display` is one line.
#[derive(Debug)]
pub enum Trouble {
    /// There is no real `bd`.
    NoBd(NotFound),
    /// `MESH_VIEW` is set and no copy in it can be read.
    NoView(ViewError),
    /// The exec itself failed.
    Exec {
        /// What should have run.
        program: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl Trouble {
    /// 127 if there is nothing to run, else 126.
    pub fn exit_code(&self) -> u8 {
        match self {
            Trouble::NoBd(_) => EXIT_NOT_FOUND,
            Trouble::Exec { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                EXIT_NOT_FOUND
            }
            Trouble::NoView(_) | Trouble::Exec { .. } => EXIT_CANNOT_RUN,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::NoBd(reason) => reason.fmt(f),
            Trouble::NoView(reason) => reason.fmt(f),
            Trouble::Exec { program, error } => write!(f, "cannot run {program:?}: {error}"),
        }
    }
}

/// A word of the caller, safe to show on one line: quoted, escaped, cut.
pub fn shown(word: &str) -> String {
    const MOST: usize = 60;
    match word.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &word[..end]),
        None => format!("{word:?}"),
    }
}

fn why(rule: Option<&Rule>, flag: &str) -> String {
    table::why_absent(rule, flag).map_or_else(
        || " is not allowed".to_string(),
        |why| format!(" is not allowed: {why}"),
    )
}

fn commands(group: Option<&str>) -> String {
    let names: Vec<String> = RULES
        .iter()
        .filter(|rule| group.is_none_or(|group| rule.path[0] == group))
        .map(Rule::name)
        .collect();
    names.join(", ")
}

fn globals() -> String {
    let names: Vec<String> = table::GLOBALS
        .iter()
        .map(|flag| format!("--{}", flag.long))
        .collect();
    names.join(" ")
}

fn flags(rule: &Rule) -> String {
    let names: Vec<String> = rule
        .flags()
        .map(|flag| format!("--{}", flag.long))
        .collect();
    if names.is_empty() {
        globals()
    } else {
        format!("{} {}", names.join(" "), globals())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_whatever_the_words_hold() {
        let hostile = "a\nb\u{1b}[2J\u{202e}".repeat(50);
        for refusal in [
            Refusal::UnknownCommand(hostile.clone()),
            Refusal::NotGlobal(hostile.clone()),
            Refusal::LooksLikeFlag(hostile.clone()),
            Refusal::UnknownFlag(&RULES[1], hostile.clone()),
            Refusal::BadValue("status", Kind::Word, hostile),
        ] {
            let line = refusal.to_string();
            assert!(!crate::shape::has_hidden_characters(&line), "{line:?}");
            assert!(line.len() < 2000, "{} bytes", line.len());
        }
    }

    #[test]
    fn a_refused_write_says_who_writes_and_what_is_allowed() {
        let line = Refusal::UnknownCommand("update".into()).to_string();
        assert!(line.contains("refused (command): \"update\""), "{line}");
        assert!(
            line.contains("coordinator") && line.contains("swarm validate"),
            "{line}"
        );
        let line = Refusal::UnknownFlag(&RULES[2], "--claim".into()).to_string();
        assert!(
            line.contains("it takes the issue") && line.contains("coordinator"),
            "{line}"
        );
    }
}
