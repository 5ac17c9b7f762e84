//! Arguments to a [`Request`] or a [`Refusal`]; pure.
//!
//! Everything is denied that the table does not name. Nothing is guessed: no abbreviation, no bundled short flags, no value
//! glued to a short flag, no flag between the words of a command, no second value for a flag that takes one.

use std::ffi::OsString;

use crate::refusal::Refusal;
use crate::shape::has_hidden_characters;
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
    /// Flags of the command with their value, in the order of the table, then of the call.
    pub flags: Vec<(&'static Flag, Option<String>)>,
    /// Global flags, in the order of the table.
    pub globals: Vec<&'static Flag>,
    /// Ids or words, in the order of the call.
    pub positionals: Vec<String>,
}

/// Judges the arguments of one call (without the program's name).
///
/// # Errors
/// The first rule that forbids it.
pub fn parse(args: &[OsString]) -> Result<Parsed, Refusal> {
    let words = as_text(args)?;
    let mut reader = Reader::default();
    let mut rest = words.as_slice();
    while let [first, tail @ ..] = rest {
        let Some(flag) = table::global(first) else {
            break;
        };
        reader.global(flag)?;
        rest = tail;
    }
    let Some((first, tail)) = rest.split_first() else {
        return if reader.asks_for_help() {
            Ok(Parsed::OwnHelp)
        } else {
            Err(Refusal::NoCommand)
        };
    };
    if first.starts_with('-') {
        return Err(Refusal::NotGlobal {
            flag: (*first).to_string(),
        });
    }
    let (rule, rest) = find_rule(first, tail)?;
    reader.after_command(rule, rest)?;
    reader.finish(rule).map(Parsed::Request)
}

fn as_text(args: &[OsString]) -> Result<Vec<&str>, Refusal> {
    if args.len() > MAX_ARGUMENTS {
        return Err(Refusal::TooManyArguments { count: args.len() });
    }
    let bytes: usize = args.iter().map(|arg| arg.len() + 1).sum();
    if bytes > MAX_BYTES {
        return Err(Refusal::TooLong { bytes });
    }
    let text = |(index, arg): (usize, &'_ OsString)| -> Result<(), Refusal> {
        let position = index + 1;
        let word = arg.to_str().ok_or(Refusal::NotText { position })?;
        if has_hidden_characters(word) {
            Err(Refusal::ControlCharacter { position })
        } else {
            Ok(())
        }
    };
    args.iter().enumerate().try_for_each(text)?;
    Ok(args.iter().filter_map(|arg| arg.to_str()).collect())
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
        return Err(Refusal::UnknownCommand {
            word: first.to_string(),
        });
    };
    if any.path.len() == 1 {
        return Ok((any, tail));
    }
    let group = any.path[0];
    let Some((second, rest)) = tail.split_first() else {
        return Err(Refusal::Subcommand { group, word: None });
    };
    match in_group.find(|rule| rule.path[1] == *second) {
        Some(rule) => Ok((rule, rest)),
        None => Err(Refusal::Subcommand {
            group,
            word: Some((*second).to_string()),
        }),
    }
}

#[derive(Default)]
struct Reader {
    flags: Vec<(&'static Flag, Option<String>)>,
    globals: Vec<&'static Flag>,
    positionals: Vec<String>,
}

impl Reader {
    fn asks_for_help(&self) -> bool {
        self.globals.iter().any(|flag| flag.long == "help")
    }

    fn global(&mut self, flag: &'static Flag) -> Result<(), Refusal> {
        if self.globals.contains(&flag) {
            return Err(Refusal::Repeated { flag: flag.long });
        }
        self.globals.push(flag);
        Ok(())
    }

    fn after_command(&mut self, rule: &'static Rule, words: &[&str]) -> Result<(), Refusal> {
        let mut words = words.iter();
        let mut only_positionals = false;
        while let Some(&word) = words.next() {
            if only_positionals || !word.starts_with('-') {
                self.positional(rule, word)?;
            } else if word == "--" {
                only_positionals = true;
            } else if let Some(flag) = table::global(word) {
                self.global(flag)?;
            } else {
                let (flag, glued) = named_flag(rule, word)?;
                let value = match flag.takes {
                    Takes::Nothing if glued.is_some() => {
                        return Err(Refusal::TakesNoValue { flag: flag.long });
                    }
                    Takes::Nothing => None,
                    Takes::One(_) | Takes::Many(_) => {
                        let next = glued.or_else(|| {
                            words.next().copied().filter(|next| !next.starts_with('-'))
                        });
                        Some(next.ok_or(Refusal::MissingValue { flag: flag.long })?)
                    }
                };
                self.flag(flag, value)?;
            }
        }
        Ok(())
    }

    fn flag(&mut self, flag: &'static Flag, value: Option<&str>) -> Result<(), Refusal> {
        match (flag.takes, value) {
            (Takes::One(kind) | Takes::Many(kind), Some(value)) if !kind.accepts(value) => {
                return Err(Refusal::BadValue {
                    flag: flag.long,
                    value: value.to_string(),
                    kind,
                });
            }
            _ => {}
        }
        let repeatable = matches!(flag.takes, Takes::Many(_));
        if !repeatable && self.flags.iter().any(|(seen, _)| *seen == flag) {
            return Err(Refusal::Repeated { flag: flag.long });
        }
        self.flags.push((flag, value.map(str::to_string)));
        Ok(())
    }

    fn positional(&mut self, rule: &'static Rule, word: &str) -> Result<(), Refusal> {
        let index = self.positionals.len();
        let Some(kind) = rule.positionals.kind_at(index) else {
            return Err(Refusal::TooManyPositionals { rule });
        };
        if word.starts_with('-') {
            return Err(Refusal::LooksLikeFlag {
                word: word.to_string(),
            });
        }
        if index == 0 && rule.subcommands.contains(&word) {
            return Err(Refusal::Subcommand {
                group: rule.path[0],
                word: Some(word.to_string()),
            });
        }
        if !kind.accepts(word) {
            return Err(Refusal::BadPositional {
                rule,
                word: word.to_string(),
                kind,
            });
        }
        self.positionals.push(word.to_string());
        Ok(())
    }

    fn finish(mut self, rule: &'static Rule) -> Result<Request, Refusal> {
        if self.positionals.len() < rule.positionals.least() && !self.asks_for_help() {
            return Err(Refusal::TooFewPositionals { rule });
        }
        let place = |flag: &Flag| rule.flags().position(|known| known == flag);
        // A stable sort: values of a repeatable flag keep the order of the call.
        self.flags.sort_by_key(|(flag, _)| place(flag));
        self.globals
            .sort_by_key(|flag| table::GLOBALS.iter().position(|known| known == *flag));
        Ok(Request {
            rule,
            flags: self.flags,
            globals: self.globals,
            positionals: self.positionals,
        })
    }
}

/// The flag that `word` names after the command, and the value glued to it with `=`.
fn named_flag<'a>(
    rule: &'static Rule,
    word: &'a str,
) -> Result<(&'static Flag, Option<&'a str>), Refusal> {
    let unknown = || Refusal::UnknownFlag {
        rule,
        flag: word.split('=').next().unwrap_or(word).to_string(),
    };
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        if let Some(flag) = table::GLOBALS.iter().find(|flag| flag.long == name) {
            return Err(Refusal::TakesNoValue { flag: flag.long });
        }
        let flag = rule
            .flags()
            .find(|flag| flag.long == name)
            .ok_or_else(unknown)?;
        return Ok((flag, value));
    }
    let mut letters = word.chars().skip(1);
    match (letters.next(), letters.next()) {
        (Some(letter), None) => {
            let flag = rule
                .flags()
                .find(|flag| flag.short == Some(letter))
                .ok_or_else(unknown)?;
            Ok((flag, None))
        }
        (Some(_), Some(_)) => Err(Refusal::Bundled {
            word: word.to_string(),
        }),
        (None, _) => Err(Refusal::LooksLikeFlag {
            word: word.to_string(),
        }),
    }
}
