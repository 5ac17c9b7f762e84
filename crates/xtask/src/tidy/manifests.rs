//! What every package and every module has: a head that says what it is, the lints, a licence.

use super::Finding;
use super::tree::Tree;

/// The check.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        if is_package_manifest(&file.path) {
            check_manifest(&file.path, &file.text, &mut findings);
        }
        let ours = ["crates/", "tests/", "fixtures/bin/"]
            .iter()
            .any(|folder| file.path.starts_with(folder));
        if file.is_rust() && ours && !is_test_module(&file.path) && !has_head(&file.text) {
            let what = "starts without `//!`: say what this does and what it must never do";
            findings.push(Finding::failure(&file.path, 1, what));
        }
    }
    findings
}

fn is_package_manifest(path: &str) -> bool {
    path == "tests/Cargo.toml"
        || (path.starts_with("crates/")
            && path.ends_with("/Cargo.toml")
            && path.matches('/').count() == 2)
}

/// The tests of the module `x` in the file `x_test.rs`: that module's head says what it is about.
fn is_test_module(path: &str) -> bool {
    path.ends_with("_test.rs")
}

/// Whether the first line that is not blank and not an inner attribute is a module comment.
fn has_head(text: &str) -> bool {
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with("#!["));
    first.is_none_or(|line| {
        line.strip_prefix("//!")
            .is_some_and(|head| !head.trim().is_empty())
    })
}

fn check_manifest(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let has = |wanted: &str| {
        text.lines().any(|line| {
            line.split('#')
                .next()
                .unwrap_or_default()
                .replace(' ', "")
                .trim()
                == wanted
        })
    };
    if !has("license.workspace=true") {
        findings.push(Finding::failure(
            path,
            1,
            "no licence: add `license.workspace = true`",
        ));
    }
    if !has("publish.workspace=true") {
        findings.push(Finding::failure(
            path,
            1,
            "could be published: add `publish.workspace = true`",
        ));
    }
    let inherits = has("[lints]") && has("workspace=true");
    if !inherits && !has("unsafe_code=\"forbid\"") {
        findings.push(Finding::failure(path, 1, "no lints: add `[lints]` with `workspace = true`, or its own with `unsafe_code = \"forbid\"`"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nlicense.workspace = true\npublish.workspace = true\n[lints]\nworkspace = true\n";

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn a_package_needs_licence_lints_and_no_publishing() {
        assert_eq!(count("crates/a/Cargo.toml", GOOD), 0);
        assert_eq!(
            count(
                "tests/Cargo.toml",
                &GOOD.replace(
                    "[lints]\nworkspace = true",
                    "[lints.rust]\nunsafe_code = \"forbid\""
                )
            ),
            0
        );
        assert_eq!(
            count(
                "crates/a/Cargo.toml",
                &GOOD.replace("[lints]\nworkspace = true", "# [lints]")
            ),
            1
        );
        assert_eq!(
            count("crates/a/Cargo.toml", &GOOD.replace("license", "#license")),
            1
        );
        assert_eq!(
            count("crates/a/Cargo.toml", &GOOD.replace("publish", "#publish")),
            1
        );
        assert_eq!(count("Cargo.toml", ""), 0);
    }

    #[test]
    fn a_module_opens_with_what_it_is() {
        assert_eq!(count("crates/a/src/b.rs", "//! Does it.\n"), 0);
        assert_eq!(
            count("crates/a/src/b.rs", "#![allow(x)]\n\n//! Does it.\n"),
            0
        );
        assert_eq!(count("crates/a/src/b.rs", "use x;\n//! Late.\n"), 1);
        assert_eq!(count("crates/a/src/b.rs", "//!\nuse x;"), 1);
        assert_eq!(count("crates/a/src/b_test.rs", "use x;"), 0);
        assert_eq!(count("fixtures/plans/x.rs", "use x;"), 0);
    }
}
