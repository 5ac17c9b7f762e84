//! One call at a time, claims first, each reply exactly once.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mesh_bd::{BdError, Lane, Queue};
use mesh_testkit::tracker::Bd;
use serde_json::json;

use crate::support::{FAKE, Heard, TrackerRepo, id, setup};

/// Far beyond what anything here takes; reached only when something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

fn queue() -> (TrackerRepo, Queue, Heard) {
    let repo = TrackerRepo::new(&Bd::fake(FAKE, "1.3.0"));
    let mut tracker = mesh_bd::open(&setup(&repo)).expect("an opened tracker");
    let heard = Heard::listen(&mut *tracker);
    let queue = Queue::start(tracker).expect("a thread");
    (repo, queue, heard)
}

/// Keeps the queue's thread until the sender is used or dropped; returns when it is kept.
fn hold(queue: &Queue) -> Sender<()> {
    let (go, wait) = channel::<()>();
    let (kept, is_kept) = channel();
    queue.submit(
        Lane::Claim,
        move |_| {
            let _ = kept.send(());
            let _ = wait.recv();
            Ok(())
        },
        |_| {},
    );
    is_kept.recv_timeout(PATIENCE).expect("the queue runs");
    go
}

type Names = Arc<Mutex<Vec<&'static str>>>;

fn note(queue: &Queue, lane: Lane, names: &Names, name: &'static str) {
    let names = Arc::clone(names);
    queue.submit(
        lane,
        move |_| {
            names.lock().expect("no panic").push(name);
            Ok(())
        },
        |_| {},
    );
}

fn got<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).expect("an answer")
}

#[test]
fn claims_go_first_and_renewals_last() {
    let (_repo, queue, _) = queue();
    let names = Names::default();
    let go = hold(&queue);
    note(&queue, Lane::Renewal, &names, "renew 1");
    note(&queue, Lane::Rest, &names, "rest 1");
    note(&queue, Lane::Claim, &names, "claim 1");
    note(&queue, Lane::Rest, &names, "rest 2");
    note(&queue, Lane::Snapshot, &names, "snapshot 1");
    note(&queue, Lane::Claim, &names, "claim 2");
    drop(go);
    // The last of the last lane: when it has had its turn, so have all others.
    queue
        .call(Lane::Renewal, |_| Ok(()))
        .expect("the queue runs");
    assert_eq!(
        *names.lock().expect("no panic"),
        [
            "claim 1",
            "claim 2",
            "snapshot 1",
            "rest 1",
            "rest 2",
            "renew 1"
        ]
    );
}

#[test]
fn never_two_calls_at_once() {
    let (repo, queue, heard) = queue();
    let task = id(&repo.create("task", "work", &[]));
    repo.script(&json!([{ "on": "*", "kind": "slow", "ms": 20, "times": 99 }]));
    let queue = Arc::new(queue);
    std::thread::scope(|scope| {
        for lane in [Lane::Claim, Lane::Snapshot, Lane::Rest, Lane::Renewal] {
            let (queue, task) = (Arc::clone(&queue), task.clone());
            scope.spawn(move || {
                for _ in 0..4 {
                    let task = task.clone();
                    queue
                        .call(lane, move |tracker| tracker.show(&task))
                        .expect("the bead");
                }
            });
        }
    });
    let calls = heard.calls();
    assert_eq!(calls.len(), 16);
    for pair in calls.windows(2) {
        assert!(pair[0].span.1 <= pair[1].span.0, "{pair:?}");
    }
}

#[test]
fn a_panic_harms_only_its_own_request() {
    let (_repo, queue, _) = queue();
    let answer: Result<(), BdError> = queue.call(Lane::Rest, |_| panic!("a broken request"));
    assert_eq!(answer, Err(BdError::Panicked("a broken request".into())));
    queue.submit(Lane::Rest, |_| Ok(()), |_| panic!("a broken reply"));
    assert_eq!(
        queue
            .call(Lane::Rest, |tracker| tracker.listing())
            .expect("a listing")
            .issues
            .len(),
        0
    );
}

#[test]
fn a_waiting_listing_serves_all_who_ask_and_shows_what_was_asked_before() {
    let (repo, queue, heard) = queue();
    let task = id(&repo.create("task", "work", &[]));
    let go = hold(&queue);
    let (send, answers) = channel();
    let ask = |queue: &Queue| {
        let send = send.clone();
        queue.submit_listing(move |answer| send.send(answer).expect("the test waits"));
    };
    ask(&queue);
    let closing = task.clone();
    queue.submit(
        Lane::Rest,
        move |tracker| tracker.close(&closing, "mesh", "done"),
        |answer| answer.expect("a close"),
    );
    ask(&queue);
    drop(go);
    for _ in 0..2 {
        let listing = got(&answers).expect("a listing");
        assert_eq!(
            listing.get(&task).expect("the bead").status,
            mesh_core::issue::IssueStatus::Closed
        );
    }
    assert_eq!(
        heard
            .lines()
            .iter()
            .filter(|line| line.starts_with("list "))
            .count(),
        1
    );
}

#[test]
fn a_listing_cannot_be_put_off_for_ever() {
    let (_repo, queue, heard) = queue();
    let go = hold(&queue);
    let (send, answers) = channel();
    for n in 0..8 {
        let send = send.clone();
        queue.submit_listing(move |answer| send.send((n, answer.is_ok())).expect("the test waits"));
        queue.submit(Lane::Rest, |_| Ok(()), |_| {});
    }
    drop(go);
    let order: Vec<_> = (0..8).map(|_| got(&answers)).collect();
    assert_eq!(order, (0..8).map(|n| (n, true)).collect::<Vec<_>>());
    // The first one stayed where it was after its third move, and a second one took the rest.
    assert_eq!(heard.lines().len(), 2);
}

#[test]
fn an_error_of_a_listing_reaches_everybody() {
    let (repo, queue, _) = queue();
    repo.script(&json!([{ "on": "list", "kind": "rubbish", "times": 9 }]));
    let go = hold(&queue);
    let (send, answers) = channel();
    for _ in 0..2 {
        let send = send.clone();
        queue.submit_listing(move |answer| send.send(answer).expect("the test waits"));
    }
    drop(go);
    for _ in 0..2 {
        assert!(matches!(got(&answers), Err(BdError::Unreadable { .. })));
    }
}

#[test]
fn dropping_a_queue_tells_everybody() {
    let repo = TrackerRepo::new(&Bd::fake(FAKE, "1.3.0"));
    let tracker = mesh_bd::open(&setup(&repo)).expect("an opened tracker");
    let queue = Queue::start(tracker).expect("a thread");
    let go = hold(&queue);
    let (send, answers) = channel();
    queue.submit_listing(move |answer| send.send(answer).expect("the test waits"));
    drop(queue);
    assert_eq!(got(&answers), Err(BdError::QueueClosed));
    drop(go);
}
