//! Names of all files of mesh in a repository: one place says where everything lies.
//!
//! ```text
//! .mesh/.gitignore                      keeps all of it out of version control
//!       config.toml                     the repository's configuration, a person's
//!       results.jsonl                   every verified commit, for later runs
//!       runs/<run>/journal.jsonl        facts and decisions
//!                  plan.json            the plan as started
//!                  calls.jsonl          calls of outside programs
//!                  coordinator.json     who coordinates the run, or did so last
//!                  mesh.log             what mesh did beside its decisions, for people
//!                  control/             requests of other mesh commands
//!                  bin/                 first on the agents' PATH: `bd` is the read-only wrapper there
//!                  view/                copies of the tracker that agents read
//!                  attempts/<task>/<n>/ one try, with setup/ and proof/ beneath
//!                  report.md, report.html, trace.json
//! ```
//!
//! It must never delete anything, and never touch a file that is there already.

use std::io;
use std::path::{Path, PathBuf};

use mesh_core::filename::safe_file_name;
use mesh_core::id::AttemptId;
use mesh_core::process::{Role, Tree};

use crate::append::{sync_folder, write_temporary};
use crate::run_id::RunId;
use crate::timestamp::Timestamp;

const GITIGNORE: &str = "\
# Written by mesh: nothing in this folder belongs to version control.
# To share config.toml with your team, add the line `!config.toml` below the star.
*
";

/// How often a new run's name is tried before a full or broken file system must be the reason.
const NAME_TRIES: usize = 64;

/// `.mesh` of a repository, in its main working copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshDir {
    path: PathBuf,
}

impl MeshDir {
    /// That of the repository whose main working copy is `main_working_copy`. Touches nothing.
    #[must_use]
    pub fn of(main_working_copy: &Path) -> MeshDir {
        MeshDir {
            path: main_working_copy.join(".mesh"),
        }
    }

    /// Makes the folder, `runs/` in it, and the file that keeps it out of version control; what is there stays as it is.
    ///
    /// # Errors
    /// Whatever the file system says, with the file named.
    pub fn create(&self) -> io::Result<()> {
        fs_err::create_dir_all(self.runs())?;
        self.write_gitignore()
    }

    /// Never seen half: half of it would show the rest of the folder to version control. An existing one is a person's.
    fn write_gitignore(&self) -> io::Result<()> {
        let path = self.path.join(".gitignore");
        if fs_err::symlink_metadata(&path).is_ok() {
            return Ok(());
        }
        let temporary = write_temporary(&self.path, GITIGNORE.as_bytes())?;
        let placed = match fs_err::hard_link(&temporary, &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // Some file systems have no hard links; there a rename must do.
            Err(_) => return fs_err::rename(&temporary, &path),
            Ok(()) => Ok(()),
        };
        fs_err::remove_file(&temporary)?;
        placed
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The repository's configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// Verified commits of all runs.
    #[must_use]
    pub fn results(&self) -> PathBuf {
        self.path.join("results.jsonl")
    }

    /// What tasks have taught, where the user keeps no file for it.
    #[must_use]
    pub fn learnings(&self) -> PathBuf {
        self.path.join("learnings.jsonl")
    }

    /// The folder of runs.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.path.join("runs")
    }

    /// The folder of a run, there or not.
    #[must_use]
    pub fn run(&self, run: &RunId) -> RunDir {
        RunDir {
            path: self.runs().join(run.as_str()),
        }
    }

    /// Makes the folder of a new run that starts at `started`, under a name that nobody has.
    ///
    /// # Errors
    /// Whatever the file system says, with the file named.
    pub fn create_run(&self, started: Timestamp) -> io::Result<(RunId, RunDir)> {
        self.create()?;
        let mut timelines = 0;
        let (run, dir) = loop {
            let run = RunId::generate(started);
            let dir = self.run(&run);
            timelines += 1;
            match fs_err::create_dir(&dir.path) {
                Ok(()) => break (run, dir),
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && timelines < NAME_TRIES => {}
                Err(error) => return Err(error),
            }
        };
        for folder in [dir.control(), dir.bin(), dir.attempts()] {
            fs_err::create_dir(folder)?;
        }
        for folder in [self.runs(), self.path.clone()] {
            sync_folder(&folder)?;
        }
        Ok((run, dir))
    }

    /// All runs that have begun, oldest first. None when there is no folder yet.
    ///
    /// # Errors
    /// Whatever the file system says, with the file named.
    pub fn list(&self) -> io::Result<Vec<RunId>> {
        let entries = match fs_err::read_dir(self.runs()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let run = name.to_str().and_then(|name| RunId::parse(name).ok());
            let is_begun = |run: &RunId| {
                let dir = self.run(run);
                // Somebody may have taken the journal away.
                dir.journal().exists()
                    || !folders_in(&dir.attempts()).unwrap_or_default().is_empty()
            };
            runs.extend(run.filter(is_begun));
        }
        runs.sort();
        Ok(runs)
    }

    /// The run that was started last.
    ///
    /// # Errors
    /// Those of [`MeshDir::list`].
    pub fn latest(&self) -> io::Result<Option<RunId>> {
        Ok(self.list()?.pop())
    }
}

/// The folder of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// A run's folder that lies at `path`, such as one in a fixture. Everybody else asks [`MeshDir::run`].
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> RunDir {
        RunDir { path: path.into() }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Facts and decisions.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// The plan as started, for people and tools.
    #[must_use]
    pub fn plan_json(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    /// Calls of outside programs.
    #[must_use]
    pub fn call_log(&self) -> PathBuf {
        self.path.join("calls.jsonl")
    }

    /// What mesh did beside its decisions, for people.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join("mesh.log")
    }

    /// Who coordinates the run, or did so last. Only for people: the journal's lock says whether anybody does.
    #[must_use]
    pub fn coordinator(&self) -> PathBuf {
        self.path.join("coordinator.json")
    }

    /// Requests of other mesh commands.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.path.join("control")
    }

    /// First on the agents' `PATH`.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        self.path.join("bin")
    }

    /// Copies of the tracker that agents read, a folder for each attempt, while the run goes on.
    #[must_use]
    pub fn view(&self) -> PathBuf {
        self.path.join("view")
    }

    /// Where the tracker looks for the formulas of the run, in `.beads/formulas` of it.
    pub fn formulas(&self) -> PathBuf {
        self.path.join("formulas")
    }

    /// All timelines of all tasks.
    #[must_use]
    pub fn attempts(&self) -> PathBuf {
        self.path.join("attempts")
    }

    /// Which attempts have a folder, by the folder's name of each task. Read off the disk: a journal may not know all of them.
    ///
    /// # Errors
    /// Whatever the file system says, with the file named.
    pub fn attempt_folders(&self) -> io::Result<Vec<(String, Vec<u32>)>> {
        let mut tasks = Vec::new();
        for task in folders_in(&self.attempts())? {
            let numbers = folders_in(&task)?;
            let number = |folder: &PathBuf| file_name(folder).parse().ok();
            tasks.push((
                file_name(&task),
                numbers.iter().filter_map(number).collect(),
            ));
        }
        Ok(tasks)
    }

    /// Every folder of the run that a process under a shim has or had files in, whatever it is for.
    ///
    /// # Errors
    /// Whatever the file system says, with the file named.
    pub fn processes(&self) -> io::Result<Vec<ProcessDir>> {
        let mut processes = Vec::new();
        for task in folders_in(&self.attempts())? {
            for path in folders_in(&task)? {
                processes.extend(AttemptDir { path }.processes());
            }
        }
        processes.retain(|process| process.lock().exists());
        Ok(processes)
    }

    /// The folder of one try, there or not. Two tasks never share one, whatever their ids are.
    #[must_use]
    pub fn attempt(&self, attempt: &AttemptId) -> AttemptDir {
        let task = safe_file_name(attempt.task.as_str());
        AttemptDir {
            path: self.attempts().join(task).join(attempt.number.to_string()),
        }
    }

    /// What the shells of agents read before any script.
    #[must_use]
    pub fn bash_env(&self) -> PathBuf {
        self.path.join("bash-env.sh")
    }

    /// Where the workspace of an attempt that has not begun was prepared. The attempt's own folder is made when it begins.
    #[must_use]
    pub fn prepared(&self, attempt: &AttemptId) -> PathBuf {
        let task = safe_file_name(attempt.task.as_str());
        let file = format!("{task}+{}", attempt.number);
        self.path.join("prepared").join(file)
    }

    /// What there is to say beside the verdicts, a line each.
    #[must_use]
    pub fn notes(&self) -> PathBuf {
        self.path.join("notes")
    }

    /// What of the run is to be in the tracker's audit, and what of it is there.
    #[must_use]
    pub fn audit_outbox(&self) -> PathBuf {
        self.path.join("audit.jsonl")
    }

    /// The report for people.
    #[must_use]
    pub fn report_md(&self) -> PathBuf {
        self.path.join("report.md")
    }
}

/// The folder of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptDir {
    path: PathBuf,
}

impl AttemptDir {
    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the agent was told; written before it starts.
    #[must_use]
    pub fn prompt(&self) -> PathBuf {
        self.path.join("prompt.md")
    }

    /// What was changed, as a patch.
    #[must_use]
    pub fn patch(&self) -> PathBuf {
        self.path.join("patch")
    }

    /// A copy of the verified result outside of the repository, as a git bundle.
    #[must_use]
    pub fn bundle(&self) -> PathBuf {
        self.path.join("result.bundle")
    }

    /// The folders of every process that the attempt may have had.
    #[must_use]
    pub fn processes(&self) -> Vec<ProcessDir> {
        Role::ALL.map(|role| self.process(role)).into()
    }

    /// The folder of one process.
    #[must_use]
    pub fn process(&self, role: Role) -> ProcessDir {
        let path = match role {
            Role::Agent => self.path.clone(),
            Role::Setup(Tree::Workspace) => self.path.join("setup"),
            Role::Proof(Tree::Workspace) => self.path.join("proof"),
            Role::Proof(Tree::Recorded) => self.path.join("proof-clean"),
            Role::Proof(Tree::Integrated) => self.path.join("landing"),
            Role::Setup(tree @ (Tree::Recorded | Tree::Integrated)) => {
                self.process(Role::Proof(tree)).path.join("setup")
            }
        };
        ProcessDir { path }
    }
}

/// Where a process under a shim has its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessDir {
    path: PathBuf,
}

impl ProcessDir {
    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its output.
    #[must_use]
    pub fn stdout(&self) -> PathBuf {
        self.path.join("stdout")
    }

    /// Its messages.
    #[must_use]
    pub fn stderr(&self) -> PathBuf {
        self.path.join("stderr")
    }

    /// Locked from before the start until the shim ends.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Who the shim is.
    #[must_use]
    pub fn shim_json(&self) -> PathBuf {
        self.path.join("shim.json")
    }

    /// How everything ended.
    #[must_use]
    pub fn exit_json(&self) -> PathBuf {
        self.path.join("exit.json")
    }

    /// What its shim was told to start.
    #[must_use]
    pub fn spec_json(&self) -> PathBuf {
        self.path.join("spec.json")
    }
}

/// Folders in `folder`, sorted; none when it is not there. Links are not followed.
fn folders_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs_err::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "layout_test.rs"]
mod tests;
