use super::*;
use std::process::{Command, Stdio};

const CHILD: &str = "MESH_JOURNAL_LOCK_CHILD";

fn holder(run: &str) -> Holder {
    Holder {
        pid: std::process::id(),
        run: run.to_owned(),
        repository: "/repo".to_owned(),
        since: WallTime(1000),
    }
}

fn folders() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (state, key) = (folder.path().join("state"), folder.path().join("store"));
    fs_err::create_dir(&key).unwrap();
    (folder, state, key)
}

#[test]
fn a_second_one_is_told_who_holds_the_lock() {
    let (folder, state, key) = folders();
    let first = acquire(&state, &key, &holder("run-1")).unwrap();
    let other_way = folder.path().join("state").join("..").join("store");
    match acquire(&state, &other_way, &holder("run-2")) {
        Err(LockError::Held {
            holder: Some(found),
            ..
        }) => assert_eq!(found, holder("run-1")),
        other => panic!("{other:?}"),
    }
    let error = acquire(&state, &key, &holder("run-2"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("run run-1 in /repo") && error.contains("since 1970"),
        "{error}"
    );
    assert_eq!(held_by(&state, &key).unwrap(), Some(Some(holder("run-1"))));
    drop(first);
    assert_eq!(held_by(&state, &key).unwrap(), None);
    acquire(&state, &key, &holder("run-2")).unwrap();
}

#[test]
fn two_keys_are_two_locks_and_long_names_are_no_obstacle() {
    let (folder, state, key) = folders();
    let long = folder.path().join("x".repeat(255));
    fs_err::create_dir(&long).unwrap();
    let _one = acquire(&state, &key, &holder("run-1")).unwrap();
    let _two = acquire(&state, &long, &holder("run-1")).unwrap();
    assert_ne!(
        lock_path(&state, Path::new("/a/store")),
        lock_path(&state, Path::new("/b/store"))
    );
}

#[test]
fn what_stands_in_the_file_is_never_believed() {
    let (_folder, state, key) = folders();
    let path = acquire(&state, &key, &holder("run-1"))
        .unwrap()
        .path()
        .to_owned();
    acquire(&state, &key, &holder("run-2")).expect("a file that names a holder is no lock");
    fs_err::write(&path, "not json").unwrap();
    let guard = acquire(&state, &key, &holder("run-3")).unwrap();
    fs_err::write(guard.path(), "garbage").unwrap();
    assert!(matches!(
        acquire(&state, &key, &holder("run-4")),
        Err(LockError::Held { holder: None, .. })
    ));
}

#[test]
fn a_missing_key_is_an_error_that_names_it() {
    let (_folder, state, key) = folders();
    let error = acquire(&state, &key.join("none"), &holder("r")).unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
}

/// The other half of the next test: a process that takes a lock, says so, and lives until its stdin ends.
#[test]
fn child_that_holds_a_lock() {
    let Some(paths) = std::env::var_os(CHILD) else {
        return;
    };
    let paths: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let _guard = acquire(&paths[0], &paths[1], &holder("run-child")).unwrap();
    fs_err::write(&paths[2], "held").unwrap();
    io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
}

#[test]
fn the_lock_of_a_killed_process_is_free() {
    let (folder, state, key) = folders();
    let said = folder.path().join("said");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "locks::tests::child_that_holds_a_lock",
            "--test-threads=1",
        ])
        .env(CHILD, std::env::join_paths([&state, &key, &said]).unwrap())
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
    match acquire(&state, &key, &holder("run-1")) {
        Err(LockError::Held {
            holder: Some(found),
            ..
        }) => assert_eq!((found.pid, found.run.as_str()), (child.id(), "run-child")),
        other => panic!("{other:?}"),
    }
    child.kill().unwrap();
    child.wait().unwrap();
    acquire(&state, &key, &holder("run-1")).unwrap();
}

#[test]
fn the_state_folder_follows_the_environment() {
    let home = |pairs: &'static [(&str, &str)]| {
        state_home(move |name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        })
    };
    assert_eq!(
        home(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]),
        Some("/s".into())
    );
    assert_eq!(
        home(&[("XDG_STATE_HOME", ""), ("HOME", "/h")]),
        Some("/h/.local/state".into())
    );
    assert_eq!(home(&[("XDG_STATE_HOME", "relative")]), None);
}

/// A child between its birth and its program has such a copy.
#[test]
fn a_copy_of_the_open_file_does_not_keep_the_lock() {
    let (_folder, state, key) = folders();
    let guard = acquire(&state, &key, &holder("run-1")).unwrap();
    let _copy = guard.file.try_clone().unwrap();
    drop(guard);
    assert_eq!(held_by(&state, &key).unwrap(), None);
    acquire(&state, &key, &holder("run-2")).unwrap();
}
