//! One reader's view: its numbered copies, of which all but the newest go when nobody reads them.
//!
//! The folder belongs to a reader who may put anything there. So a copy is made elsewhere and renamed into the view, locks are
//! tried on files that were opened before that, and what is removed is first renamed out of it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use mesh_bd_ro::view::{BEADS, LOCK, copy_dir, numbers};

use super::read_slots::ReadSlots;
use super::snapshot::{Manifest, copy, make_folder};

/// How many numbers that are taken already are passed over; only a reader's own doing makes more than one.
const NUMBERS_TRIED: u64 = 16;

/// A whole copy of the tracker, where no reader comes.
#[derive(Debug)]
pub(crate) struct TrackerSnapshot {
    /// Its folder; `.beads` and the read slots lie in it.
    pub folder: PathBuf,
    /// What was copied.
    pub manifest: Manifest,
    /// The read slots of all its copies.
    pub read_slots: Arc<ReadSlots>,
}

/// A copy in a view.
#[derive(Debug)]
struct Copy {
    number: u64,
    snapshot: Arc<TrackerSnapshot>,
    lock: File,
}

impl Copy {
    /// Holds every lock that a reader could have, or `None` if one has it. Dropping it lets go.
    fn hold_all(&self) -> Option<Held<'_>> {
        let mut held = Held(Vec::new());
        for file in std::iter::once(&self.lock).chain(&self.snapshot.read_slots.files) {
            match file.try_lock() {
                Ok(()) => held.0.push(file),
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => return None,
            }
        }
        Some(held)
    }
}

struct Held<'a>(Vec<&'a File>);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for file in &self.0 {
            // An unlock that fails is of a file that is going anyway.
            let _ = file.unlock();
        }
    }
}

/// The view of one reader.
#[derive(Debug)]
pub(crate) struct Replica {
    folder: PathBuf,
    opened: Instant,
    /// Oldest first. Copies that a coordinator before made are not here and stay until the view goes.
    copies: Vec<Copy>,
}

impl Replica {
    /// The view in `folder`, which is there.
    pub fn new(folder: PathBuf) -> Replica {
        Replica {
            folder,
            opened: Instant::now(),
            copies: Vec::new(),
        }
    }

    /// When its reader began.
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// Whether the newest copy is of `snapshot`.
    pub fn shows(&self, snapshot: &Arc<TrackerSnapshot>) -> bool {
        self.copies
            .last()
            .is_some_and(|copy| Arc::ptr_eq(&copy.snapshot, snapshot))
    }

    /// Puts a copy of `snapshot` into the view, under the next number. `staging` is a folder of ours on the same file system.
    pub fn put(&mut self, snapshot: &Arc<TrackerSnapshot>, staging: &Path) -> io::Result<()> {
        let making = staging.join("making");
        remove_folder(&making)?;
        make_folder(&making)?;
        copy(
            &snapshot.folder.join(BEADS),
            &snapshot.manifest,
            &making.join(BEADS),
        )?;
        let lock = fs_err::File::create_new(making.join(LOCK))?.into_file();
        snapshot.read_slots.link(&snapshot.folder, &making);
        let highest = numbers(&self.folder)?.first().copied().unwrap_or(0);
        for number in (1..=NUMBERS_TRIED).map_while(|step| highest.checked_add(step)) {
            // Onto a full folder or a file that is there meanwhile it fails, and a link is not followed.
            if fs_err::rename(&making, copy_dir(&self.folder, number)).is_ok() {
                self.copies.push(Copy {
                    number,
                    snapshot: Arc::clone(snapshot),
                    lock,
                });
                return Ok(());
            }
        }
        Err(io::Error::other(format!(
            "no copy could be put into {}: its numbers are taken",
            self.folder.display()
        )))
    }

    /// Removes the copies that are old and that nobody reads.
    pub fn prune(&mut self, staging: &Path) {
        let newest = self.copies.pop();
        let folder = &self.folder;
        self.copies.retain(|copy| {
            let Some(_held) = copy.hold_all() else {
                return true;
            };
            if let Err(error) = discard(&copy_dir(folder, copy.number), staging) {
                tracing::debug!(%error, "an old copy of the tracker was not removed");
            }
            false
        });
        self.copies.extend(newest);
    }

    /// Removes the view. Its reader must be gone.
    pub fn remove(self, staging: &Path) -> io::Result<()> {
        discard(&self.folder, staging)
    }
}

/// Takes a folder out of sight in one step, then removes it. Links in it are removed, not followed.
fn discard(folder: &Path, staging: &Path) -> io::Result<()> {
    let trash = staging.join("trash");
    remove_folder(&trash)?;
    fs_err::rename(folder, &trash)?;
    remove_folder(&trash)
}

/// Removes a folder of ours if it is there.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::snapshot::take;
    use mesh_bd_ro::view::beads_dir;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    struct Fixture {
        temp: tempfile::TempDir,
        replica: Replica,
        staging: PathBuf,
    }

    impl Fixture {
        fn new() -> Fixture {
            let temp = tempfile::tempdir().expect("temp");
            for folder in ["live", "view", "staging"] {
                fs_err::create_dir(temp.path().join(folder)).expect("folder");
            }
            let replica = Replica::new(temp.path().join("view"));
            let staging = temp.path().join("staging");
            Fixture {
                temp,
                replica,
                staging,
            }
        }

        fn snapshot(&self, name: &str, read_slots: usize) -> Arc<TrackerSnapshot> {
            let live = self.temp.path().join("live");
            fs_err::write(live.join("beads.db"), name).expect("own file");
            let folder = self.temp.path().join(name);
            fs_err::create_dir(&folder).expect("folder");
            let manifest =
                take(&live, &folder.join(BEADS), Duration::from_secs(30)).expect("nobody writes");
            let read_slots = Arc::new(ReadSlots::create(&folder, read_slots).expect("read_slots"));
            Arc::new(TrackerSnapshot {
                folder,
                manifest,
                read_slots,
            })
        }

        fn put(&mut self, snapshot: &Arc<TrackerSnapshot>) {
            self.replica.put(snapshot, &self.staging).expect("a copy");
        }

        fn numbers(&self) -> Vec<u64> {
            numbers(&self.replica.folder).expect("the view")
        }

        fn text(&self, number: u64) -> String {
            fs_err::read_to_string(beads_dir(&self.replica.folder, number).join("beads.db"))
                .expect("copied")
        }

        fn open(&self, number: u64, name: &str) -> File {
            let path = copy_dir(&self.replica.folder, number).join(name);
            fs_err::File::open(path).expect("there").into_file()
        }
    }

    #[test]
    fn a_newer_copy_has_a_higher_number_and_an_unread_old_one_goes() {
        let mut fixture = Fixture::new();
        let (one, two) = (fixture.snapshot("one", 1), fixture.snapshot("two", 1));
        fixture.put(&one);
        assert!(fixture.replica.shows(&one) && !fixture.replica.shows(&two));
        fixture.put(&two);
        assert_eq!(
            (fixture.text(1), fixture.text(2)),
            ("one".to_owned(), "two".to_owned())
        );
        fixture.replica.prune(&fixture.staging);
        assert_eq!(fixture.numbers(), [2]);
        assert!(fixture.replica.shows(&two));
        let empty = fs_err::read_dir(&fixture.staging).expect("ours").count();
        assert_eq!(empty, 0);
    }

    #[test]
    fn a_copy_is_kept_while_its_lock_or_one_of_its_read_slots_is_held() {
        for name in ["lock", "read-slot-0", "read-slot-1"] {
            let mut fixture = Fixture::new();
            let (one, two) = (fixture.snapshot("one", 2), fixture.snapshot("two", 2));
            fixture.put(&one);
            let held = fixture.open(1, name);
            match name {
                "lock" => held.try_lock_shared().expect("free"),
                _ => held.try_lock().expect("free"),
            }
            fixture.put(&two);
            fixture.replica.prune(&fixture.staging);
            assert_eq!(fixture.numbers(), [2, 1], "{name} is held");
            let other = if name == "read-slot-1" {
                "lock"
            } else {
                "read-slot-1"
            };
            fixture
                .open(1, other)
                .try_lock()
                .expect("the prune has let go of the others");
            drop(held);
            fixture.replica.prune(&fixture.staging);
            assert_eq!(fixture.numbers(), [2], "{name} was let go");
        }
    }

    #[test]
    fn copies_of_one_snapshot_share_its_read_slots() {
        let mut fixture = Fixture::new();
        let snapshot = fixture.snapshot("one", 1);
        fixture.put(&snapshot);
        let mut other = Replica::new(fixture.temp.path().join("other"));
        fs_err::create_dir(&other.folder).expect("folder");
        other.put(&snapshot, &fixture.staging).expect("a copy");
        let held = fixture.open(1, "read-slot-0");
        held.try_lock().expect("free");
        let theirs =
            fs_err::File::open(copy_dir(&other.folder, 1).join("read-slot-0")).expect("there");
        let theirs = theirs.file();
        assert!(matches!(theirs.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        theirs.try_lock().expect("free again");
    }

    #[test]
    fn a_reader_that_plants_things_into_its_view_moves_nothing_of_others() {
        let mut fixture = Fixture::new();
        let precious = fixture.temp.path().join("precious");
        fs_err::create_dir(&precious).expect("folder");
        fs_err::write(precious.join("file"), "whole").expect("own file");
        let (one, two) = (fixture.snapshot("one", 1), fixture.snapshot("two", 1));
        fixture.put(&one);
        let view = fixture.replica.folder.clone();
        // The number that comes next, as a link; a folder that is in the way; and the old copy replaced by a link.
        symlink(&precious, view.join("3")).expect("link");
        fs_err::create_dir_all(view.join("4/full")).expect("folder");
        fs_err::remove_dir_all(view.join("1")).expect("its own");
        symlink(&precious, view.join("1")).expect("link");
        fixture.put(&two);
        assert_eq!(
            fixture.text(5),
            "two",
            "the highest number is what readers take"
        );
        fixture.replica.prune(&fixture.staging);
        let replica = std::mem::replace(&mut fixture.replica, Replica::new(view.clone()));
        replica
            .remove(&fixture.staging)
            .expect("its folder is ours");
        assert!(!view.exists());
        assert_eq!(
            fs_err::read_to_string(precious.join("file")).expect("there"),
            "whole"
        );
    }

    #[test]
    fn a_view_without_a_free_number_is_an_error_and_no_panic() {
        let mut fixture = Fixture::new();
        fs_err::create_dir_all(
            fixture
                .replica
                .folder
                .join(u64::MAX.to_string())
                .join("full"),
        )
        .expect("folder");
        let snapshot = fixture.snapshot("one", 1);
        let refused = fixture
            .replica
            .put(&snapshot, &fixture.staging)
            .expect_err("there is no higher number");
        assert!(refused.to_string().contains("taken"), "{refused}");
    }
}
