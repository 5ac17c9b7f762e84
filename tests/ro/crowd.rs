//! Many readers on views: the live tracker stays as it is to the byte, whatever one of them does to its view, and no answer is torn.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh_testkit::readers::{Loop, Reads, eager_views, read, torn_reads};
use mesh_testkit::tracker::{Bd, TrackerRepo};

use crate::support::WRAPPER;

const READERS: usize = 8;
const ROUNDS_EACH: usize = 3;
const SPOILT_ROUNDS: usize = 5;
/// Enough to see a copy that is torn once in ten; `cargo xtask bench view` makes 500.
const READS_UNDER_WRITING: usize = 30;

type Tree = BTreeMap<PathBuf, (Vec<u8>, i64, i64)>;

/// Every file below `folder`, with content and time of change.
fn tree(folder: &Path) -> Tree {
    let mut tree = Tree::new();
    for entry in fs_err::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        let there = fs_err::symlink_metadata(&path).expect("there");
        if there.is_dir() {
            tree.extend(self::tree(&path));
        } else {
            let content = fs_err::read(&path).expect("readable");
            tree.insert(path, (content, there.mtime(), there.mtime_nsec()));
        }
    }
    tree
}

/// What a hostile reader does to its view, again and again: rubbish into every file, links and folders where copies would come.
fn spoil(view: &Path, precious: &Path, round: usize) {
    fn rubbish(folder: &Path) {
        for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => rubbish(&entry.path()),
                // Files come and go under its hands.
                _ => drop(fs_err::write(entry.path(), "rubbish")),
            }
        }
    }
    rubbish(view);
    let newest = mesh_bd_ro::view::numbers(view)
        .ok()
        .and_then(|numbers| numbers.first().copied())
        .unwrap_or(0);
    let next = mesh_bd_ro::view::copy_dir(view, newest + 1);
    let _ = match round % 4 {
        0 => symlink(precious, next),
        1 => fs_err::create_dir_all(next.join(".beads/full")),
        2 => fs_err::write(next, "a file"),
        _ => fs_err::remove_dir_all(view.join(newest.to_string())),
    };
}

fn readers_harm_nothing(version: &str) {
    let Some(bd) = Bd::real(version) else {
        return;
    };
    let repo = TrackerRepo::new(&bd);
    let ids: Vec<String> = (1..=3)
        .map(|number| {
            let made = repo.bd_json(&["create", &format!("Task {number}"), "--json"]);
            made["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    let live = repo.beads_dir();
    let before = tree(&live);
    let views = eager_views(&repo);
    let home = Arc::new(repo.home());
    let honest = Loop::start((0..READERS).map(|number| {
        let reads = Reads::View(views.open(&format!("reader.{number}")).expect("a view"));
        let (home, id, bd) = (
            Arc::clone(&home),
            ids[number % ids.len()].clone(),
            bd.clone(),
        );
        move || {
            let args = ["show", &id, "--json"];
            let output = read(WRAPPER.as_ref(), &bd.program, &reads, &home, &args)
                .map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&output.stdout);
            if output.status.is_success() && text.contains(&id) {
                Ok(())
            } else {
                Err(format!("{output:?}"))
            }
        }
    }));
    let hostile = {
        let view = views.open("hostile.1").expect("a view");
        let (home, bd, live) = (Arc::clone(&home), bd.clone(), live.clone());
        let mut round = 0;
        Loop::start([move || {
            // Its answers are its own affair, but each must end.
            let reads = Reads::View(view.clone());
            read(WRAPPER.as_ref(), &bd.program, &reads, &home, &["list"])
                .map_err(|error| error.to_string())?;
            spoil(&view, &live, round);
            round += 1;
            Ok(())
        }])
    };
    honest.wait_for(READERS * ROUNDS_EACH);
    hostile.wait_for(SPOILT_ROUNDS);
    let (_, problems) = honest.end();
    assert_eq!(problems, [""; 0], "bd {version}");
    let (_, problems) = hostile.end();
    assert_eq!(problems, [""; 0], "bd {version}");
    views.end();
    assert!(!repo.home().join("view").exists());
    let after = tree(&live);
    let names = |tree: &Tree| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before), "bd {version}");
    for (path, there) in &after {
        assert!(*there == before[path], "bd {version} changed {path:?}");
    }
}

fn nothing_is_torn(version: &str) {
    let Some(bd) = Bd::real(version) else {
        return;
    };
    let told = torn_reads(&bd, WRAPPER.as_ref(), READS_UNDER_WRITING);
    println!(
        "bd {version}: {} reads of {} snapshots under {} writes",
        told.reads, told.snapshots, told.writes
    );
    assert_eq!(told.torn, [""; 0], "bd {version}");
    assert!(
        told.snapshots > READS_UNDER_WRITING / 3,
        "the reads must show the writing: {told:?}"
    );
}

mod real_bd_0_47_1 {
    #[test]
    fn eight_readers_and_a_hostile_one_change_nothing_of_the_live_tracker() {
        super::readers_harm_nothing("0.47.1");
    }

    #[test]
    fn no_read_is_torn_under_constant_writing() {
        super::nothing_is_torn("0.47.1");
    }
}

mod real_bd_1_0_5 {
    #[test]
    fn eight_readers_and_a_hostile_one_change_nothing_of_the_live_tracker() {
        super::readers_harm_nothing("1.0.5");
    }
}

mod real_bd_1_3_0 {
    #[test]
    fn eight_readers_and_a_hostile_one_change_nothing_of_the_live_tracker() {
        super::readers_harm_nothing("1.3.0");
    }

    #[test]
    fn no_read_is_torn_under_constant_writing() {
        super::nothing_is_torn("1.3.0");
    }
}
