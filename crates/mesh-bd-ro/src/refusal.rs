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
#[allow(missing_docs, reason = "the variants' names and messages say it")]
pub enum Refusal {
    TooManyArguments {
        count: usize,
    },
    TooLong {
        bytes: usize,
    },
    NotText {
        position: usize,
    },
    ControlCharacter {
        position: usize,
    },
    NoCommand,
    UnknownCommand {
        word: String,
    },
    Subcommand {
        group: &'static str,
        word: Option<String>,
    },
    NotGlobal {
        flag: String,
    },
    UnknownFlag {
        rule: &'static Rule,
        flag: String,
    },
    Bundled {
        word: String,
    },
    Repeated {
        flag: &'static str,
    },
    TakesNoValue {
        flag: &'static str,
    },
    MissingValue {
        flag: &'static str,
    },
    BadValue {
        flag: &'static str,
        value: String,
        kind: Kind,
    },
    LooksLikeFlag {
        word: String,
    },
    BadPositional {
        rule: &'static Rule,
        word: String,
        kind: Kind,
    },
    TooFewPositionals {
        rule: &'static Rule,
    },
    TooManyPositionals {
        rule: &'static Rule,
    },
}

impl Refusal {
    /// Short stable name of the rule, for the log and for scripts.
    pub fn rule(&self) -> &'static str {
        match self {
            Refusal::TooManyArguments { .. } => "too-many-arguments",
            Refusal::TooLong { .. } => "too-long",
            Refusal::NotText { .. } => "not-text",
            Refusal::ControlCharacter { .. } => "control-character",
            Refusal::NoCommand => "no-command",
            Refusal::UnknownCommand { .. } => "command",
            Refusal::Subcommand { .. } => "subcommand",
            Refusal::NotGlobal { .. } => "global-flag",
            Refusal::UnknownFlag { .. } => "flag",
            Refusal::Bundled { .. } => "bundled-flags",
            Refusal::Repeated { .. } => "repeated-flag",
            Refusal::TakesNoValue { .. } => "flag-without-value",
            Refusal::MissingValue { .. } => "missing-value",
            Refusal::BadValue { .. } => "value",
            Refusal::LooksLikeFlag { .. } => "looks-like-a-flag",
            Refusal::BadPositional { .. } => "argument",
            Refusal::TooFewPositionals { .. } => "missing-argument",
            Refusal::TooManyPositionals { .. } => "extra-argument",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused ({}): ", self.rule())?;
        match self {
            Refusal::TooManyArguments { count } => {
                write!(f, "{count} arguments; at most {MAX_ARGUMENTS} are allowed")
            }
            Refusal::TooLong { bytes } => write!(
                f,
                "{bytes} bytes of arguments; at most {MAX_BYTES} are allowed"
            ),
            Refusal::NotText { position } => write!(f, "argument {position} is not UTF-8 text"),
            Refusal::ControlCharacter { position } => {
                write!(
                    f,
                    "argument {position} holds a control or invisible character; write it without"
                )
            }
            Refusal::NoCommand => write!(f, "no command; allowed: {}", commands(None)),
            Refusal::UnknownCommand { word } => {
                write!(
                    f,
                    "{} is not one of the allowed reads: {}; {WRITES}",
                    shown(word),
                    commands(None)
                )
            }
            Refusal::Subcommand { group, word } => {
                match word {
                    Some(word) => write!(f, "{group} {} is not an allowed read", shown(word))?,
                    None => write!(f, "{group} needs a subcommand")?,
                }
                write!(f, "; allowed: {}; {WRITES}", commands(Some(group)))
            }
            Refusal::NotGlobal { flag } => {
                write!(f, "{} before the command", shown(flag))?;
                why(f, None, flag)?;
                write!(f, "; allowed there: {}", globals())
            }
            Refusal::UnknownFlag { rule, flag } => {
                write!(f, "{} is not allowed for {}", shown(flag), rule.name())?;
                why(f, Some(rule), flag)?;
                write!(f, "; allowed: {}; {WRITES}", flags(rule))
            }
            Refusal::Bundled { word } => {
                write!(
                    f,
                    "{}: write each short flag alone, and its value after a space",
                    shown(word)
                )
            }
            Refusal::Repeated { flag } => write!(f, "--{flag} twice; give it once"),
            Refusal::TakesNoValue { flag } => write!(f, "--{flag} takes no value; write it alone"),
            Refusal::MissingValue { flag } => {
                write!(
                    f,
                    "--{flag} needs a value that does not start with a dash: --{flag}=VALUE"
                )
            }
            Refusal::BadValue { flag, value, kind } => {
                write!(
                    f,
                    "--{flag} wants {}, not {}",
                    kind.describe(),
                    shown(value)
                )
            }
            Refusal::LooksLikeFlag { word } => write!(
                f,
                "{} looks like a flag; no id or word may start so",
                shown(word)
            ),
            Refusal::BadPositional { rule, word, kind } => {
                write!(
                    f,
                    "{} wants {}, not {}",
                    rule.name(),
                    kind.describe(),
                    shown(word)
                )
            }
            Refusal::TooFewPositionals { rule } => {
                write!(f, "{} wants {}", rule.name(), rule.positionals.describe())
            }
            Refusal::TooManyPositionals { rule } => match rule.positionals.most() {
                0 => write!(f, "{} takes flags only, no ids or words", rule.name()),
                most => write!(
                    f,
                    "{} takes at most {most}: {}",
                    rule.name(),
                    rule.positionals.describe()
                ),
            },
        }
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

fn why(f: &mut fmt::Formatter<'_>, rule: Option<&Rule>, flag: &str) -> fmt::Result {
    match table::why_absent(rule, flag) {
        Some(why) => write!(f, ": {why}"),
        None => Ok(()),
    }
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
            Refusal::UnknownCommand {
                word: hostile.clone(),
            },
            Refusal::NotGlobal {
                flag: hostile.clone(),
            },
            Refusal::LooksLikeFlag {
                word: hostile.clone(),
            },
            Refusal::UnknownFlag {
                rule: &RULES[1],
                flag: hostile.clone(),
            },
            Refusal::BadValue {
                flag: "status",
                value: hostile,
                kind: Kind::Word,
            },
        ] {
            let line = refusal.to_string();
            assert!(!crate::shape::has_hidden_characters(&line), "{line:?}");
            assert!(line.len() < 2000, "{} bytes", line.len());
        }
    }

    #[test]
    fn a_refused_write_says_who_writes_and_what_is_allowed() {
        let line = Refusal::UnknownCommand {
            word: "update".into(),
        }
        .to_string();
        assert!(line.contains("refused (command): \"update\""), "{line}");
        assert!(
            line.contains("coordinator") && line.contains("swarm validate"),
            "{line}"
        );
        let line = Refusal::UnknownFlag {
            rule: &RULES[2],
            flag: "--claim".into(),
        }
        .to_string();
        assert!(
            line.contains("it takes the issue") && line.contains("coordinator"),
            "{line}"
        );
    }
}
