//! Arguments to a [`Request`] or a [`Refusal`]; pure.
//!
//! Everything is denied that the table does not name. Nothing is guessed: no abbreviation, no bundled short flags, no value
//! glued to a short flag, no flag between the words of a command, no second value for a flag that takes one.

use std::ffi::OsString;

use crate::refusal::Refusal;
use crate::table::kinds::has_hidden_characters;
use crate::table::{self, Flag, Rule, Takes};

/// Most arguments in one call.
pub const MAX_ARGUMENTS: usize = 64;
/// Most bytes in all arguments of one call together, one byte added for the end of each.
pub const MAX_BYTES: usize = 16 * 1024;

/// A call that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// `mesh-bd-ro --help`: this program's own help.
    OwnHelp,
    /// A read for the real `bd`.
    Request(Request),
}

/// One read, as data: what [`crate::canonical`] writes out again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The row of the table.
    pub rule: &'static Rule,
    /// Flags with their values, in the order of the table; values of a repeatable flag in the order of the call.
    pub flags: Vec<(&'static Flag, Option<String>)>,
    /// Ids or words, in the order of the call.
    pub positionals: Vec<String>,
}

/// Judges the arguments of one call (without the program's name).
///
/// # Errors
/// The first rule that forbids it.
pub fn parse(args: &[OsString]) -> Result<Parsed, Refusal> {
    let words = as_text(args)?;
    let mut flags = Vec::new();
    for flag in words.iter().map_while(|word| table::global(word)) {
        add_flag(&mut flags, flag, None)?;
    }
    let Some((first, tail)) = words[flags.len()..].split_first() else {
        return if asks_for_help(&flags) {
            Ok(Parsed::OwnHelp)
        } else {
            Err(Refusal::NoCommand)
        };
    };
    if first.starts_with('-') {
        return Err(Refusal::NotGlobal((*first).to_string()));
    }
    let (rule, rest) = find_rule(first, tail)?;
    let mut request = Request {
        rule,
        flags,
        positionals: Vec::new(),
    };
    request.read(rest)?;
    Ok(Parsed::Request(request))
}

fn as_text<'a>(args: &'a [OsString]) -> Result<Vec<&'a str>, Refusal> {
    if args.len() > MAX_ARGUMENTS {
        return Err(Refusal::TooManyArguments(args.len()));
    }
    let bytes: usize = args.iter().map(|arg| arg.len() + 1).sum();
    if bytes > MAX_BYTES {
        return Err(Refusal::TooLong(bytes));
    }
    let text = |(index, word): (usize, Option<&'a str>)| match word {
        None => Err(Refusal::NotText(index + 1)),
        Some(word) if has_hidden_characters(word) => Err(Refusal::ControlCharacter(index + 1)),
        Some(word) => Ok(word),
    };
    args.iter()
        .map(|arg| arg.to_str())
        .enumerate()
        .map(text)
        .collect()
}

fn find_rule<'a>(
    first: &str,
    tail: &'a [&'a str],
) -> Result<(&'static Rule, &'a [&'a str]), Refusal> {
    let mut in_group = table::RULES
        .iter()
        .filter(|rule| rule.path[0] == first)
        .peekable();
    let Some(any) = in_group.peek() else {
        return Err(Refusal::UnknownCommand(first.to_string()));
    };
    if any.path.len() == 1 {
        return Ok((any, tail));
    }
    let group = any.path[0];
    let Some((second, rest)) = tail.split_first() else {
        return Err(Refusal::Subcommand(group, None));
    };
    match in_group.find(|rule| rule.path[1] == *second) {
        Some(rule) => Ok((rule, rest)),
        None => Err(Refusal::Subcommand(group, Some((*second).to_string()))),
    }
}

impl Request {
    /// Takes in the words after the command.
    fn read(&mut self, words: &[&str]) -> Result<(), Refusal> {
        let mut words = words.iter().copied();
        let mut flags_ended = false;
        while let Some(word) = words.next() {
            if flags_ended || !word.starts_with('-') {
                self.add_positional(word)?;
            } else if word == "--" {
                flags_ended = true;
            } else {
                let (flag, glued) = self.named_flag(word)?;
                let next = || words.next().filter(|next| !next.starts_with('-'));
                let value = match flag.takes {
                    Takes::Nothing => glued,
                    _ => Some(
                        glued
                            .or_else(next)
                            .ok_or(Refusal::MissingValue(flag.long))?,
                    ),
                };
                add_flag(&mut self.flags, flag, value)?;
            }
        }
        if self.positionals.len() < self.rule.positionals.least && !asks_for_help(&self.flags) {
            return Err(Refusal::TooFewPositionals(self.rule));
        }
        let rule = self.rule;
        self.flags
            .sort_by_key(|(flag, _)| rule.all_flags().position(|known| known == *flag));
        Ok(())
    }

    fn add_positional(&mut self, word: &str) -> Result<(), Refusal> {
        let (rule, index) = (self.rule, self.positionals.len());
        let kind = rule
            .positionals
            .kind_at(index)
            .ok_or(Refusal::TooManyPositionals(rule))?;
        if word.starts_with('-') {
            return Err(Refusal::LooksLikeFlag(word.to_string()));
        }
        if index == 0 && rule.subcommands.contains(&word) {
            return Err(Refusal::Subcommand(rule.path[0], Some(word.to_string())));
        }
        if !kind.accepts(word) {
            return Err(Refusal::BadPositional(rule, kind, word.to_string()));
        }
        self.positionals.push(word.to_string());
        Ok(())
    }

    /// The flag that `word` names, exactly, and the value glued to it with `=`.
    fn named_flag<'a>(&self, word: &'a str) -> Result<(&'static Flag, Option<&'a str>), Refusal> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        if !name.starts_with("--") && word.chars().count() != 2 {
            return Err(match word {
                "-" => Refusal::LooksLikeFlag(word.to_string()),
                _ => Refusal::Bundled(word.to_string()),
            });
        }
        let flag = self.rule.all_flags().find(|flag| flag.is_spelled(name));
        Ok((
            flag.ok_or_else(|| Refusal::UnknownFlag(self.rule, name.to_string()))?,
            value,
        ))
    }
}

fn asks_for_help(flags: &[(&Flag, Option<String>)]) -> bool {
    flags.iter().any(|(flag, _)| flag.long == "help")
}

fn add_flag(
    flags: &mut Vec<(&'static Flag, Option<String>)>,
    flag: &'static Flag,
    value: Option<&str>,
) -> Result<(), Refusal> {
    let repeated = flags.iter().any(|(seen, _)| *seen == flag);
    match (flag.takes, value) {
        (Takes::Nothing, Some(_)) => return Err(Refusal::TakesNoValue(flag.long)),
        (Takes::Nothing | Takes::One(_), _) if repeated => {
            return Err(Refusal::Repeated(flag.long));
        }
        (Takes::One(kind) | Takes::Many(kind), Some(value)) if !kind.accepts(value) => {
            return Err(Refusal::BadValue(flag.long, kind, value.to_string()));
        }
        _ => flags.push((flag, value.map(str::to_string))),
    }
    Ok(())
}
