//! Tasks that are meant to change the same paths do not run at the same time.
//!
//! Each pattern becomes a lock group. A task that names the pattern takes all units of it, a task that names another pattern which
//! overlaps takes one: so two tasks below one folder may run side by side, and neither beside one that has the whole folder.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::id::LockGroup;
use mesh_core::task::Locks;

/// The locks of each task, from the paths and globs that it names.
pub(crate) fn locks<'a>(scopes: impl Iterator<Item = &'a [String]>) -> Vec<Locks> {
    let scopes: Vec<BTreeSet<Vec<&str>>> = scopes
        .map(|scope| scope.iter().map(|pattern| segments(pattern)).collect())
        .collect();
    let all: BTreeSet<&Vec<&str>> = scopes.iter().flatten().collect();
    let units = capacity(scopes.len());
    let names = names(&all);
    let of = |scope: &BTreeSet<Vec<&str>>| {
        let mut locks = Locks::default();
        for pattern in &all {
            let takes = if scope.contains(*pattern) {
                units
            } else if scope.iter().any(|own| overlaps(own, pattern)) {
                1
            } else {
                continue;
            };
            if let Some(name) = names.get(*pattern) {
                locks.insert_units(name.clone(), takes);
            }
        }
        locks
    };
    scopes.iter().map(of).collect()
}

/// How many units each group has for [`locks`] of so many tasks.
pub(crate) fn capacity(tasks: usize) -> u32 {
    u32::try_from(tasks).unwrap_or(u32::MAX).max(1)
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

fn segments(pattern: &str) -> Vec<&str> {
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

/// A name for each pattern: its words, with a number where two would have the same.
fn names<'a>(all: &BTreeSet<&'a Vec<&'a str>>) -> BTreeMap<&'a Vec<&'a str>, LockGroup> {
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut names = BTreeMap::new();
    for pattern in all {
        let text = pattern.join("-").to_lowercase();
        let words: Vec<&str> = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        let plain = if words.is_empty() {
            "all".to_owned()
        } else {
            words.join("-")
        };
        let plain = if plain.starts_with(|c: char| c.is_ascii_digit()) {
            format!("path-{plain}")
        } else {
            plain
        };
        let numbered = (2..).map(|number| format!("{plain}-{number}"));
        let name = std::iter::once(plain.clone())
            .chain(numbered)
            .find(|name| !used.contains(name));
        if let Some(group) = name.and_then(|name| {
            used.insert(name.clone());
            LockGroup::new(name).ok()
        }) {
            names.insert(*pattern, group);
        }
    }
    names
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
        let capacity = capacity(3);
        let fit = |one: usize, other: usize| {
            let mut sum: BTreeMap<&LockGroup, u32> = BTreeMap::new();
            for (group, units) in locks[one].units().chain(locks[other].units()) {
                *sum.entry(group).or_default() += units;
            }
            sum.values().all(|units| *units <= capacity)
        };
        assert!(fit(0, 1));
        assert!(!fit(0, 2) && !fit(1, 2));
    }
}
