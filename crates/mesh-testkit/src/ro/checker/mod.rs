//! Judges an argument list that is about to reach `bd`, from the contract and from `bd`'s help texts.
//!
//! The wrapper's own table is not consulted: what both let through was decided twice. [`contract`] says what may be asked,
//! [`reading`] what words mean to `bd`; this module puts the question.

mod contract;
mod reading;

use std::ffi::OsString;

use contract::{GLOBALS, MOST_ARGUMENTS, MOST_BYTES, Positionals};
use reading::{CommandFact, FlagFact, Reading, facts, read};

/// How every call begins.
const BEGINNING: [&str; 3] = ["bd", "--readonly", "--sandbox"];

/// The checker, with the help of all versions read once.
#[derive(Debug)]
pub struct Checker {
    facts: Vec<CommandFact>,
}

impl Default for Checker {
    fn default() -> Checker {
        Checker { facts: facts() }
    }
}

impl Checker {
    /// Whether `argv`, the program's name first, is the canonical form of a call that the contract allows.
    ///
    /// # Errors
    /// What it breaks.
    pub fn check(&self, argv: &[String]) -> Result<(), String> {
        self.canonical(argv).map(drop)
    }

    /// Whether a wrapper may make `argv` of `call`, the caller's arguments: the call keeps the limits, and `argv` keeps the
    /// contract and asks what the call asked, no more and no less.
    ///
    /// # Errors
    /// What it breaks.
    pub fn check_call(&self, call: &[OsString], argv: &[String]) -> Result<(), String> {
        let words = within_limits(call)?;
        let made = self.canonical(argv)?;
        let asked = read(&self.facts, &words).map_err(|fault| format!("the call: {fault}"))?;
        if asked == made {
            Ok(())
        } else {
            Err(format!("asked was {asked:?}, made of it {made:?}"))
        }
    }

    /// Whether `call` may be answered with the wrapper's own help: nothing is asked of the tracker, help is asked for.
    ///
    /// # Errors
    /// What it breaks.
    pub fn check_own_help(&self, call: &[OsString]) -> Result<(), String> {
        let words = within_limits(call)?;
        let is = |word: &str, (name, letter): &(&str, Option<char>)| {
            word.strip_prefix("--") == Some(name)
                || letter.is_some_and(|letter| word == format!("-{letter}"))
        };
        match words
            .iter()
            .find(|word| !GLOBALS.iter().any(|global| is(word, global)))
        {
            Some(other) => Err(format!("{other:?} is more than a wish for help")),
            None if words.iter().any(|word| is(word, &GLOBALS[0])) => Ok(()),
            None => Err("nobody asked for help".into()),
        }
    }

    /// Whether `call` may be answered with success although nothing is done: it is what a hook that `bd init` installed makes of
    /// git's call, by its first three words. The rest is git's.
    ///
    /// # Errors
    /// What it breaks.
    pub fn check_git_hook(&self, call: &[OsString]) -> Result<(), String> {
        let words: Vec<&str> = call
            .iter()
            .take(3)
            .filter_map(|word| word.to_str())
            .collect();
        match words.as_slice() {
            [
                "hooks",
                "run",
                "pre-commit" | "prepare-commit-msg" | "post-checkout",
            ]
            | ["hooks", "run", "post-merge" | "pre-push"] => Ok(()),
            _ => Err(format!("{words:?} is no call of a hook of git")),
        }
    }

    fn canonical(&self, argv: &[String]) -> Result<Reading, String> {
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let words = argv
            .strip_prefix(&BEGINNING)
            .ok_or("does not start with bd --readonly --sandbox")?;
        if words.iter().any(|word| word.chars().any(is_hidden)) {
            return Err("a control or invisible character".into());
        }
        if words.first().is_none_or(|word| word.starts_with('-')) {
            return Err("the command does not come first".into());
        }
        let reading = read(&self.facts, words)?;
        let fact = &self.facts[reading.command];
        in_canonical_spelling(&words[fact.command.path.len()..])?;
        check_flags(fact, &reading.flags)?;
        check_positionals(fact, &reading)?;
        Ok(reading)
    }
}

/// The caller's words as text, if they are few, short and visible enough.
fn within_limits(call: &[OsString]) -> Result<Vec<&str>, String> {
    let bytes: usize = call.iter().map(|word| word.len()).sum();
    if call.len() > MOST_ARGUMENTS || bytes > MOST_BYTES {
        return Err(format!("{} arguments with {bytes} bytes", call.len()));
    }
    let text = |word: &'_ OsString| match word.to_str() {
        None => Err("an argument that is no text".to_string()),
        Some(word) if word.chars().any(is_hidden) => {
            Err("an argument with a control or invisible character".to_string())
        }
        Some(_) => Ok(()),
    };
    call.iter().try_for_each(text)?;
    Ok(call.iter().filter_map(|word| word.to_str()).collect())
}

/// Long flags with their value glued on, then `--` and at least one positional, or neither.
fn in_canonical_spelling(words: &[&str]) -> Result<(), String> {
    let end = words.iter().position(|word| *word == "--");
    for word in &words[..end.unwrap_or(words.len())] {
        let name = word.split('=').next().unwrap_or_default();
        let long = name.strip_prefix("--").is_some_and(|name| !name.is_empty());
        if !long {
            return Err(format!("{word:?} is no long flag with its value glued on"));
        }
    }
    match end {
        Some(end) if end + 1 == words.len() => Err("-- with nothing after it".into()),
        _ => Ok(()),
    }
}

fn check_flags(fact: &CommandFact, flags: &[(String, Option<String>)]) -> Result<(), String> {
    for (at, (name, value)) in flags.iter().enumerate() {
        if !fact.command.lets(name) {
            let why = fact
                .command
                .harm(name)
                .unwrap_or("nobody said it is harmless");
            return Err(format!("--{name}: {why}"));
        }
        let again = flags[..at].iter().any(|(before, _)| before == name);
        let flag = &fact.flags[name];
        check_flag(flag, name, value.as_deref(), again)
            .map_err(|fault| format!("--{name} {fault}"))?;
    }
    Ok(())
}

fn check_flag(flag: &FlagFact, name: &str, value: Option<&str>, again: bool) -> Result<(), String> {
    for kind in &flag.types {
        match (kind.as_deref(), value) {
            (None, Some(_)) => return Err("is a switch and has a value".into()),
            (None, None) if again => return Err("is there twice".into()),
            (None, None) => {}
            (Some("?"), _) => return Err("has a value that may be left out".into()),
            (Some(_), None) => return Err("lacks its value".into()),
            (Some(kind), Some(_)) if again && !matches!(kind, "strings" | "stringArray") => {
                return Err("is there twice".into());
            }
            (Some(kind), Some(value)) if !value_fits(kind, name, value) => {
                return Err(format!("has {value:?} for a value"));
            }
            (Some(_), Some(_)) => {}
        }
    }
    Ok(())
}

/// Whether a value of the help's type `kind` is one that can be read in one way only.
fn value_fits(kind: &str, name: &str, value: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let member = |text: &str| is_plain(text) && !text.contains('"');
    if !is_plain(value) {
        return false;
    }
    match (kind, name) {
        (_, "priority" | "priority-min" | "priority-max") => {
            let digits = value.strip_prefix(['P', 'p']).unwrap_or(value);
            digits.len() == 1 && matches!(digits.as_bytes()[0], b'0'..=b'4')
        }
        ("int", _) => number(value),
        (_, "parent" | "mol") => is_id(value),
        (_, "id") => value.split(',').all(is_id),
        (_, "direction") => matches!(value, "up" | "down" | "both"),
        (_, "range") => value
            .split_once('-')
            .is_some_and(|(from, to)| number(from) && number(to)),
        ("stringArray", _) => value.split_once('=').is_some_and(|(key, _)| is_plain(key)),
        // Read as a line of comma-separated values, in which a quote changes where the commas count.
        ("strings", _) => value.split(',').all(member),
        _ => true,
    }
}

fn check_positionals(fact: &CommandFact, reading: &Reading) -> Result<(), String> {
    let words = &reading.positionals;
    let (least, most) = match fact.command.positionals {
        Positionals::None => (0, 0),
        Positionals::Ids(least, most) => (least, most),
        Positionals::IdAndDimension => (2, 2),
        Positionals::Query => (0, MOST_ARGUMENTS),
    };
    let help = reading.flags.iter().any(|(name, _)| name == "help");
    if words.len() > most || (words.len() < least && !help) {
        return Err(format!(
            "{} positionals, not {least} to {most}",
            words.len()
        ));
    }
    if let Some(word) = words.first().filter(|word| fact.below.contains(word)) {
        return Err(format!("{word:?} makes another command of it"));
    }
    for (at, word) in words.iter().enumerate() {
        let fits = match fact.command.positionals {
            Positionals::Query => is_plain(word),
            Positionals::IdAndDimension if at == 1 => {
                is_plain(word) && !word.contains(['=', ' ', '\t'])
            }
            _ => is_id(word),
        };
        if !fits {
            return Err(format!("{word:?} is no id, or looks like a flag"));
        }
    }
    Ok(())
}

/// An id as every version makes them, and nothing that could be a path, a flag or a command line.
fn is_id(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        && word
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
}

/// There is something to it, and it is no flag.
fn is_plain(word: &str) -> bool {
    !word.trim().is_empty() && !word.starts_with('-')
}

/// What cannot be seen, or changes how its neighbours are seen.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
#[path = "checker_test.rs"]
mod tests;
