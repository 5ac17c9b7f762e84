//! With `MESH_VIEW` the wrapper asks for a fresh copy, reads the newest there is, under a lock that lasts as long as `bd`, and
//! never reads the live tracker.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use mesh_bd_ro::view::{ASK, LOCK, READ_SLOT, beads_dir, copy_dir};

use crate::support::{Call, Lab, run, stderr, until};

/// A run's folder of views, with one agent's view in it.
struct Views {
    lab: Lab,
    root: PathBuf,
}

impl Views {
    fn new(copies: &[u64], read_slots: usize) -> Views {
        Views::below("run/view", copies, read_slots)
    }

    fn below(root: &str, copies: &[u64], read_slots: usize) -> Views {
        let lab = Lab::new();
        let root = lab.path(root);
        let views = Views { lab, root };
        fs_err::create_dir_all(views.view()).expect("folder");
        for number in copies {
            put_copy(&views.view(), *number, read_slots);
        }
        views
    }

    fn view(&self) -> PathBuf {
        self.root.join("task-1.2")
    }

    /// The coordinator's end of the socket. An address holds 108 bytes, so it is named through the open folder.
    fn listen(&self) -> UnixListener {
        let folder = fs_err::File::open(&self.root).expect("the views' folder");
        let address = format!("/proc/self/fd/{}/{ASK}", folder.file().as_raw_fd());
        UnixListener::bind(address).expect("socket")
    }

    fn reader(&self) -> std::process::Command {
        let mut command = self.lab.wrapper("show bd-123");
        command
            .env("MESH_VIEW", self.view())
            .env("BEADS_DIR", self.lab.home());
        command
    }

    fn read(&self) -> Output {
        run(self.reader())
    }

    fn start_reader(&self) -> Child {
        let mut command = self.reader();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the wrapper starts")
    }

    /// Reads once, and gives the number of the copy that was read; `bd` must have been called once.
    fn copy_read(&self) -> u64 {
        let output = self.read();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let calls = self.lab.calls();
        assert_eq!(calls.len(), 1);
        number_read(&calls[0])
    }

    /// No call of the tracing `bd` ends while the file is open.
    fn shut_gate(&self) -> fs_err::File {
        let gate = fs_err::File::create(self.lab.home().join("gate")).expect("own file");
        gate.file().try_lock().expect("nobody has it yet");
        gate
    }
}

fn put_copy(view: &Path, number: u64, read_slots: usize) {
    let making = view.join(".making");
    fs_err::create_dir_all(making.join(".beads")).expect("copy");
    for name in (0..read_slots).map(|read_slot| format!("{READ_SLOT}{read_slot}")) {
        fs_err::write(making.join(name), "").expect("read_slot");
    }
    fs_err::write(making.join(LOCK), "").expect("lock");
    fs_err::rename(making, copy_dir(view, number)).expect("own folder");
}

fn number_read(call: &Call) -> u64 {
    let beads = Path::new(&call.env["BEADS_DIR"]);
    let number = beads.parent().and_then(Path::file_name);
    number
        .and_then(mesh_bd_ro::view::number_of)
        .unwrap_or_else(|| panic!("{} is no copy", beads.display()))
}

/// What the wrapper locked for `bd`: it travels as standard input.
fn locked(call: &Call) -> &str {
    let path = call.stdin_path.as_deref().and_then(Path::file_name);
    path.and_then(|name| name.to_str()).unwrap_or_default()
}

/// Whether the process waits for a file's lock, as the kernel lists it.
fn waits_for_a_lock(process: &Child) -> bool {
    let pid = process.id().to_string();
    let locks = fs_err::read_to_string("/proc/locks").expect("the kernel's list of locks");
    locks
        .lines()
        .any(|line| line.contains("->") && line.split_whitespace().any(|word| word == pid))
}

fn ended_well(mut reader: Child) {
    assert!(reader.wait().expect("own child").success());
}

#[test]
fn the_newest_copy_is_read_and_locked_while_bd_runs() {
    for (read_slots, name) in [(0, "lock"), (1, "read-slot-0"), (2, "read-slot-0")] {
        let views = Views::new(&[1, 2, 10], read_slots);
        assert_eq!(views.copy_read(), 10);
        let call = &views.lab.calls()[0];
        assert_eq!(
            Path::new(&call.env["BEADS_DIR"]),
            beads_dir(&views.view(), 10)
        );
        assert_eq!(locked(call), name);
        assert_eq!(
            call.lock_is_free,
            Some(false),
            "nobody may remove the copy under bd"
        );
        assert_eq!(call.stdin.as_deref(), Some(""), "it is an empty file");
        assert!(!call.env.contains_key("MESH_VIEW"));
        for entry in fs_err::read_dir(copy_dir(&views.view(), 10)).expect("copy") {
            let path = entry.expect("entry").path();
            if path.is_file() {
                let file = fs_err::File::open(path).expect("own file");
                file.file().try_lock().expect("bd has ended");
            }
        }
        fs_err::remove_dir_all(copy_dir(&views.view(), 10)).expect("own folder");
        assert_eq!(views.read().status.code(), Some(0));
        assert_eq!(number_read(&views.lab.calls()[1]), 2);
    }
}

#[test]
fn without_a_copy_nothing_is_read() {
    let views = Views::new(&[], 0);
    for root in [
        views.view(),
        views.lab.path("nowhere"),
        PathBuf::from("view"),
    ] {
        let mut command = views.reader();
        command.env("MESH_VIEW", root);
        let output = run(command);
        assert_eq!(output.status.code(), Some(126), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1);
    }
    assert!(
        views.lab.calls().is_empty(),
        "the live tracker is no substitute for a missing view"
    );
}

/// A coordinator that hears one reader out, puts copy `number` into its view, and hangs up.
fn coordinator_that_puts(number: u64, views: &Views) -> JoinHandle<String> {
    let (listener, view) = (views.listen(), views.view());
    thread::spawn(move || {
        let (reader, _) = listener.accept().expect("a reader asks");
        let mut question = String::new();
        let mut lines = BufReader::new(reader);
        lines.read_line(&mut question).expect("a line");
        put_copy(&view, number, 1);
        question
    })
}

#[test]
fn a_copy_that_the_coordinator_puts_there_before_it_answers_is_the_one_that_is_read() {
    for before in [&[][..], &[1, 6]] {
        let views = Views::new(before, 1);
        let coordinator = coordinator_that_puts(7, &views);
        assert_eq!(views.copy_read(), 7);
        assert_eq!(coordinator.join().expect("no panic"), "task-1.2\n");
    }
}

#[test]
fn a_socket_may_lie_deeper_than_an_address_can_say() {
    let deep = format!("{}/view", "a-folder-with-a-long-name/".repeat(8));
    let views = Views::below(&deep, &[1], 1);
    assert!(views.root.as_os_str().len() > 200);
    let coordinator = coordinator_that_puts(2, &views);
    assert_eq!(views.copy_read(), 2);
    assert_eq!(coordinator.join().expect("no panic"), "task-1.2\n");
}

#[test]
fn a_coordinator_that_hangs_up_or_talks_too_much_delays_nothing() {
    let views = Views::new(&[3], 1);
    let listener = views.listen();
    let coordinator = thread::spawn(move || {
        drop(listener.accept().expect("first reader"));
        let (mut second, _) = listener.accept().expect("second reader");
        // Until the reader has heard enough.
        while second.write_all(&[b'x'; 4096]).is_ok() {}
    });
    assert_eq!(views.copy_read(), 3);
    assert_eq!(views.read().status.code(), Some(0));
    assert_eq!(views.lab.calls().len(), 2);
    coordinator.join().expect("no panic");
}

#[test]
fn a_coordinator_that_never_answers_is_waited_for_no_longer_than_that() {
    let views = Views::new(&[3], 1);
    let listener = views.listen();
    assert_eq!(views.copy_read(), 3, "the question was never taken");
    let coordinator = thread::spawn(move || {
        // The first reader's question lies there still; it has gone.
        let gone = listener.accept().expect("the first reader");
        let silent = listener.accept().expect("the second reader");
        (gone, silent)
    });
    assert_eq!(views.read().status.code(), Some(0));
    assert_eq!(views.lab.calls().len(), 2);
    drop(coordinator.join().expect("no panic"));
}

#[test]
fn a_socket_that_lets_nobody_in_is_waited_for_no_longer_than_that() {
    let views = Views::new(&[3], 1);
    let listener = views.listen();
    let most = fs_err::read_to_string("/proc/sys/net/core/somaxconn").expect("the kernel's limit");
    let most: usize = most.trim().parse().expect("a number");
    let address = views.root.join(ASK);
    let inside = Arc::new(AtomicUsize::new(0));
    let filler = thread::spawn({
        let inside = Arc::clone(&inside);
        // A connection that was never taken stays in the queue when its other end is closed.
        move || {
            while UnixStream::connect(&address).is_ok() {
                inside.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    until("a full queue", || inside.load(Ordering::SeqCst) > most);
    assert_eq!(views.copy_read(), 3);
    drop(listener);
    filler.join().expect("no panic");
}

#[test]
fn without_a_coordinator_there_is_nobody_to_wait_for() {
    type Make = fn(&Path);
    let in_place: [Make; 5] = [
        |_| {},
        |path| fs_err::write(path, "").expect("own file"),
        |path| fs_err::create_dir(path).expect("own folder"),
        |path| drop(UnixListener::bind(path).expect("a socket that nobody listens on")),
        |path| {
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.expect("mkfifo").success());
        },
    ];
    for make in in_place {
        let views = Views::new(&[3], 1);
        make(&views.root.join(ASK));
        assert_eq!(views.copy_read(), 3);
    }
}

#[test]
fn a_second_reader_waits_until_the_bd_of_the_first_has_ended() {
    let views = Views::new(&[1], 1);
    let gate = views.shut_gate();
    let first = views.start_reader();
    until("the first bd", || views.lab.calls().len() == 1);
    let second = views.start_reader();
    until("the second reader at the read_slot", || {
        waits_for_a_lock(&second)
    });
    // A newer copy with a read slot of its own is no reason to leave; what is held when the read slot is free is read.
    put_copy(&views.view(), 2, 1);
    assert_eq!(views.lab.calls().len(), 1, "one read_slot, one bd");
    drop(gate);
    ended_well(first);
    ended_well(second);
    let calls = views.lab.calls();
    let told: Vec<_> = calls
        .iter()
        .map(|call| (number_read(call), locked(call)))
        .collect();
    assert_eq!(told, [(1, "read-slot-0"), (1, "read-slot-0")]);
}

#[test]
fn a_reader_whose_copy_went_while_it_waited_reads_the_newest() {
    let views = Views::new(&[1], 1);
    let read_slot =
        fs_err::File::open(copy_dir(&views.view(), 1).join("read-slot-0")).expect("read_slot");
    read_slot.file().try_lock().expect("nobody has it");
    let reader = views.start_reader();
    until("the reader at the read_slot", || waits_for_a_lock(&reader));
    put_copy(&views.view(), 2, 1);
    fs_err::rename(copy_dir(&views.view(), 1), views.root.join("gone")).expect("own folder");
    drop(read_slot);
    ended_well(reader);
    assert_eq!(number_read(&views.lab.calls()[0]), 2);
}

#[test]
fn as_many_read_at_once_as_there_are_read_slots() {
    let views = Views::new(&[1], 2);
    let gate = views.shut_gate();
    let pair = [views.start_reader(), views.start_reader()];
    until("two at once", || views.lab.calls().len() == 2);
    let third = views.start_reader();
    until("the third at a read_slot", || waits_for_a_lock(&third));
    let calls = views.lab.calls();
    let mut read_slots: Vec<_> = calls.iter().map(locked).collect();
    read_slots.sort_unstable();
    assert_eq!(read_slots, ["read-slot-0", "read-slot-1"]);
    drop(gate);
    pair.into_iter().for_each(ended_well);
    ended_well(third);
    assert!(locked(&views.lab.calls()[2]).starts_with(READ_SLOT));
}

#[test]
fn a_read_slot_that_is_never_given_up_stops_nobody_for_ever() {
    let views = Views::new(&[1], 1);
    let read_slot =
        fs_err::File::open(copy_dir(&views.view(), 1).join("read-slot-0")).expect("read_slot");
    read_slot.file().try_lock().expect("nobody has it");
    assert_eq!(views.copy_read(), 1);
    assert_eq!(locked(&views.lab.calls()[0]), "lock");
    drop(read_slot);
}
