use super::*;
use std::time::{SystemTime, UNIX_EPOCH};

const NEVER_FRESH: u64 = u64::MAX;

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn time_of(path: &Path) -> u64 {
    changed_at(&fs_err::symlink_metadata(path).unwrap()).unwrap()
}

/// Writes `path` until the file system gives it a time after `moment`.
fn write_after(path: &Path, moment: u64) -> u64 {
    let give_up = now_ms() + 60_000;
    loop {
        fs_err::write(path, "x").unwrap();
        let written = time_of(path);
        if written > moment {
            return written;
        }
        assert!(now_ms() < give_up, "the file system's clock stands still");
        std::thread::yield_now();
    }
}

struct Attempt {
    folder: tempfile::TempDir,
}

impl Attempt {
    fn new() -> Attempt {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(folder.path().join("w/src/deep")).unwrap();
        fs_err::create_dir_all(folder.path().join("w/.jj")).unwrap();
        Attempt { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn last_sign(&self, fresh_after: u64) -> Option<Activity> {
        self.last_sign_with(None, fresh_after)
    }

    fn last_sign_with(&self, processes: Option<u64>, fresh_after: u64) -> Option<Activity> {
        last_sign(
            &[&self.path("out"), &self.path("err")],
            processes,
            &self.path("w"),
            fresh_after,
        )
    }
}

#[test]
fn work_of_the_processes_is_a_sign_and_the_newest_counts() {
    let attempt = Attempt::new();
    let later = attempt.last_sign(NEVER_FRESH).unwrap().unix_ms + 1;
    let sign = |processes| attempt.last_sign_with(processes, NEVER_FRESH).unwrap();
    let worked = Activity {
        unix_ms: later,
        sign: Sign::Processes,
    };
    assert_eq!(sign(Some(later)), worked);
    assert_ne!(sign(Some(0)).sign, Sign::Processes);
    // It spares the walk, as a fresh log does.
    assert_eq!(attempt.last_sign_with(Some(later), later), Some(worked));
}

#[test]
fn a_fresh_log_is_enough() {
    let attempt = Attempt::new();
    let out = write_after(&attempt.path("out"), 0);
    let err = write_after(&attempt.path("err"), out);
    write_after(&attempt.path("w/src/a"), err);
    assert_eq!(
        attempt.last_sign(out),
        Some(Activity {
            unix_ms: err,
            sign: Sign::Logs
        })
    );
}

#[test]
fn with_old_logs_the_workspace_counts() {
    let attempt = Attempt::new();
    let out = write_after(&attempt.path("out"), 0);
    let deep = write_after(&attempt.path("w/src/deep/a"), out);
    assert_eq!(
        attempt.last_sign(NEVER_FRESH),
        Some(Activity {
            unix_ms: deep,
            sign: Sign::Workspace
        })
    );
    let newer = write_after(&attempt.path("out"), deep);
    assert_eq!(
        attempt.last_sign(NEVER_FRESH),
        Some(Activity {
            unix_ms: newer,
            sign: Sign::Logs
        })
    );
}

#[test]
fn version_controls_own_folders_are_no_sign() {
    let attempt = Attempt::new();
    let source = write_after(&attempt.path("w/src/a"), 0);
    write_after(&attempt.path("w/.jj/state"), source);
    assert_eq!(attempt.last_sign(NEVER_FRESH).unwrap().unix_ms, source);
}

#[test]
fn the_clock_of_a_file_cannot_be_set_forward() {
    let attempt = Attempt::new();
    let path = attempt.path("w/a");
    write_after(&path, 0);
    let future = SystemTime::now() + std::time::Duration::from_secs(1_000_000);
    fs_err::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(future)
        .unwrap();
    let soon = now_ms() + 500_000;
    assert!(attempt.last_sign(NEVER_FRESH).unwrap().unix_ms < soon);
}

#[test]
fn links_are_not_followed_and_loops_end() {
    let attempt = Attempt::new();
    std::os::unix::fs::symlink(attempt.path("w"), attempt.path("w/src/loop")).unwrap();
    std::os::unix::fs::symlink(attempt.path("outside"), attempt.path("w/src/out")).unwrap();
    let link = time_of(&attempt.path("w/src/out"));
    fs_err::create_dir(attempt.path("outside")).unwrap();
    let outside = write_after(&attempt.path("outside/a"), link);
    assert!(attempt.last_sign(NEVER_FRESH).unwrap().unix_ms < outside);
}

#[test]
fn a_walk_is_bounded_and_sees_sources_first() {
    let attempt = Attempt::new();
    fs_err::create_dir(attempt.path("w/target")).unwrap();
    for i in 0..50 {
        write_after(&attempt.path(&format!("w/target/{i}")), 0);
    }
    let target = time_of(&attempt.path("w/target"));
    let source = write_after(&attempt.path("w/src/deep/a"), target);
    // Written again, which the folder itself does not show.
    let built = write_after(&attempt.path("w/target/0"), source);
    // Four entries are src, target, src/deep and the source.
    assert_eq!(newest_in(&attempt.path("w"), NEVER_FRESH, 4), Some(source));
    assert_eq!(
        newest_in(&attempt.path("w"), NEVER_FRESH, 1000),
        Some(built)
    );
    assert_eq!(newest_in(&attempt.path("w"), NEVER_FRESH, 0), None);
}

#[test]
fn nothing_there_is_no_sign() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    assert_eq!(last_sign(&[&nowhere], None, &nowhere, 0), None);
}
