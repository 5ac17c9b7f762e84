//! Every command, every flag, every spelling, once: what chance might leave out.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::spelling::{fitting, positionals, spellings};
use crate::ro::CONTRACT;
use crate::ro::commands::{HelpCommand, HelpFlag, VERSIONS, commands};

/// Groups of the commands that agents may call: to these every flag of every other command is tried as well.
pub(super) const GROUPS: [&str; 12] = [
    "show", "list", "ready", "blocked", "search", "count", "status", "state", "dep", "mol",
    "swarm", "epic",
];

/// Each command of each version once, with the flags of all versions; the root, with the global flags, first.
pub(super) fn all_commands() -> Vec<HelpCommand> {
    let mut all: BTreeMap<Vec<String>, Vec<HelpFlag>> = BTreeMap::new();
    for command in VERSIONS.iter().flat_map(|version| commands(version)) {
        let flags = all.entry(command.path).or_default();
        for flag in command.flags {
            if !flags.contains(&flag) {
                flags.push(flag);
            }
        }
    }
    all.into_iter()
        .map(|(path, flags)| HelpCommand { path, flags })
        .collect()
}

/// The calls, command by command.
pub fn sweep() -> impl Iterator<Item = Vec<OsString>> {
    let all = all_commands();
    let every_flag = distinct_flags(&all);
    let globals = all
        .first()
        .map(|root| root.flags.clone())
        .unwrap_or_default();
    all.into_iter().flat_map(move |command| {
        let own = [command.flags.clone(), globals.clone()].concat();
        let mut calls = calls_of(&command, &own);
        if is_allowed_or_its_group(&command) {
            calls.extend(foreign_calls(&command, &own, &every_flag));
        }
        calls
            .into_iter()
            .map(|call| call.into_iter().map(OsString::from).collect())
    })
}

/// Every flag of every command, by name, letter and type.
pub(super) fn distinct_flags(commands: &[HelpCommand]) -> Vec<HelpFlag> {
    let mut flags: Vec<HelpFlag> = Vec::new();
    for flag in commands.iter().flat_map(|command| &command.flags) {
        if !flags.contains(flag) {
            flags.push(flag.clone());
        }
    }
    flags
}

fn is_allowed_or_its_group(command: &HelpCommand) -> bool {
    let path = command.path.join(" ");
    CONTRACT.iter().any(|allowed| {
        *allowed == path || (allowed.starts_with(&path) && GROUPS.contains(&path.as_str()))
    })
}

/// A command with each flag of all others, written as their help texts would.
fn foreign_calls(command: &HelpCommand, own: &[HelpFlag], every: &[HelpFlag]) -> Vec<Vec<String>> {
    let fit: Vec<String> = positionals(command)
        .iter()
        .map(|word| (*word).into())
        .collect();
    let mut calls = Vec::new();
    for flag in every.iter().filter(|flag| !own.contains(flag)) {
        let value = fitting(flag);
        let mut ways = vec![
            vec![format!("--{}", flag.long)],
            vec![format!("--{}", flag.long), value.to_string()],
            vec![format!("--{}={value}", flag.long)],
        ];
        if let Some(letter) = flag.short {
            ways.push(vec![format!("-{letter}")]);
            ways.push(vec![format!("-{letter}"), value.to_string()]);
        }
        for way in ways {
            calls.push([command.path.clone(), fit.clone(), way].concat());
        }
    }
    calls
}

fn calls_of(command: &HelpCommand, flags: &[HelpFlag]) -> Vec<Vec<String>> {
    let words =
        |words: &[&str]| -> Vec<String> { words.iter().map(|word| (*word).into()).collect() };
    let fit = words(positionals(command));
    let path = command.path.clone();
    let mut calls: Vec<Vec<String>> = Vec::new();
    for tail in [
        &[][..],
        &["--help"],
        &["-h"],
        &["help"],
        &["--json"],
        &["bd-1"],
        &["--", "bd-1"],
        &["bd-1", "bd-2"],
        &["bd-1", "word"],
        &["-1"],
        &["--", "--help"],
        &["list"],
        &["list", "bd-1"],
        &["--json", "--json"],
    ] {
        calls.push([path.clone(), words(tail)].concat());
        calls.push([words(&["--json"]), path.clone(), words(tail)].concat());
    }
    calls.push([words(&["help"]), path.clone()].concat());
    calls.push([words(&["--"]), path.clone(), fit.clone()].concat());
    calls.push([path.clone(), words(&["--"]), fit.clone()].concat());
    for flag in flags {
        for way in spellings(flag, fitting(flag)) {
            calls.push([path.clone(), fit.clone(), way.clone()].concat());
            calls.push([path.clone(), way.clone(), fit.clone()].concat());
            calls.push([way.clone(), path.clone(), fit.clone()].concat());
            if let [first, second] = path.as_slice() {
                let between = [vec![first.clone()], way, vec![second.clone()]].concat();
                calls.push([between, fit.clone()].concat());
            }
        }
    }
    calls
}
