//! What `mesh-core` must not name: whatever makes two runs of one input differ.
//!
//! The crate's own `clippy.toml` forbids the same by type; this check also sees what is only imported, and needs no build.

use super::Finding;
use super::rust_code::lines_with;
use super::tree::Tree;

const CORE: &str = "crates/mesh-core/src/";

/// Forbidden name, and what to do instead.
const NAMES: &[(&str, &str)] = &[
    ("std::time", "time is an argument: use `mesh_core::time`"),
    (
        "std::fs",
        "the core opens no file: let an adapter report an event",
    ),
    (
        "std::env",
        "the core reads no environment: put the value into the policy",
    ),
    ("std::thread", "the core starts no thread: return an action"),
    (
        "std::process",
        "the core starts no process: return an action",
    ),
    ("std::net", "the core opens no socket: return an action"),
    (
        "std::io",
        "the core does no input or output: return an action",
    ),
    (
        "HashMap",
        "its order differs from run to run: use `BTreeMap`",
    ),
    (
        "HashSet",
        "its order differs from run to run: use `BTreeSet`",
    ),
    (
        "RandomState",
        "it differs from run to run: use an ordered collection",
    ),
    ("SystemTime", "time is an argument: use `mesh_core::time`"),
    ("Instant", "time is an argument: use `mesh_core::time`"),
];

/// The check.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree
        .files
        .iter()
        .filter(|file| file.path.starts_with(CORE) && file.is_rust())
    {
        for (name, instead) in NAMES {
            for line in lines_with(&file.code, name) {
                findings.push(Finding::failure(
                    &file.path,
                    line,
                    format!("`{name}` in the core; {instead}"),
                ));
            }
            let Some(module) = name.strip_prefix("std::") else {
                continue;
            };
            for line in grouped_imports(&file.code, module) {
                findings.push(Finding::failure(
                    &file.path,
                    line,
                    format!("`{name}` in the core; {instead}"),
                ));
            }
        }
    }
    findings
}

/// Lines of `std::{…}` groups that bring in `module` at their first level.
fn grouped_imports(code: &str, module: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for (at, opening) in code.match_indices("std::{") {
        let (mut depth, mut head) = (1, String::new());
        for c in code[at + opening.len()..].chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth == 1 => head.push(c),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        let first_word = |item: &str| {
            let mut words = item.split(|c: char| c == ':' || c.is_whitespace());
            words.find(|word| !word.is_empty()) == Some(module)
        };
        if head.split(',').any(first_word) {
            lines.push(code[..at].matches('\n').count() + 1);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let mut lines: Vec<usize> = check(&Tree::of(&[("crates/mesh-core/src/x.rs", text)]))
            .into_iter()
            .map(|finding| finding.line)
            .collect();
        lines.dedup();
        lines
    }

    #[test]
    fn forbidden_names_are_found_however_they_are_written() {
        assert_eq!(lines("use std::collections::HashMap;"), [1]);
        assert_eq!(lines("\nfn f() { std::fs::read(\"x\"); }"), [2]);
        assert_eq!(
            lines("use std::{\n    collections::BTreeMap,\n    fs::{self, File},\n};"),
            [1]
        );
        assert_eq!(lines("use std::{fmt, env as e};"), [1]);
        assert_eq!(lines("let t: Instant;"), [1]);
    }

    #[test]
    fn what_is_allowed_or_only_written_about_passes() {
        assert_eq!(
            lines(
                "//! No `HashMap`, no std::fs.\nuse std::{collections::{BTreeMap, BTreeSet}, fmt};"
            ),
            [0; 0]
        );
        assert_eq!(
            lines("let text = \"std::env\"; let instant_kill = 1; use std::environment;"),
            [0; 0]
        );
        assert!(check(&Tree::of(&[("crates/mesh-plan/src/x.rs", "use std::fs;")])).is_empty());
    }
}
