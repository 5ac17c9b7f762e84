//! Lengths of files.

use super::Finding;
use super::tree::{TextFile, Tree};

/// A file with more lines is looked at.
const FILE_NOTE: usize = 400;
/// A file with more lines fails.
const FILE_FAILURE: usize = 800;

/// The check.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| is_written_by_hand(file)) {
        let lines = file.text.lines().count();
        if lines > FILE_FAILURE {
            findings.push(Finding::failure(
                &file.path,
                1,
                format!("{lines} lines, more than {FILE_FAILURE}: split it by what it does"),
            ));
        } else if lines > FILE_NOTE {
            findings.push(Finding::note(
                &file.path,
                1,
                format!("{lines} lines, more than {FILE_NOTE}: see whether it is two things"),
            ));
        }
    }
    findings
}

/// Programs, not data: fixtures apart from the sources of the fakes are recorded, lock files are generated.
fn is_written_by_hand(file: &TextFile) -> bool {
    let program = file.is_rust() || file.path.ends_with(".sh") || file.path == ".ci/run";
    let data = file.path.starts_with("fixtures/") && !file.path.starts_with("fixtures/bin/");
    program && !data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Severity::{self, Failure, Note};

    fn found(path: &str, text: &str) -> Vec<Severity> {
        check(&Tree::of(&[(path, text)]))
            .into_iter()
            .map(|finding| finding.severity)
            .collect()
    }

    #[test]
    fn files_are_looked_at_and_then_refused() {
        assert_eq!(found("crates/a/src/b.rs", &"x\n".repeat(400)), []);
        assert_eq!(found("crates/a/src/b.rs", &"x\n".repeat(401)), [Note]);
        assert_eq!(found("crates/a/src/b.rs", &"x\n".repeat(801)), [Failure]);
        assert_eq!(found(".ci/run", &"x\n".repeat(801)), [Failure]);
    }

    #[test]
    fn data_may_be_long() {
        for path in [
            "Cargo.lock",
            "fixtures/bd/1.3.0/list.json",
            "fixtures/plans/long.rs",
        ] {
            assert_eq!(found(path, &"x\n".repeat(2000)), [], "{path}");
        }
        assert_eq!(
            found("fixtures/bin/fake_bd.rs", &"x\n".repeat(801)),
            [Failure]
        );
    }
}
