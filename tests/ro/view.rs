//! With `MESH_VIEW` the wrapper reads the newest copy, under a lock that lasts as long as `bd`, and never the live tracker.

use std::path::{Path, PathBuf};

use mesh_bd_ro::view::{self, beads_dir, lock_file};

use crate::support::{Lab, run, stderr};

fn view_with(lab: &Lab, numbers: &[u64]) -> PathBuf {
    let root = lab.path("view");
    fs_err::create_dir_all(&root).expect("folder");
    for number in numbers {
        fs_err::create_dir_all(beads_dir(&root, *number)).expect("copy");
        fs_err::write(lock_file(&root, *number), "").expect("lock");
    }
    root
}

fn read(lab: &Lab, view: &Path) -> std::process::Output {
    let mut command = lab.wrapper("show bd-123");
    command.env("MESH_VIEW", view).env("BEADS_DIR", lab.home());
    run(command)
}

#[test]
fn the_newest_copy_is_read_and_locked_while_bd_runs() {
    let lab = Lab::new();
    let root = view_with(&lab, &[1, 2, 10]);
    assert_eq!(read(&lab, &root).status.code(), Some(0));
    let call = &lab.calls()[0];
    assert_eq!(Path::new(&call.env["BEADS_DIR"]), beads_dir(&root, 10));
    assert_eq!(
        call.lock_is_free,
        Some(false),
        "nobody may remove the copy under bd"
    );
    assert_eq!(
        call.stdin.as_deref(),
        Some(""),
        "the lock travels as an empty standard input"
    );
    assert!(!call.env.contains_key("MESH_VIEW"));
    assert!(view::remove_if_unused(&root, 10).expect("bd has ended"));
    assert_eq!(read(&lab, &root).status.code(), Some(0));
    assert_eq!(
        Path::new(&lab.calls()[1].env["BEADS_DIR"]),
        beads_dir(&root, 2)
    );
}

#[test]
fn without_a_copy_nothing_is_read() {
    let lab = Lab::new();
    for root in [
        view_with(&lab, &[]),
        lab.path("nowhere"),
        PathBuf::from("view"),
    ] {
        let output = read(&lab, &root);
        assert_eq!(output.status.code(), Some(126), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1);
    }
    assert!(
        lab.calls().is_empty(),
        "the live tracker is no substitute for a missing view"
    );
}
