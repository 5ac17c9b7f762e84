//! Arguments to a [`Request`] or a [`Refusal`]; pure.
//!
//! Everything is denied that the table does not name. Nothing is guessed: no abbreviation, no bundled short flags, no value
//! glued to a short flag, no flag between the words of a command, no second value for a flag that takes one.

use std::ffi::OsString;

use crate::help::usage;
use crate::refusal::{Refusal, no_rule, refuse, shown, unknown_flag, wants};
use crate::table::kinds::has_hidden_characters;
use crate::table::{self, Flag, GIT_HOOKS, RULES, Rule, Takes::*};

/// Most arguments in one call.
pub const MAX_ARGUMENTS: usize = 64;
/// Most bytes in all arguments of one call together, one byte added for the end of each.
pub const MAX_BYTES: usize = 16 * 1024;

/// A call that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// `mesh-bd-ro --help`: this program's own help.
    OwnHelp,
    /// `hooks run NAME …`, as a hook of git calls it: nothing is done.
    GitHook,
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
    if is_git_hook(args) {
        return Ok(Parsed::GitHook);
    }
    let words = as_text(args)?;
    let mut flags = Vec::new();
    for flag in words.iter().map_while(|word| table::global(word)) {
        add_flag(&mut flags, flag, None)?;
    }
    let words = &words[flags.len()..];
    if words.is_empty() && asks_for_help(&flags) {
        return Ok(Parsed::OwnHelp);
    }
    let Some(rule) = RULES.iter().find(|rule| words.starts_with(rule.path)) else {
        return no_rule(words);
    };
    let mut request = Request {
        rule,
        flags,
        positionals: Vec::new(),
    };
    request.read(&words[rule.path.len()..])?;
    Ok(Parsed::Request(request))
}

/// Whether git calls: what follows the hook's name are git's own arguments (paths, names of remotes, URLs), which may hold
/// anything and which nobody reads.
fn is_git_hook(args: &[OsString]) -> bool {
    let [first, second, name, ..] = args else {
        return false;
    };
    first == "hooks" && second == "run" && GIT_HOOKS.iter().any(|hook| name == hook)
}

fn as_text(args: &[OsString]) -> Result<Vec<&str>, Refusal> {
    let bytes = args.iter().map(|arg| arg.len() + 1).sum();
    for (rule, there, most, what) in [
        ("too-many-arguments", args.len(), MAX_ARGUMENTS, "words"),
        ("too-long", bytes, MAX_BYTES, "bytes"),
    ] {
        if there > most {
            return refuse(rule, format!("{there} {what}; at most {most}"));
        }
    }
    let mut words = Vec::new();
    for (arg, number) in args.iter().zip(1..) {
        let Some(word) = arg.to_str() else {
            return refuse("not-text", format!("argument {number} is not UTF-8 text"));
        };
        if has_hidden_characters(word) {
            let said = format!("argument {number} holds a control or invisible character");
            return refuse("control-character", said);
        }
        words.push(word);
    }
    Ok(words)
}

impl Request {
    /// Takes in the words after the command.
    fn read(&mut self, words: &[&str]) -> Result<(), Refusal> {
        let rule = self.rule;
        let mut words = words.iter().copied();
        let mut flags_ended = false;
        while let Some(word) = words.next() {
            if flags_ended || !word.starts_with('-') || word == "-" {
                self.add_positional(word)?;
            } else if word == "--" {
                flags_ended = true;
            } else {
                let (flag, glued) = named_flag(rule, word)?;
                let next = || words.next().filter(|next| !next.starts_with('-'));
                let value = match flag.takes {
                    Nothing => glued,
                    One(_) | Many(_) => glued.or_else(next),
                };
                add_flag(&mut self.flags, flag, value)?;
            }
        }
        if self.positionals.len() < rule.positionals.least && !asks_for_help(&self.flags) {
            return refuse("missing-argument", format!("allowed: {}", usage(rule)));
        }
        self.flags
            .sort_by_key(|(flag, _)| rule.all_flags().position(|known| known == *flag));
        Ok(())
    }

    fn add_positional(&mut self, word: &str) -> Result<(), Refusal> {
        let (rule, index) = (self.rule, self.positionals.len());
        if word.starts_with('-') {
            let said = format!("{}: no id or word starts with a dash", shown(word));
            return refuse("looks-like-a-flag", said);
        }
        let Some(kind) = rule.positionals.kind_at(index) else {
            let said = format!("allowed: {}, and flags", usage(rule));
            return refuse("extra-argument", said);
        };
        if index == 0 && rule.subcommands.contains(&word) {
            return no_rule(&[rule.path[0], word]);
        }
        if !kind.accepts(word) {
            return refuse("argument", wants(&rule.name(), kind, word));
        }
        self.positionals.push(word.to_string());
        Ok(())
    }
}

/// The flag of `rule` that `word` names, exactly, and the value glued to it with `=`.
fn named_flag<'a>(rule: &Rule, word: &'a str) -> Result<(&'static Flag, Option<&'a str>), Refusal> {
    let (name, value) = word.split_once('=').unzip();
    let name = name.unwrap_or(word);
    if !name.starts_with("--") && word.chars().count() != 2 {
        let said = "each short flag alone, its value after a space";
        return refuse("bundled-flags", format!("{}: {said}", shown(word)));
    }
    match rule.all_flags().find(|flag| flag.is_spelled(name)) {
        Some(flag) => Ok((flag, value)),
        None => unknown_flag(Some(rule), name),
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
    let name = format!("--{}", flag.long);
    let repeated = flags.iter().any(|(seen, _)| *seen == flag);
    let (rule, said) = match (flag.takes, value) {
        (Nothing, Some(_)) => ("flag-without-value", "takes no value; write it alone"),
        (One(_) | Many(_), None) => ("missing-value", "needs a value, which begins with no dash"),
        (Nothing | One(_), _) if repeated => ("repeated-flag", "twice; give it once"),
        (One(kind) | Many(kind), Some(value)) if !kind.accepts(value) => {
            return refuse("value", wants(&name, kind, value));
        }
        _ => {
            flags.push((flag, value.map(str::to_string)));
            return Ok(());
        }
    };
    refuse(rule, format!("{name} {said}"))
}
