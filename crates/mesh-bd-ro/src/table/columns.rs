//! What a row of the table is made of. It holds no row itself, and judges nothing but the spelling of a flag.

use super::kinds::Kind;

/// What follows a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing: it is a switch, at most once.
    Nothing,
    /// One value; the flag may be given once.
    One(Kind),
    /// One value each time; the flag may be repeated.
    Many(Kind),
}

/// One flag that is allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct Flag {
    /// Name without the two dashes.
    pub long: &'static str,
    /// One-letter form that is understood; it is never passed on.
    pub short: Option<char>,
    /// Arity and kind of the value.
    pub takes: Takes,
}

impl Flag {
    /// Whether `word`, dashes included, is exactly this flag's long or short form.
    pub fn is_spelled(&self, word: &str) -> bool {
        match (word.strip_prefix("--"), word.strip_prefix('-'), self.short) {
            (Some(long), ..) => long == self.long,
            (None, Some(letter), Some(short)) => letter.chars().eq([short]),
            _ => false,
        }
    }
}

/// The positionals of a command: `kinds` from the front, the last kind repeated up to `most`.
#[derive(Debug, PartialEq, Eq)]
pub struct Positionals {
    /// Their kinds, from the front.
    pub kinds: &'static [Kind],
    /// Fewest positionals.
    pub least: usize,
    /// Most positionals.
    pub most: usize,
}

impl Positionals {
    /// Kind of the positional at `index`, or `None` if there may be none.
    pub fn kind_at(&self, index: usize) -> Option<Kind> {
        if index >= self.most {
            return None;
        }
        self.kinds.get(index).or(self.kinds.last()).copied()
    }

    /// For messages and help, such as `ID…`; empty if there are none.
    pub fn describe(&self) -> String {
        let all: Vec<String> = self.kinds.iter().map(|kind| kind.describe()).collect();
        let text = all.join(" ")
            + if self.most > self.kinds.len() {
                "…"
            } else {
                ""
            };
        if self.least == 0 && !text.is_empty() {
            format!("[{text}]")
        } else {
            text
        }
    }
}

/// A flag that is not allowed although somebody will try it.
#[derive(Debug, PartialEq, Eq)]
pub struct Absent {
    /// Its spellings, dashes included.
    pub names: &'static [&'static str],
    /// Why it is not allowed.
    pub why: &'static str,
}

/// One allowed command. Examples are command lines without the program's name; see [`super::words`].
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// One or two words.
    pub path: &'static [&'static str],
    /// What it answers, for help.
    pub about: &'static str,
    /// Groups of flags; several commands share a group.
    pub flag_groups: &'static [&'static [Flag]],
    /// Ids or words after the command.
    pub positionals: Positionals,
    /// Subcommands of a command that is itself allowed; none of them is.
    pub subcommands: &'static [&'static str],
    /// Tempting flags that are left out.
    pub absent: &'static [Absent],
    /// Examples that are allowed.
    pub passes: &'static [&'static str],
    /// Examples that are refused.
    pub refuses: &'static [&'static str],
}

impl Rule {
    /// The command's own flags.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.flag_groups.iter().flat_map(|group| group.iter())
    }

    /// The command's own flags, then the global ones: the order of the canonical form.
    pub fn all_flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags().chain(&super::GLOBALS)
    }

    /// The command as one writes it, such as `dep tree`.
    pub fn name(&self) -> String {
        self.path.join(" ")
    }
}

/// Command and positionals, such as `dep tree ID`.
pub fn usage(rule: &Rule) -> String {
    format!("{} {}", rule.name(), rule.positionals.describe())
        .trim_end()
        .to_string()
}

/// A flag in all its spellings, with its value.
pub fn spelled(flag: &Flag) -> String {
    let short = flag
        .short
        .map_or(String::new(), |letter| format!("-{letter}/"));
    let value = match flag.takes {
        Takes::Nothing => String::new(),
        Takes::One(kind) => format!(" {}", kind.describe()),
        Takes::Many(kind) => format!(" {} (repeatable)", kind.describe()),
    };
    format!("{short}--{}{value}", flag.long)
}

/// Flags by their long names, for messages.
pub fn flag_names(flags: impl IntoIterator<Item = &'static Flag>) -> String {
    let names = flags.into_iter().map(|flag| format!("--{}", flag.long));
    names.collect::<Vec<_>>().join(" ")
}

/// A flag without a value.
pub const fn switch(long: &'static str) -> Flag {
    Flag {
        long,
        short: None,
        takes: Takes::Nothing,
    }
}

/// A flag with one value, given once.
pub const fn one(long: &'static str, kind: Kind) -> Flag {
    Flag {
        long,
        short: None,
        takes: Takes::One(kind),
    }
}

/// A flag with a value, which may be given several times.
pub const fn many(long: &'static str, kind: Kind) -> Flag {
    Flag {
        long,
        short: None,
        takes: Takes::Many(kind),
    }
}

/// The flag with a one-letter form.
pub const fn short(letter: char, flag: Flag) -> Flag {
    Flag {
        long: flag.long,
        short: Some(letter),
        takes: flag.takes,
    }
}

/// That many issue ids.
pub const fn ids(least: usize, most: usize) -> Positionals {
    Positionals {
        kinds: &[Kind::Id],
        least,
        most,
    }
}

/// No positional at all.
pub const NO_POSITIONALS: Positionals = Positionals {
    kinds: &[],
    least: 0,
    most: 0,
};
