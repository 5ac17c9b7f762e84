//! What words mean to `bd`: a model of its flag parser, fed with the flags that the three versions' help texts name.
//!
//! It judges nothing but what cannot be read in one way only. What a caller wrote and what the wrapper made of it are both read
//! here, so that a flag or a word that got lost, was added, or changed its owner is found.

use std::collections::BTreeMap;

use super::contract::{COMMANDS, Command, GLOBALS};
use crate::ro::commands::{VERSIONS, commands};

/// One flag of a command, over all versions.
#[derive(Clone, Debug)]
pub struct FlagFact {
    /// Letters that stand for it.
    letters: Vec<char>,
    /// Type of its value in each version that has it; `None` for a switch, `?` for an optional value.
    pub types: Vec<Option<String>>,
}

impl FlagFact {
    /// Whether it takes a value.
    pub fn takes_value(&self) -> bool {
        self.types.iter().any(Option::is_some)
    }
}

/// One command: the contract's row, and what the help texts say.
#[derive(Debug)]
pub struct CommandFact {
    /// The contract's row.
    pub command: &'static Command,
    /// Its flags by name, global ones included.
    pub flags: BTreeMap<String, FlagFact>,
    /// Words that are commands of their own below it.
    pub below: Vec<String>,
}

/// A call, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Place of the command in [`COMMANDS`].
    pub command: usize,
    /// Flags by name; values of one that is repeated in their order.
    pub flags: Vec<(String, Option<String>)>,
    /// Words that are no flag and no flag's value, in order.
    pub positionals: Vec<String>,
}

/// What the help texts say of the contract's commands, in its order.
pub fn facts() -> Vec<CommandFact> {
    let all: Vec<_> = VERSIONS
        .iter()
        .flat_map(|version| commands(version))
        .collect();
    let of = |command: &'static Command| {
        let mut flags: BTreeMap<String, FlagFact> = BTreeMap::new();
        let own = all.iter().filter(|help| help.path == command.path);
        for flag in own.flat_map(|help| &help.flags) {
            let fact = flags.entry(flag.long.clone()).or_insert(FlagFact {
                letters: Vec::new(),
                types: Vec::new(),
            });
            fact.letters.extend(flag.short);
            fact.types.push(flag.value.clone());
        }
        for (name, letter) in GLOBALS {
            let fact = flags.entry(name.to_string()).or_insert(FlagFact {
                letters: Vec::new(),
                types: vec![None],
            });
            fact.letters.extend(letter);
        }
        let below = all
            .iter()
            .filter(|help| help.path.len() == command.path.len() + 1)
            .filter(|help| help.path.iter().zip(command.path).all(|(a, b)| a == b))
            .map(|help| help.path[command.path.len()].clone())
            .collect();
        CommandFact {
            command,
            flags,
            below,
        }
    };
    COMMANDS.iter().map(of).collect()
}

/// Reads `words`, without the program's name and without what the wrapper puts in front.
///
/// # Errors
/// What the contract has refused before any flag is judged: another command, and words with two readings.
pub fn read(facts: &[CommandFact], words: &[&str]) -> Result<Reading, String> {
    let mut flags = Vec::new();
    let mut words = words;
    while let Some((first, rest)) = words.split_first()
        && first.starts_with('-')
    {
        let global = GLOBALS.iter().find(|(name, letter)| {
            first.strip_prefix("--") == Some(name)
                || letter.is_some_and(|letter| *first == format!("-{letter}"))
        });
        let (name, _) = global.ok_or_else(|| format!("{first:?} before the command"))?;
        flags.push(((*name).to_string(), None));
        words = rest;
    }
    let command = facts
        .iter()
        .position(|fact| words.starts_with(fact.command.path))
        .ok_or("not one of the 18 commands")?;
    let mut reading = Reading {
        command,
        flags,
        positionals: Vec::new(),
    };
    let fact = &facts[command];
    reading.take(fact, &words[fact.command.path.len()..])?;
    // By name alone, and stable: the order of one flag's values is part of the meaning.
    reading.flags.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(reading)
}

impl Reading {
    fn take(&mut self, fact: &CommandFact, words: &[&str]) -> Result<(), String> {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if *word == "--" {
                self.positionals
                    .extend(words.map(|word| (*word).to_string()));
                return Ok(());
            }
            if !word.starts_with('-') {
                self.positionals.push((*word).to_string());
                continue;
            }
            let (spelled, glued) = match word.split_once('=') {
                Some((spelled, value)) => (spelled, Some(value)),
                None => (*word, None),
            };
            let (name, flag) = named(fact, spelled)?;
            let value = if flag.takes_value() {
                let value = glued.or_else(|| words.next().copied());
                Some(value.ok_or_else(|| format!("--{name} lacks its value"))?)
            } else {
                glued
            };
            self.flags.push((name.to_string(), value.map(String::from)));
        }
        Ok(())
    }
}

/// The flag that `spelled` names, whole.
fn named<'a>(fact: &'a CommandFact, spelled: &str) -> Result<(&'a str, &'a FlagFact), String> {
    let path = fact.command.path;
    let found = if let Some(long) = spelled.strip_prefix("--") {
        fact.flags.get_key_value(long)
    } else {
        let mut letters = spelled.chars().skip(1);
        let (Some(letter), None) = (letters.next(), letters.next()) else {
            return Err(format!("{spelled:?} is more, or less, than one short flag"));
        };
        fact.flags
            .iter()
            .find(|(_, flag)| flag.letters.contains(&letter))
    };
    let (name, flag) = found.ok_or_else(|| format!("{path:?} has no {spelled} in any version"))?;
    Ok((name, flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(line: &str) -> Result<Reading, String> {
        read(&facts(), &line.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn spellings_of_one_call_are_read_as_one() {
        let plain = reading("list --json --limit=5 --label=a --label=b --status=open").unwrap();
        for line in [
            "list -s open --label a -n 5 -l b --json",
            "--json list --label=a --status open -l=b -n=5",
        ] {
            assert_eq!(reading(line).unwrap(), plain, "{line}");
        }
        for line in [
            "list --json --limit=5 --label=b --label=a --status=open",
            "list --json --limit=5 --label=a --status=open",
            "list --json --limit=5 --label=a --label=b --status=open x",
            "ready --json --limit=5 --label=a --label=b --sort=open",
        ] {
            assert_ne!(reading(line), Ok(plain.clone()), "{line}");
        }
    }

    #[test]
    fn a_value_flag_takes_the_next_word_whatever_it_is() {
        let read = reading("list --status --json").unwrap();
        assert_eq!(
            read.flags,
            [("status".to_string(), Some("--json".to_string()))]
        );
        let read = reading("show -- --json").unwrap();
        assert_eq!(read.positionals, ["--json"]);
    }

    #[test]
    fn what_has_two_readings_or_none_is_an_error() {
        for line in [
            "list -rn 5",
            "list -",
            "list --statu open",
            "list --status",
            "dep --json list x",
            "--db x list",
            "view x",
        ] {
            assert!(reading(line).is_err(), "{line}");
        }
    }
}
