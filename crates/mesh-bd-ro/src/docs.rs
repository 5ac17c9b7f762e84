//! The page `docs/mesh-bd-ro.md`, rendered from the table. Only tests have it: `MESH_UPDATE_DOCS=1` writes the page, and
//! without that a stale page fails.

mod files;

use std::fmt::Write;

use crate::env::{KEPT, SET};
use crate::help::{spelled, text, usage};
use crate::parse::{MAX_ARGUMENTS, MAX_BYTES};
use crate::table::{Absent, GIT_HOOKS, GLOBALS, GLOBALS_ABSENT, REFUSED_OUTRIGHT, RULES};
use crate::view::{ASK_PATIENCE, READ_SLOT_PATIENCE};

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
    let hooks: Vec<String> = GIT_HOOKS
        .iter()
        .map(|hook| format!("`hooks run {hook} …`"))
        .collect();
    let _ = write!(out, "\n## Hooks of git\n\n{}: {HOOKS}", hooks.join(", "));
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
    let _ = write!(out, "\n## The view\n\n{}", view());
    out.push_str(SETTINGS);
    let _ = write!(out, "{FILES}{}{EXIT_CODES}", files::table());
    out
}

const INTRO: &str = "\
<!-- Generated from crates/mesh-bd-ro: MESH_UPDATE_DOCS=1 cargo test -p mesh-bd-ro -->
# mesh-bd-ro: reading the tracker

`mesh-bd-ro` is the one way in which an agent reads the tracker. It takes 18 commands of `bd`, builds a new argument list
from what was asked, and lets the real `bd` take its place with `--readonly --sandbox` in front: output, exit code and
signals are `bd`'s own. Everything else is refused: exit code 77, one line on stderr that names the rule and what is allowed
instead, and nothing is started. It works under any name; in a run it lies as `bd` first on the agent's `PATH`.

A flag is allowed only if it does no harm in bd 0.47.1, 1.0.5 and 1.3.0; a version that does not know it says so.

## What it is and what it is not

It is a rail for honest agents, which then cannot write by mistake, and a filter for confused ones, which are told what to do
instead. It is not a wall: an agent that starts the real `bd` by its path, or writes to the tracker's files, walks around it.
The wall is the sandbox that the agent runs in. And read-only is a promise about issues, not about files: every version of
`bd` writes to its own files when it reads (see the table below), which is why agents read copies.
";

const HOOKS: &str = "\
this is how the hooks that `bd init` puts into a repository call `bd`. Nothing is done and nothing
is started, the exit code is 0, and the arguments and the input that git adds are not read: a refusal would fail every commit that
an agent makes. What such a hook would have done for the tracker is the coordinator's. Other forms of `hooks` are refused.
";

const SETTINGS: &str = "
## Settings

| variable | meaning |
| --- | --- |
| `MESH_BD` | absolute path of the real `bd`; without it the first `bd` on `PATH` that is not this program |
| `MESH_VIEW` | absolute path of the folder with copies of the tracker; empty counts as not set |
| `BEADS_DIR` | absolute path of the live tracker; not used with `MESH_VIEW`; without it `bd` searches from the current folder |
| `MESH_BD_RO_LOG` | absolute path of a file that gets one line per call: time, verdict, command, separated by tabs |

A `bd` that group or others may write to is not run, nor one in a folder that anybody may write to, nor one named by a
relative path. This program knows itself by device and inode, and a copy of itself by its bytes. A log that cannot be written
never stops a read.
";

const FILES: &str = "
## What a read changes on a live tracker all the same

Measured with every allowed example above right after a write, and with the first of each command after another read, on a small
tracker that nobody else used. Issues, comments, labels and dependencies stayed as they were, and these files changed all the
same. Names are those below `.beads`; `noms` is `embeddeddolt/<prefix>/.dolt/noms`. *Changed* means other bytes, *touched* a new
time and the same bytes; times of folders are left out. With a view they are files of the copy.

* 0.47.1 drops parts of its schema and makes them again at every start: the database gets other bytes with the same rows, and a
  temporary file comes and goes in `TMPDIR`. Some commands leave an empty log (`beads.db-wal`, `beads.db-shm`) beside it, the
  others take it away.
* 1.0.5 and 1.3.0 open Dolt's store for writing, more than once in a call: each time the index is cut to nothing and written
  again, the manifest is replaced, and the journal is cut to the length that it has.
* `last-touched` names the issue that `bd update` and `bd close` take when they are given none.
* The first call of all was measured with an empty `HOME`, and on 1.3.0 without the two lock files that later calls find there.

";

const EXIT_CODES: &str = "
## Exit codes

| code | meaning |
| --- | --- |
| 77 | refused; nothing was started |
| 126 | `bd` could not be started, or the view has no copy that can be read |
| 127 | there is no real `bd` |
| other | `bd`'s own |
";

fn view() -> String {
    format!(
        "In a run `MESH_VIEW` names a folder with numbered copies of the tracker. Each attempt has its own, so what an agent breaks \
         there is broken for itself alone. A read never opens the live tracker then. It\n\n\
         1. asks the coordinator for a fresh copy, through the socket `ask` beside the folder, and waits {} s at most; whatever \
         came of it, the newest copy there is will do;\n\
         2. takes a read slot, so that not all agents read at once: there is one for every two processors, so on 2 cores one read comes \
         after the other; who gets none within {} s reads without;\n\
         3. reads the newest copy. The lock that it holds lasts exactly as long as `bd` runs, and a locked copy is not removed.\n\n\
         While the coordinator lives a copy is a few seconds old at most, unless the tracker is larger than `tracker.view_limit`: \
         then only the start of an attempt brings a fresh one. When the coordinator is gone, copies get no newer and can still be \
         read. Without any copy the exit code is 126.\n\n\
         Without `MESH_VIEW`, for a person or an agent outside a run or with `tracker.view = \"live\"`, the live tracker is read.\n",
        ASK_PATIENCE.as_secs(),
        READ_SLOT_PATIENCE.as_secs()
    )
}

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
