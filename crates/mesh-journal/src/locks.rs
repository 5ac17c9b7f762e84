//! One coordinator per journal, per tracker and per version-control store.
//!
//! The lock is `flock` on the thing itself: the journal's file, the tracker's folder, the store's folder. Nothing is written
//! there, and because the kernel keeps the lock with the inode, neither a variable of the environment nor another spelling of the
//! path, a link or a bind mount can make two locks out of one (measured on ext4, tmpfs and overlayfs). It ends with the process
//! that took it, however that ends.
//!
//! Who holds a lock is found out afterwards and is only ever shown: the process from `/proc/locks`, its run from the journal that
//! it has open, the rest from the [`Coordinator`] file in that run's folder. No decision may rest on it.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::append::{refuse_special, write_temporary};
use crate::layout::RunDir;
use crate::run_id::RunId;
use crate::timestamp::Timestamp;

/// How long a lock is asked for again while a living process has it. Who only asks ([`is_held`]) holds a shared lock for an
/// instant, and a coordinator is not turned away by that.
const PATIENCE: Duration = Duration::from_millis(250);
/// The same while no living process can be seen that has it: a child that a killed coordinator was just starting has a copy of
/// the open file until it executes its program, which can take a while on a busy machine.
const UNSEEN_PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(10);

/// Who holds a lock, as far as it shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Its process.
    pub pid: Option<u32>,
    /// Its run; none for a command that holds the lock without a run.
    pub run: Option<String>,
    /// The repository that run belongs to.
    pub repository: Option<PathBuf>,
    /// Since when it coordinates.
    pub since: Option<Timestamp>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        match (&self.run, &self.repository) {
            (Some(run), Some(repository)) => {
                parts.push(format!("run {run} in {}", repository.display()));
            }
            (Some(run), None) => parts.push(format!("run {run}")),
            _ => {}
        }
        parts.extend(self.pid.map(|pid| format!("process {pid}")));
        parts.extend(self.since.map(|since| format!("since {since}")));
        if parts.is_empty() {
            return f.write_str("a process that cannot be seen from here");
        }
        f.write_str(&parts.join(", "))
    }
}

/// What a coordinator says about itself in its run's folder, for the message to a second one.
#[derive(Debug, Serialize, Deserialize)]
pub struct Coordinator {
    /// Its process.
    pub pid: u32,
    /// Since when it coordinates.
    pub since: Timestamp,
}

impl Coordinator {
    /// Leaves word in the run's folder. Whether that succeeds changes no lock.
    ///
    /// # Errors
    /// Whatever the file system says, with the file named.
    pub fn write(&self, run_dir: &RunDir) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        let temporary = write_temporary(run_dir.path(), &text)?;
        fs_err::rename(temporary, run_dir.coordinator())
    }

    fn read(run_dir: &RunDir) -> Option<Coordinator> {
        let text = fs_err::read(run_dir.coordinator()).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

/// A lock that is held until this is dropped or the process ends.
#[derive(Debug)]
pub struct Guard {
    file: File,
    /// Others that are held for as long as this one.
    others: Mutex<Vec<Arc<Guard>>>,
}

impl Guard {
    fn new(file: File) -> Guard {
        Guard {
            file,
            others: Mutex::default(),
        }
    }

    /// Holds another lock for as long as this one.
    pub(crate) fn keep(&self, other: Arc<Guard>) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.push(other);
    }
}

impl Drop for Guard {
    /// Closing would not do: a child that another thread is just starting has a copy of the file until it executes its program,
    /// and the lock would live as long.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// Why there is no lock.
#[derive(Debug, Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("{} is in use by another mesh: {holder}", key.display())]
    Held {
        /// What is locked.
        key: PathBuf,
        /// Who it is.
        holder: Holder,
    },
    /// The file system has no such locks.
    #[error(
        "{} cannot be locked: {source}; its file system has no locks for this (NFS has none for folders), and without one a \
         second mesh could not be kept out; move it to a local disk, or mount it with local_lock=flock on the only machine that uses it",
        key.display()
    )]
    Unsupported {
        /// What was to be locked.
        key: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The thing cannot be opened or locked.
    #[error("cannot lock {}: {source}", key.display())]
    Unavailable {
        /// What was to be locked.
        key: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Takes the lock of `key`, a file or folder that must exist.
///
/// # Errors
/// [`LockError::Held`] within a moment when somebody has it, whoever that is, this process included.
pub fn acquire(key: &Path) -> Result<Guard, LockError> {
    let file = open(key).map_err(|source| unavailable(key, source))?;
    acquire_open(file, key)
}

/// As [`acquire`], with the lock on `file`, which was opened as `key`.
///
/// # Errors
/// Those of [`acquire`].
pub(crate) fn acquire_open(file: File, key: &Path) -> Result<Guard, LockError> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Guard::new(file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(unavailable(key, source)),
        }
        let waited = start.elapsed();
        if waited >= PATIENCE {
            let seen = file.metadata().ok().and_then(|stat| locker(&stat));
            if seen.is_some() || waited >= UNSEEN_PATIENCE {
                return Err(LockError::Held {
                    key: key.to_owned(),
                    holder: holder_of(key).unwrap_or_default(),
                });
            }
        }
        std::thread::sleep(PAUSE);
    }
}

/// Locks a file that everybody keeps locked for one write only. Says whether it could be had within ten seconds: whoever keeps it longer
/// keeps it from all others. It is given back with the file.
///
/// # Errors
/// The system knows no locks here.
pub fn lock_for_a_write(file: &File) -> io::Result<bool> {
    const TRIES: u32 = 400;
    const BETWEEN: Duration = Duration::from_millis(25);
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

fn open(key: &Path) -> io::Result<File> {
    refuse_special(key)?;
    Ok(fs_err::File::open(key)?.into_parts().0)
}

fn unavailable(key: &Path, source: io::Error) -> LockError {
    // A network file system that makes locks of its own out of `flock` wants the file open for writing, which no folder can be.
    const EBADF: i32 = 9;
    const ENOLCK: i32 = 37;
    let key = key.to_owned();
    let is_unsupported = source.kind() == io::ErrorKind::Unsupported
        || matches!(source.raw_os_error(), Some(EBADF | ENOLCK));
    if is_unsupported {
        LockError::Unsupported { key, source }
    } else {
        LockError::Unavailable { key, source }
    }
}

/// Whether somebody holds the lock of `key` now. For those who must not take it.
///
/// # Errors
/// When it is there and cannot be asked; then nobody may be taken for dead.
pub fn is_held(key: &Path) -> Result<bool, LockError> {
    let file = match open(key) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(|source| unavailable(key, source))?,
    };
    // Shared, so that two who ask do not take each other for a holder.
    match file.try_lock_shared() {
        Ok(()) => drop(Guard::new(file)),
        Err(TryLockError::WouldBlock) => return Ok(true),
        Err(TryLockError::Error(source)) => return Err(unavailable(key, source)),
    }
    Ok(false)
}

/// Waits until nobody holds the lock of `key`, for at most `patience`. Says whether it is free. Costs nothing while it waits.
///
/// # Errors
/// Those of [`is_held`].
pub fn wait_until_free(key: &Path, patience: Duration) -> Result<bool, LockError> {
    let file = match open(key) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        file => file.map_err(|source| unavailable(key, source))?,
    };
    let (tell, told) = mpsc::channel();
    // When time runs out the thread is left behind; it ends with the process of the command, or with the lock.
    std::thread::spawn(move || {
        let locked = file.lock_shared().map(|()| drop(Guard::new(file)));
        let _ = tell.send(locked);
    });
    match told.recv_timeout(patience) {
        Ok(locked) => locked
            .map(|()| true)
            .map_err(|source| unavailable(key, source)),
        Err(_) => Ok(false),
    }
}

/// Who holds the lock of `key`, as far as it shows; nothing when nobody does or it cannot be opened.
#[must_use]
pub fn holder_of(key: &Path) -> Option<Holder> {
    if !is_held(key).unwrap_or(true) {
        return None;
    }
    let pid = fs_err::metadata(key).ok().and_then(|stat| locker(&stat));
    // From another process namespace no process shows; a journal still says whose it is by where it lies.
    let run_dir = pid.and_then(run_dir_of).or_else(|| {
        let is_journal = RunDir::at(key.parent()?).journal() == key;
        is_journal.then(|| RunDir::at(key.parent().unwrap_or(key)))
    });
    let Some(run_dir) = run_dir else {
        return Some(Holder {
            pid,
            ..Holder::default()
        });
    };
    let said = Coordinator::read(&run_dir).filter(|said| pid.is_none_or(|pid| pid == said.pid));
    Some(Holder {
        pid: pid.or(said.as_ref().map(|said| said.pid)),
        run: run_dir
            .path()
            .file_name()
            .map(|name| name.to_string_lossy().into_owned()),
        repository: run_dir.path().ancestors().nth(3).map(Path::to_path_buf),
        since: said.map(|said| said.since),
    })
}

/// The process that holds an exclusive `flock` on the file, from `/proc/locks`. That names a device by its number in the kernel,
/// which on some file systems is not the one that a file shows, so an inode that stands there once is enough.
fn locker(stat: &Metadata) -> Option<u32> {
    let text = fs_err::read_to_string("/proc/locks").ok()?;
    let found: Vec<(u32, bool)> = text.lines().filter_map(|line| parse(line, stat)).collect();
    match found.as_slice() {
        [(pid, _)] => Some(*pid),
        many => many.iter().find(|(_, same)| *same).map(|(pid, _)| *pid),
    }
}

/// `1: FLOCK  ADVISORY  WRITE 714 fe:00:1036 0 EOF`: the process, when the line is about this inode, and whether the device is
/// the same too.
fn parse(line: &str, stat: &Metadata) -> Option<(u32, bool)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, "FLOCK", _, "WRITE", pid, place, ..] = words.as_slice() else {
        return None;
    };
    let mut parts = place.split(':');
    let mut hex = || u64::from_str_radix(parts.next()?, 16).ok();
    let (major, minor) = (hex()?, hex()?);
    let inode: u64 = place.rsplit(':').next()?.parse().ok()?;
    let dev = stat.dev();
    let same = major == ((dev >> 8) & 0xfff) && minor == ((dev & 0xff) | ((dev >> 12) & 0xfff00));
    let pid = pid.parse().ok().filter(|pid| *pid > 0)?;
    (inode == stat.ino()).then_some((pid, same))
}

/// The run that a process coordinates: the one whose journal it has open.
fn run_dir_of(pid: u32) -> Option<RunDir> {
    let entries = fs_err::read_dir(format!("/proc/{pid}/fd")).ok()?;
    entries.flatten().find_map(|entry| {
        let target = fs_err::read_link(entry.path()).ok()?;
        let folder = target.parent()?;
        let name = target.file_name()?.to_str()?;
        // A journal that was deleted under its coordinator is still its own.
        let is_journal = name.strip_suffix(" (deleted)").unwrap_or(name) == "journal.jsonl";
        let run = folder.file_name()?.to_str()?;
        (is_journal && RunId::parse(run).is_ok()).then(|| RunDir::at(folder))
    })
}

#[cfg(test)]
#[path = "locks_test.rs"]
mod tests;
