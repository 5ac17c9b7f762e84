//! What is allowed: 18 commands of `bd`, each with its exact flags and positionals, and examples on both sides.
//!
//! A flag is here only if it does no harm in any supported `bd` (0.47.1, 1.0.5, 1.3.0; a version that does not know it
//! answers with an error, which is harmless). Flags were read from the sources and the help texts of the three. A tempting
//! flag that is not here is named with the reason, which its refusal repeats.

pub mod columns;
mod globals;
mod graphs;
mod groups;
mod issues;
pub mod kinds;
pub mod variables;

pub use columns::{Absent, Flag, Positionals, Rule, Takes};
pub use globals::{GLOBALS, GLOBALS_ABSENT, REFUSED_OUTRIGHT};

/// The 18 commands.
pub static RULES: [Rule; 18] = [
    issues::SHOW,
    issues::LIST,
    issues::READY,
    issues::BLOCKED,
    issues::SEARCH,
    issues::COUNT,
    issues::STATUS,
    issues::STATE,
    graphs::DEP_LIST,
    graphs::DEP_TREE,
    graphs::DEP_CYCLES,
    graphs::MOL_SHOW,
    graphs::MOL_CURRENT,
    graphs::MOL_PROGRESS,
    graphs::SWARM_STATUS,
    graphs::SWARM_VALIDATE,
    graphs::SWARM_LIST,
    graphs::EPIC_STATUS,
];

/// The hooks of git that `bd init` installs (measured on 1.0.5 and 1.3.0). Each calls `bd hooks run NAME` with git's own arguments,
/// and a refusal would fail every commit of an agent. Such a call is answered with success and nothing is done: what a hook of
/// the tracker does is the coordinator's, and who changed what is known from the run.
pub static GIT_HOOKS: [&str; 5] = [
    "pre-commit",
    "prepare-commit-msg",
    "post-checkout",
    "post-merge",
    "pre-push",
];

/// The commands whose first word is `group`, or all if it is empty.
pub fn command_names(group: &str) -> String {
    let rules = RULES
        .iter()
        .filter(|rule| group.is_empty() || rule.path[0] == group);
    rules.map(Rule::name).collect::<Vec<_>>().join(", ")
}

/// The global flag that `word` spells.
pub fn global(word: &str) -> Option<&'static Flag> {
    GLOBALS.iter().find(|flag| flag.is_spelled(word))
}

/// Why `flag` (with its dashes) is left out of `rule`, if the table says so.
pub fn why_absent(rule: Option<&Rule>, flag: &str) -> Option<&'static str> {
    let of_rule = rule.map_or(&[][..], |rule| rule.absent);
    of_rule
        .iter()
        .chain(&GLOBALS_ABSENT)
        .find(|absent| absent.names.contains(&flag))
        .map(|absent| absent.why)
}

/// An example split into its words: at spaces, with single quotes around a word that holds some.
pub fn words(example: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in example.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}
