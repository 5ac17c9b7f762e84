//! `mesh-bd-ro` stays small enough to be read in one sitting: it stands between every agent and the tracker.
//!
//! Lines are counted as they stand, blank ones and comments included; the table, which is looked up and not read, the generator of
//! its page and the tests are left out.

use super::Finding;
use super::tree::Tree;

/// Where its modules lie.
const SOURCE: &str = "crates/mesh-bd-ro/src/";
/// So many lines are too many.
const TOO_MANY: usize = 800;

/// The check.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let lines: usize = tree
        .files
        .iter()
        .filter_map(|file| Some((file.path.strip_prefix(SOURCE)?, &file.text)))
        .filter(|(path, _)| {
            let is_left_out = path.starts_with("table/")
                || path.starts_with("docs")
                || path.ends_with("_test.rs");
            path.ends_with(".rs") && !is_left_out
        })
        .map(|(_, text)| {
            let product = text.split("\n#[cfg(test)]\nmod tests {").next();
            product.map_or(0, |text| text.lines().count())
        })
        .sum();
    if lines < TOO_MANY {
        return Vec::new();
    }
    let what = format!(
        "{lines} lines without the table and the tests, which must be under {TOO_MANY}: take out what the wrapper can do without"
    );
    vec![Finding::failure(&format!("{SOURCE}lib.rs"), 1, what)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_to_be_read_counts() {
        let long = "x\n".repeat(TOO_MANY);
        let path = |name: &str| format!("{SOURCE}{name}");
        let count = |name: &str, text: &str| check(&Tree::of(&[(&path(name), text)])).len();
        assert_eq!(count("view.rs", &long), 1);
        assert_eq!(count("view.rs", &"x\n".repeat(TOO_MANY - 1)), 0);
        for left_out in ["table/issues.rs", "docs.rs", "view_test.rs", "page.md"] {
            assert_eq!(count(left_out, &long), 0, "{left_out}");
        }
        assert_eq!(
            count(
                "view.rs",
                &format!("x\n\n#[cfg(test)]\nmod tests {{\n{long}")
            ),
            0
        );
    }
}
