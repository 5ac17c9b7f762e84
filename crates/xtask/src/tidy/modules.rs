//! No forgotten file: every Rust file is a target's root or is named by another one.
//!
//! The compiler is silent about a file that nobody names, so a test in it never runs and nobody notices.

use super::Finding;
use super::tree::{TextFile, Tree};

/// The check.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let what = "no file names this module, so it is not compiled: add `mod` to the file above it, or a target to the manifest";
    let rust = |file: &&TextFile| {
        let is_data = file.path.starts_with("fixtures/") && !file.path.starts_with("fixtures/bin/");
        file.is_rust() && !is_data
    };
    tree.files
        .iter()
        .filter(rust)
        .filter(|file| !is_target(&file.path) && !is_named(tree, file))
        .map(|file| Finding::failure(&file.path, 1, what))
        .collect()
}

/// Files that cargo finds by themselves.
fn is_target(path: &str) -> bool {
    let ends = ["/src/lib.rs", "/src/main.rs"];
    let is_integration_test = path.starts_with("crates/") && path.contains("/tests/");
    ends.iter().any(|end| path.ends_with(end)) || path.contains("/src/bin/") || is_integration_test
}

/// Whether a file of the same folder or of the one above declares the module, or a manifest or an attribute names the path.
fn is_named(tree: &Tree, file: &TextFile) -> bool {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let (folder, module) = match name {
        "mod.rs" => folder.rsplit_once('/').unwrap_or(("", folder)),
        _ => (folder, name.trim_end_matches(".rs")),
    };
    let declaration = format!("mod {module}");
    let declares = |above: &&TextFile| {
        let is_near = above.folder() == folder || above.path == format!("{folder}.rs");
        let mut lines = above
            .text
            .lines()
            .map(|line| line.trim().trim_end_matches([';', '{', ' ']));
        is_near
            && above.path != file.path
            && lines.any(|line| {
                line == declaration
                    || line.starts_with("pub") && line.ends_with(&format!(" {declaration}"))
            })
    };
    let names_path = |other: &&TextFile| {
        let mut lines = other
            .text
            .lines()
            .map(|line| line.trim().trim_start_matches("#["));
        lines.any(|line| {
            let path = line
                .strip_prefix("path = \"")
                .and_then(|rest| rest.split('"').next());
            path.is_some_and(|path| path.rsplit('/').next() == Some(name))
        })
    };
    tree.files
        .iter()
        .any(|other| other.is_rust() && declares(&other) || names_path(&other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nothing_names_fails() {
        let files = [
            (
                "tests/Cargo.toml",
                "[lib]\npath = \"lib.rs\"\n[[test]]\npath = \"bd/main.rs\"\n",
            ),
            ("tests/lib.rs", ""),
            ("tests/bd/main.rs", "mod claim;\n// mod close;\nmod deep;"),
            ("tests/bd/claim.rs", ""),
            ("tests/bd/close.rs", ""),
            ("tests/bd/deep/mod.rs", "pub(crate) mod named;"),
            ("tests/bd/deep/named.rs", ""),
            ("tests/bd/deep/other.rs", ""),
            (
                "crates/a/src/lib.rs",
                "pub mod x;\n#[cfg(test)]\n#[path = \"odd/y_test.rs\"]\nmod y_test;",
            ),
            ("crates/a/src/odd/y_test.rs", ""),
            ("crates/a/src/x.rs", "mod z;"),
            ("crates/a/src/x/z.rs", ""),
            ("crates/a/src/x/lost.rs", ""),
        ];
        let forgotten: Vec<String> = check(&Tree::of(&files))
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(
            forgotten,
            [
                "tests/bd/close.rs",
                "tests/bd/deep/other.rs",
                "crates/a/src/x/lost.rs"
            ]
        );
    }
}
