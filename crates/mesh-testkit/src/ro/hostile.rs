//! Calls that an agent might make, from honest to hostile: real commands and flags of all versions, mutated.
//!
//! The same seed gives the same calls, so a call that got through can be made again from its seed and number.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::ro::commands::{HelpCommand, VERSIONS, commands};

/// Words that have meant something to a shell, a flag parser, a file system or a terminal.
const NASTY: [&str; 44] = [
    "--",
    "-",
    "---",
    "=",
    "",
    " ",
    "-=",
    "--=",
    "--=x",
    "-w",
    "-C",
    "/tmp",
    "..",
    "../../x",
    "~",
    "*",
    "$(id)",
    "`id`",
    ";",
    "&&",
    "|",
    "bd-1;bd close bd-1",
    "\n",
    "a\nb",
    "\u{0}",
    "\u{1b}[31m",
    "\u{202e}",
    "\u{200b}show",
    "@file",
    "@/etc/passwd",
    "-1",
    "--json=false",
    "--help=false",
    "--readonly=false",
    "--sandbox=false",
    "--claim=true",
    "--blocks=bd-2",
    "-bbd-2",
    "--db=/tmp/x",
    "-C/tmp",
    "list",
    "close",
    "update",
    "{{.ID}}",
];

/// Plain values of many shapes.
const VALUES: [&str; 18] = [
    "bd-1",
    "bd-123",
    "bd-epic-1",
    "1",
    "0",
    "-5",
    "P2",
    "open",
    "in_progress",
    "open,closed",
    "2026-01-01",
    "+6h",
    "1-50",
    "key=value",
    "mesh-lock:api",
    "some text",
    "up",
    "priority",
];

/// An endless supply of calls.
#[derive(Debug)]
pub struct Hostile {
    state: u64,
    commands: Vec<HelpCommand>,
    globals: Vec<String>,
}

impl Hostile {
    /// Calls for `seed`.
    pub fn new(seed: u64) -> Hostile {
        let all: Vec<HelpCommand> = VERSIONS
            .iter()
            .flat_map(|version| commands(version))
            .collect();
        let (roots, commands): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|command| command.path.is_empty());
        let globals = roots
            .iter()
            .flat_map(|root| &root.flags)
            .map(|flag| format!("--{}", flag.long))
            .collect();
        Hostile {
            state: seed,
            commands,
            globals,
        }
    }

    /// The next call, without the program's name.
    pub fn next_call(&mut self) -> Vec<OsString> {
        let mut words = self.honest();
        // A third stays as it is: what passes must be exercised as much as what does not.
        if self.below(3) > 0 {
            for _ in 0..=self.below(3) {
                self.mutate(&mut words);
            }
        }
        let mut call: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        if self.below(200) == 0 {
            let place = self.below(call.len() + 1);
            call.insert(place, OsString::from_vec(vec![b'b', 0xff, b'd']));
        }
        call
    }

    /// A real command of some version, one in two times among the allowed groups, with its own flags.
    fn honest(&mut self) -> Vec<String> {
        const GROUPS: [&str; 12] = [
            "show", "list", "ready", "blocked", "search", "count", "status", "state", "dep", "mol",
            "swarm", "epic",
        ];
        let allowed_group = self.below(4) > 0;
        let mut command = self.below(self.commands.len());
        while allowed_group && !GROUPS.contains(&self.commands[command].path[0].as_str()) {
            command = (command + 1) % self.commands.len();
        }
        let command = self.commands[command].clone();
        let mut words = Vec::new();
        if self.below(6) == 0 {
            words.push(self.global());
        }
        words.extend(command.path.iter().cloned());
        for _ in 0..self.below(4) {
            if command.flags.is_empty() {
                break;
            }
            let flag = &command.flags[self.below(command.flags.len())];
            let name = match flag.short {
                Some(short) if self.below(3) == 0 => format!("-{short}"),
                _ => format!("--{}", flag.long),
            };
            match flag.value {
                None => words.push(name),
                Some(_) if self.below(2) == 0 => words.push(format!("{name}={}", self.value())),
                Some(_) => words.extend([name, self.value()]),
            }
        }
        for _ in 0..self.below(3) {
            words.push(self.value());
        }
        if self.below(4) == 0 {
            words.push(self.global());
        }
        words
    }

    fn mutate(&mut self, words: &mut Vec<String>) {
        let place = self.below(words.len() + 1);
        let other = self.below(words.len().max(1));
        let there = place < words.len();
        match self.below(13) {
            0 if there => drop(words.remove(place)),
            1 if there => words.insert(other, words[place].clone()),
            2 if there => words.swap(place, other),
            3 => words.insert(place, NASTY[self.below(NASTY.len())].to_string()),
            4 => words.insert(place, self.global()),
            5 => words.insert(place, "--".to_string()),
            6 if there => words[place] = self.spoil(&words[place].clone()),
            7 if place + 1 < words.len() => {
                let next = words.remove(place + 1);
                words[place] = format!("{}={next}", words[place]);
            }
            8 if place + 1 < words.len() => {
                let next = words.remove(place + 1);
                words[place] += &next;
            }
            9 => {
                let foreign = self.below(self.commands.len());
                let foreign = self.commands[foreign].clone();
                if let Some(flag) = foreign.flags.get(self.below(foreign.flags.len().max(1))) {
                    words.insert(place, format!("--{}", flag.long));
                }
            }
            10 => words.extend((0..self.below(70)).map(|n| format!("bd-{n}"))),
            11 if there => words[place] = words[place].repeat(1 + self.below(40)),
            _ => words.insert(place, self.value()),
        }
    }

    /// One word, changed in one place.
    fn spoil(&mut self, word: &str) -> String {
        let mut letters: Vec<char> = word.chars().collect();
        let place = self.below(letters.len() + 1);
        match self.below(7) {
            0 => letters.truncate(place),
            1 => letters.insert(
                place,
                ['\n', '\t', '\0', '\u{7f}', '\u{200b}', '\u{ad}'][self.below(6)],
            ),
            2 => letters.insert(
                place,
                ['-', '=', ',', ' ', '/', '\'', '"', '\\', 'é', 'а'][self.below(10)],
            ),
            3 => letters = word.to_uppercase().chars().collect(),
            4 => letters.insert(0, '-'),
            5 if place < letters.len() => drop(letters.remove(place)),
            _ => letters.extend("=true".chars()),
        }
        letters.into_iter().collect()
    }

    fn global(&mut self) -> String {
        const HARMLESS: [&str; 7] = ["--json", "-q", "-v", "-h", "--help", "--quiet", "--verbose"];
        if self.below(3) == 0 {
            let chosen = self.below(self.globals.len());
            self.globals[chosen].clone()
        } else {
            HARMLESS[self.below(HARMLESS.len())].to_string()
        }
    }

    fn value(&mut self) -> String {
        VALUES[self.below(VALUES.len())].to_string()
    }

    /// A number below `limit` (splitmix64; the bias of the remainder does not matter here).
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }
}
