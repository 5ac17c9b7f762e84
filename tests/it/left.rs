//! What a run may not leave behind: processes, workspaces, claims, beads of its own, hooks.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

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
        self.assert_no_molecule_open();
    }

    /// Fails when something that a run poured into the tracker is open. The swarm of an epic that is not done may be.
    #[track_caller]
    pub fn assert_no_molecule_open(&self) {
        let Some(tracker) = &self.tracker else {
            return;
        };
        let args = ["list", "--all", "--json", "--limit", "0", "--include-gates"];
        let list = tracker.bd_json(&args);
        let is_poured = |title: &str| {
            let starts = ["mol-mesh-", "Gate: human target-", "Gate: human scope-"];
            title.contains(" (run ") || starts.iter().any(|start| title.starts_with(start))
        };
        let is_left = |issue: &&serde_json::Value| {
            issue["status"] != "closed" && issue["title"].as_str().is_some_and(is_poured)
        };
        let left: Vec<_> = list
            .as_array()
            .into_iter()
            .flatten()
            .filter(is_left)
            .collect();
        assert!(left.is_empty(), "left open: {left:#?}");
    }

    /// Fails unless the runs on this tracker have left it as they should: no open bead that mesh made but idle agents and the swarm of an
    /// epic that is open, no claim, nothing on a hook, and no workspace but those of tasks that failed, ask or were stopped. Every story on a tracker
    /// ends with this. While a run is unfinished (killed and not taken up), it may still have all of that.
    #[track_caller]
    pub fn assert_tracker_clean(&self) {
        let Some(tracker) = &self.tracker else { return };
        if self.runs().is_empty() || self.has_unfinished_run() {
            return;
        }
        if !tracker.tool().is_real {
            // What the story planned for calls of mesh.
            tracker.script(&serde_json::json!([]));
        }
        let list = tracker.bd_json(&["list", "--all", "--json", "--limit", "0"]);
        let rows = list.as_array().expect("rows");
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("").to_owned();
        let is_closed = |row: &&Value| row["status"] == "closed";
        let closed: BTreeSet<String> = rows
            .iter()
            .filter(is_closed)
            .map(|row| text(row, "id"))
            .collect();
        let mut left = Vec::new();
        for row in rows.iter().filter(|row| row["status"] != "closed") {
            let (id, by) = (text(row, "id"), text(row, "created_by"));
            let is_ours = |name: &str| name == "mesh" || name.starts_with("agent:mesh-");
            if row["status"] == "in_progress" && is_ours(&text(row, "assignee")) {
                left.push((
                    Left::Claim,
                    format!("{id} is claimed by {}", text(row, "assignee")),
                ));
            }
            if row["issue_type"] == "agent" {
                let agent = tracker.bd_json(&["show", &id, "--json"])[0].clone();
                if agent["hook_bead"].is_string() || agent["agent_state"] != "idle" {
                    left.push((Left::Hook, format!("the agent {agent}")));
                }
            } else if is_ours(&by) && !is_swarm_of_open_epic(row, &closed) {
                left.push((Left::Bead, format!("{row} is of mesh and open")));
            }
        }
        let expected = *self
            .left
            .lock()
            .expect("no story panics while it holds this");
        left.retain(|(what, _)| !expected.contains(what));
        assert!(left.is_empty(), "{left:#?}");
        if !expected.contains(&Left::Workspace) {
            self.assert_kept_workspaces();
        }
    }

    /// Whether the last run was left in the middle.
    fn has_unfinished_run(&self) -> bool {
        let status = self
            .env
            .run(crate::fixture::MESH, &["status", "--json"], &self.repo);
        let state = status.object()["state"].clone();
        matches!(state.as_str(), Some("running" | "interrupted" | "stopping"))
    }

    /// Each workspace that is left is of an attempt whose task did not end well.
    fn assert_kept_workspaces(&self) {
        let said = self
            .env
            .run(crate::fixture::MESH, &["workspaces", "--json"], &self.repo);
        for workspace in said.object()["workspaces"].as_array().expect("workspaces") {
            let reason = workspace["reason"].as_str().unwrap_or("");
            assert!(
                workspace["kind"] == "attempt"
                    && workspace["state"] == "kept"
                    && reason != "kept: verified",
                "{workspace:#} is left"
            );
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

/// What a story may have kept a run from tidying up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Claim,
    Hook,
    Bead,
    Workspace,
}

/// bd names the epic in the text of the molecule that it makes.
fn is_swarm_of_open_epic(row: &Value, closed: &BTreeSet<String>) -> bool {
    let text = row["description"].as_str().unwrap_or("");
    let epic = text.lines().find_map(|line| line.strip_prefix("Epic: "));
    row["issue_type"] == "molecule" && epic.is_some_and(|epic| !closed.contains(epic))
}
