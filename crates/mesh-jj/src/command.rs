//! Which command a call is, found as jj finds it: past its global options, and through aliases. Pure, but for the question what
//! an alias means.
//!
//! jj takes neither shortened commands nor shortened options, and looks for aliases only where no command of that name is; only
//! configuration files define them, `--config` on the command line does not (measured on 0.45.1).

use std::ffi::OsString;
use std::path::PathBuf;

use crate::table::{ANYWHERE, COMMANDS, GLOBALS_WITH_VALUE, READS, RULES, Rule};

/// jj gives up on aliases that lead to one another; so many steps are no honest alias.
const MOST_ALIASES: usize = 32;

/// A call that may have to be refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    /// The row of the table that names it: it is refused in whichever workspace of the attempt's repository.
    pub rule: Option<&'static Rule>,
    /// Whether it brings the files of a workspace and its commit together, or changes either: so it is refused in a workspace that
    /// is not the attempt's.
    pub works: bool,
    /// The repositories that the call names by `-R`.
    pub repositories: Vec<PathBuf>,
}

/// Judges the arguments of one call (without the program's name). `alias` says what a word that is no command stands for.
///
/// `None` is a call that passes wherever it is made, one among them that jj itself does not take, so that jj says why.
pub fn judge(
    args: &[OsString],
    alias: &mut dyn FnMut(&str) -> Option<Vec<String>>,
) -> Option<Call> {
    let words = args.iter().map(|arg| arg.to_str().map(str::to_owned));
    let mut words = words.collect::<Option<Vec<String>>>()?;
    for _ in 0..MOST_ALIASES {
        let options = options(&words);
        let has = |name: &str| options.iter().any(|word| word == name);
        // Help is shown wherever it is asked for.
        if has("--help") || has("-h") {
            return None;
        }
        let command = next_word(&words, 0);
        let is = |path: &[&[&str]]| command.is_some_and(|at| is_command(path, &words, at));
        let flagged = |rule: &&Rule| command.is_some() && rule.flag.is_some_and(has);
        let rule = RULES.iter().find(|rule| is(rule.path));
        let rule = rule.or_else(|| RULES.iter().find(flagged));
        if rule.is_none()
            && let Some(at) = command.filter(|at| !COMMANDS.contains(&words[*at].as_str()))
            && let Some(definition) = alias(&words[at])
        {
            words.splice(at..=at, definition);
            continue;
        }
        let only_shows = match command {
            // The command that is configured as the default one, unless it is the version that is asked for.
            None => has("--version") || has("-V") || has(IGNORE),
            Some(_) => {
                ANYWHERE.iter().any(|path| is(path))
                    || (has(IGNORE) && READS.iter().any(|path| is(path)))
            }
        };
        return Some(Call {
            rule,
            works: !only_shows,
            repositories: repositories(options),
        })
        .filter(|call| call.rule.is_some() || call.works);
    }
    None
}

/// With it a call leaves the files of a workspace as they are.
const IGNORE: &str = "--ignore-working-copy";

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

/// Whether the words from `command` on are those of `path`.
fn is_command(path: &[&[&str]], words: &[String], command: usize) -> bool {
    let mut at = Some(command);
    for spellings in path {
        let Some(here) = at.filter(|at| spellings.contains(&words[*at].as_str())) else {
            return false;
        };
        at = next_word(words, here + 1);
    }
    !path.is_empty()
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
#[path = "command_test.rs"]
mod tests;
