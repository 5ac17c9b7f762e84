//! The table for somebody who asks `mesh-bd-ro --help`.

use std::fmt::Write;

use crate::table::{Flag, GLOBALS, RULES, Rule, Takes};

/// Text of `mesh-bd-ro --help`.
pub fn text() -> String {
    let mut out = String::from(
        "Read the tracker. Runs `bd --readonly --sandbox COMMAND`; everything that is not listed here is refused (exit 77).\n\
         Changes to the tracker are made by the coordinator: say in your answer what should change.\n\n\
         Usage: mesh-bd-ro COMMAND [FLAGS] [IDS]\n\nCommands:\n",
    );
    for rule in &RULES {
        let _ = writeln!(out, "  {:<24} {}", usage(rule), rule.about);
    }
    let globals: Vec<String> = GLOBALS.iter().map(spelled).collect();
    let _ = writeln!(
        out,
        "\nFlags of every command, before or after it: {}",
        globals.join(", ")
    );
    out.push_str("\nFlags of single commands (`--flag value` or `--flag=value`):\n");
    for rule in RULES.iter().filter(|rule| rule.flags().next().is_some()) {
        let _ = writeln!(out, "  {}:", rule.name());
        for flag in rule.flags() {
            let _ = writeln!(out, "      {}", spelled(flag));
        }
    }
    out.push_str(
        "\n`mesh-bd-ro COMMAND --help` shows what the installed bd says about a command.\n",
    );
    out
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
