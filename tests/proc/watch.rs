//! One thread that hears of every end.

use crate::support::{Attempt, LONG};
use mesh_proc::signal::{Listener, OwnSignal};
use mesh_proc::tree;
use mesh_proc::watch::Watcher;
use rustix::process::{Signal, getpid, kill_process};
use serde_json::json;
use std::sync::mpsc::{RecvTimeoutError, channel};

#[test]
fn each_end_is_told_once_whoever_started_it_and_whenever_it_is_added() {
    let (sender, receiver) = channel();
    let watcher = Watcher::start(move |token: usize| sender.send(token).unwrap()).unwrap();
    let mut attempts: Vec<Attempt> = (0..12)
        .map(|_| Attempt::of_steps(json!([{"wait_for": "DIR/go"}])))
        .collect();
    for (token, attempt) in attempts.iter_mut().enumerate() {
        let live = if token % 3 == 0 {
            attempt.start_from_dying_starter(&[]);
            attempt.adopt()
        } else {
            attempt.start()
        };
        if token % 2 == 0 {
            // This one has ended before it is added.
            fs_err::write(attempt.path("go"), "").unwrap();
            attempt.report();
        }
        watcher.add(token, live);
    }
    for attempt in &attempts {
        fs_err::write(attempt.path("go"), "").unwrap();
    }
    let mut ended: Vec<usize> = (0..attempts.len())
        .map(|_| receiver.recv_timeout(LONG).unwrap())
        .collect();
    ended.sort_unstable();
    assert_eq!(ended, (0..attempts.len()).collect::<Vec<_>>());
    for attempt in &attempts {
        let pid = attempt.live.as_ref().unwrap().pid();
        assert!(
            tree::stat(pid).is_none_or(|stat| stat.parent != std::process::id()),
            "{pid} was not reaped"
        );
    }
    drop(watcher);
    assert_eq!(
        receiver.recv_timeout(LONG),
        Err(RecvTimeoutError::Disconnected),
        "told more than once"
    );
}

#[test]
fn dropping_the_watcher_ends_nobody() {
    let watcher = Watcher::start(|()| ()).unwrap();
    let mut attempt = Attempt::of_steps(json!([{"wait_for": "DIR/go"}, {"exit": 6}]));
    watcher.add((), attempt.start());
    drop(watcher);
    fs_err::write(attempt.path("go"), "").unwrap();
    assert_eq!(
        attempt.report().ending,
        mesh_proc::shim::ChildEnd::Exited { code: 6 }
    );
}

#[test]
fn signals_to_ourselves_become_calls() {
    let (sender, receiver) = channel();
    let listener = Listener::start(move |signal| sender.send(signal).unwrap()).unwrap();
    for (raw, signal) in [
        (Signal::INT, OwnSignal::Interrupt),
        (Signal::TERM, OwnSignal::Terminate),
        (Signal::HUP, OwnSignal::HangUp),
        (Signal::INT, OwnSignal::Interrupt),
    ] {
        kill_process(getpid(), raw).unwrap();
        assert_eq!(receiver.recv_timeout(LONG).unwrap(), signal);
    }
    drop(listener);
    assert!(receiver.recv_timeout(LONG).is_err(), "the thread has ended");
}
