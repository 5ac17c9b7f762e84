//! How many packages of others a crate may stand on.
//!
//! Counted on the machine at hand, for normal and build dependencies with all that they bring. Every package is somebody's code
//! that runs with our rights and adds to the build; a number that must be raised by hand makes that a decision.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::tree::Tree;
use super::{EDGES, Finding};
use crate::{Outcome, process};

/// One limit; raising it is a line in a commit that says why.
#[derive(Debug)]
pub struct Budget {
    /// The crate, or [`LOCK_FILE`].
    pub name: &'static str,
    /// The most there may be.
    pub most: usize,
    /// What it was when the limit was set, and what the air is for.
    pub reason: &'static str,
}

/// Name of the budget for all entries of the lock file, ours and tools for tests included.
pub const LOCK_FILE: &str = "Cargo.lock";

/// The limits.
pub const BUDGETS: &[Budget] = &[
    Budget {
        name: "mesh-core",
        most: 0,
        reason: "std only: it is simulated, and read by everybody",
    },
    Budget {
        name: "mesh-bd-ro",
        most: 0,
        reason: "std only: it starts for every tracker read of every agent",
    },
    Budget {
        name: "mesh-jj",
        most: 0,
        reason: "std only: it starts for every jj command of every agent",
    },
    Budget {
        name: "mesh-proc",
        most: 40,
        reason: "38 measured: exit reports are JSON by derive, which brings eight, and the sandbox four",
    },
    Budget {
        name: "mesh",
        most: 112,
        reason: "111 measured: with the sandbox, the CSV reader and the SHA-1 that records of learnings are known by",
    },
    Budget {
        name: LOCK_FILE,
        most: 180,
        reason: "150 measured: test tools included",
    },
];

/// A budget's name and what was counted for it.
pub type Count = (&'static str, usize);

/// Counts with `cargo tree`, and the lock file's entries.
///
/// # Errors
/// When cargo does not answer; also when the lock file does not fit the manifests.
pub fn counts(root: &Path, tree: &Tree) -> Outcome<Vec<Count>> {
    let mut counts = Vec::new();
    for budget in BUDGETS {
        if budget.name == LOCK_FILE {
            let lock = tree
                .file(LOCK_FILE)
                .ok_or("there is no Cargo.lock: commit it")?;
            counts.push((
                LOCK_FILE,
                lock.text
                    .lines()
                    .filter(|line| *line == "[[package]]")
                    .count(),
            ));
            continue;
        }
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(root).args([
            "tree",
            "--locked",
            "--package",
            budget.name,
            "--edges",
            "normal,build",
        ]);
        command.args(["--prefix", "none", "--no-dedupe", "--format", "{p}"]);
        let answer =
            process::capture(&mut command, Duration::from_secs(600))?.checked("cargo tree")?;
        counts.push((budget.name, foreign_packages(&answer)));
    }
    Ok(counts)
}

/// Number of different packages in an answer of `cargo tree` that are not ours.
fn foreign_packages(answer: &str) -> usize {
    let foreign = |line: &&str| {
        let name = line.split_whitespace().next().unwrap_or_default();
        !name.is_empty() && !EDGES.iter().any(|row| row.name == name)
    };
    let name_and_version = |line| str::split_whitespace(line).take(2).collect::<Vec<_>>();
    answer
        .lines()
        .filter(foreign)
        .map(name_and_version)
        .collect::<BTreeSet<_>>()
        .len()
}

/// The check.
pub fn check(tree: &Tree, counts: &[Count]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for budget in BUDGETS {
        let Some((_, count)) = counts.iter().find(|(name, _)| *name == budget.name) else {
            continue;
        };
        if *count <= budget.most {
            continue;
        }
        let (path, line) = if budget.name == LOCK_FILE {
            (LOCK_FILE.to_owned(), 1)
        } else {
            let path = format!("crates/{}/Cargo.toml", budget.name);
            let line = tree.line_of(&path, "[dependencies]");
            (path, line)
        };
        let what = format!(
            "{count} packages of others, {} allowed ({}): do without, or raise it in xtask's tidy/budgets.rs with a reason",
            budget.most, budget.reason
        );
        findings.push(Finding::failure(&path, line, what));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_packages_are_counted_once_and_ours_not_at_all() {
        let answer = "mesh-bd v0.1.0 (/x/crates/mesh-bd)\nserde v1.0.1\nserde v1.0.1 (*)\nserde_derive v1.0.1 (proc-macro)\n\
                      mesh-core v0.1.0 (/x/crates/mesh-core)\nsyn v2.0.0\nsyn v3.0.0\n\n";
        assert_eq!(foreign_packages(answer), 4);
    }

    #[test]
    fn a_budget_holds_up_to_its_number_and_not_beyond() {
        let tree = Tree::of(&[(
            "crates/mesh-proc/Cargo.toml",
            "[package]\n\n[dependencies]\nduct = 1\n",
        )]);
        assert!(
            check(
                &tree,
                &[("mesh-proc", 40), (LOCK_FILE, 180), ("mesh-core", 0)]
            )
            .is_empty()
        );
        let findings = check(
            &tree,
            &[("mesh-proc", 41), (LOCK_FILE, 181), ("mesh-core", 1)],
        );
        let places: Vec<(&str, usize)> = findings
            .iter()
            .map(|finding| (finding.path.as_str(), finding.line))
            .collect();
        assert_eq!(
            places,
            [
                ("crates/mesh-core/Cargo.toml", 1),
                ("crates/mesh-proc/Cargo.toml", 3),
                (LOCK_FILE, 1)
            ]
        );
    }
}
