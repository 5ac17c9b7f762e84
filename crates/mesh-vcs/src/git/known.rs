//! What this coordinator has seen of commits, so that git need not be asked again. Commits never change, so nothing in here can
//! become untrue; what is not in here is asked.

use super::merge::Join;
use crate::ancestry::Ancestry;
use crate::model::CommitId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Default)]
pub(super) struct Known {
    pub ancestry: Ancestry,
    trees: BTreeMap<CommitId, CommitId>,
    /// When commits were made, in Unix seconds.
    seconds: BTreeMap<CommitId, u64>,
    /// Of recorded commits: files that they added or changed.
    files: BTreeMap<CommitId, BTreeSet<PathBuf>>,
    /// What workspaces were started from, by their names.
    starts: BTreeMap<String, Join>,
}

impl Known {
    /// A commit was made.
    pub fn add(&mut self, commit: &CommitId, tree: &CommitId, parents: &[CommitId]) {
        self.ancestry.set_parents(commit, parents);
        self.set_tree(commit, tree);
    }

    pub fn set_tree(&mut self, commit: &CommitId, tree: &CommitId) {
        self.trees.insert(commit.clone(), tree.clone());
    }

    pub fn tree(&self, commit: &CommitId) -> Option<CommitId> {
        self.trees.get(commit).cloned()
    }

    pub fn set_second(&mut self, commit: &CommitId, second: u64) {
        self.seconds.insert(commit.clone(), second);
    }

    pub fn second(&self, commit: &CommitId) -> Option<u64> {
        self.seconds.get(commit).copied()
    }

    pub fn set_files(&mut self, commit: &CommitId, files: BTreeSet<PathBuf>) {
        self.files.insert(commit.clone(), files);
    }

    /// Whether `commit` certainly has something at `path`.
    pub fn has_path(&self, commit: &CommitId, path: &Path) -> bool {
        let files = self.files.get(commit);
        files.is_some_and(|files| {
            files.contains(path) || files.iter().any(|file| file.starts_with(path))
        })
    }

    pub fn set_start(&mut self, workspace: &str, start: &Join) {
        self.starts.insert(workspace.to_owned(), start.clone());
    }

    pub fn start(&self, workspace: &str) -> Option<Join> {
        self.starts.get(workspace).cloned()
    }

    pub fn forget_start(&mut self, workspace: &str) {
        self.starts.remove(workspace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> CommitId {
        CommitId::new(digit.to_string().repeat(40)).unwrap()
    }

    #[test]
    fn a_path_is_there_with_its_folders_and_no_other() {
        let mut known = Known::default();
        known.set_files(&id('a'), BTreeSet::from([PathBuf::from("out/x")]));
        assert!(known.has_path(&id('a'), Path::new("out/x")));
        assert!(known.has_path(&id('a'), Path::new("out")));
        assert!(!known.has_path(&id('a'), Path::new("ou")));
        assert!(!known.has_path(&id('b'), Path::new("out/x")));
    }
}
