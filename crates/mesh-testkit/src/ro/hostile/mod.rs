//! Calls that an agent might make, from honest to hostile: real commands and flags of all versions, mutated.
//!
//! [`sweep()`] makes every command, flag and spelling once; [`Hostile`] makes what nobody thought of. The same seed gives the same
//! calls, so a call that got through can be made again from its seed and number.

mod lists;
mod mutations;
mod rng;
mod spelling;
mod sweep;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::ro::CONTRACT;
use crate::ro::commands::{HelpCommand, HelpFlag};
use lists::{NO_TEXT, VALUES};
use rng::Rng;
pub use sweep::sweep;

/// An endless supply of calls.
#[derive(Debug)]
pub struct Hostile {
    rng: Rng,
    source: Source,
}

/// What calls are made of.
#[derive(Debug)]
struct Source {
    /// Every command, with the flags of all versions.
    commands: Vec<HelpCommand>,
    /// Places of those that agents may call.
    allowed: Vec<usize>,
    /// Places of their neighbours: commands of the same groups, which agents may not call.
    neighbours: Vec<usize>,
    /// Every flag of every command.
    flags: Vec<HelpFlag>,
    /// Global flags, with their dashes.
    globals: Vec<String>,
}

impl Hostile {
    /// Calls for `seed`.
    pub fn new(seed: u64) -> Hostile {
        Hostile {
            rng: Rng::new(seed),
            source: Source::new(),
        }
    }

    /// The next call, without the program's name.
    pub fn next_call(&mut self) -> Vec<OsString> {
        let Hostile { rng, source } = self;
        let mut words = source.honest(rng);
        // A quarter stays as it is: what passes must be exercised as much as what does not.
        if rng.below(4) > 0 {
            for _ in 0..=rng.below(3) {
                mutations::mutate(&mut words, source, rng);
            }
        }
        let mut call: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        if rng.once_in(100) {
            put_in_bytes(&mut call, rng);
        }
        call
    }
}

impl Source {
    fn new() -> Source {
        let (roots, commands): (Vec<_>, Vec<_>) = sweep::all_commands()
            .into_iter()
            .partition(|command| command.path.is_empty());
        let globals = roots
            .iter()
            .flat_map(|root| &root.flags)
            .map(|flag| format!("--{}", flag.long))
            .collect();
        let is_allowed = |at: &usize| CONTRACT.contains(&commands[*at].path.join(" ").as_str());
        let in_group = |at: &usize| sweep::GROUPS.contains(&commands[*at].path[0].as_str());
        let (allowed, others): (Vec<_>, Vec<_>) = (0..commands.len()).partition(is_allowed);
        let neighbours = others.into_iter().filter(in_group).collect();
        Source {
            allowed,
            neighbours,
            globals,
            flags: sweep::distinct_flags(&commands),
            commands,
        }
    }

    /// A real command with its own flags, each with a value that mostly fits, and positionals that mostly fit.
    fn honest(&self, rng: &mut Rng) -> Vec<String> {
        let command = match rng.below(10) {
            0..=6 => &self.commands[rng.pick(&self.allowed)],
            7 => &self.commands[rng.pick(&self.neighbours)],
            _ => rng.one_of(&self.commands),
        };
        let mut words = Vec::new();
        if rng.once_in(6) {
            words.push(self.global(rng).to_string());
        }
        words.extend(command.path.iter().cloned());
        let positionals_first = rng.once_in(2);
        if positionals_first {
            self.add_positionals(command, &mut words, rng);
        }
        let mut given: Vec<&str> = Vec::new();
        for _ in 0..rng.below(5) {
            if command.flags.is_empty() {
                break;
            }
            let flag = rng.one_of(&command.flags);
            if given.contains(&flag.long.as_str()) && !rng.once_in(10) {
                continue;
            }
            given.push(&flag.long);
            let value = match rng.below(8) {
                0 => rng.pick(VALUES),
                _ => spelling::fitting(flag),
            };
            words.extend(spelling::plain(flag, value, rng.below(6)));
        }
        if rng.once_in(5) {
            words.push(self.global(rng).to_string());
        }
        if !positionals_first {
            if rng.once_in(5) {
                words.push("--".to_string());
            }
            self.add_positionals(command, &mut words, rng);
        }
        words
    }

    fn add_positionals(&self, command: &HelpCommand, words: &mut Vec<String>, rng: &mut Rng) {
        if !rng.once_in(12) {
            let fit = spelling::positionals(command);
            words.extend(fit.iter().map(|word| (*word).to_string()));
        }
        if rng.once_in(10) {
            words.push(rng.pick(VALUES).to_string());
        }
    }

    /// A global flag: two in three times one that is allowed.
    fn global<'a>(&'a self, rng: &mut Rng) -> &'a str {
        const HARMLESS: [&str; 7] = ["--json", "-q", "-v", "-h", "--help", "--quiet", "--verbose"];
        if rng.once_in(3) {
            rng.one_of::<String>(&self.globals)
        } else {
            rng.pick(&HARMLESS)
        }
    }
}

/// Bytes that are no text: in the middle of a word, or as one.
fn put_in_bytes(call: &mut Vec<OsString>, rng: &mut Rng) {
    let bytes = rng.pick(NO_TEXT).to_vec();
    let place = rng.below(call.len() + 1);
    match call.get_mut(place) {
        Some(word) if rng.once_in(2) => {
            let mut all = word.as_bytes().to_vec();
            let at = rng.below(all.len() + 1);
            all.splice(at..at, bytes);
            *word = OsString::from_vec(all);
        }
        _ => call.insert(place, OsString::from_vec(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ro::commands::{VERSIONS, commands};

    fn all_words(calls: impl Iterator<Item = Vec<OsString>>) -> BTreeSet<OsString> {
        calls.flatten().collect()
    }

    #[test]
    fn the_sweep_has_every_flag_of_every_command_of_every_version() {
        let calls: BTreeSet<Vec<OsString>> = sweep().collect();
        let call = |words: &[&[String]]| -> Vec<OsString> {
            words.concat().into_iter().map(OsString::from).collect()
        };
        for command in VERSIONS.iter().flat_map(|version| commands(version)) {
            assert!(calls.contains(&call(&[&command.path])), "{command:?}");
            for flag in &command.flags {
                for way in spelling::spellings(flag, spelling::fitting(flag)) {
                    let fit: Vec<String> = spelling::positionals(&command)
                        .iter()
                        .map(|word| (*word).to_string())
                        .collect();
                    let wanted = call(&[&command.path, &fit, &way]);
                    assert!(calls.contains(&wanted), "{wanted:?}");
                }
            }
        }
    }

    #[test]
    fn hostile_calls_hold_what_they_should() {
        let mut hostile = Hostile::new(1);
        let calls: Vec<Vec<OsString>> = (0..60_000).map(|_| hostile.next_call()).collect();
        assert!(calls.iter().any(|call| call.len() > 64));
        assert!(calls.iter().any(|call| call.len() == 64));
        assert!(calls.iter().any(Vec::is_empty));
        let sizes = calls
            .iter()
            .map(|call| call.iter().map(|word| word.len() + 1).sum());
        let sizes: BTreeSet<usize> = sizes.collect();
        assert!(sizes.contains(&(16 * 1024)) && sizes.contains(&(16 * 1024 + 1)));
        let words = all_words(calls.into_iter());
        assert!(words.iter().any(|word| word.to_str().is_none()));
        for word in [
            "--claim",
            "--claim=true",
            "-w",
            "--blocks",
            "-bbd-2",
            "--db=/tmp/x.db",
            "-C",
            "--readonly=false",
            "-1",
            "-bd-1",
            "BD_DB=/tmp/x",
            "--",
            "",
            "\u{2212}1",
            "\u{1b}[31m",
            "protomolecule",
            "close-eligible",
            "9223372036854775808",
        ] {
            assert!(words.contains(&OsString::from(word)), "{word:?}");
        }
        for flag in sweep::distinct_flags(&sweep::all_commands()) {
            let name = format!("--{}", flag.long);
            let named = |word: &OsString| word.to_str().is_some_and(|word| word.starts_with(&name));
            assert!(words.iter().any(named), "{name}");
        }
    }
}
