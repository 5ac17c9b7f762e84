//! The attempt's lock: a file lock that says "this attempt may still be running".

use fs_err::OpenOptions;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Why the lock was not taken.
#[derive(Debug, Error)]
pub enum LockError {
    /// Somebody has it: the attempt is (or may be) running.
    #[error("{} is locked: that attempt is still running", .path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
    },
    /// The file cannot be created or locked.
    #[error("cannot lock {}: {source}", .path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Creates the file where it is missing and locks it. The lock belongs to the open file and lasts until the last copy of it is
/// closed: hand it to [`super::start`] and keep none.
///
/// # Errors
/// [`LockError::Held`] when somebody keeps it; [`is_locked`] holds it for an instant, so one refusal is not believed at once.
pub fn lock_attempt(path: &Path) -> Result<File, LockError> {
    const PATIENCE: Duration = Duration::from_millis(250);
    const PAUSE: Duration = Duration::from_millis(5);
    let io_error = |source| LockError::Io {
        path: path.to_path_buf(),
        source,
    };
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(io_error)?
        .into_parts()
        .0;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    path: path.to_path_buf(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io_error(source)),
        }
    }
}

/// Whether somebody holds the lock. A file that is missing is not locked; one that cannot be asked counts as locked, because
/// "not running" must never be a guess.
///
/// For an instant after a shim's end the answer can still be yes, when another thread of its starter was just starting a process
/// of its own: whoever waits for an end waits for the shim's end, not for this.
pub fn is_locked(path: &Path) -> bool {
    match OpenOptions::new().read(true).open(path) {
        Ok(file) => file.into_parts().0.try_lock_shared().is_err(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_free_after_the_last_copy_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!is_locked(&path));
        let lock = lock_attempt(&path).unwrap();
        let copy = lock.try_clone().unwrap();
        assert!(is_locked(&path));
        assert!(matches!(lock_attempt(&path), Err(LockError::Held { .. })));
        drop(lock);
        assert!(is_locked(&path));
        drop(copy);
        // Other tests of this process fork children that hold every descriptor until they execute their program.
        let deadline = Instant::now() + Duration::from_secs(10);
        while is_locked(&path) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(!is_locked(&path));
        lock_attempt(&path).unwrap();
    }

    #[test]
    fn a_missing_folder_is_said_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent").join("lock");
        let error = lock_attempt(&path).unwrap_err();
        assert!(error.to_string().contains("absent"), "{error}");
        assert!(!is_locked(&path));
    }
}
