//! The copy of the tracker that one agent reads, and how it is held until `bd` is done with it.
//!
//! ```text
//! <run>/view/ask              the coordinator's socket
//!            <attempt>/       one agent's own, named by MESH_VIEW
//!              <n>/.beads     copy n, put there whole and never changed again: a newer snapshot has a higher number
//!                  lock       this copy's lock, shared by readers without a read slot
//!                  read-slot-0 …   links to files that the copies of all agents share, each for one reader at a time
//! ```
//!
//! A reader asks for a fresh copy and takes a read slot of the newest. Who removes a copy locks all of these files first. The
//! read slots bound how many reads run at once: on 2 cores, 8 agents that read in loops made the coordinator's claim take 6 times
//! as long, and 1.1 times when one read came after the other (bd 1.3.0). Switching a copy in place was measured to give
//! panics on bd 1.3.0 and empty answers with exit code 0 on 0.47.1, which is why none of this is a symlink.
//!
//! Whatever lies in the folder, this module never waits without a bound and never takes the live tracker instead.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mesh_real::is_same_file;

/// Variable that names the view, as an absolute path. When it is set the live tracker is never read.
pub const MESH_VIEW: &str = "MESH_VIEW";
/// Name of the copied tracker folder inside a numbered one.
pub const BEADS: &str = ".beads";
/// Name of the lock file inside a numbered folder.
pub const LOCK: &str = "lock";
/// What the names of a numbered folder's read slots begin with: `read-slot-0`, `read-slot-1`, …
pub const READ_SLOT: &str = "read-slot-";
/// Name of the coordinator's socket, beside the view.
pub const ASK: &str = "ask";

/// Longest wait for a fresh copy, after which the newest there is will do.
pub const ASK_PATIENCE: Duration = Duration::from_secs(3);
/// Longest wait for a read slot, after which one reads without.
pub const READ_SLOT_PATIENCE: Duration = Duration::from_secs(10);
/// Longest time for finding a copy, waits for read slots included: opening a pipe or listing a broken mount may never end.
const FIND_PATIENCE: Duration = Duration::from_secs(20);

/// Most entries of a view, and most read slots of a copy, that are looked at: far above what the coordinator puts there.
const MOST_ENTRIES: usize = 10_000;
const MOST_READ_SLOTS: usize = 64;
/// How often the newest copy may be gone before it is held. A removed copy is never the newest, so one more look will do.
const LOOKS: usize = 8;

/// The numbered folder of copy `number`.
pub fn copy_dir(view: &Path, number: u64) -> PathBuf {
    view.join(number.to_string())
}

/// The copied tracker folder, which `bd` is told of with `BEADS_DIR`.
pub fn beads_dir(view: &Path, number: u64) -> PathBuf {
    copy_dir(view, number).join(BEADS)
}

/// The number that a folder's name stands for: plain decimal digits without leading zeros, at least 1.
pub fn number_of(name: &OsStr) -> Option<u64> {
    let text = name.to_str()?;
    let number: u64 = text.parse().ok()?;
    (number >= 1 && number.to_string() == text).then_some(number)
}

/// Numbers of the copies that are there, newest first.
///
/// # Errors
/// When the view cannot be listed.
pub fn numbers(view: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(view)?.take(MOST_ENTRIES) {
        numbers.extend(number_of(&entry?.file_name()));
    }
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    Ok(numbers)
}

/// A copy that stays as it is until `lock` is closed by every process that has it.
#[derive(Debug)]
pub struct Held {
    /// Its tracker folder.
    pub beads_dir: PathBuf,
    /// A read slot, locked exclusively, or the lock file, locked shared; open for reading.
    pub lock: File,
}

/// Asks for a fresh copy, then holds the newest that can be held.
///
/// # Errors
/// One line that says why there is none.
pub fn hold_newest(view: &Path) -> Result<Held, String> {
    if !view.is_absolute() {
        let trouble = format!("{MESH_VIEW} must be an absolute path, not {view:?}");
        return Err(trouble);
    }
    let (asked, searched) = (view.to_path_buf(), view.to_path_buf());
    // Whatever came of it: there may be a copy that is new enough, and without a coordinator nothing gets newer.
    within(ASK_PATIENCE, move || ask(&asked));
    let read_slot_by = Instant::now() + READ_SLOT_PATIENCE;
    within(FIND_PATIENCE, move || Some(find(&searched, read_slot_by)))
        .unwrap_or_else(|| Err(format!("the tracker's view {view:?} cannot be read")))
}

/// What `work` gives, unless it takes longer. Its thread is then left behind, and ends with the exec.
fn within<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<T> {
    let (done, result) = mpsc::channel();
    let thread = std::thread::Builder::new().spawn(move || done.send(work()));
    thread.ok()?;
    result.recv_timeout(patience).ok()?
}

/// Tells the coordinator which view wants a fresh copy, and waits for its answer, whatever that is.
fn ask(view: &Path) -> Option<()> {
    let (root, name) = (view.parent()?, view.file_name()?);
    // A socket's address holds 108 bytes, less than a run's folder may have; the way through an open folder is short.
    let folder = File::open(root).ok()?;
    let short = PathBuf::from(format!("/proc/self/fd/{}/{ASK}", folder.as_raw_fd()));
    let socket = UnixStream::connect(short).or_else(|_| UnixStream::connect(root.join(ASK)));
    let mut socket = socket.ok()?;
    socket.write_all(&[name.as_bytes(), b"\n"].concat()).ok()?;
    socket.read_exact(&mut [0]).ok()
}

/// Holds the newest copy that can be held, and waits for read slots until `read_slot_by`.
fn find(view: &Path, read_slot_by: Instant) -> Result<Held, String> {
    for _ in 0..LOOKS {
        let numbers = numbers(view)
            .map_err(|error| format!("cannot read the tracker's view {view:?}: {error}"))?;
        for number in numbers {
            if let Some(held) = hold(&copy_dir(view, number), read_slot_by) {
                return Ok(held);
            }
            // It was removed, so there is a newer one.
            if fs::symlink_metadata(copy_dir(view, number)).is_err() {
                break;
            }
        }
    }
    Err(format!(
        "no copy of the tracker in the view {view:?} yet; try again in a moment"
    ))
}

/// Holds the copy in `folder`, or `None` if it is gone, going, or not a whole copy.
fn hold(folder: &Path, read_slot_by: Instant) -> Option<Held> {
    let beads_dir = folder.join(BEADS);
    let is_whole = || fs::symlink_metadata(&beads_dir).is_ok_and(|there| there.is_dir());
    if !is_whole() {
        return None;
    }
    let (path, lock) = take_read_slot(folder, read_slot_by).or_else(|| {
        let (path, lock) = open_plain(folder.join(LOCK))?;
        lock.try_lock_shared().ok()?;
        Some((path, lock))
    })?;
    // The remover may have been faster: what was locked must still be what lies there.
    let there = fs::symlink_metadata(path).ok()?;
    let still_there = is_same_file(&lock.metadata().ok()?, &there) && is_whole();
    still_there.then_some(Held { beads_dir, lock })
}

/// A free read slot, else the one that this process's number falls on, if that gets free in time: so waiters spread.
fn take_read_slot(folder: &Path, read_slot_by: Instant) -> Option<(PathBuf, File)> {
    let mut read_slots: Vec<_> = (0..MOST_READ_SLOTS)
        .map_while(|number| open_plain(folder.join(format!("{READ_SLOT}{number}"))))
        .collect();
    if let Some(free) = read_slots
        .iter()
        .position(|(_, read_slot)| read_slot.try_lock().is_ok())
    {
        return Some(read_slots.swap_remove(free));
    }
    let mine = (std::process::id() as usize).checked_rem(read_slots.len())?;
    let (path, read_slot) = read_slots.swap_remove(mine);
    let left = read_slot_by.checked_duration_since(Instant::now())?;
    within(left, move || {
        read_slot.lock().is_ok().then_some((path, read_slot))
    })
}

/// Opening a pipe without a writer would wait, so anything but a plain file is left alone.
fn open_plain(path: PathBuf) -> Option<(PathBuf, File)> {
    let is_plain = fs::symlink_metadata(&path).is_ok_and(|there| there.is_file());
    let file = is_plain.then(|| File::open(&path))?.ok()?;
    Some((path, file))
}

#[cfg(test)]
#[path = "view_test.rs"]
mod tests;
