//! Patches and the workspace: applied as `git apply` does it, all or nothing, and taken back before another one follows. Git refuses
//! what lies outside of the folder, beyond a link, or in `.git`; it needs no repository for that.

use std::path::PathBuf;
use std::time::Duration;

use mesh_engine::ROLES_FOLDER;
use mesh_journal::layout::AttemptDir;
use mesh_proc::run::{Command, RunError, run};
use mesh_strategy::entry::Applied;

use super::place::Place;
use super::{GaveUp, step};

/// In the folder of the turns: the patch that the workspace holds, or was about to hold.
const HELD: &str = "applied.patch";

/// Large repositories on slow disks.
const LIMIT: Duration = Duration::from_secs(300);

/// The patch that an attempt left applied, if it did.
pub(super) fn left_by(attempt: &AttemptDir) -> std::io::Result<Option<Vec<u8>>> {
    match fs_err::read(attempt.path().join(ROLES_FOLDER).join(HELD)) {
        Ok(patch) => Ok(Some(patch)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) struct Patches<'a> {
    place: &'a Place,
    git: PathBuf,
}

impl<'a> Patches<'a> {
    pub fn new(place: &'a Place) -> Result<Patches<'a>, GaveUp> {
        let git = place.setup.programs.git.clone();
        let git = git.unwrap_or_else(|| PathBuf::from("git"));
        Ok(Patches { place, git })
    }

    /// Takes back what the attempt before left applied in the same workspace.
    pub fn begin(&self) -> Result<(), GaveUp> {
        let Some(before) = self.place.told.continues else {
            return Ok(());
        };
        let folder = self.place.attempt_dir(before).path().join(ROLES_FOLDER);
        if let Ok(text) = fs_err::read_to_string(folder.join(super::roles::CHANGED_BY_ROLES)) {
            return Err(GaveUp::because(format!(
                "{}; the workspace of attempt {before} is not worked in again: retry with `retry.mode = \"fresh\"`",
                text.trim()
            )));
        }
        let Some(patch) = left_by(&self.place.attempt_dir(before))? else {
            return Ok(());
        };
        self.write_held(&patch)?;
        step(format!("takes back the patch of attempt {before}"));
        self.take_back(&patch)
    }

    /// Makes the workspace hold this patch and no other.
    pub fn apply(&self, patch: &str) -> Result<Applied, GaveUp> {
        let own = self.place.attempt_dir(self.place.attempt.number);
        if let Some(held) = left_by(&own)? {
            self.take_back(&held)?;
        }
        let patch = patch.as_bytes();
        if let Err(why) = self.git(&["--check"], patch)? {
            return Ok(Applied::Refused { why });
        }
        self.write_held(patch)?;
        Ok(match self.git(&[], patch)? {
            Ok(()) => Applied::Applied,
            Err(why) => {
                self.take_back(patch)?;
                Applied::Refused { why }
            }
        })
    }

    /// Takes `patch` back, if it is there: whoever was about to apply it may have died before.
    fn take_back(&self, patch: &[u8]) -> Result<(), GaveUp> {
        if self.git(&["--check", "--reverse"], patch)?.is_ok() {
            self.git(&["--reverse"], patch)?.map_err(GaveUp::because)?;
        } else if let Err(why) = self.git(&["--check"], patch)? {
            return Err(GaveUp::because(format!(
                "the workspace holds a part of an earlier patch, or was changed since: {why}; retry with `retry.mode = \"fresh\"`"
            )));
        }
        Ok(fs_err::remove_file(self.held())?)
    }

    fn held(&self) -> PathBuf {
        self.place.roles.join(HELD)
    }

    fn write_held(&self, patch: &[u8]) -> std::io::Result<()> {
        let temporary = self.place.roles.join(".applied");
        fs_err::write(&temporary, patch)?;
        fs_err::File::open(&temporary)?.sync_all()?;
        fs_err::rename(temporary, self.held())
    }

    /// `git apply`; what it says against the patch.
    fn git(&self, flags: &[&str], patch: &[u8]) -> Result<Result<(), String>, GaveUp> {
        // What a user has configured for patches of their own would change what is applied here.
        let fixed = ["apply", "--whitespace=nowarn", "--no-ignore-whitespace"];
        let command = Command::new(&self.git)
            .args(fixed)
            .args(flags.iter().copied())
            .arg("-")
            .cwd(&self.place.workspace)
            .env(self.place.ours.clone())
            .stdin_bytes(patch)
            .timeout(LIMIT);
        let output = run(&command).map_err(|error: RunError| GaveUp::because(error))?;
        if output.status.is_success() {
            return Ok(Ok(()));
        }
        Ok(Err(output.stderr_text().trim().to_owned()))
    }
}
