//! Which files a read changes on a live tracker that nobody else uses: measured on the real programs again, and compared with
//! `fixtures/bd-files/`, from which `docs/mesh-bd-ro.md` has its table. `MESH_UPDATE_FIXTURES=1` writes what was measured.
//!
//! What a read changes depends on what the call before it left behind (0.47.1 leaves its log beside the database after some
//! reads and takes it away after others), so every call starts from the same snapshot of the tracker, put back with its times.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use mesh_bd_ro::table::RULES;
use tempfile::TempDir;

use crate::support::{run, stderr};
use crate::tracker::{Tracker, real};

/// The folders that a call could write to, each with the name that it has in a fixture.
const PLACES: [(&str, &str); 3] = [("repository", ""), ("home", "$HOME/"), ("tmp", "$TMPDIR/")];

const AFTER_A_WRITE: &str = "after a write";
const AFTER_A_READ: &str = "after `list`";
const FIRST_CALL: &str = "in an empty HOME, lock files missing";

/// What a call did to a file or folder. A folder is at most touched: its entries are listed by themselves, and what came
/// and went again during the call shows only as a new time of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Created,
    Removed,
    /// Other bytes.
    Changed,
    /// A new time, the same bytes.
    Touched,
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Change::Created => "created",
            Change::Removed => "removed",
            Change::Changed => "changed",
            Change::Touched => "touched",
        }
    }
}

/// A file (with its bytes) or a folder, and when it was last written.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    bytes: Option<Vec<u8>>,
    modified: SystemTime,
}

/// Everything below the places, by its own name. What differs from machine to machine is taken out only of what is compared with a
/// fixture: two files may well be told apart by nothing else, such as objects of git in one folder.
type Snapshot = BTreeMap<String, Entry>;

/// Seen with bd 1.3.0 just ended, on a busy machine: a file went away between its name and its content.
const LOOKS: usize = 20;

fn look(tracker: &Tracker) -> Snapshot {
    for _ in 0..LOOKS {
        let mut snapshot = Snapshot::new();
        let mut places = PLACES.iter();
        let seen = places
            .try_for_each(|(place, name)| look_into(&tracker.lab.path(place), name, &mut snapshot));
        match seen {
            Ok(()) => return snapshot,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("files went away in each of {LOOKS} looks");
}

fn look_into(folder: &Path, name: &str, snapshot: &mut Snapshot) -> io::Result<()> {
    let modified = |path: &Path| fs_err::symlink_metadata(path)?.modified();
    let itself = if name.is_empty() { "./" } else { name };
    let entry = Entry {
        bytes: None,
        modified: modified(folder)?,
    };
    snapshot.insert(itself.to_string(), entry);
    for below in fs_err::read_dir(folder)? {
        let below = below?;
        let path = below.path();
        let name = format!("{name}{}", below.file_name().to_string_lossy());
        if below.file_type()?.is_dir() {
            look_into(&path, &format!("{name}/"), snapshot)?;
        } else {
            let entry = Entry {
                bytes: Some(fs_err::read(&path)?),
                modified: modified(&path)?,
            };
            snapshot.insert(name, entry);
        }
    }
    Ok(())
}

/// A name without what differs from machine to machine: 0.47.1 names its compiled SQLite after the processor, and by
/// a digest.
fn steady(name: &str) -> String {
    let steady = |part: &str| {
        let digest = part.len() >= 32 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digest {
            "<digest>".to_string()
        } else if part.starts_with("wazero-") {
            "wazero-<version>".to_string()
        } else {
            part.to_string()
        }
    };
    let parts: Vec<String> = name.split('/').map(steady).collect();
    parts.join("/")
}

fn changes(before: &Snapshot, after: &Snapshot) -> Footprint {
    let mut changes = Vec::new();
    for (name, old) in before {
        let change = match after.get(name) {
            None => Change::Removed,
            Some(new) if new.bytes != old.bytes => Change::Changed,
            Some(new) if new.modified != old.modified => Change::Touched,
            Some(_) => continue,
        };
        changes.push((change, steady(name)));
    }
    let new = after.keys().filter(|name| !before.contains_key(*name));
    changes.extend(new.map(|name| (Change::Created, steady(name))));
    changes.sort();
    changes.dedup();
    changes
}

/// What one call changed, sorted.
type Footprint = Vec<(Change, String)>;

/// A snapshot of the places that can be put back, times included.
struct Kept(TempDir);

impl Kept {
    fn of(tracker: &Tracker) -> Kept {
        let kept = Kept(TempDir::new().expect("a temporary folder"));
        for (place, _) in PLACES {
            copy(&tracker.lab.path(place), &kept.0.path().join(place));
        }
        kept
    }

    fn put_back(&self, tracker: &Tracker) {
        for (place, _) in PLACES {
            let live = tracker.lab.path(place);
            fs_err::remove_dir_all(&live).expect("own folder");
            copy(&self.0.path().join(place), &live);
        }
    }
}

/// `cp -a` keeps the times, which 0.47.1 compares.
fn copy(from: &Path, to: &Path) {
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(from).arg(to);
    assert!(copy.status().expect("cp").success(), "{}", from.display());
}

/// Runs the wrapper and gives what changed meanwhile.
fn measure(tracker: &Tracker, example: &str, must_work: bool) -> Footprint {
    let before = look(tracker);
    let mut command = tracker.lab.wrapper(example);
    command
        .env("MESH_BD", &tracker.bd)
        .env("USER", "tester")
        .env("TMPDIR", tracker.lab.path("tmp"))
        .current_dir(tracker.root());
    let output = run(command);
    assert!(
        output.status.success() || !must_work,
        "{example:?}: {}",
        stderr(&output)
    );
    changes(&before, &look(tracker))
}

/// Calls with what they changed, those that changed the same together, in the order of the first of each.
#[derive(Default)]
struct Section(Vec<(Footprint, Vec<&'static str>)>);

impl Section {
    fn add(&mut self, example: &'static str, changes: Footprint) {
        match self.0.iter_mut().find(|(same, _)| *same == changes) {
            Some((_, examples)) => examples.push(example),
            None => self.0.push((changes, vec![example])),
        }
    }

    fn text(&self, name: &str) -> String {
        let mut text = format!("\n[{name}]\n");
        for (changes, examples) in &self.0 {
            let _ = writeln!(text, "\n{}", examples.join("\n"));
            for (change, file) in changes {
                let _ = writeln!(text, "    {} {file}", change.name());
            }
            if changes.is_empty() {
                text.push_str("    nothing\n");
            }
        }
        text
    }
}

/// The fixture's text, measured now.
fn measured(bd: &Path, version: &str) -> String {
    let tracker = Tracker::new(bd);
    fs_err::create_dir(tracker.lab.path("tmp")).expect("folder");
    let written = Kept::of(&tracker);

    let mut after_a_write = Section::default();
    for rule in &RULES {
        for (place, example) in rule.passes.iter().enumerate() {
            written.put_back(&tracker);
            after_a_write.add(example, measure(&tracker, example, place == 0));
        }
    }

    written.put_back(&tracker);
    measure(&tracker, "list", true);
    let read = Kept::of(&tracker);
    let mut after_a_read = Section::default();
    for rule in &RULES {
        read.put_back(&tracker);
        after_a_read.add(rule.passes[0], measure(&tracker, rule.passes[0], true));
    }

    written.put_back(&tracker);
    forget_the_home_and_locks(&tracker);
    let mut first_call = Section::default();
    first_call.add("list", measure(&tracker, "list", true));

    format!(
        "# Which files a read through mesh-bd-ro changes on a live tracker that nobody else uses, measured with bd {version}.\n\
         # created, removed; changed: other bytes; touched: a new time, the same bytes. A folder ends in `/`.\n\
         # Written by: MESH_UPDATE_FIXTURES=1 cargo test -p mesh-tests --test ro files\n{}{}{}",
        after_a_write.text(AFTER_A_WRITE),
        after_a_read.text(AFTER_A_READ),
        first_call.text(FIRST_CALL),
    )
}

fn forget_the_home_and_locks(tracker: &Tracker) {
    let home = tracker.lab.home();
    fs_err::remove_dir_all(&home).expect("own folder");
    fs_err::create_dir(&home).expect("own folder");
    for lock in [".beads.gate.lock", ".beads/embeddeddolt.gate.lock"] {
        let lock = tracker.root().join(lock);
        if lock.is_file() {
            fs_err::remove_file(lock).expect("own file");
        }
    }
}

fn fixture(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/bd-files/{version}.txt"))
}

fn check(version: &str) {
    let Some(bd) = real(version) else {
        return;
    };
    let measured = measured(&bd, version);
    if std::env::var_os("MESH_UPDATE_FIXTURES").is_some_and(|value| value == "1") {
        fs_err::write(fixture(version), &measured).expect("the fixture can be written");
    }
    let there = fs_err::read_to_string(fixture(version)).expect("the fixture is there");
    assert!(
        there == measured,
        "bd {version} changes other files than fixtures/bd-files/{version}.txt says; measured now:\n{measured}"
    );
    println!("bd {version}: files as in the fixture");
}

#[test]
fn on_bd_0_47_1_reads_change_the_files_that_the_page_names() {
    check("0.47.1");
}

#[test]
fn on_bd_1_0_5_reads_change_the_files_that_the_page_names() {
    check("1.0.5");
}

#[test]
fn on_bd_1_3_0_reads_change_the_files_that_the_page_names() {
    check("1.3.0");
}

#[test]
fn each_kind_of_change_is_seen() {
    let entry = |bytes: Option<&str>, seconds| Entry {
        bytes: bytes.map(|bytes| bytes.as_bytes().to_vec()),
        modified: SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds),
    };
    let snapshot = |entries: Vec<(&str, Entry)>| -> Snapshot {
        let named = entries.into_iter();
        named
            .map(|(name, entry)| (name.to_string(), entry))
            .collect()
    };
    let before = snapshot(vec![
        ("gone", entry(Some("a"), 1)),
        ("other", entry(Some("a"), 1)),
        ("same", entry(Some("a"), 1)),
        ("folder/", entry(None, 1)),
        ("again", entry(Some("a"), 1)),
    ]);
    let after = snapshot(vec![
        ("new", entry(Some("a"), 1)),
        ("other", entry(Some("b"), 1)),
        ("same", entry(Some("a"), 1)),
        ("folder/", entry(None, 2)),
        ("again", entry(Some("a"), 2)),
    ]);
    let wanted = [
        (Change::Created, "new"),
        (Change::Removed, "gone"),
        (Change::Changed, "other"),
        (Change::Touched, "again"),
        (Change::Touched, "folder/"),
    ];
    assert_eq!(
        changes(&before, &after),
        wanted.map(|(change, name)| (change, name.to_string()))
    );
}

#[test]
fn two_objects_of_git_in_one_folder_are_two_files() {
    let tracker_folder = TempDir::new().expect("a temporary folder");
    let objects = tracker_folder.path().join("objects/ab");
    fs_err::create_dir_all(&objects).expect("folders");
    let object = |digit: &str| objects.join(digit.repeat(38));
    fs_err::write(object("1"), "one").expect("a file");
    let seen = || {
        let mut snapshot = Snapshot::new();
        look_into(tracker_folder.path(), "", &mut snapshot).expect("a snapshot");
        snapshot
    };
    let before = seen();
    fs_err::write(object("2"), "two").expect("a file");
    fs_err::write(object("3"), "three").expect("a file");
    let changed = changes(&before, &seen());
    let created: Vec<_> = changed
        .iter()
        .filter(|(change, _)| *change == Change::Created)
        .map(|(_, name)| name.as_str())
        .collect();
    assert_eq!(created, ["objects/ab/<digest>"]);
}
