//! The page `docs/mesh-jj.md` is made from the table. `MESH_UPDATE_DOCS=1` writes the page, and without that a stale page fails.

use std::fmt::Write;

use crate::table::{ANYWHERE, GLOBALS, GLOBALS_WITH_VALUE, OTHER_WORKSPACE, READS, RULES, Rule};

const INTRO: &str = "\
<!-- Generated from crates/mesh-jj: MESH_UPDATE_DOCS=1 cargo test -p mesh-jj -->
# mesh-jj: jj for agents

In a jj repository an agent finds `mesh-jj` as `jj` first on its `PATH`. A few commands reach beyond the workspace that they are
typed in, because the operation log is shared by all workspaces of a repository, and any command does that is led to another
workspace: they are refused with exit code 77 and one line on stderr that says what to do instead, and nothing is started. With
everything else the real `jj` takes this program's place and gets arguments, environment and standard streams as they came:
output, exit code and signals are `jj`'s own.

It is a rail, not a wall: an agent that starts the real `jj` by its path walks around it. mesh loses no work then either, because it
records what is on disk and holds verified commits by refs of their own; what such a call did to others is named in the report.

## What is refused
";

const REST: &str = "
Another workspace is each one of the attempt's repository but `MESH_WORKSPACE`: those of other attempts, and the user's own. jj records
what lies in the workspace that a call is led to, by `-R` or by the current folder, and most commands then change its files.

Only calls about the repository of the attempt's workspace (`MESH_WORKSPACE`) are judged: a test that makes a repository of its
own may do there what it likes. Aliases are resolved as jj does it, by asking the real `jj` for `aliases.NAME`; a word that is a
command of jj is never looked up. Help is always shown. What jj itself would not understand is left to jj.

## Settings

| variable | meaning |
| --- | --- |
| `MESH_JJ` | absolute path of the real `jj`; without it the first `jj` on `PATH` that is not this program |
| `MESH_WORKSPACE` | the attempt's workspace; without it every repository is judged, and no workspace is another one |
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
    let shown = |names: &[&str]| {
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(", ")
    };
    let command = |path: &[&[&str]]| {
        let words: Vec<String> = path.iter().map(|spellings| shown(spellings)).collect();
        words.join(" ")
    };
    for rule in RULES {
        let call = match rule.flag {
            Some(flag) => format!("`{flag}`"),
            None => command(rule.path),
        };
        let _ = writeln!(out, "| {call} | {} | {} |", rule.why, rule.instead);
    }
    let Rule { why, instead, .. } = OTHER_WORKSPACE;
    let _ = writeln!(
        out,
        "| any other, in another workspace | {why} | {instead} |"
    );
    let commands = |paths: &[&[&[&str]]]| {
        let each: Vec<String> = paths.iter().map(|path| command(path)).collect();
        each.join("; ")
    };
    let _ = writeln!(
        out,
        "\nIn another workspace these pass: {}. With `--ignore-working-copy` so do: {}.",
        commands(ANYWHERE),
        commands(READS)
    );
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
    assert!(!OTHER_WORKSPACE.line().contains('\n'));
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
