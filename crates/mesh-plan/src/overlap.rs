//! Tasks that are meant to change the same paths do not run at the same time.
//!
//! Each pattern is a lock group, and so is each pair of patterns that overlap: a task holds that of each pattern it names, and those of
//! the pairs that the pattern is in. So two tasks below one folder may run side by side, and neither beside one that has the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use mesh_core::id::{LockGroup, MAX_ID_BYTES};
use mesh_core::task::Locks;

/// A path or glob, by its segments.
type Pattern<'a> = Vec<&'a str>;

/// The locks of each task, from the paths and globs that it names.
pub(crate) fn locks<'a>(scopes: impl Iterator<Item = &'a [String]>) -> Vec<Locks> {
    let scopes: Vec<BTreeSet<Pattern<'_>>> = scopes
        .map(|scope| scope.iter().map(|pattern| segments(pattern)).collect())
        .collect();
    let all: BTreeSet<&Pattern<'_>> = scopes.iter().flatten().collect();
    let mut names = Names::default();
    let named = all.iter().map(|pattern| (*pattern, names.give(&[pattern])));
    let mut groups: BTreeMap<&Pattern<'_>, Vec<LockGroup>> =
        named.map(|(pattern, name)| (pattern, vec![name])).collect();
    for (one, other) in overlapping(&all) {
        let name = names.give(&[one, other]);
        for pattern in [one, other] {
            groups.entry(pattern).or_default().push(name.clone());
        }
    }
    let of = |scope: &BTreeSet<Pattern<'_>>| {
        let mut locks = Locks::default();
        for name in scope
            .iter()
            .filter_map(|pattern| groups.get(pattern))
            .flatten()
        {
            locks.insert(name.clone());
        }
        locks
    };
    scopes.iter().map(of).collect()
}

/// Each pair of different patterns that overlap.
fn overlapping<'a>(all: &BTreeSet<&'a Pattern<'a>>) -> Vec<(&'a Pattern<'a>, &'a Pattern<'a>)> {
    let is_glob = |pattern: &&&Pattern<'_>| pattern.iter().any(|part| part.contains(['*', '?']));
    let (globs, plain): (BTreeSet<_>, BTreeSet<_>) =
        all.iter().copied().partition(|one| is_glob(&one));
    let mut pairs = Vec::new();
    for &one in &plain {
        // Behind a folder come the paths below it.
        let after = plain.range::<&Pattern<'a>, _>((Bound::Excluded(one), Bound::Unbounded));
        pairs.extend(
            after
                .take_while(|other| other.starts_with(one))
                .map(|&other| (one, other)),
        );
    }
    for &one in &globs {
        let others = globs.range::<&Pattern<'a>, _>((Bound::Excluded(one), Bound::Unbounded));
        pairs.extend(plain.iter().chain(others).map(|&other| (one, other)));
    }
    pairs.retain(|(one, other)| overlaps(one, other));
    pairs
}

/// Whether `pattern` matches `path` or a folder above it. The path is taken as it stands: nothing in it is a pattern.
#[must_use]
pub fn covers(pattern: &str, path: &str) -> bool {
    fn within(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern.split_first(), path.split_first()) {
            (None, _) => true,
            (Some((&"**", rest)), _) => (0..=path.len()).any(|at| within(rest, &path[at..])),
            (Some(_), None) => false,
            (Some((name, pattern)), Some((own, path))) => {
                is_like(name.as_bytes(), own.as_bytes()) && within(pattern, path)
            }
        }
    }
    within(&segments(pattern), &segments(path))
}

fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            is_like(rest, name) || (!name.is_empty() && is_like(pattern, &name[1..]))
        }
        (Some((x, pattern)), Some((y, name))) => (x == y || *x == b'?') && is_like(pattern, name),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// The first path of `one` and the first of `other` that overlap, if some do.
pub(crate) fn first_overlap<'a>(
    one: &'a [String],
    other: &'a [String],
) -> Option<(&'a str, &'a str)> {
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
    pairs
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .find(|(a, b)| overlaps(&segments(a), &segments(b)))
}

/// Why a path or glob is none of the repository, if it is none.
pub(crate) fn outside(path: &str) -> Option<String> {
    let leads_out = path.starts_with(['/', '~']) || path.split('/').any(|part| part == "..");
    leads_out.then(|| {
        let shown = path.escape_debug();
        format!(
            "`{shown}` is outside of the repository; paths begin at its root, such as src/main.rs"
        )
    })
}

fn segments(pattern: &str) -> Pattern<'_> {
    let parts = pattern.trim().split('/');
    parts
        .filter(|part| !part.is_empty() && *part != ".")
        .collect()
}

/// Whether some path may match both, where a pattern that matches a folder matches all below it. What ends in a name with an
/// extension is no folder.
fn overlaps(one: &[&str], other: &[&str]) -> bool {
    fn within(one: &[&str], one_ends: bool, other: &[&str], other_ends: bool) -> bool {
        let swapped = || within(other, other_ends, one, one_ends);
        match (one.split_first(), other.split_first()) {
            (None, None) => true,
            (Some((&"**", rest)), _) => {
                (0..=other.len()).any(|at| within(rest, one_ends, &other[at..], other_ends))
            }
            (_, Some((&"**", _))) => swapped(),
            (None, Some(_)) => !one_ends,
            (Some(_), None) => !other_ends,
            (Some((a, one)), Some((b, other))) => {
                may_be_equal(a.as_bytes(), b.as_bytes()) && within(one, one_ends, other, other_ends)
            }
        }
    }
    within(one, is_file(one), other, is_file(other))
}

fn is_file(pattern: &[&str]) -> bool {
    pattern
        .last()
        .is_some_and(|name| name.trim_start_matches('.').contains('.'))
}

/// Whether some name may match both.
fn may_be_equal(a: &[u8], b: &[u8]) -> bool {
    match (a.split_first(), b.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            may_be_equal(rest, b) || (!b.is_empty() && may_be_equal(a, &b[1..]))
        }
        (_, Some((b'*', _))) => may_be_equal(b, a),
        (Some((x, a)), Some((y, b))) => (x == y || *x == b'?' || *y == b'?') && may_be_equal(a, b),
        (None, _) | (_, None) => false,
    }
}

/// The names that are given.
#[derive(Default)]
struct Names {
    used: BTreeSet<String>,
}

impl Names {
    /// A name of the words of these patterns, with a number where it is used already.
    fn give(&mut self, patterns: &[&Pattern<'_>]) -> LockGroup {
        let words = |pattern: &&Pattern<'_>| {
            let text = pattern.join("-").to_lowercase();
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            match words.is_empty() {
                true => "all".to_owned(),
                false => words.join("-"),
            }
        };
        let name = patterns.iter().map(words).collect::<Vec<_>>().join("-and-");
        let numbered = |number: u32| {
            let end = match number {
                1 => String::new(),
                _ => format!("-{number}"),
            };
            // Nothing but ASCII is in it.
            let start = name.get(..MAX_ID_BYTES - end.len()).unwrap_or(&name);
            LockGroup::new(format!("{}{end}", start.trim_end_matches('-'))).ok()
        };
        let unused = |group: &LockGroup| self.used.insert(group.as_str().to_owned());
        let group = (1..).filter_map(numbered).find(unused);
        group.expect("words joined by hyphens are a name, and there are more numbers than patterns")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(one: &str, other: &str) -> bool {
        let (one, other) = (segments(one), segments(other));
        let both = overlaps(&one, &other);
        assert_eq!(both, overlaps(&other, &one));
        both
    }

    #[test]
    fn paths_overlap_when_some_file_may_be_below_both() {
        for (one, other) in [
            ("src/", "src/a.rs"),
            ("src/**", "src/a/b.rs"),
            ("**", "anything"),
            ("src/*.rs", "src/a.rs"),
            ("src/*.rs", "src/a*"),
            ("**/mod.rs", "src/a/mod.rs"),
            ("src/a?", "src/ab/c"),
            ("**/a.rs", "src"),
            ("./src", "src"),
        ] {
            assert!(overlap(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("src", "src-old"),
            ("src/a.rs", "src/b.rs"),
            ("src/*.rs", "src/a.md"),
            ("tests/**", "src/**"),
            ("**/a.rs", "src/b.rs"),
        ] {
            assert!(!overlap(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_pattern_covers_a_path_and_what_lies_below_a_folder() {
        for (pattern, path) in [
            ("src/", "src/a.rs"),
            ("src/**", "src/a/b.rs"),
            ("**", "anything"),
            ("./src/*.rs", "src/a.rs"),
            ("**/mod.rs", "src/a/mod.rs"),
            ("src/a?", "src/ab/c"),
        ] {
            assert!(covers(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("src/a.rs", "src"),
            ("src", "src-old/a"),
            ("src/*.rs", "src/a.md"),
            ("src", "*/a.rs"),
            ("src/?", "src/ab"),
        ] {
            assert!(!covers(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn two_files_of_a_folder_go_side_by_side_and_neither_beside_the_folder() {
        let scopes: Vec<Vec<String>> = [["src/a.rs"], ["src/b.rs"], ["src/**"]]
            .iter()
            .map(|scope| scope.iter().map(|path| (*path).to_owned()).collect())
            .collect();
        let locks = locks(scopes.iter().map(Vec::as_slice));
        let fit =
            |one: usize, other: usize| locks[one].groups().is_disjoint(&locks[other].groups());
        assert!(fit(0, 1));
        assert!(!fit(0, 2) && !fit(1, 2));
    }
}
