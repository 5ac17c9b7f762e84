//! The page `docs/mesh-jj.md` is made from the table. `MESH_UPDATE_DOCS=1` writes the page, and without that a stale page fails.

use std::fmt::Write;

use crate::table::{GLOBALS, GLOBALS_WITH_VALUE, RULES};

const INTRO: &str = "\
<!-- Generated from crates/mesh-jj: MESH_UPDATE_DOCS=1 cargo test -p mesh-jj -->
# mesh-jj: jj for agents

In a jj repository an agent finds `mesh-jj` as `jj` first on its `PATH`. A few commands reach beyond the workspace that they are
typed in, because the operation log is shared by all workspaces of a repository: they are refused with exit code 77 and one line
on stderr that says what to do instead, and nothing is started. With everything else the real `jj` takes this program's place
and gets arguments, environment and standard streams as they came: output, exit code and signals are `jj`'s own.

It is a rail, not a wall: an agent that starts the real `jj` by its path walks around it. mesh loses no work then either, because it
records what is on disk and holds verified commits by refs of their own; what such a call did to others is named in the report.

## What is refused
";

const REST: &str = "
Only calls about the repository of the attempt's workspace (`MESH_WORKSPACE`) are judged: a test that makes a repository of its
own may do there what it likes. Aliases are resolved as jj does it, by asking the real `jj` for `aliases.NAME`; a word that is a
command of jj is never looked up. Help is always shown. What jj itself would not understand is left to jj.

## Settings

| variable | meaning |
| --- | --- |
| `MESH_JJ` | absolute path of the real `jj`; without it the first `jj` on `PATH` that is not this program |
| `MESH_WORKSPACE` | the attempt's workspace; without it every repository is judged |
| `MESH_JJ_DEPTH` | how often this program has been passed through; set by itself, and past 16 it gives up |

This program knows itself by device and inode, and a copy of itself by its bytes.

## Exit codes

| code | meaning |
| --- | --- |
| 77 | refused; nothing was started |
| 126 | `jj` could not be started, or leads back to this program |
| 127 | there is no real `jj` |
| other | `jj`'s own |
";

fn markdown() -> String {
    let mut out = String::from(INTRO);
    out.push_str("\n| call | why | instead |\n| --- | --- | --- |\n");
    for rule in RULES {
        let words = rule.path.iter().map(|spellings| spellings.join("`, `"));
        let call = match rule.flag {
            Some(flag) => format!("`{flag}`"),
            None => words
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(" "),
        };
        let _ = writeln!(out, "| {call} | {} | {} |", rule.why, rule.instead);
    }
    let shown = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let _ = writeln!(
        out,
        "\nGlobal options may stand before, between and after the words of a command: {} without a value, {} with one.",
        shown(GLOBALS),
        shown(GLOBALS_WITH_VALUE)
    );
    out.push_str(REST);
    out
}

#[test]
fn the_page_in_docs_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mesh-jj.md");
    if std::env::var_os("MESH_UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(path, markdown()).expect("docs can be written");
    }
    let there = std::fs::read_to_string(path).expect("docs/mesh-jj.md is there");
    assert!(
        there == markdown(),
        "docs/mesh-jj.md is stale: MESH_UPDATE_DOCS=1 cargo test -p mesh-jj"
    );
}

#[test]
fn a_refusal_is_one_line() {
    for rule in RULES {
        assert!(
            !rule.line().contains('\n') && rule.line().starts_with("refused ("),
            "{}",
            rule.line()
        );
        assert!(
            rule.path.is_empty() == rule.flag.is_some() && !rule.examples.is_empty(),
            "{}",
            rule.name
        );
    }
}
