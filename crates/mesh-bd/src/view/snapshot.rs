//! Taking a snapshot: copying the tracker's folder while others may write to it, and knowing that the copy is whole.
//!
//! A copy counts when no file's size, times or inode differ between a look before and a look after. A write within the same
//! tick of the file system's clock would not show, so the first look waits until the last change lies a few ticks back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::FileTimes;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fs_err::os::unix::fs::OpenOptionsExt;

/// Time after which a further change gets another time stamp. Kernels count file times in ticks of 1 to 10 ms.
const SETTLED: Duration = Duration::from_millis(20);

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Somebody kept writing.
    #[error("{} was written to all the time for {waited_ms} ms; agents read an older copy", folder.display())]
    NeverStill {
        /// The tracker's folder.
        folder: PathBuf,
        /// How long was tried.
        waited_ms: u128,
    },
    /// The file system refused.
    #[error("the tracker's folder could not be copied: {0}")]
    Io(#[from] io::Error),
    /// The turn in the tracker's queue did not come.
    #[error("{0}")]
    NoTurn(String),
}

/// What the folder looked like: enough to see later whether something was written, without reading a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    folders: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, FileStamp>,
}

/// A file without its content. Times are seconds and nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileStamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Manifest {
    /// Looks at `folder`.
    ///
    /// # Errors
    /// What the file system says; a file that goes away meanwhile is `NotFound`.
    pub fn of(folder: &Path) -> io::Result<Manifest> {
        let mut manifest = Manifest::default();
        manifest.add(folder, Path::new(""))?;
        if manifest.has_database() {
            // An export, written apart from the database. bd 0.47 refuses to read while the two differ, as they do between the
            // two writes of one command.
            manifest
                .files
                .retain(|path, _| !(is_top(path) && has_ending(path, b".jsonl")));
        }
        Ok(manifest)
    }

    fn has_database(&self) -> bool {
        let mut folders = ["embeddeddolt", "dolt"].iter().map(Path::new);
        folders.any(|folder| self.folders.contains(folder))
            || self
                .files
                .keys()
                .any(|path| is_top(path) && has_ending(path, b".db"))
    }

    /// Bytes in all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|stamp| stamp.bytes).sum()
    }

    fn add(&mut self, root: &Path, below: &Path) -> io::Result<()> {
        for entry in fs_err::read_dir(root.join(below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if is_left_out(&path) {
                continue;
            }
            let mut there = fs_err::symlink_metadata(entry.path())?;
            if there.is_symlink() {
                // A link to a file stands for the file; one to a folder may lead anywhere, in circles too.
                match fs_err::metadata(entry.path()) {
                    Ok(target) if target.is_file() => there = target,
                    _ => continue,
                }
            }
            if there.is_dir() {
                self.add(root, &path)?;
                self.folders.insert(path);
            } else if there.is_file() {
                let stamp = FileStamp {
                    inode: there.ino(),
                    bytes: there.len(),
                    modified: (there.mtime(), there.mtime_nsec()),
                    changed: (there.ctime(), there.ctime_nsec()),
                };
                self.files.insert(path, stamp);
            }
        }
        Ok(())
    }

    /// How long to wait until the last change is far enough back. A change in the future is a clock that was set.
    fn unsettled(&self, now: SystemTime) -> Option<Duration> {
        let last = self.files.values().map(|stamp| stamp.changed).max()?;
        let last = UNIX_EPOCH
            + Duration::new(
                u64::try_from(last.0).unwrap_or(0),
                u32::try_from(last.1).unwrap_or(0),
            );
        let age = now.duration_since(last).ok()?;
        SETTLED.checked_sub(age).filter(|left| !left.is_zero())
    }
}

/// What a reader does not need, or what would lead it out of the copy: the file that sends `bd` to another folder; leavings of a
/// daemon; backups; the audit, which holds whole prompts; and the index of a write-ahead log, which SQLite makes anew.
fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    has_ending(path, b"-shm")
        || is_top(path)
            && (matches!(name, b"redirect" | b"backup" | b"interactions.jsonl")
                || name.starts_with(b"daemon"))
}

fn is_top(path: &Path) -> bool {
    path.components().count() == 1
}

fn has_ending(path: &Path, ending: &[u8]) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(ending)
}

/// Copies the tracker's folder `from` to `to`, which is made anew, and looks whether the copy is whole; otherwise once more,
/// until `patience` is over.
///
/// # Errors
/// When `from` is never still, or the file system refuses. Nothing of `to` is left then.
pub fn take(from: &Path, to: &Path, patience: Duration) -> Result<Manifest, SnapshotError> {
    take_with(from, to, patience, &mut || {})
}

/// As [`take`]; `copied` is called when the files were copied and before they are looked at again.
fn take_with(
    from: &Path,
    to: &Path,
    patience: Duration,
    copied: &mut dyn FnMut(),
) -> Result<Manifest, SnapshotError> {
    let began = Instant::now();
    loop {
        match try_once(from, to, copied) {
            Ok(Ok(manifest)) => return Ok(manifest),
            Ok(Err(_)) if began.elapsed() >= patience => {
                return Err(SnapshotError::NeverStill {
                    folder: from.to_owned(),
                    waited_ms: began.elapsed().as_millis(),
                });
            }
            // No event says that the clock has ticked.
            Ok(Err(wait)) => std::thread::sleep(wait),
            Err(error) => {
                // What was copied is worth nothing, and the error that counts is the first.
                let _ = fs_err::remove_dir_all(to);
                return Err(error.into());
            }
        }
    }
}

/// The manifest of a whole copy, or how long to wait before the next try.
fn try_once(
    from: &Path,
    to: &Path,
    copied: &mut dyn FnMut(),
) -> io::Result<Result<Manifest, Duration>> {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let before = match Manifest::of(from) {
        // The folder itself is there, so something in it went away while it was looked at.
        Err(error) if gone(&error) && from.is_dir() => return Ok(Err(SETTLED)),
        manifest => manifest?,
    };
    if let Some(wait) = before.unsettled(SystemTime::now()) {
        return Ok(Err(wait));
    }
    match copy(from, &before, to) {
        Err(error) if gone(&error) && from.is_dir() => {}
        result => {
            result?;
            copied();
            if Manifest::of(from).is_ok_and(|after| after == before) {
                return Ok(Ok(before));
            }
        }
    }
    fs_err::remove_dir_all(to)?;
    Ok(Err(SETTLED))
}

/// Copies what `manifest` names, times included, since some of bd's checks compare them. Everything else first, write-ahead logs last, so that what was moved from a log into its database meanwhile is at least not missing from both.
pub(crate) fn copy(from: &Path, manifest: &Manifest, to: &Path) -> io::Result<()> {
    make_folder(to)?;
    for folder in &manifest.folders {
        make_folder(&to.join(folder))?;
    }
    let is_log = |path: &&PathBuf| has_ending(path, b"-wal");
    let (logs, others): (Vec<_>, Vec<_>) = manifest.files.keys().partition(is_log);
    for path in others.into_iter().chain(logs) {
        copy_file(&from.join(path), &to.join(path))?;
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = fs_err::File::open(from)?;
    let mut target = fs_err::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    io::copy(source.file_mut(), target.file_mut())?;
    target
        .file()
        .set_times(FileTimes::new().set_modified(source.metadata()?.modified()?))
}

/// For the user alone: an issue may be confidential, and bd complains about a folder that others can read.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn write(path: PathBuf, text: &str) {
        fs_err::create_dir_all(path.parent().expect("a parent")).expect("folder");
        fs_err::write(path, text).expect("own file");
    }

    fn take_now(from: &Path, to: &Path) -> Result<Manifest, SnapshotError> {
        take(from, to, Duration::from_secs(30))
    }

    #[test]
    fn a_copy_has_the_files_with_their_times_and_not_what_leads_out_of_it() {
        let temp = tempfile::tempdir().expect("temp");
        let (from, to) = (temp.path().join("live"), temp.path().join("copy"));
        for (name, text) in [
            ("beads.db", "data"),
            ("beads.db-wal", "log"),
            ("beads.db-shm", "index"),
            ("redirect", "/elsewhere"),
            ("interactions.jsonl", "prompts"),
            ("issues.jsonl", "an export"),
            ("daemon.pid", "1"),
            ("backup/old", "x"),
            ("embeddeddolt/bd/.dolt/noms/manifest", "5"),
            ("embeddeddolt/bd/backup", "a file of this name deeper down"),
        ] {
            write(from.join(name), text);
        }
        write(temp.path().join("elsewhere"), "linked");
        symlink(temp.path().join("elsewhere"), from.join("metadata.json")).expect("link");
        symlink(&from, from.join("circle")).expect("link");
        symlink("nowhere", from.join("dangling")).expect("link");
        std::os::unix::net::UnixListener::bind(from.join("bd.sock")).expect("socket");
        let old = SystemTime::now() - Duration::from_secs(1000);
        let database = fs_err::File::options()
            .write(true)
            .open(from.join("beads.db"))
            .expect("own file");
        database
            .file()
            .set_times(FileTimes::new().set_modified(old))
            .expect("times");

        let manifest = take_now(&from, &to).expect("nobody writes");
        let copied = Manifest::of(&to).expect("the copy");
        let names: Vec<_> = copied
            .files
            .keys()
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(
            names,
            [
                "beads.db",
                "beads.db-wal",
                "embeddeddolt/bd/.dolt/noms/manifest",
                "embeddeddolt/bd/backup",
                "metadata.json"
            ]
        );
        assert_eq!(
            manifest.bytes(),
            "data".len() as u64 + "log5linked".len() as u64 + 31
        );
        for (path, stamp) in &copied.files {
            assert_eq!(
                (stamp.bytes, stamp.modified),
                (manifest.files[path].bytes, manifest.files[path].modified),
                "{path:?}"
            );
        }
        assert_eq!(manifest, Manifest::of(&from).expect("still there"));
    }

    #[test]
    fn without_a_database_the_issues_are_in_the_jsonl_file() {
        let temp = tempfile::tempdir().expect("temp");
        let (from, to) = (temp.path().join("live"), temp.path().join("copy"));
        write(from.join("issues.jsonl"), "{}");
        write(from.join("config.yaml"), "no-db: true");
        take_now(&from, &to).expect("nobody writes");
        assert!(to.join("issues.jsonl").is_file());
    }

    #[test]
    fn a_survey_sees_a_write_that_keeps_the_size() {
        let temp = tempfile::tempdir().expect("temp");
        let (from, to) = (temp.path().join("live"), temp.path().join("copy"));
        write(from.join("beads.db"), "one");
        let manifest = take_now(&from, &to).expect("nobody writes");
        write(from.join("beads.db"), "two");
        assert_ne!(manifest, Manifest::of(&from).expect("still there"));
    }

    #[test]
    fn a_folder_that_is_never_still_gives_no_snapshot_and_leaves_nothing() {
        let temp = tempfile::tempdir().expect("temp");
        let (from, to) = (temp.path().join("live"), temp.path().join("copy"));
        write(from.join("beads.db"), "0");
        let mut tries = 0;
        let result = take_with(&from, &to, Duration::from_millis(100), &mut || {
            tries += 1;
            write(from.join("beads.db"), &tries.to_string());
        });
        assert!(
            matches!(result, Err(SnapshotError::NeverStill { .. })),
            "{result:?}"
        );
        assert!(tries > 0 && !to.exists());
    }

    #[test]
    fn a_copy_that_was_overtaken_is_made_again() {
        let temp = tempfile::tempdir().expect("temp");
        let (from, to) = (temp.path().join("live"), temp.path().join("copy"));
        write(from.join("a"), "0");
        write(from.join("z"), "0");
        let mut tries = 0;
        let manifest = take_with(&from, &to, Duration::from_secs(30), &mut || {
            tries += 1;
            if tries < 3 {
                write(from.join("z"), &tries.to_string());
            }
        });
        assert_eq!(tries, 3);
        assert_eq!(fs_err::read_to_string(to.join("z")).expect("copied"), "2");
        assert_eq!(
            manifest.expect("still"),
            Manifest::of(&from).expect("there")
        );
    }

    #[test]
    fn a_change_counts_as_settled_some_ticks_later() {
        let at = |seconds, nanos| FileStamp {
            inode: 1,
            bytes: 1,
            modified: (0, 0),
            changed: (seconds, nanos),
        };
        let manifest = Manifest {
            folders: BTreeSet::new(),
            files: [("a".into(), at(100, 0)), ("b".into(), at(100, 5_000_000))].into(),
        };
        let now = |millis: u64| UNIX_EPOCH + Duration::from_millis(100_000 + millis);
        assert_eq!(
            manifest.unsettled(now(5)),
            Some(SETTLED),
            "the last of them counts"
        );
        assert_eq!(manifest.unsettled(now(15)), Some(Duration::from_millis(10)));
        assert_eq!(manifest.unsettled(now(25)), None);
        assert_eq!(
            manifest.unsettled(now(0)),
            None,
            "a clock that was set back"
        );
        assert_eq!(Manifest::default().unsettled(now(0)), None);
    }

    #[test]
    fn a_tracker_that_is_not_there_is_an_error_at_once() {
        let temp = tempfile::tempdir().expect("temp");
        let result = take_now(&temp.path().join("none"), &temp.path().join("copy"));
        assert!(matches!(result, Err(SnapshotError::Io(_))), "{result:?}");
    }
}
