//! ReadSlots: files of which each reader locks one, so that only so many reads run at once on the machine.
//!
//! All copies of a snapshot share its read slots. A new snapshot brings new ones, and they stay closed until the read slots before are free, or
//! readers of both would run beside each other: with a snapshot every two seconds that was always the case, and doubled what
//! reading costs the coordinator. Nothing here waits for a reader without a bound.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use mesh_bd_ro::view::{READ_SLOT, READ_SLOT_PATIENCE};

/// Between two looks whether a read slot is free: a lock can be waited for, but not for a while only.
const PAUSE: Duration = Duration::from_millis(10);

/// The read slots of a snapshot.
#[derive(Debug)]
pub(crate) struct ReadSlots {
    /// To look whether a reader has one.
    pub files: Vec<File>,
    /// The same files, opened again: locked while the read slots are closed.
    barriers: Vec<File>,
}

impl ReadSlots {
    /// Makes `count` read slots in `folder`, open to readers.
    pub fn create(folder: &Path, count: usize) -> io::Result<ReadSlots> {
        let paths = || (0..count).map(|number| path_of(folder, number));
        Ok(ReadSlots {
            files: paths()
                .map(|path| Ok(fs_err::File::create_new(path)?.into_file()))
                .collect::<io::Result<_>>()?,
            barriers: paths()
                .map(|path| Ok(fs_err::File::open(path)?.into_file()))
                .collect::<io::Result<_>>()?,
        })
    }

    /// Links the read slots of `from` into `to`. A file system without hard links gives none; readers do not wait for each other then.
    pub fn link(&self, from: &Path, to: &Path) {
        for number in 0..self.files.len() {
            let _ = fs_err::hard_link(path_of(from, number), path_of(to, number));
        }
    }

    fn close(&self) {
        for barrier in &self.barriers {
            // Nobody has seen the read slot yet, so it is free.
            let _ = barrier.try_lock();
        }
    }

    fn open(&self) {
        for barrier in &self.barriers {
            // An unlock cannot fail on a file that is open.
            let _ = barrier.unlock();
        }
    }

    /// Opens each read slot when the one before is free, or has been waited for as long as a reader would.
    fn open_after(&self, before: &ReadSlots) {
        let deadline = Instant::now() + READ_SLOT_PATIENCE;
        for (number, barrier) in self.barriers.iter().enumerate() {
            if let Some(old) = before.barriers.get(number) {
                while old.try_lock().is_err() && Instant::now() < deadline {
                    std::thread::sleep(PAUSE);
                }
                let _ = old.unlock();
            }
            let _ = barrier.unlock();
        }
    }
}

fn path_of(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("{READ_SLOT}{number}"))
}

/// The thread that opens new read slots when the old ones are free.
pub(crate) struct SlotHandover {
    to_thread: Sender<(Arc<ReadSlots>, Arc<ReadSlots>)>,
}

impl SlotHandover {
    /// Starts the thread, which ends with this.
    pub fn start() -> io::Result<SlotHandover> {
        let (to_thread, pairs): (_, Receiver<(Arc<ReadSlots>, Arc<ReadSlots>)>) = channel();
        std::thread::Builder::new()
            .name("view read_slots".to_owned())
            .spawn(move || {
                // In order: a read slot that is still closed itself is not free.
                for (before, after) in pairs {
                    after.open_after(&before);
                }
            })?;
        Ok(SlotHandover { to_thread })
    }

    /// Closes `after` until `before` is free. No reader may have seen `after` yet.
    pub fn lead(&self, before: Arc<ReadSlots>, after: Arc<ReadSlots>) {
        after.close();
        if let Err(unsent) = self.to_thread.send((before, after)) {
            let (_, after) = unsent.0;
            after.open();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_slots(folder: &Path, count: usize) -> Arc<ReadSlots> {
        fs_err::create_dir(folder).expect("folder");
        Arc::new(ReadSlots::create(folder, count).expect("read_slots"))
    }

    fn reader(folder: &Path, number: usize) -> File {
        fs_err::File::open(path_of(folder, number))
            .expect("there")
            .into_file()
    }

    #[test]
    fn new_read_slots_open_one_by_one_as_the_old_ones_get_free() {
        let temp = tempfile::tempdir().expect("temp");
        let (one, two) = (temp.path().join("1"), temp.path().join("2"));
        let (before, after) = (read_slots(&one, 2), read_slots(&two, 2));
        let reading = [reader(&one, 0), reader(&one, 1)];
        reading.iter().for_each(|file| file.lock().expect("free"));
        let handover = SlotHandover::start().expect("a thread");
        handover.lead(before, after);
        let next = [reader(&two, 0), reader(&two, 1)];
        assert!(next.iter().all(|file| file.try_lock().is_err()));
        let [first, second] = reading;
        drop(first);
        next[0].lock().expect("it opens");
        assert!(next[1].try_lock().is_err());
        drop(second);
        next[1].lock().expect("it opens");
    }

    #[test]
    fn seats_that_were_never_opened_are_waited_for_in_turn() {
        let temp = tempfile::tempdir().expect("temp");
        let folders = ["1", "2", "3"].map(|name| temp.path().join(name));
        let [one, two, three] = folders.each_ref().map(|folder| read_slots(folder, 1));
        let reading = reader(&folders[0], 0);
        reading.lock().expect("free");
        let handover = SlotHandover::start().expect("a thread");
        handover.lead(one, Arc::clone(&two));
        handover.lead(two, three);
        let last = reader(&folders[2], 0);
        assert!(last.try_lock().is_err());
        drop(reading);
        last.lock().expect("it opens");
    }
}
