//! Words that must not stand in the tree, and tests that prove nothing.

use regex::Regex;

use super::Finding;
use super::tree::{TextFile, Tree};

/// Patterns without regard to case, over whole files. Written so that no pattern matches itself.
const TEXTS: &[(&str, &str)] = &[
    (
        r"crates\.io|npmjs\.|pypi\.org|proxy\.golang\.org|sum\.golang\.org|rubygems\.org",
        "the tree names no package registry: say the package's name",
    ),
    (
        r#"(?:^|[\s"'`(=:,\[<>])/(?:work|root|farm)/"#,
        "a path of one machine: use a temporary folder or a relative path",
    ),
    (
        r"style[-]anchors|jj[-]facts|bd[-]contract|mesh[-]prior[-]art|agent[-]clis|shared/[r]eference",
        "a working paper that is not part of the product: state the fact itself",
    ),
    (
        r"\bseeds?[ /-]00\d\b",
        "a working paper that is not part of the product: state the rule itself",
    ),
];

/// A pattern with regard to case, for the same reason as the last ones above.
const DESIGN_SECTION: &str = r"\bDESIGN(?:\.md)?,? (?:section )?\d";

/// The check.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut patterns: Vec<(Regex, &str)> = TEXTS
        .iter()
        .map(|(pattern, why)| (compile(&format!("(?im){pattern}")), *why))
        .collect();
    patterns.push((
        compile(DESIGN_SECTION),
        "a working paper that is not part of the product: state the rule itself",
    ));
    let mut findings = Vec::new();
    for file in &tree.files {
        check_code(file, &mut findings);
        if file.path == "Cargo.lock" {
            continue;
        }
        for (pattern, why) in &patterns {
            for hit in pattern.find_iter(&file.text) {
                // What is matched may begin with the line end before it.
                let word = hit.as_str().trim_start();
                let at = hit.end() - word.len();
                let line = file.text[..at].matches('\n').count() + 1;
                let what = format!("`{}`: {why}", word.trim_end());
                findings.push(Finding::failure(&file.path, line, what));
            }
        }
    }
    findings
}

/// What clippy has no lint for: tests that do not run, and tests that wait for time to pass.
fn check_code(file: &TextFile, findings: &mut Vec<Finding>) {
    if !file.is_rust() {
        return;
    }
    let mut in_tests = file.path.starts_with("tests/") || file.path.ends_with("_test.rs");
    for (number, line) in file.text.lines().enumerate() {
        let code = line.trim_start();
        in_tests |= code == "#[cfg(test)]";
        if code.starts_with("#[ignore") {
            let what =
                "`#[ignore]`: a test that does not run proves nothing: make it run or delete it";
            findings.push(Finding::failure(&file.path, number + 1, what));
        }
        if in_tests && !code.starts_with("//") && code.contains("sleep(") {
            let what = "a sleep in a test: wait for the event, or for a condition with a deadline";
            findings.push(Finding::note(&file.path, number + 1, what));
        }
    }
}

fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constants, and the tests compile each of them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Severity;

    #[track_caller]
    fn failures(path: &str, text: &str) -> usize {
        let findings = check(&Tree::of(&[(path, text)]));
        findings
            .iter()
            .filter(|finding| finding.severity == Severity::Failure)
            .count()
    }

    #[test]
    fn a_test_that_does_not_run_fails() {
        assert_eq!(failures("tests/it/x.rs", "#[ignore = \"slow\"]"), 1);
        assert_eq!(failures("tests/it/x.rs", "// no #[ignore]"), 0);
    }

    #[test]
    fn hosts_machine_paths_and_working_papers_fail_everywhere() {
        // Put together here, so that this file passes its own check.
        for (a, b) in [
            ("https://cr", "ates.io/x"),
            ("registry.n", "pmjs.org"),
            ("see Crates", ".IO"),
            ("cd /wo", "rk/build"),
            ("\"/ro", "ot/.cargo\""),
            ("see bd-", "contract 4"),
            ("after DESI", "GN 10"),
            ("see se", "ed 002"),
        ] {
            assert_eq!(failures("docs/x.md", &format!("{a}{b}")), 1, "{a}{b}");
        }
    }

    #[test]
    fn what_only_looks_alike_passes() {
        for text in [
            "../work/x",
            "~/work/x",
            "frame/work/x",
            "the design 4",
            "seed 0042",
            "seed 12",
            "at root/x",
            "MESH_DESIGN",
        ] {
            assert_eq!(failures("docs/x.md", text), 0, "{text}");
        }
        assert_eq!(failures("Cargo.lock", &format!("cr{}", "ates.io")), 0);
    }

    #[test]
    fn a_sleep_is_noted_in_tests_only() {
        let text =
            "fn f() { thread::sleep(d) }\n#[cfg(test)]\nmod tests { fn g() { thread::sleep(d) } }";
        let lines: Vec<usize> = check(&Tree::of(&[("crates/a/src/b.rs", text)]))
            .iter()
            .map(|finding| finding.line)
            .collect();
        assert_eq!(lines, [3]);
        assert_eq!(check(&Tree::of(&[("tests/it/x.rs", "sleep(d)")])).len(), 1);
        assert_eq!(
            check(&Tree::of(&[("fixtures/bin/fake.rs", "sleep(d)")])).len(),
            0
        );
    }
}
