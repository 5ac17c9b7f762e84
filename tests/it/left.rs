//! What a run may not leave behind: processes, workspaces, claims.

use std::path::PathBuf;

use crate::fixture::{Fixture, Vcs};
use crate::work::Work;

impl Fixture {
    /// Fails unless nothing of a run is left: no process, no workspace, no claim.
    #[track_caller]
    pub fn assert_nothing_left(&self, work: &Work) {
        self.assert_no_process();
        let folders: Vec<_> = match fs_err::read_dir(self.workspaces()) {
            Ok(entries) => entries
                .map(|entry| entry.expect("an entry").path())
                .collect(),
            Err(_) => Vec::new(),
        };
        assert_eq!(folders, Vec::<PathBuf>::new(), "workspaces are left");
        assert_eq!(
            self.known_workspaces(),
            1,
            "version control knows of workspaces"
        );
        for (id, (status, holder)) in self.tasks(work) {
            let free = status == "closed" || (status != "in_progress" && holder.is_none());
            assert!(free, "{id} is {status} and held by {holder:?}");
        }
    }

    /// Fails when a process of this fixture lives.
    #[track_caller]
    pub fn assert_no_process(&self) {
        assert_eq!(
            self.processes(),
            Vec::<(i32, String)>::new(),
            "processes are left"
        );
    }

    /// How many working copies version control knows of.
    pub fn known_workspaces(&self) -> usize {
        match self.backends.vcs {
            Vcs::Git => self
                .env
                .must("git", &["worktree", "list"], &self.repo)
                .lines()
                .count(),
            Vcs::Jj => {
                let args = ["--ignore-working-copy", "workspace", "list"];
                self.env.must("jj", &args, &self.repo).lines().count()
            }
        }
    }

    /// Processes whose environment or command names our folders.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let own = i32::try_from(std::process::id()).expect("a process id");
        let places = [
            self.env.dir(),
            self.repo.parent().expect("it has one").to_path_buf(),
        ];
        let mut found = Vec::new();
        for entry in fs_err::read_dir("/proc").expect("/proc") {
            let folder = entry.expect("an entry").path();
            let Some(pid) = folder
                .file_name()
                .and_then(|name| name.to_str()?.parse::<i32>().ok())
            else {
                continue;
            };
            let read = |name: &str| fs_err::read(folder.join(name)).unwrap_or_default();
            let text = [read("environ"), read("cmdline")].concat();
            let text = String::from_utf8_lossy(&text).replace('\0', " ");
            let ours = |place: &PathBuf| text.contains(place.to_str().expect("plain text"));
            if pid != own && places.iter().any(ours) {
                found.push((pid, text));
            }
        }
        found
    }
}
