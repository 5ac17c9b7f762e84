//! Where agents' copies of the tracker lie, and how one is held while it is read.
//!
//! A view is a folder with numbered copies: `<view>/<n>/.beads` is the copy, `<view>/<n>/lock` its lock file. A copy is made
//! beside as `<view>/.making-<n>` and renamed when it is complete and checked, so a numbered folder is always whole. It is
//! never changed again: a newer picture is a higher number. A reader holds a shared lock on the lock file; a copy is removed
//! only under the exclusive lock. Switching a copy in place was measured to give panics on bd 1.3.0 and empty answers with
//! exit code 0 on 0.47.1, which is why none of this is a symlink.
//!
//! This module never makes a copy, and never waits for a lock.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Variable that names the view, as an absolute path. When it is set the live tracker is never read.
pub const MESH_VIEW: &str = "MESH_VIEW";
/// Name of the copied tracker folder inside a numbered one.
pub const BEADS: &str = ".beads";
/// Name of the lock file inside a numbered folder.
pub const LOCK: &str = "lock";
/// What the names of a numbered folder's seats begin with: `seat-0`, `seat-1`, …
pub const SEAT: &str = "seat-";
/// Name of the coordinator's socket, beside the view.
pub const ASK: &str = "ask";

/// The numbered folder of copy `number`.
pub fn copy_dir(view: &Path, number: u64) -> PathBuf {
    view.join(number.to_string())
}

/// Where copy `number` is made before it gets its name.
pub fn making_dir(view: &Path, number: u64) -> PathBuf {
    view.join(format!(".making-{number}"))
}

/// The copied tracker folder, which `bd` is told of with `BEADS_DIR`.
pub fn beads_dir(view: &Path, number: u64) -> PathBuf {
    copy_dir(view, number).join(BEADS)
}

/// The file that readers lock shared, and a remover exclusively.
pub fn lock_file(view: &Path, number: u64) -> PathBuf {
    copy_dir(view, number).join(LOCK)
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
    for entry in fs::read_dir(view)? {
        numbers.extend(number_of(&entry?.file_name()));
    }
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    Ok(numbers)
}

/// A copy that stays as it is until `lock` is closed by every process that has it.
#[derive(Debug)]
pub struct Held {
    /// Which copy.
    pub number: u64,
    /// Its tracker folder.
    pub beads_dir: PathBuf,
    /// The lock file, open for reading, locked shared.
    pub lock: File,
}

/// Why no copy can be read. Its `Display` is one line.
#[derive(Debug)]
pub enum ViewError {
    /// `MESH_VIEW` is not absolute.
    Relative(PathBuf),
    /// The view cannot be listed.
    Unreadable(PathBuf, io::Error),
    /// There is no whole copy in it.
    Empty(PathBuf),
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ViewError::Relative(view) => {
                write!(f, "{MESH_VIEW} must be an absolute path, not {view:?}")
            }
            ViewError::Unreadable(view, error) => {
                write!(f, "cannot read the tracker's view {view:?}: {error}")
            }
            ViewError::Empty(view) => write!(
                f,
                "no copy of the tracker in the view {view:?} yet; try again in a moment"
            ),
        }
    }
}

/// Holds the newest copy that can be held.
///
/// # Errors
/// When there is none.
pub fn hold_newest(view: &Path) -> Result<Held, ViewError> {
    // A copy may be removed between the listing and the lock, but never the newest: if all that were listed have gone,
    // newer ones have come, and a second look finds them.
    const LOOKS: usize = 3;
    if !view.is_absolute() {
        return Err(ViewError::Relative(view.to_path_buf()));
    }
    for _ in 0..LOOKS {
        let numbers =
            numbers(view).map_err(|error| ViewError::Unreadable(view.to_path_buf(), error))?;
        if let Some(held) = numbers.iter().find_map(|number| hold(view, *number)) {
            return Ok(held);
        }
    }
    Err(ViewError::Empty(view.to_path_buf()))
}

/// Holds copy `number`, or `None` if it is gone, going, or not a whole copy.
pub fn hold(view: &Path, number: u64) -> Option<Held> {
    let lock = open_plain(&lock_file(view, number))?;
    lock.try_lock_shared().ok()?;
    let beads_dir = beads_dir(view, number);
    // The remover may have been faster: what was locked must still be what lies there.
    let still_there = is_still_at(&lock, &lock_file(view, number));
    let whole = fs::symlink_metadata(&beads_dir).is_ok_and(|folder| folder.is_dir());
    (still_there && whole).then_some(Held {
        number,
        beads_dir,
        lock,
    })
}

/// Removes copy `number` unless somebody holds it; `true` when it is gone.
///
/// # Errors
/// When it is unused and still cannot be removed.
pub fn remove_if_unused(view: &Path, number: u64) -> io::Result<bool> {
    let Some(lock) = open_plain(&lock_file(view, number)) else {
        return Ok(!copy_dir(view, number).try_exists()?);
    };
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Out of sight in one step, so that nobody finds half of it.
    let going = view.join(format!(".going-{number}"));
    fs::rename(copy_dir(view, number), &going)?;
    fs::remove_dir_all(&going)?;
    Ok(true)
}

/// Opening a pipe without a writer would wait, so anything but a plain file is left alone.
fn open_plain(path: &Path) -> Option<File> {
    if !fs::symlink_metadata(path).is_ok_and(|there| there.is_file()) {
        return None;
    }
    File::open(path).ok()
}

fn is_still_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct View(PathBuf);

    impl View {
        fn new(name: &str, numbers: &[&str]) -> View {
            let path =
                std::env::temp_dir().join(format!("mesh-bd-ro-view-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            for number in numbers {
                fs::create_dir_all(path.join(number).join(BEADS)).expect("folder");
                fs::write(path.join(number).join(LOCK), "").expect("file");
            }
            View(path)
        }
    }

    impl Drop for View {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn only_plain_numbers_name_a_copy() {
        for (name, number) in [
            ("1", Some(1)),
            ("10", Some(10)),
            ("18446744073709551615", Some(u64::MAX)),
        ] {
            assert_eq!(number_of(OsStr::new(name)), number);
        }
        for name in [
            "0",
            "01",
            "+1",
            "-1",
            "1a",
            "",
            ".making-1",
            "18446744073709551616",
            "1 ",
        ] {
            assert_eq!(number_of(OsStr::new(name)), None, "{name:?}");
        }
    }

    #[test]
    fn the_newest_by_number_is_held_and_not_by_name() {
        let view = View::new("newest", &["2", "9", "10", "010", ".making-11", "latest"]);
        let held = hold_newest(&view.0).expect("there are copies");
        assert_eq!(
            (held.number, held.beads_dir),
            (10, view.0.join("10/.beads"))
        );
    }

    #[test]
    fn a_held_copy_is_not_removed_and_a_removed_one_not_held() {
        let view = View::new("held", &["1", "2"]);
        let one = hold(&view.0, 1).expect("first reader");
        let also = hold(&view.0, 1).expect("second reader beside the first");
        drop(one);
        assert!(!remove_if_unused(&view.0, 1).expect("one reader is left"));
        drop(also);
        assert!(remove_if_unused(&view.0, 1).expect("nobody reads"));
        assert!(remove_if_unused(&view.0, 1).expect("it is gone already"));
        assert!(hold(&view.0, 1).is_none());
        assert_eq!(numbers(&view.0).expect("view"), [2]);
    }

    #[test]
    fn a_copy_that_is_being_removed_is_passed_by() {
        let view = View::new("going", &["1", "2"]);
        let remover = File::open(lock_file(&view.0, 2)).expect("lock file");
        remover.try_lock().expect("nobody holds it");
        assert_eq!(hold_newest(&view.0).expect("the older one").number, 1);
    }

    #[test]
    fn rubbish_in_the_view_is_passed_by() {
        let view = View::new("rubbish", &["1", "4"]);
        fs::create_dir(view.0.join("7")).expect("a folder without lock and copy");
        fs::write(view.0.join("8"), "").expect("a file");
        fs::create_dir(view.0.join("9")).expect("folder");
        fs::write(view.0.join("9/lock"), "").expect("lock");
        symlink(view.0.join("1/.beads"), view.0.join("9/.beads"))
            .expect("a copy that is a symlink");
        assert_eq!(hold_newest(&view.0).expect("a whole copy").number, 4);
    }

    #[test]
    fn a_view_without_copies_says_so() {
        let view = View::new("empty", &[".making-1"]);
        assert!(
            hold_newest(&view.0)
                .expect_err("no copy")
                .to_string()
                .contains("try again")
        );
        assert!(matches!(
            hold_newest(Path::new("view")),
            Err(ViewError::Relative(_))
        ));
        assert!(matches!(
            hold_newest(&view.0.join("none")),
            Err(ViewError::Unreadable(..))
        ));
    }
}
