//! `cargo xtask tidy`: the rules of the house that neither the compiler nor clippy knows.
//!
//! Each check is a function from what was read (the tree's texts, cargo's answers) to findings, so it is tested on small made-up
//! input. Never changes a file. Two severities: a failure ends the command with 1, a note is something to look at.

mod budgets;
mod edges;
mod forbidden_text;
mod licences;
mod manifests;
mod modules;
mod sizes;
mod tree;
mod wrapper;

use std::fmt;
use std::process::ExitCode;

use crate::args::Args;
use crate::{Outcome, repository};
use tree::Tree;

pub use budgets::{BUDGETS, LOCK_FILE};
pub use edges::{EDGES, May};

/// Help of the command.
pub const HELP: &str = "\
tidy [--quiet]
    Checks the rules of docs/STYLE.md: crate edges, package budgets, licences, sizes (the read-only wrapper's too), words
    that must not stand in the tree. Ends with 1 after a failure; --quiet leaves out the notes.";

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Must be put right.
    Failure,
    /// Is to be looked at.
    Note,
}

/// One thing found: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    path: String,
    line: usize,
    severity: Severity,
    message: String,
}

impl Finding {
    fn failure(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            severity: Severity::Failure,
            message: message.into(),
        }
    }

    fn note(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            severity: Severity::Note,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = match self.severity {
            Severity::Failure => "",
            Severity::Note => "note: ",
        };
        write!(f, "{}:{}: {label}{}", self.path, self.line, self.message)
    }
}

/// Checks that need nothing but the texts of the tree.
fn check_texts(tree: &Tree) -> Vec<Finding> {
    let checks: [fn(&Tree) -> Vec<Finding>; 5] = [
        sizes::check,
        forbidden_text::check,
        modules::check,
        manifests::check,
        wrapper::check,
    ];
    checks.iter().flat_map(|check| check(tree)).collect()
}

/// Runs the command.
///
/// # Errors
/// When the tree or cargo cannot be asked.
pub fn run(mut args: Args) -> Outcome<ExitCode> {
    let quiet = args.switch("--quiet");
    args.finish()?;
    let root = repository();
    let tree = Tree::load(&root)?;
    let mut findings = check_texts(&tree);
    findings.extend(edges::check(&tree, &edges::declared(&root)?));
    findings.extend(licences::check(&licences::packages(&root)?));
    findings.extend(budgets::check(&tree, &budgets::counts(&root, &tree)?));
    findings.sort();
    findings.dedup();

    let mut failures = 0;
    for finding in &findings {
        match finding.severity {
            Severity::Failure => failures += 1,
            Severity::Note if quiet => continue,
            Severity::Note => {}
        }
        println!("{finding}");
    }
    eprintln!(
        "tidy: {failures} failures, {} notes in {} files",
        findings.len() - failures,
        tree.files.len()
    );
    Ok(if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checks that take no time and need no network run with the tests; the rest is in `cargo xtask tidy`.
    #[test]
    fn the_real_tree_is_tidy() {
        let root = repository();
        let tree = Tree::load(&root).unwrap();
        assert!(
            tree.files.len() > 40,
            "only {} files were found under {}",
            tree.files.len(),
            root.display()
        );
        let mut findings = check_texts(&tree);
        findings.extend(edges::check(&tree, &edges::declared(&root).unwrap()));
        let failures: Vec<String> = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Failure)
            .map(Finding::to_string)
            .collect();
        assert!(
            failures.is_empty(),
            "{} failures:\n{}",
            failures.len(),
            failures.join("\n")
        );
    }

    #[test]
    fn a_finding_is_one_line_with_its_place() {
        assert_eq!(
            Finding::failure("a/b.rs", 3, "x").to_string(),
            "a/b.rs:3: x"
        );
        assert_eq!(
            Finding::note("a/b.rs", 3, "x").to_string(),
            "a/b.rs:3: note: x"
        );
    }
}
