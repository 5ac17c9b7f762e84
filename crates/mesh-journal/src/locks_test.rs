use super::*;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

const CHILD: &str = "MESH_JOURNAL_LOCK_CHILD";

fn store() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("store");
    fs_err::create_dir(&key).unwrap();
    (folder, key)
}

#[test]
fn every_way_to_a_thing_is_one_lock_and_nothing_is_written_there() {
    let (folder, key) = store();
    let stat = || fs_err::metadata(&key).unwrap();
    let before = (stat().mtime_nsec(), stat().ctime_nsec());
    symlink(&key, folder.path().join("link")).unwrap();
    fs_err::create_dir(folder.path().join("below")).unwrap();
    let first = acquire(&key).unwrap();
    for other in ["store", "link", "below/../store", "./store"] {
        let error = acquire(&folder.path().join(other)).unwrap_err();
        let LockError::Held { holder, .. } = &error else {
            panic!("{other}: {error:?}")
        };
        assert_eq!(holder.pid, Some(std::process::id()), "{other}");
        assert!(is_held(&folder.path().join(other)).unwrap(), "{other}");
    }
    acquire(&folder.path().join("below")).expect("another thing is another lock");
    drop(first);
    assert!(!is_held(&key).unwrap());
    assert_eq!(holder_of(&key), None);
    acquire(&key).unwrap();
    assert_eq!(before, (stat().mtime_nsec(), stat().ctime_nsec()));
    assert_eq!(fs_err::read_dir(&key).unwrap().count(), 0);
}

/// Whoever asks takes the lock for an instant; somebody who wants it must get it all the same.
#[test]
fn those_who_ask_turn_nobody_away() {
    let (_folder, key) = store();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    is_held(&key).unwrap();
                }
            });
        }
        for _ in 0..50 {
            let taken = acquire(&key);
            if taken.is_err() {
                done.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            taken.unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn what_is_not_there_is_named_and_held_by_nobody() {
    let (_folder, key) = store();
    let error = acquire(&key.join("none")).unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
    assert!(!is_held(&key.join("none")).unwrap());
    assert!(wait_until_free(&key.join("none"), Duration::ZERO).unwrap());
}

/// As NFS answers: EBADF, because it wants a file that is open for writing and a folder never is.
#[test]
fn a_file_system_without_such_locks_is_said_with_a_way_out() {
    for code in [9, 37, 38, 95] {
        let error = unavailable(
            Path::new("/net/repo/.git"),
            io::Error::from_raw_os_error(code),
        );
        assert!(matches!(error, LockError::Unsupported { .. }), "{error:?}");
        let said = error.to_string();
        assert!(
            said.contains("/net/repo/.git") && said.contains("local disk"),
            "{said}"
        );
    }
    let error = unavailable(Path::new("/x"), io::Error::from_raw_os_error(13));
    assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
}

#[test]
fn lines_of_the_kernel_are_read_and_strange_ones_passed_over() {
    let (_folder, key) = store();
    let stat = fs_err::metadata(&key).unwrap();
    let (ino, dev) = (stat.ino(), stat.dev());
    let major = (dev >> 8) & 0xfff;
    let minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
    let line = |kind: &str, pid: &str, major: u64, ino: u64| {
        format!("7: {kind} {pid} {major:02x}:{minor:02x}:{ino} 0 EOF")
    };
    let write = "FLOCK  ADVISORY  WRITE";
    assert_eq!(
        parse(&line(write, "714", major, ino), &stat),
        Some((714, true))
    );
    assert_eq!(
        parse(&line(write, "714", major + 1, ino), &stat),
        Some((714, false))
    );
    for strange in [
        line(write, "714", major, ino + 1),
        line(write, "0", major, ino),
        line(write, "-1", major, ino),
        line("FLOCK  ADVISORY  READ", "714", major, ino),
        line("POSIX  ADVISORY  WRITE", "714", major, ino),
        line("-> FLOCK  ADVISORY  WRITE", "714", major, ino),
        String::new(),
        "1: FLOCK ADVISORY WRITE 1 zz 0 EOF".to_owned(),
    ] {
        assert_eq!(parse(&strange, &stat), None, "{strange}");
    }
}

/// The other half of the next test: a process that coordinates a run, says so, and lives until its stdin ends.
#[test]
fn child_that_holds_a_lock() {
    let Some(paths) = std::env::var_os(CHILD) else {
        return;
    };
    let paths: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let run_dir = RunDir::at(&paths[1]);
    let _store = acquire(&paths[0]).unwrap();
    let _journal = crate::Journal::create(&run_dir.journal(), &crate::sample::header()).unwrap();
    let said = Coordinator {
        pid: std::process::id(),
        since: Timestamp(1000),
    };
    said.write(&run_dir).unwrap();
    fs_err::write(&paths[2], "held").unwrap();
    io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
}

#[test]
fn a_second_one_is_told_who_holds_the_lock_and_a_killed_one_holds_none() {
    let (folder, key) = store();
    let run = folder.path().join("repo/.mesh/runs/20260301-081530-4f2a");
    fs_err::create_dir_all(&run).unwrap();
    let said = folder.path().join("said");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "locks::tests::child_that_holds_a_lock",
            "--test-threads=1",
        ])
        .env(CHILD, std::env::join_paths([&key, &run, &said]).unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !said.exists() {
        assert!(
            std::time::Instant::now() < deadline,
            "the child never took the lock"
        );
        assert_eq!(
            child.try_wait().unwrap(),
            None,
            "the child ended before it took the lock"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let wanted = Holder {
        pid: Some(child.id()),
        run: Some("20260301-081530-4f2a".to_owned()),
        repository: Some(fs_err::canonicalize(folder.path().join("repo")).unwrap()),
        since: Some(Timestamp(1000)),
    };
    let journal = RunDir::at(&run).journal();
    for locked in [&key, &journal] {
        assert_eq!(holder_of(locked).as_ref(), Some(&wanted));
        assert!(!wait_until_free(locked, Duration::ZERO).unwrap());
    }
    let error = acquire(&key).unwrap_err().to_string();
    for part in ["run 20260301-081530-4f2a in ", "since 1970", "process "] {
        assert!(error.contains(part), "{error}");
    }
    // The run shows also when its journal is gone.
    fs_err::remove_file(&journal).unwrap();
    assert_eq!(holder_of(&key), Some(wanted));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(wait_until_free(&key, Duration::from_secs(60)).unwrap());
    acquire(&key).unwrap();
}

/// A child between its birth and its program has such a copy.
#[test]
fn a_copy_of_the_open_file_does_not_keep_the_lock() {
    let (_folder, key) = store();
    let guard = acquire(&key).unwrap();
    let _copy = guard.file.try_clone().unwrap();
    drop(guard);
    assert!(!is_held(&key).unwrap());
    acquire(&key).unwrap();
}
