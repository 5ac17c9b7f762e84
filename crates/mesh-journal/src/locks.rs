//! One coordinator per tracker and per version-control store.
//!
//! The kernel holds the lock, so it ends with the process however that ends. What stands in the file only says who it is, for the
//! message to a second one; it is never believed. A lock file is never deleted: somebody could be about to lock it.

use std::ffi::OsString;
use std::fs::TryLockError;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err::{File, OpenOptions};
use mesh_core::filename::{safe_file_name, stable_hash};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::wall::WallTime;

/// Who only asks ([`held_by`]) holds a shared lock for an instant; a coordinator is not turned away by that.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// Its run.
    pub run: String,
    /// The repository it works in.
    pub repository: String,
    /// Since when.
    pub since: WallTime,
}

/// A lock that is held until this is dropped or the process ends.
#[derive(Debug)]
pub struct Guard {
    file: File,
    path: PathBuf,
}

impl Guard {
    /// The lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Guard {
    /// Closing would not do: a child that another thread is just starting has a copy of the file until it executes its program,
    /// and the lock would live as long.
    fn drop(&mut self) {
        let _ = self.file.file().unlock();
    }
}

/// Why there is no lock.
#[derive(Debug, Error)]
pub enum LockError {
    /// Somebody else coordinates.
    #[error("{} is worked on by another mesh: {}", key.display(), shown(holder.as_ref()))]
    Held {
        /// What is locked.
        key: PathBuf,
        /// Who it is, when the file says so.
        holder: Option<Holder>,
    },
    /// The lock file cannot be had.
    #[error("cannot lock {} with {}: {source}", key.display(), path.display())]
    Unavailable {
        /// What was to be locked.
        key: PathBuf,
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn shown(holder: Option<&Holder>) -> String {
    holder.map_or_else(
        || "it does not say who it is".to_owned(),
        |holder| {
            let Holder {
                pid,
                run,
                repository,
                since,
            } = holder;
            format!("run {run} in {repository}, process {pid}, since {since}")
        },
    )
}

/// The folder for a user's state, from `XDG_STATE_HOME` and `HOME` as `variable` gives them; a relative one counts as unset.
#[must_use]
pub fn state_home(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local").join("state")))
}

/// Where the lock of `key` lies: the name of its last component for people, and a hash of the whole path, because that may be
/// longer than a file name may be. The hash need not withstand an author of clashes: a clash refuses a run that could have been,
/// and the message names the other repository.
#[must_use]
pub fn lock_path(state_home: &Path, key: &Path) -> PathBuf {
    let last = key.file_name().unwrap_or_default().to_string_lossy();
    let hash = stable_hash(key.as_os_str().as_bytes());
    state_home
        .join("mesh")
        .join("locks")
        .join(format!("{}-{hash:016x}", safe_file_name(&last)))
}

/// Takes the lock of `key`, a folder that must exist and whose canonical path counts, so that no two ways to it are two keys.
///
/// # Errors
/// [`LockError::Held`] within a moment when somebody has it, whoever that is, this process included.
pub fn acquire(state_home: &Path, key: &Path, holder: &Holder) -> Result<Guard, LockError> {
    let canonical = fs_err::canonicalize(key);
    let canonical = canonical.map_err(|source| LockError::Unavailable {
        key: key.to_owned(),
        path: lock_path(state_home, key),
        source,
    })?;
    let path = lock_path(state_home, &canonical);
    let unavailable = |source| LockError::Unavailable {
        key: canonical.clone(),
        path: path.clone(),
        source,
    };
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder).map_err(unavailable)?;
    }
    let open = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let mut file = open.map_err(unavailable)?;
    let mut tries_left = LOCK_TRIES;
    loop {
        match file.file().try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if tries_left > 0 => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    key: canonical,
                    holder: read_holder(file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(unavailable(source)),
        }
        tries_left -= 1;
    }
    let text = serde_json::to_vec(holder)
        .map_err(io::Error::from)
        .map_err(unavailable)?;
    // Only information: with a full disk the lock is still a lock.
    let _ = file
        .set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(&text));
    Ok(Guard { file, path })
}

/// Who holds the lock of `key` now; nothing when nobody does. For `status`, which must not take it.
///
/// # Errors
/// When the file is there and cannot be asked.
pub fn held_by(state_home: &Path, key: &Path) -> io::Result<Option<Option<Holder>>> {
    let path = lock_path(state_home, &fs_err::canonicalize(key)?);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    // Shared, so that two who ask do not take each other for a holder.
    match file.file().try_lock_shared() {
        Ok(()) => file.file().unlock().map(|()| None),
        Err(TryLockError::WouldBlock) => Ok(Some(read_holder(file))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn read_holder(file: File) -> Option<Holder> {
    let mut text = Vec::new();
    file.take(64 << 10).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
#[path = "locks_tests.rs"]
mod tests;
