//! What all working copies of a repository share, and the user's own: snapshots of it, and sentences for what differs.
//!
//! An agent has the store of its worktree in common with everybody. mesh takes nothing of it back; it says what became different.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Most sentences of one kind; a rewrite of a thousand files is one fact.
const MOST_OF_A_KIND: usize = 20;

/// A snapshot of what is shared, taken by [`crate::Repository::shared_state`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedState {
    things: BTreeMap<Kind, BTreeMap<String, String>>,
    /// Branches with the commits to which landings of ours moved them. That is said elsewhere.
    landed: BTreeSet<(String, String)>,
    /// The newest operations of jj then.
    #[serde(default)]
    pub(crate) operations: BTreeSet<String>,
    /// Workspaces that others had put out of their place in jj's operation log since the look before.
    #[serde(default)]
    pub(crate) displaced: BTreeSet<String>,
}

/// What became different, and of whose doing that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traced {
    /// What processes in one of the workspaces that were asked about did, by its name: sentences.
    pub done: BTreeMap<String, Vec<String>>,
    /// Sentences for what is not known to be of their doing.
    pub others: Vec<String>,
}

/// One thing that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub kind: Kind,
    pub name: String,
    pub was: Option<String>,
    pub is: Option<String>,
}

impl Difference {
    pub fn sentence(&self) -> String {
        sentence(
            self.kind,
            &self.name,
            self.was.as_deref(),
            self.is.as_deref(),
        )
    }
}

/// What is compared, in the order in which it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Branches or bookmarks with their commits.
    Branch,
    /// Tags with their commits.
    Tag,
    /// Branches of remotes with their commits.
    RemoteBranch,
    /// Other refs.
    Ref,
    /// Entries of the stash with their messages.
    Stash,
    /// Worktrees or workspaces that are not mesh's.
    Worktree,
    /// What the user's working copy stands on.
    Head,
    /// Settings of the repository with what tells their values apart. Values may be secret and are never shown.
    Setting,
    /// Hooks with what tells them apart.
    Hook,
    /// Files of the store beside its configuration.
    StoreFile,
    /// Changed files of the user's working copy, with what tells their states apart.
    File,
}

/// All of them.
pub(crate) const KINDS: [Kind; 11] = [
    Kind::Branch,
    Kind::Tag,
    Kind::RemoteBranch,
    Kind::Ref,
    Kind::Stash,
    Kind::Worktree,
    Kind::Head,
    Kind::Setting,
    Kind::Hook,
    Kind::StoreFile,
    Kind::File,
];

impl SharedState {
    pub(crate) fn landed(&mut self, branch: impl Into<String>, to: impl Into<String>) {
        self.landed.insert((branch.into(), to.into()));
    }

    /// What is compared of `kind` is complete, also where it is nothing.
    pub(crate) fn look_at(&mut self, kind: Kind) {
        self.things.entry(kind).or_default();
    }

    pub(crate) fn put(&mut self, kind: Kind, name: impl Into<String>, value: impl Into<String>) {
        let of_kind = self.things.entry(kind).or_default();
        of_kind.insert(name.into(), value.into());
    }

    /// As [`SharedState::put`], for a name that may stand for several values.
    pub(crate) fn add(&mut self, kind: Kind, name: impl Into<String>, value: &str) {
        let of_kind = self.things.entry(kind).or_default();
        let values = of_kind.entry(name.into()).or_default();
        if !values.is_empty() {
            values.push_str(" and ");
        }
        values.push_str(value);
    }

    /// One sentence for each thing that is not as it was in `before`.
    #[must_use]
    pub fn changes_since(&self, before: &SharedState) -> Vec<String> {
        in_sentences(&self.differences(before))
    }

    /// Whether there is anything to trace back to somebody: see [`crate::Repository::trace`].
    #[must_use]
    pub fn is_as(&self, before: &SharedState) -> bool {
        self.displaced.is_empty() && self.differences(before).is_empty()
    }

    /// Each thing that is not as it was in `before`, in the order in which it is said.
    pub(crate) fn differences(&self, before: &SharedState) -> Vec<Difference> {
        let mut differences = Vec::new();
        for kind in KINDS {
            // What could not be looked at, then or now, is not taken for gone.
            let (Some(was), Some(is)) = (before.things.get(&kind), self.things.get(&kind)) else {
                continue;
            };
            let mut names: Vec<&String> = was.keys().chain(is.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let (was, is) = (was.get(name), is.get(name));
                let ours = kind == Kind::Branch
                    && is.is_some_and(|is| self.landed.contains(&(name.clone(), is.clone())));
                if was != is && !ours {
                    differences.push(Difference {
                        kind,
                        name: name.clone(),
                        was: was.cloned(),
                        is: is.cloned(),
                    });
                }
            }
        }
        differences
    }
}

/// One sentence each, but for those of a kind of which there are many.
pub(crate) fn in_sentences(differences: &[Difference]) -> Vec<String> {
    let mut sentences = Vec::new();
    for of_kind in differences.chunk_by(|one, next| one.kind == next.kind) {
        let said = of_kind.iter().take(MOST_OF_A_KIND);
        sentences.extend(said.map(Difference::sentence));
        let more = of_kind.len().saturating_sub(MOST_OF_A_KIND);
        if more > 0 {
            sentences.push(format!("and {more} more of these"));
        }
    }
    sentences
}

/// What tells a content apart from another one, without showing it.
pub(crate) fn mark(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish().to_string()
}

/// Ids shortened; other words as they are.
fn short(value: &str) -> String {
    let is_id = |word: &str| word.len() >= 40 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words = value
        .split(' ')
        .map(|word| if is_id(word) { &word[..12] } else { word });
    words.collect::<Vec<_>>().join(" ")
}

fn sentence(kind: Kind, name: &str, was: Option<&str>, is: Option<&str>) -> String {
    let moved = |what: &str| match (was, is) {
        (None, Some(is)) => format!("{what} {name} was made at {}", short(is)),
        (Some(was), Some(is)) => {
            format!("{what} {name} moved from {} to {}", short(was), short(is))
        }
        (Some(was), None) => format!("{what} {name} was deleted; it was at {}", short(was)),
        (None, None) => format!("{what} {name} is as it was"),
    };
    let came = |what: &str, came: &str, went: &str, changed: &str| {
        let verb = match (was, is) {
            (None, _) => came,
            (Some(_), None) => went,
            (Some(_), Some(_)) => changed,
        };
        format!("{what} {verb}")
    };
    match kind {
        Kind::Branch => moved("branch"),
        Kind::Tag => moved("tag"),
        Kind::RemoteBranch => moved("remote branch"),
        Kind::Ref => moved("ref"),
        Kind::Stash => match is {
            Some(message) => format!("stash entry added: {message}"),
            None => format!("stash entry dropped: {}", was.unwrap_or_default()),
        },
        Kind::Worktree => came(
            &format!("worktree {name}"),
            "was added",
            "was removed",
            "was moved",
        ),
        Kind::Head => match (was, is) {
            (Some(was), Some(is)) => format!(
                "{name} stands on {} now, before on {}",
                short(is),
                short(was)
            ),
            (_, Some(is)) => format!("{name} stands on {}", short(is)),
            (_, None) => format!("{name} is gone"),
        },
        Kind::Setting => came(
            &format!("config {name}"),
            "was set",
            "was unset",
            "was changed",
        ),
        Kind::Hook => came(
            &format!("hook {name}"),
            "was added",
            "was removed",
            "was changed",
        ),
        Kind::StoreFile => came(name, "was added", "was removed", "was changed"),
        Kind::File => came(
            &format!("file {name} in your working copy"),
            "changed",
            "is as recorded again",
            "changed",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_looked_at() -> SharedState {
        let mut state = SharedState::default();
        KINDS.iter().for_each(|kind| state.look_at(*kind));
        state
    }

    #[test]
    fn what_could_not_be_looked_at_is_not_gone() {
        let mut before = all_looked_at();
        before.put(Kind::File, "a", "M");
        assert!(SharedState::default().changes_since(&before).is_empty());
    }

    #[test]
    fn one_sentence_for_each_change() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let (mut before, mut after) = (all_looked_at(), all_looked_at());
        for (kind, name, was, is) in [
            (Kind::Branch, "same", Some(a.as_str()), Some(a.as_str())),
            (Kind::Branch, "spare", Some(&a), Some(&b)),
            (Kind::Branch, "old", Some(&a), None),
            (Kind::Tag, "v1", None, Some(&b)),
            (Kind::Stash, &a, None, Some("On main: tmp")),
            (Kind::Worktree, "/w-extra", None, Some("x")),
            (
                Kind::Head,
                "your working copy",
                Some("branch main"),
                Some("branch dev"),
            ),
            (Kind::Setting, "user.email", None, Some("12")),
            (Kind::Hook, "pre-commit", Some("1"), Some("2")),
            (Kind::StoreFile, ".git/info/exclude", Some("1"), Some("2")),
            (Kind::File, "a.txt", None, Some("M")),
        ] {
            if let Some(was) = was {
                before.put(kind, name, was);
            }
            if let Some(is) = is {
                after.put(kind, name, is);
            }
        }
        assert_eq!(
            after.changes_since(&before),
            [
                "branch old was deleted; it was at aaaaaaaaaaaa",
                "branch spare moved from aaaaaaaaaaaa to bbbbbbbbbbbb",
                "tag v1 was made at bbbbbbbbbbbb",
                "stash entry added: On main: tmp",
                "worktree /w-extra was added",
                "your working copy stands on branch dev now, before on branch main",
                "config user.email was set",
                "hook pre-commit was changed",
                ".git/info/exclude was changed",
                "file a.txt in your working copy changed",
            ]
        );
        assert!(before.changes_since(&before).is_empty());
    }

    #[test]
    fn a_thousand_changes_are_not_a_thousand_sentences() {
        let mut after = all_looked_at();
        for number in 0..1000 {
            after.put(Kind::File, format!("f{number}"), "M");
        }
        let said = after.changes_since(&all_looked_at());
        assert_eq!(said.len(), MOST_OF_A_KIND + 1);
        assert_eq!(
            said.last().map(String::as_str),
            Some("and 980 more of these")
        );
    }
}
