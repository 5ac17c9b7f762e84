//! Why a call is not carried out: one line that says which rule, and what is allowed instead.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::find::NotFound;
use crate::help::usage;
use crate::parse::{MAX_ARGUMENTS, MAX_BYTES};
use crate::table::kinds::Kind;
use crate::table::{self, RULES, Rule};
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
        match self {
            Refusal::TooManyArguments(_) => "too-many-arguments",
            Refusal::TooLong(_) => "too-long",
            Refusal::NotText(_) => "not-text",
            Refusal::ControlCharacter(_) => "control-character",
            Refusal::NoCommand => "no-command",
            Refusal::UnknownCommand(_) => "command",
            Refusal::Subcommand(..) => "subcommand",
            Refusal::NotGlobal(_) => "global-flag",
            Refusal::UnknownFlag(..) => "flag",
            Refusal::Bundled(_) => "bundled-flags",
            Refusal::Repeated(_) => "repeated-flag",
            Refusal::TakesNoValue(_) => "flag-without-value",
            Refusal::MissingValue(_) => "missing-value",
            Refusal::BadValue(..) => "value",
            Refusal::LooksLikeFlag(_) => "looks-like-a-flag",
            Refusal::BadPositional(..) => "argument",
            Refusal::TooFewPositionals(_) => "missing-argument",
            Refusal::TooManyPositionals(_) => "extra-argument",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Refusal::*;
        write!(f, "refused ({}): ", self.rule())?;
        match self {
            TooManyArguments(n) => write!(f, "{n} words; at most {MAX_ARGUMENTS}"),
            TooLong(n) => write!(f, "{n} bytes of arguments; at most {MAX_BYTES}"),
            NotText(n) => write!(f, "argument {n} is not UTF-8 text"),
            ControlCharacter(n) => write!(f, "argument {n} holds a control or invisible character"),
            NoCommand => write!(f, "nothing to read; allowed: {}", commands(None)),
            UnknownCommand(word) => not_a_read(f, &shown(word), None),
            Subcommand(group, None) => not_a_read(f, &format!("{group} alone"), Some(group)),
            Subcommand(group, Some(word)) => {
                not_a_read(f, &format!("{group} {}", shown(word)), Some(group))
            }
            NotGlobal(flag) => {
                let (flag, why) = (shown(flag), why(None, flag));
                write!(
                    f,
                    "{flag} before the command{why}; allowed there: {}",
                    globals()
                )
            }
            UnknownFlag(rule, flag) => {
                let (name, flag, why) = (rule.name(), shown(flag), why(Some(rule), flag));
                write!(
                    f,
                    "{flag} for {name}{why}; allowed: {}; {WRITES}",
                    flags(rule)
                )
            }
            Bundled(word) => {
                write!(
                    f,
                    "{}: each short flag alone, its value after a space",
                    shown(word)
                )
            }
            Repeated(flag) => write!(f, "--{flag} twice; give it once"),
            TakesNoValue(flag) => write!(f, "--{flag} takes no value; write it alone"),
            MissingValue(flag) => {
                write!(f, "--{flag} needs a value that does not start with a dash")
            }
            BadValue(flag, kind, word) => wants(f, &format!("--{flag}"), *kind, word),
            LooksLikeFlag(word) => write!(f, "{}: no id or word starts with a dash", shown(word)),
            BadPositional(rule, kind, word) => wants(f, &rule.name(), *kind, word),
            TooFewPositionals(rule) => write!(f, "allowed: {}", usage(rule)),
            TooManyPositionals(rule) => write!(f, "allowed: {}, and flags", usage(rule)),
        }
    }
}

fn not_a_read(f: &mut fmt::Formatter<'_>, words: &str, group: Option<&str>) -> fmt::Result {
    write!(
        f,
        "{words} is not an allowed read; allowed: {}; {WRITES}",
        commands(group)
    )
}

fn wants(f: &mut fmt::Formatter<'_>, whose: &str, kind: Kind, word: &str) -> fmt::Result {
    write!(f, "{whose} wants {}, not {}", kind.describe(), shown(word))
}

/// Why an allowed call could not be carried out. Its `Display` is one line.
#[derive(Debug)]
pub enum Trouble {
    /// There is no real `bd`.
    NoBd(NotFound),
    /// `MESH_VIEW` is set and no copy in it can be read.
    NoView(String),
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
            assert!(
                !crate::table::kinds::has_hidden_characters(&line),
                "{line:?}"
            );
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
