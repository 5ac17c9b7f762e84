//! No forgotten file: every Rust file is a target's root or is named by another one.
//!
//! The compiler is silent about a file that nobody names, so a test in it never runs and nobody notices.

use std::collections::BTreeSet;
use std::path::Path;

use super::Finding;
use super::tree::{TextFile, Tree};

/// The check.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let what = "no file names this module, so it is not compiled: add `mod` to the file above it, or a target to the manifest";
    let rust = |file: &&TextFile| {
        let is_data = file.path.starts_with("fixtures/") && !file.path.starts_with("fixtures/bin/");
        file.is_rust() && !is_data
    };
    let named = Named::by(tree);
    tree.files
        .iter()
        .filter(rust)
        .filter(|file| !is_target(&file.path) && !named.has(file))
        .map(|file| Finding::failure(&file.path, 1, what))
        .collect()
}

/// Files that cargo finds by themselves.
fn is_target(path: &str) -> bool {
    let ends = ["/src/lib.rs", "/src/main.rs"];
    let is_integration_test = path.starts_with("crates/") && path.contains("/tests/");
    ends.iter().any(|end| path.ends_with(end)) || path.contains("/src/bin/") || is_integration_test
}

/// What the tree's files name.
#[derive(Default)]
struct Named<'a> {
    /// Modules that are declared in a folder, or in the file that is called as the folder is.
    modules: BTreeSet<(String, &'a str)>,
    /// Paths in manifests and `path` attributes.
    files: BTreeSet<&'a str>,
}

impl<'a> Named<'a> {
    fn by(tree: &'a Tree) -> Named<'a> {
        let mut named = Named::default();
        for file in &tree.files {
            if !file.is_rust() && !file.path.ends_with("Cargo.toml") {
                continue;
            }
            for line in file.text.lines().map(str::trim) {
                if let Some(path) = line.trim_start_matches("#[").strip_prefix("path = \"") {
                    let path = path.split('"').next().unwrap_or_default();
                    named.files.insert(path.trim_start_matches("../"));
                }
                if let Some((visibility, module)) = line.split_once("mod ")
                    && (visibility.is_empty() || visibility.starts_with("pub"))
                {
                    let module = module.trim_end_matches([';', '{', ' ']);
                    let own_folder = file.path.trim_end_matches(".rs");
                    named.modules.insert((file.folder().to_owned(), module));
                    named.modules.insert((own_folder.to_owned(), module));
                }
            }
        }
        named
    }

    fn has(&self, file: &TextFile) -> bool {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let (folder, module) = match name {
            "mod.rs" => folder.rsplit_once('/').unwrap_or(("", folder)),
            _ => (folder, name.trim_end_matches(".rs")),
        };
        let is_at = |path: &&str| Path::new(&file.path).ends_with(path);
        self.files.iter().any(is_at) || self.modules.contains(&(folder.to_owned(), module))
    }
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
            ("tests/vcs/main.rs", ""),
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
                "tests/vcs/main.rs",
                "tests/bd/close.rs",
                "tests/bd/deep/other.rs",
                "crates/a/src/x/lost.rs"
            ]
        );
    }
}
