//! A tracker made with a real `bd`, and reads of it with the wrapper and without.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mesh_bd_ro::table::words;
use mesh_testkit::tools;

use crate::support::{Lab, run, stderr, stdout};

/// A tracker made with one real `bd`, with the ids that the table's examples name.
pub struct Tracker {
    pub lab: Lab,
    pub bd: PathBuf,
}

impl Tracker {
    pub fn new(bd: &Path) -> Tracker {
        let tracker = Tracker {
            lab: Lab::new(),
            bd: bd.to_path_buf(),
        };
        fs_err::create_dir(tracker.root()).expect("folder");
        let mut git = tracker.direct(Path::new("git"));
        git.args(["init", "--quiet", "."]);
        assert!(git.status().expect("git").success());
        let help = run({
            let mut help = tracker.direct(bd);
            help.args(["init", "--help"]);
            help
        });
        let mut init = vec!["init", "--prefix", "bd", "--quiet"];
        init.extend(
            ["--skip-agents", "--skip-hooks"]
                .iter()
                .filter(|flag| stdout(&help).contains(**flag)),
        );
        tracker.write(&init);
        for (id, kind, title) in [
            ("bd-epic-1", "epic", "Epic one"),
            ("bd-123", "task", "Task one"),
            ("bd-456", "task", "Task two"),
            ("bd-mol-1", "epic", "Molecule"),
            ("bd-789", "task", "Step"),
        ] {
            let labels = "be,mesh-lock:api";
            // `--force`: 0.47.1 takes `bd-epic-1` for an id with the prefix `bd-epic`.
            tracker.write(&[
                "create", title, "--id", id, "--type", kind, "--labels", labels, "--force",
            ]);
        }
        for (child, parent) in [
            ("bd-123", "bd-epic-1"),
            ("bd-456", "bd-epic-1"),
            ("bd-789", "bd-mol-1"),
        ] {
            tracker.write(&["dep", "add", child, parent, "--type", "parent-child"]);
        }
        tracker.write(&["dep", "add", "bd-456", "bd-123"]);
        tracker.write(&["comments", "add", "bd-123", "a remark"]);
        tracker.write(&["set-state", "bd-123", "patrol=active", "--reason", "test"]);
        tracker.write(&["swarm", "create", "bd-epic-1"]);
        tracker
    }

    pub fn root(&self) -> PathBuf {
        self.lab.path("repository")
    }

    /// A program in the tracker's folder, in the environment that the wrapper gives `bd`.
    pub fn direct(&self, program: &Path) -> Command {
        let mut command = self.lab.command(program);
        command
            .env("PATH", "/usr/bin:/bin")
            .env("USER", "tester")
            .current_dir(self.root());
        command.envs(mesh_bd_ro::env::SET);
        command
    }

    pub fn write(&self, args: &[&str]) {
        let mut command = self.direct(&self.bd);
        command.args(args);
        let output = run(command);
        assert!(
            output.status.success(),
            "{args:?}: {}{}",
            stdout(&output),
            stderr(&output)
        );
    }

    pub fn plain(&self, example: &str) -> Output {
        let mut command = self.direct(&self.bd);
        command
            .args(["--readonly", "--sandbox"])
            .args(words(example));
        run(command)
    }

    pub fn wrapped(&self, example: &str) -> Output {
        run(self.wrapper(example))
    }

    /// The wrapper in the tracker's folder, with the real `bd`.
    pub fn wrapper(&self, example: &str) -> Command {
        let mut command = self.lab.wrapper(example);
        command
            .env("MESH_BD", &self.bd)
            .env("USER", "tester")
            .current_dir(self.root());
        command
    }

    /// Everything that an issue is made of, in the words of several commands. Each answer holds what [`Tracker::new`] put there,
    /// so that two empty answers are never taken for the same issues.
    pub fn issues(&self) -> Vec<String> {
        let listing = "list --json --all --limit 0".to_string();
        let all = "show bd-epic-1 bd-123 bd-456 bd-mol-1 bd-789 --json".to_string();
        let mut asked = vec![(listing, "bd-789"), (all, "Step")];
        for (id, down, up) in [
            ("bd-epic-1", "", "bd-123"),
            ("bd-123", "bd-epic-1", "bd-456"),
            ("bd-456", "bd-123", ""),
            ("bd-mol-1", "", "bd-789"),
            ("bd-789", "bd-mol-1", ""),
        ] {
            let remark = if id == "bd-123" { "a remark" } else { "" };
            asked.push((format!("comments {id} --json"), remark));
            asked.push((format!("label list {id} --json"), "mesh-lock:api"));
            asked.push((format!("dep list {id} --direction down --json"), down));
            asked.push((format!("dep list {id} --direction up --json"), up));
        }
        let answer = |(question, known): (String, &str)| {
            let output = self.plain(&question);
            let text = stdout(&output);
            assert!(
                output.status.success() && text.contains(known),
                "{question}: {text}{}",
                stderr(&output)
            );
            format!("{question}: {text}")
        };
        asked.into_iter().map(answer).collect()
    }
}

/// The real `bd`; `cargo xtask tools` builds all three versions of the wrapper's contract.
pub fn real(version: &str) -> Option<PathBuf> {
    tools::real("bd", version)
}
