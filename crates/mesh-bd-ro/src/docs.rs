//! The page `docs/mesh-bd-ro.md`, rendered from the table. Only tests have it: `MESH_UPDATE_DOCS=1` writes the page, and
//! without that a stale page fails.

use std::fmt::Write;

use crate::env::{KEPT, SET};
use crate::help::{spelled, text, usage};
use crate::parse::{MAX_ARGUMENTS, MAX_BYTES};
use crate::table::{Absent, GLOBALS, GLOBALS_ABSENT, REFUSED_OUTRIGHT, RULES};

fn markdown() -> String {
    let mut out = String::from(INTRO);
    let _ = write!(
        out,
        "\n## Commands\n\nFlags of every command, before or after it: "
    );
    let globals: Vec<String> = GLOBALS
        .iter()
        .map(|flag| format!("`{}`", spelled(flag)))
        .collect();
    let _ = writeln!(out, "{}.", globals.join(", "));
    for rule in &RULES {
        let _ = writeln!(
            out,
            "\n### `{}`\n\n{}.\n",
            usage(rule),
            capitalised(rule.about)
        );
        let flags: Vec<String> = rule
            .flags()
            .map(|flag| format!("`{}`", spelled(flag)))
            .collect();
        if !flags.is_empty() {
            let _ = writeln!(out, "Flags: {}.\n", flags.join(", "));
        }
        for absent in rule.absent {
            let _ = writeln!(out, "* Not {}", reason(absent));
        }
        if !rule.absent.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "Allowed: {}.\n", examples(rule.passes));
        let _ = writeln!(out, "Refused: {}.", examples(rule.refuses));
    }
    out.push_str("\n## Global flags of bd that are refused\n\n");
    for absent in &GLOBALS_ABSENT {
        let _ = writeln!(out, "* {}", reason(absent));
    }
    let _ = writeln!(
        out,
        "\n## Other calls that are refused\n\n{}.",
        examples(REFUSED_OUTRIGHT)
    );
    let _ = write!(out, "\n## Form of a call\n\n{}", form());
    let kept: Vec<String> = KEPT.iter().map(|name| format!("`{name}`")).collect();
    let set: Vec<String> = SET
        .iter()
        .map(|(name, value)| format!("`{name}={value}`"))
        .collect();
    let _ = write!(
        out,
        "\n## Environment of bd\n\nKept: {}, `LC_*`; of `PATH` the absolute entries; ",
        kept.join(", ")
    );
    let _ = writeln!(
        out,
        "`BEADS_DIR` if it is an absolute, existing folder.\n\nSet: {}.\n\nNothing else is passed on.",
        set.join(", ")
    );
    out.push_str(OUTRO);
    out
}

const INTRO: &str = "\
<!-- Generated from crates/mesh-bd-ro: MESH_UPDATE_DOCS=1 cargo test -p mesh-bd-ro -->
# mesh-bd-ro: reading the tracker

`mesh-bd-ro` is the one way in which an agent reads the tracker. It takes 18 commands of `bd`, builds a new argument list
from what was asked, and lets the real `bd` take its place with `--readonly --sandbox` in front: output, exit code and
signals are `bd`'s own. Everything else is refused: exit code 77, one line on stderr that names the rule and what is allowed
instead, and nothing is started. It works under any name; in a run it lies as `bd` first on the agent's `PATH`.

What it is: a rail for honest agents and a filter for confused ones. What it is not: a wall. An agent that starts the real
`bd` by its path, or writes to the tracker's files, walks around it; the wall is the sandbox that the agent runs in. And
read-only is a promise about issues, not about files: every version of `bd` writes to its own database files when it reads.

A flag is allowed only if it does no harm in bd 0.47.1, 1.0.5 and 1.3.0; a version that does not know it says so.
";

const OUTRO: &str = "
## Settings

| variable | meaning |
| --- | --- |
| `MESH_BD` | absolute path of the real `bd`; without it the first `bd` on `PATH` that is not this program |
| `MESH_VIEW` | folder with numbered copies of the tracker: the newest is read, under a shared lock, and never the live tracker |
| `MESH_BD_RO_LOG` | absolute path of a file that gets one line per call: time, verdict, command, separated by tabs |

A `bd` that group or others may write to is not run, nor one in a folder that anybody may write to, nor one named by a
relative path. This program knows itself by device and inode, and a copy of itself by its bytes. A log that cannot be written
never stops a read.

## Files that reads change

Measured with every flag of the table on a live tracker, each call with `--readonly --sandbox`: the issues stayed as they
were, and these files under `.beads` changed all the same. On a view they are files of a copy.

| bd | commands | files |
| --- | --- | --- |
| 0.47.1 | `epic status`, `dep cycles`, `mol progress`, `swarm status`, `swarm validate` | `beads.db` |
| 0.47.1 | all others | `beads.db`, `beads.db-shm`, `beads.db-wal` |
| 1.0.5, 1.3.0 | all | in `embeddeddolt/<name>/.dolt/noms`: `journal.idx`, `manifest`, `vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv` |
| every | `show`, besides | `last-touched` |

## Exit codes

| code | meaning |
| --- | --- |
| 77 | refused; nothing was started |
| 126 | `bd` could not be started, or the view has no copy that can be read |
| 127 | there is no real `bd` |
| other | `bd`'s own |
";

fn form() -> String {
    format!(
        "At most {MAX_ARGUMENTS} arguments and {MAX_BYTES} bytes, UTF-8, no control or invisible characters. `--flag value`, \
         `--flag=value`, `-f value`; flags and ids in any order after the command, `--` ends the flags. Refused: flags bundled \
         or glued (`-qv`, `-n5`), shortened flags, a switch with a value, a value that starts with a dash, a flag twice unless \
         it may be repeated, an id or word that looks like a flag, words between the two of a command.\n\nWhat reaches `bd` is \
         `--readonly --sandbox COMMAND --flag=value … -- IDS`, with long names and in the order of the table.\n"
    )
}

fn reason(absent: &Absent) -> String {
    let names: Vec<String> = absent
        .names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    format!("{}: {}.", names.join(", "), absent.why)
}

fn examples(lines: &[&str]) -> String {
    let code = |line: &&str| {
        if line.is_empty() {
            "no arguments".to_string()
        } else {
            format!("`{line}`")
        }
    };
    lines.iter().map(code).collect::<Vec<_>>().join(", ")
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[test]
fn the_page_in_docs_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mesh-bd-ro.md");
    if std::env::var_os("MESH_UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(path, markdown()).expect("docs can be written");
    }
    let there = std::fs::read_to_string(path).expect("docs/mesh-bd-ro.md is there");
    assert!(
        there == markdown(),
        "docs/mesh-bd-ro.md is stale: MESH_UPDATE_DOCS=1 cargo test -p mesh-bd-ro"
    );
}

#[test]
fn help_names_every_command_and_every_flag() {
    let text = text();
    for rule in &RULES {
        assert!(text.contains(&usage(rule)), "{}", rule.name());
        for flag in rule.flags() {
            assert!(text.contains(&format!("--{}", flag.long)), "{}", flag.long);
        }
    }
}
