//! The table for somebody who asks `mesh-bd-ro --help`.

use crate::table::{GLOBALS, RULES};

pub use crate::table::columns::{spelled, usage};

/// Text of `mesh-bd-ro --help`.
pub fn text() -> String {
    let mut out = "\
Read the tracker. Runs `bd --readonly --sandbox COMMAND`; everything that is not listed here is refused (exit 77).
Changes to the tracker are made by the coordinator: say in your answer what should change.

Usage: mesh-bd-ro COMMAND [FLAGS] [IDS]

Commands:
"
    .to_string();
    for rule in &RULES {
        out += &format!("  {:<24} {}\n", usage(rule), rule.about);
    }
    let globals = GLOBALS.each_ref().map(spelled).join(", ");
    out += &format!("\nFlags of every command, before or after it: {globals}\n");
    out += "\nFlags of single commands (`--flag value` or `--flag=value`):\n";
    for rule in RULES.iter().filter(|rule| rule.flags().next().is_some()) {
        out += &format!("  {}:\n", rule.name());
        out.extend(
            rule.flags()
                .map(|flag| format!("      {}\n", spelled(flag))),
        );
    }
    out + "\n`mesh-bd-ro COMMAND --help` shows what the installed bd says about a command.\n"
}
