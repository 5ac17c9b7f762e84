//! `mesh-bd-ro` stays small enough to be read in one sitting: it stands between every agent and the tracker.
//!
//! Lines are counted as they stand, blank ones and comments included; the table, which is looked up and not read, and the tests
//! are left out.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::{TextFile, Tree};

/// Where its modules lie.
const SOURCE: &str = "crates/mesh-bd-ro/src";
/// So many lines are too many.
const TOO_MANY: usize = 800;

/// The check.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let lines = lines(tree);
    if lines < TOO_MANY {
        return Vec::new();
    }
    let what = format!(
        "{lines} lines without the table and the tests, which must be under {TOO_MANY}: take out what the wrapper can do without"
    );
    vec![Finding::failure(&format!("{SOURCE}/lib.rs"), 1, what)]
}

/// Lines that count.
fn lines(tree: &Tree) -> usize {
    let files: Vec<&TextFile> = tree
        .files
        .iter()
        .filter(|file| file.is_rust() && file.path.starts_with(&format!("{SOURCE}/")))
        .collect();
    let mut left_out = BTreeSet::from([format!("{SOURCE}/table")]);
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for file in files {
        let tests = Tests::of(file);
        left_out.extend(tests.modules);
        counted.push((&file.path, file.text.lines().count() - tests.lines));
    }
    let is_left_out = |path: &str| {
        left_out.iter().any(|module| {
            let rest = path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    };
    counted
        .iter()
        .filter(|(path, _)| !is_left_out(path))
        .map(|(_, lines)| lines)
        .sum()
}

/// What a file holds for tests alone.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tests {
    /// Modules in files of their own, as a path without `.rs`.
    modules: Vec<String>,
    /// Lines of modules in this file, from the attribute to the closing brace.
    lines: usize,
}

impl Tests {
    fn of(file: &TextFile) -> Tests {
        let (text, code): (Vec<&str>, Vec<&str>) =
            (file.text.lines().collect(), file.code.lines().collect());
        let mut tests = Tests::default();
        let mut at = 0;
        while at < code.len() {
            let start = at;
            at += 1;
            if code[start].trim() != "#[cfg(test)]" {
                continue;
            }
            let mut named = None;
            while code
                .get(at)
                .is_some_and(|line| line.trim_start().starts_with("#["))
            {
                named = named.or(path_attribute(text[at]));
                at += 1;
            }
            let Some(module) = code.get(at).and_then(|line| declared_module(line)) else {
                continue;
            };
            if code[at].contains('{') {
                at = end_of_block(&code, at);
                tests.lines += at - start;
            } else {
                let beside = format!("{}/{module}", folder_of_modules(file));
                let named =
                    named.map(|path| format!("{}/{}", file.folder(), path.trim_end_matches(".rs")));
                tests.modules.push(named.unwrap_or(beside));
            }
        }
        tests
    }
}

/// `x` of `#[path = "x"]`.
fn path_attribute(line: &str) -> Option<&str> {
    line.trim().strip_prefix("#[path = \"")?.split('"').next()
}

/// `x` of `mod x;` or `pub mod x {`.
fn declared_module(line: &str) -> Option<&str> {
    let line = line.trim();
    let name = line
        .strip_prefix("pub ")
        .unwrap_or(line)
        .strip_prefix("mod ")?;
    name.split([' ', ';', '{']).next()
}

/// The line after the one that closes the block opened on line `start`.
fn end_of_block(code: &[&str], start: usize) -> usize {
    let mut depth = 0_i32;
    for (at, line) in code.iter().enumerate().skip(start) {
        for letter in line.chars() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
        }
        if depth <= 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Where the files of the modules that `file` declares lie.
fn folder_of_modules(file: &TextFile) -> String {
    match file.path.strip_suffix(".rs") {
        Some(module)
            if !["/lib", "/main", "/mod"]
                .iter()
                .any(|root| module.ends_with(root)) =>
        {
            module.to_owned()
        }
        _ => file.folder().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(files: &[(&str, &str)]) -> usize {
        let files: Vec<(String, &str)> = files
            .iter()
            .map(|(path, text)| (format!("{SOURCE}/{path}"), *text))
            .collect();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), *text))
            .collect();
        lines(&Tree::of(&files))
    }

    #[test]
    fn the_table_and_files_for_tests_do_not_count() {
        let lib = "//! x\npub mod parse;\n#[cfg(test)]\nmod walk;\n#[cfg(test)]\n#[path = \"odd/name.rs\"]\nmod y;\nmod table;\nmod tables;\n";
        let long = "x\n".repeat(100);
        assert_eq!(
            counted(&[
                ("lib.rs", lib),
                ("parse.rs", "a\n\n// b\n"),
                ("walk.rs", &long),
                ("walk/deep.rs", &long),
                ("odd/name.rs", &long),
                ("table.rs", &long),
                ("table/issues.rs", &long),
                ("tables.rs", "a\n"),
                ("walker.rs", "a\n"),
                ("data.txt", &long),
            ]),
            9 + 3 + 1 + 1
        );
        let deep = "#[cfg(test)]\nmod tests;\n";
        assert_eq!(
            counted(&[
                ("view.rs", deep),
                ("view/tests.rs", &long),
                ("tests.rs", "a\n")
            ]),
            3
        );
    }

    #[test]
    fn blocks_for_tests_do_not_count_and_what_comes_after_does() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\"; }\n    // }\n}\nfn c() {}\n\n#[cfg(test)]\nmod more { }\n";
        assert_eq!(counted(&[("lib.rs", text)]), 3);
        // Written about, or on something else than a module.
        let text = "// #[cfg(test)]\nmod x {\n}\n#[cfg(test)]\nfn d() {\n}\n";
        assert_eq!(counted(&[("lib.rs", text)]), 6);
    }

    #[test]
    fn the_bar_is_reached_at_its_number() {
        let path = format!("{SOURCE}/lib.rs");
        let found = |lines: usize| check(&Tree::of(&[(&path, &"x\n".repeat(lines))]));
        assert_eq!(found(TOO_MANY - 1), []);
        assert_eq!(found(TOO_MANY).len(), 1);
        assert!(found(900)[0].to_string().contains("900 lines"));
        // Other crates may be larger.
        let other = Tree::of(&[("crates/mesh/src/lib.rs", &"x\n".repeat(900))]);
        assert_eq!(check(&other), []);
    }
}
