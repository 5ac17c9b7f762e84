//! No forgotten file: every Rust file is a target's root or is named by the file above it.
//!
//! The compiler is silent about a file that nobody names, so a test in it never runs and nobody notices.

use super::Finding;
use super::rust_code::lines_with;
use super::tree::{TextFile, Tree};

/// The check.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let roots = roots(tree);
    let mut findings = Vec::new();
    for file in tree
        .files
        .iter()
        .filter(|file| file.is_rust() && !is_data(&file.path))
    {
        if roots.contains(&file.path) || is_named(tree, &roots, file) {
            continue;
        }
        let what = "no file names this module, so it is not compiled: add `mod` to the file above it, or a target to the manifest";
        findings.push(Finding::failure(&file.path, 1, what));
    }
    findings
}

/// Rust that is data for a test.
fn is_data(path: &str) -> bool {
    path.starts_with("fixtures/") && !path.starts_with("fixtures/bin/")
}

/// Files that cargo compiles by itself: those at their usual place and those a manifest names with `path = "…"`.
fn roots(tree: &Tree) -> Vec<String> {
    let mut roots = Vec::new();
    for manifest in tree
        .files
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"))
    {
        let folder = manifest.folder();
        for line in manifest.text.lines().map(str::trim) {
            let Some(value) = line
                .strip_prefix("path")
                .map(str::trim_start)
                .and_then(|rest| rest.strip_prefix('='))
            else {
                continue;
            };
            roots.push(join(folder, value.trim().trim_matches('"')));
        }
        let automatic = |switch: &str| {
            !manifest
                .text
                .lines()
                .any(|line| line.trim().replace(' ', "") == format!("{switch}=false"))
        };
        for file in tree.files.iter().filter(|file| file.is_rust()) {
            let Some(inside) = file
                .path
                .strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/'))
            else {
                continue;
            };
            let usual = matches!(inside, "src/lib.rs" | "src/main.rs" | "build.rs")
                || (automatic("autobins") && is_target_of(inside, "src/bin/"))
                || (automatic("autotests") && is_target_of(inside, "tests/"))
                || is_target_of(inside, "benches/")
                || is_target_of(inside, "examples/");
            if usual {
                roots.push(file.path.clone());
            }
        }
    }
    roots
}

/// Whether `inside` is `<folder>x.rs` or `<folder>x/main.rs`.
fn is_target_of(inside: &str, folder: &str) -> bool {
    inside.strip_prefix(folder).is_some_and(|rest| {
        !rest.contains('/') || (rest.ends_with("/main.rs") && rest.matches('/').count() == 1)
    })
}

/// Joins a relative path that may start with `../`.
fn join(folder: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in relative.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.join("/")
}

fn is_named(tree: &Tree, roots: &[String], file: &TextFile) -> bool {
    let name = file
        .path
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".rs");
    // `x/mod.rs` is the module `x` of the folder above.
    let (module, folder) = match name {
        "mod" => match file.folder().rsplit_once('/') {
            Some((folder, module)) => (module, folder),
            None => return false,
        },
        _ => (name, file.folder()),
    };
    tree.files
        .iter()
        .filter(|above| above.is_rust() && above.path != file.path)
        .any(|above| {
            let owns_folder = above.path == format!("{folder}/mod.rs")
                || above.path == format!("{folder}.rs")
                || (above.folder() == folder && roots.contains(&above.path));
            let by_name =
                owns_folder && !lines_with(&above.code, &format!("mod {module}")).is_empty();
            by_name || names_by_path(above, file)
        })
}

/// Whether `above` has a `#[path = "…"]` that leads to `file`.
fn names_by_path(above: &TextFile, file: &TextFile) -> bool {
    above.text.lines().any(|line| {
        let value = line
            .trim()
            .strip_prefix("#[path = \"")
            .and_then(|rest| rest.split('"').next());
        value.is_some_and(|value| join(above.folder(), value) == file.path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nautobins = false\nautotests = false\n[lib]\npath = \"lib.rs\"\n[[bin]]\npath = \"../fixtures/bin/fake.rs\"\n\
                            [[test]]\nname = \"bd\"\npath = \"bd/main.rs\"\n";

    fn forgotten(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files))
            .into_iter()
            .map(|finding| finding.path)
            .collect()
    }

    #[test]
    fn a_test_file_that_its_suite_does_not_name_fails() {
        let files = [
            ("tests/Cargo.toml", MANIFEST),
            ("tests/lib.rs", ""),
            ("fixtures/bin/fake.rs", ""),
            ("tests/bd/main.rs", "mod claim; // mod close;\nmod deep;"),
            ("tests/bd/claim.rs", ""),
            ("tests/bd/close.rs", ""),
            ("tests/bd/deep/mod.rs", "mod named;"),
            ("tests/bd/deep/named.rs", ""),
            ("tests/bd/deep/other.rs", ""),
        ];
        assert_eq!(
            forgotten(&files),
            ["tests/bd/close.rs", "tests/bd/deep/other.rs"]
        );
    }

    #[test]
    fn a_suite_that_the_manifest_does_not_name_fails() {
        let files = [
            ("tests/Cargo.toml", MANIFEST),
            ("tests/vcs/main.rs", "mod a;"),
            ("tests/vcs/a.rs", ""),
        ];
        assert_eq!(forgotten(&files), ["tests/vcs/main.rs", "tests/vcs/a.rs"]);
    }

    #[test]
    fn crates_have_their_usual_roots_and_both_forms_of_modules() {
        let files = [
            ("crates/a/Cargo.toml", "[package]"),
            (
                "crates/a/src/lib.rs",
                "pub mod x;\n#[cfg(test)]\n#[path = \"odd/y_test.rs\"]\nmod y_test;",
            ),
            ("crates/a/src/odd/y_test.rs", ""),
            ("crates/a/src/bin/tool.rs", ""),
            ("crates/a/src/x.rs", "mod z;"),
            ("crates/a/src/x/z.rs", ""),
            ("crates/a/src/x/lost.rs", ""),
        ];
        assert_eq!(forgotten(&files), ["crates/a/src/x/lost.rs"]);
    }
}
