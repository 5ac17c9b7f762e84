//! Which copy is held, by what, and what lies in the way.

use super::*;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::{process, thread};

struct View(PathBuf);

impl View {
    /// Copies with these names, each with its lock and no read slot.
    fn new(name: &str, copies: &[&str]) -> View {
        let path =
            std::env::temp_dir().join(format!("mesh-bd-ro-view-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("folder");
        for copy in copies {
            fs::create_dir_all(path.join(copy).join(BEADS)).expect("folder");
            fs::write(path.join(copy).join(LOCK), "").expect("file");
        }
        View(path)
    }

    /// The same with this many read slots, which all copies share.
    fn with_read_slots(name: &str, copies: &[&str], read_slots: usize) -> View {
        let view = View::new(name, copies);
        for read_slot in 0..read_slots {
            let shared = view.0.join(format!(".snapshot-{read_slot}"));
            fs::write(&shared, "").expect("file");
            for copy in copies {
                let link = view.0.join(copy).join(format!("{READ_SLOT}{read_slot}"));
                fs::hard_link(&shared, link).expect("link");
            }
        }
        view
    }

    fn find(&self) -> Result<Held, String> {
        find(&self.0, Instant::now())
    }

    /// Number of the copy, and name of what is locked in it.
    fn told(&self, held: &Held) -> (u64, String) {
        let folder = held.beads_dir.parent().expect("a copy has a folder");
        let number = folder.file_name().and_then(number_of).expect("a number");
        let locked = held.lock.metadata().expect("open file");
        let name = fs::read_dir(folder)
            .expect("copy")
            .map(|entry| entry.expect("entry"))
            .find(|entry| is_same_file(&entry.metadata().expect("entry"), &locked))
            .expect("what is locked lies in the copy");
        (number, name.file_name().into_string().expect("text"))
    }

    /// Numbers and names of what each of `readers` that come one after the other gets, none of them leaving.
    fn all_told(&self, readers: usize) -> Vec<(u64, String)> {
        let held: Vec<Held> = (0..readers).map(|_| self.find().expect("a copy")).collect();
        held.iter().map(|held| self.told(held)).collect()
    }

    /// Takes copy `number` away as the coordinator does, once it has locked `lock` and all read slots; `false` if it cannot.
    fn remove(&self, number: u64) -> bool {
        let folder = copy_dir(&self.0, number);
        let files: Vec<File> = fs::read_dir(&folder)
            .expect("copy")
            .map(|entry| entry.expect("entry").path())
            .filter(|path| path.is_file())
            .map(|path| File::open(path).expect("file"))
            .collect();
        let free = files.iter().all(|file| file.try_lock().is_ok());
        if free {
            fs::rename(&folder, self.0.join(".going")).expect("own folder");
            fs::remove_dir_all(self.0.join(".going")).expect("own folder");
        }
        free
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn named(number: u64, name: &str) -> (u64, String) {
    (number, name.to_string())
}

/// A time that no test reaches.
fn much_later() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

/// The kernel lists who waits for a lock; there is no event to be had.
fn until_somebody_waits_for(file: &File) {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{} ", file.metadata().expect("open file").ino());
    let given_up = Instant::now() + Duration::from_secs(60);
    let waits = || {
        let locks = fs::read_to_string("/proc/locks").expect("the kernel's list of locks");
        locks
            .lines()
            .any(|line| line.contains("->") && line.contains(&inode))
    };
    while !waits() {
        assert!(Instant::now() < given_up, "nobody waits for {inode}");
        thread::yield_now();
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
    let held = view.find().expect("there are copies");
    assert_eq!(held.beads_dir, view.0.join("10/.beads"));
    assert_eq!(numbers(&view.0).expect("view"), [10, 9, 2]);
}

#[test]
fn readers_without_read_slots_share_the_lock_and_the_last_one_frees_the_copy() {
    let view = View::new("held", &["1", "2"]);
    let one = view.find().expect("first reader");
    let also = view.find().expect("second reader beside the first");
    assert_eq!(view.told(&one), named(2, LOCK));
    drop(one);
    assert!(!view.remove(2), "one reader is left");
    drop(also);
    assert!(view.remove(2), "nobody reads");
    let older = view.find().expect("the older one");
    assert_eq!(view.told(&older), named(1, LOCK));
}

#[test]
fn each_reader_has_a_read_slot_of_its_own_and_who_finds_none_in_time_shares_the_lock() {
    let view = View::with_read_slots("read_slots", &["3"], 2);
    let wanted = [
        named(3, "read-slot-0"),
        named(3, "read-slot-1"),
        named(3, LOCK),
        named(3, LOCK),
    ];
    assert_eq!(view.all_told(4), wanted);
    assert_eq!(
        view.all_told(1),
        [named(3, "read-slot-0")],
        "it is free again"
    );
}

#[test]
fn any_reader_keeps_a_copy_whether_it_has_a_read_slot_or_not() {
    let view = View::with_read_slots("kept", &["3"], 2);
    let seated = view.find().expect("a read_slot");
    assert!(!view.remove(3));
    let second = view.find().expect("the other read_slot");
    let standing = view.find().expect("the lock");
    drop((seated, second));
    assert!(!view.remove(3));
    drop(standing);
    assert!(view.remove(3));
}

#[test]
fn seats_are_shared_by_all_copies_that_link_to_them() {
    let mine = View::with_read_slots("shared", &["1", "2"], 1);
    let other = File::open(mine.0.join("1/read-slot-0")).expect("read_slot");
    other.try_lock().expect("nobody has it");
    assert_eq!(mine.all_told(1), [named(2, LOCK)]);
    drop(other);
    assert_eq!(mine.all_told(1), [named(2, "read-slot-0")]);
}

#[test]
fn a_third_reader_gets_a_read_slot_when_one_is_left() {
    let view = View::with_read_slots("third", &["1"], 2);
    let held = [
        view.find().expect("read_slot"),
        view.find().expect("read_slot"),
    ];
    let root = view.0.clone();
    let third = thread::spawn(move || find(&root, much_later()));
    let mine = process::id() as usize % 2;
    until_somebody_waits_for(&held[mine].lock);
    drop(held);
    let third = third.join().expect("no panic").expect("a read_slot");
    assert!(view.told(&third).1.starts_with(READ_SLOT));
}

#[test]
fn a_read_slot_of_a_copy_that_went_meanwhile_is_left_for_one_of_the_newest() {
    let view = View::with_read_slots("went", &["1"], 1);
    let read_slot = File::open(view.0.join("1/read-slot-0")).expect("read_slot");
    read_slot.try_lock().expect("nobody has it");
    let root = view.0.clone();
    let reader = thread::spawn(move || find(&root, much_later()));
    until_somebody_waits_for(&read_slot);
    fs::create_dir_all(beads_dir(&view.0, 2)).expect("folder");
    fs::write(copy_dir(&view.0, 2).join(LOCK), "").expect("file");
    fs::remove_dir_all(copy_dir(&view.0, 1)).expect("own folder");
    drop(read_slot);
    let held = reader.join().expect("no panic").expect("the newer copy");
    assert_eq!(view.told(&held), named(2, LOCK));
}

#[test]
fn a_read_slot_that_was_replaced_while_one_waited_for_it_is_not_one() {
    let view = View::with_read_slots("replaced", &["1"], 1);
    let path = view.0.join("1/read-slot-0");
    let read_slot = File::open(&path).expect("read_slot");
    read_slot.try_lock().expect("nobody has it");
    let root = view.0.clone();
    let reader = thread::spawn(move || find(&root, much_later()));
    until_somebody_waits_for(&read_slot);
    fs::write(view.0.join("other"), "").expect("file");
    fs::rename(view.0.join("other"), &path).expect("own file");
    let old = read_slot.metadata().expect("open file");
    drop(read_slot);
    let held = reader.join().expect("no panic").expect("the new read_slot");
    assert!(!is_same_file(
        &held.lock.metadata().expect("open file"),
        &old
    ));
    assert_eq!(view.told(&held), named(1, "read-slot-0"));
}

#[test]
fn a_copy_that_is_being_removed_is_passed_by() {
    let view = View::new("going", &["1", "2"]);
    let remover = File::open(copy_dir(&view.0, 2).join(LOCK)).expect("lock file");
    remover.try_lock().expect("nobody holds it");
    let held = view.find().expect("the older one");
    assert_eq!(view.told(&held), named(1, LOCK));
}

#[test]
fn rubbish_in_the_view_is_passed_by() {
    let view = View::new("rubbish", &["1", "4"]);
    let mkfifo = |path: &str| {
        let made = process::Command::new("mkfifo")
            .arg(view.0.join(path))
            .status();
        assert!(made.expect("mkfifo").success());
    };
    fs::create_dir(view.0.join("7")).expect("a folder without lock and copy");
    fs::write(view.0.join("8"), "").expect("a file");
    fs::create_dir(view.0.join("9")).expect("folder");
    fs::write(view.0.join("9/lock"), "").expect("lock");
    symlink(view.0.join("1/.beads"), view.0.join("9/.beads")).expect("a copy that is a symlink");
    symlink(view.0.join("nothing"), view.0.join("10")).expect("a link to nothing");
    symlink("11", view.0.join("11")).expect("a link to itself");
    mkfifo("12");
    fs::create_dir_all(view.0.join("13/.beads")).expect("folder");
    mkfifo("13/lock");
    mkfifo("13/read-slot-0");
    fs::create_dir_all(view.0.join("14/.beads")).expect("a copy without a lock");
    fs::create_dir_all(view.0.join("15/lock/.beads")).expect("folders where files should be");
    fs::create_dir_all(view.0.join("18446744073709551615")).expect("folder");
    let held = view.find().expect("a whole copy");
    assert_eq!(view.told(&held), named(4, LOCK));
}

#[test]
fn thousands_of_copies_and_read_slots_come_to_an_end() {
    let view = View::with_read_slots("thousands", &["1"], 200);
    let held: Vec<Held> = (0..MOST_READ_SLOTS)
        .map(|_| view.find().expect("a read_slot"))
        .collect();
    for number in 2..2000 {
        fs::create_dir(view.0.join(number.to_string())).expect("folder");
    }
    let last = held.last().expect("there are read_slots");
    assert_eq!(view.told(last), named(1, "read-slot-63"));
    assert_eq!(view.all_told(1), [named(1, LOCK)]);
}

#[test]
fn a_view_without_copies_says_so() {
    let view = View::new("empty", &[".making-1"]);
    let reason = |view: &Path| hold_newest(view).expect_err("no copy");
    assert!(reason(&view.0).contains("try again"));
    assert!(reason(Path::new("view")).contains("absolute"));
    assert!(reason(&view.0.join("none")).contains("No such file"));
}

#[test]
fn what_takes_longer_or_cannot_be_done_gives_nothing() {
    let (_keep, never) = mpsc::channel::<()>();
    assert_eq!(
        within(Duration::ZERO, move || never.recv().ok().map(|()| 1)),
        None
    );
    assert_eq!(within(Duration::from_secs(600), || None::<u8>), None);
    assert_eq!(within(Duration::from_secs(600), || Some(1)), Some(1));
}

#[test]
fn the_coordinator_is_told_the_views_name() {
    let root = View::new("asked", &["attempt-7/1"]);
    let listener = UnixListener::bind(root.0.join(ASK)).expect("socket");
    let coordinator = thread::spawn(move || {
        let (mut reader, _) = listener.accept().expect("a reader");
        let mut question = [0; 10];
        reader.read_exact(&mut question).expect("a name");
        reader.write_all(b"x").expect("the reader waits");
        question
    });
    assert_eq!(ask(&root.0.join("attempt-7")), Some(()), "any byte will do");
    assert_eq!(&coordinator.join().expect("no panic"), b"attempt-7\n");
    assert_eq!(ask(&root.0.join("attempt-7")), None, "nobody listens");
    assert_eq!(ask(Path::new("/")), None);
    assert_eq!(ask(&root.0.join("..")), None);
}
