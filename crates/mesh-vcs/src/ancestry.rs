//! What this coordinator has seen of the ancestry of commits, so that the program need not be asked again. Commits never change, so
//! nothing in here can become untrue. It must never guess: what does not follow from what was seen is for the program to answer.

use crate::model::CommitId;
use std::collections::{BTreeMap, BTreeSet};

/// Commits, and what they stand on.
#[derive(Default)]
pub(crate) struct Ancestry {
    below: BTreeMap<CommitId, Below>,
}

struct Below {
    commits: Vec<CommitId>,
    /// These are all its parents; otherwise they are some of its ancestors.
    is_all: bool,
}

impl Ancestry {
    /// `commit` has exactly these parents.
    pub fn set_parents(&mut self, commit: &CommitId, parents: &[CommitId]) {
        self.set(commit, parents, true);
    }

    /// `commit` stands on these, maybe on others too, and maybe not directly.
    pub fn set_stands_on(&mut self, commit: &CommitId, ancestors: &[CommitId]) {
        if !self.below.contains_key(commit) {
            self.set(commit, ancestors, false);
        }
    }

    fn set(&mut self, commit: &CommitId, below: &[CommitId], is_all: bool) {
        let below = below.iter().filter(|other| *other != commit);
        let commits = below.cloned().collect();
        self.below.insert(commit.clone(), Below { commits, is_all });
    }

    /// Whether `commit` is `of` or an ancestor of it; nothing where that does not follow.
    pub fn is_in(&self, commit: &CommitId, of: &CommitId) -> Option<bool> {
        let (below, ends) = self.all_below(of);
        if below.contains(commit) {
            return Some(true);
        }
        // What an end stands on is not known. It is not `commit` where `commit` stands on the end.
        let (below_commit, _) = self.all_below(commit);
        let stands_on = |end: &&CommitId| *end != commit && below_commit.contains(*end);
        ends.iter().all(stands_on).then_some(false)
    }

    /// Those of `unique` that no other of them stands on; nothing where that does not follow.
    pub fn heads(&self, unique: &[CommitId]) -> Option<Vec<CommitId>> {
        let mut heads = Vec::new();
        for commit in unique {
            let others = unique.iter().filter(|other| *other != commit);
            let in_others: Vec<_> = others.map(|other| self.is_in(commit, other)).collect();
            if in_others.contains(&Some(true)) {
                continue;
            }
            if in_others.contains(&None) {
                return None;
            }
            heads.push(commit.clone());
        }
        Some(heads)
    }

    /// `unique` without those that another of them is seen to stand on.
    pub fn without_seen_ancestors(&self, unique: &[CommitId]) -> Vec<CommitId> {
        let is_below = |commit: &CommitId| {
            let mut others = unique.iter().filter(|other| *other != commit);
            others.any(|other| self.is_in(commit, other) == Some(true))
        };
        let heads = unique.iter().filter(|commit| !is_below(commit));
        heads.cloned().collect()
    }

    /// `commit` and all that is known to be below it; and those of them that may have more below.
    fn all_below<'a>(
        &'a self,
        commit: &'a CommitId,
    ) -> (BTreeSet<&'a CommitId>, BTreeSet<&'a CommitId>) {
        let (mut below, mut ends) = (BTreeSet::new(), BTreeSet::new());
        let mut todo = vec![commit];
        while let Some(next) = todo.pop() {
            if !below.insert(next) {
                continue;
            }
            let seen = self.below.get(next);
            todo.extend(seen.iter().flat_map(|seen| &seen.commits));
            if !seen.is_some_and(|seen| seen.is_all) {
                ends.insert(next);
            }
        }
        (below, ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> CommitId {
        CommitId::new(digit.to_string().repeat(40)).unwrap()
    }

    fn ids(digits: &str) -> Vec<CommitId> {
        digits.chars().map(id).collect()
    }

    /// `0` is the base, of which nothing is known; `a` and `b` stand on it, `c` joins them, `e` stands on the unknown `d`, and `1`
    /// stands on `b` by commits that were not seen.
    fn seen() -> Ancestry {
        let mut seen = Ancestry::default();
        for (commit, parents) in [('a', "0"), ('b', "0"), ('c', "ab"), ('e', "d")] {
            seen.set_parents(&id(commit), &ids(parents));
        }
        seen.set_stands_on(&id('1'), &ids("b"));
        seen
    }

    #[track_caller]
    fn check(commit: char, of: char, expected: Option<bool>) {
        assert_eq!(seen().is_in(&id(commit), &id(of)), expected);
    }

    #[test]
    fn what_was_made_on_a_commit_holds_it() {
        check('a', 'a', Some(true));
        check('0', 'a', Some(true));
        check('0', 'c', Some(true));
        check('b', 'c', Some(true));
        check('0', '1', Some(true));
    }

    #[test]
    fn what_was_made_beside_it_or_below_it_does_not() {
        check('a', 'b', Some(false));
        check('c', 'a', Some(false));
        check('c', '0', Some(false));
        check('e', 'd', Some(false));
        check('1', 'b', Some(false));
    }

    #[test]
    fn what_lies_below_others_commits_is_not_guessed() {
        check('a', 'e', None);
        check('f', 'a', None);
        check('d', '0', None);
        check('a', '1', None);
    }

    #[test]
    fn heads_are_named_when_all_of_them_are_sure() {
        let heads = |digits| seen().heads(&ids(digits));
        assert_eq!(heads("0ab"), Some(ids("ab")));
        assert_eq!(heads("0abc"), Some(ids("c")));
        assert_eq!(heads("0a1"), None);
        assert_eq!(seen().without_seen_ancestors(&ids("0ba1")), ids("a1"));
        assert_eq!(heads("0"), Some(ids("0")));
        assert_eq!(heads(""), Some(ids("")));
    }
}
