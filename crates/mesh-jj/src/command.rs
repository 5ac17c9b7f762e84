//! Which command a call is, found as jj finds it: past its global options, and through aliases. Pure, but for the question what
//! an alias means.
//!
//! jj takes neither shortened commands nor shortened options, and looks for aliases only where no command of that name is; only
//! configuration files define them, `--config` on the command line does not (measured on 0.45.1).

use std::ffi::OsString;
use std::path::PathBuf;

use crate::table::{COMMANDS, GLOBALS_WITH_VALUE, RULES, Rule};

/// jj gives up on aliases that lead to one another; so many steps are no honest alias.
const MOST_ALIASES: usize = 32;

/// A call that the table names.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// The row.
    pub rule: &'static Rule,
    /// The repositories that the call names by `-R`.
    pub repositories: Vec<PathBuf>,
}

/// Judges the arguments of one call (without the program's name). `alias` says what a word that is no command stands for.
///
/// A call that jj itself refuses is let through, so that jj says why.
pub fn judge(
    args: &[OsString],
    alias: &mut dyn FnMut(&str) -> Option<Vec<String>>,
) -> Option<Refused> {
    let words = args.iter().map(|arg| arg.to_str().map(str::to_owned));
    let mut words = words.collect::<Option<Vec<String>>>()?;
    for _ in 0..MOST_ALIASES {
        let options = options(&words);
        // Help is shown wherever it is asked for.
        if options.iter().any(|word| word == "--help" || word == "-h") {
            return None;
        }
        let command = next_word(&words, 0)?;
        let flagged = |rule: &&Rule| {
            rule.flag
                .is_some_and(|flag| options.iter().any(|word| word == flag))
        };
        let rule = RULES.iter().find(|rule| is_command(rule, &words, command));
        if let Some(rule) = rule.or_else(|| RULES.iter().find(flagged)) {
            let repositories = repositories(options);
            return Some(Refused { rule, repositories });
        }
        if COMMANDS.contains(&words[command].as_str()) {
            return None;
        }
        let definition = alias(&words[command])?;
        words.splice(command..=command, definition);
    }
    None
}

/// The words in which an option can stand: all before `--`.
fn options(words: &[String]) -> &[String] {
    let end = words.iter().position(|word| word == "--");
    &words[..end.unwrap_or(words.len())]
}

/// Place of the next word from `at` on that is neither a global option nor its value. After `--` there is no command.
fn next_word(words: &[String], mut at: usize) -> Option<usize> {
    while let Some(word) = words.get(at) {
        if word == "--" {
            return None;
        }
        if !word.starts_with('-') {
            return Some(at);
        }
        at += if GLOBALS_WITH_VALUE.contains(&word.as_str()) {
            2
        } else {
            1
        };
    }
    None
}

/// Whether the words from `command` on are those of the rule.
fn is_command(rule: &Rule, words: &[String], command: usize) -> bool {
    let mut at = Some(command);
    for spellings in rule.path {
        let Some(here) = at.filter(|at| spellings.contains(&words[*at].as_str())) else {
            return false;
        };
        at = next_word(words, here + 1);
    }
    !rule.path.is_empty()
}

/// The values of `-R`.
fn repositories(options: &[String]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut words = options.iter();
    while let Some(word) = words.next() {
        let glued = word.strip_prefix("--repository=").or_else(|| {
            let value = word.strip_prefix("-R").filter(|value| !value.is_empty())?;
            Some(value.strip_prefix('=').unwrap_or(value))
        });
        match glued {
            Some(value) => found.push(PathBuf::from(value)),
            None if word == "-R" || word == "--repository" => {
                found.extend(words.next().map(PathBuf::from))
            }
            None => {}
        }
    }
    found
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
