//! Ends of several attempts, written down together.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mesh_bd::{BdError, Finalization, Finalized, Lane, NewComment, Queue, RefusalReason, Tracker};
use mesh_core::id::TaskId;
use mesh_core::issue::IssueStatus;
use mesh_proc::run::{Command, Output, RunError, Runner};
use mesh_testkit::tracker::Bd;
use serde_json::json;

use crate::support::{FAKE, TrackerRepo, id, on_each_bd, open, refusal};

on_each_bd!(
    ends_that_come_at_once_go_together,
    what_the_listing_does_not_vouch_for_goes_alone,
    what_a_person_changes_meanwhile_stays,
);

/// Far beyond what anything here takes; reached only when something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

fn actor(number: usize) -> String {
    format!("agent:mesh-{number}")
}

/// Beads, each claimed by an actor of its own.
fn claimed(repo: &TrackerRepo, tracker: &dyn Tracker, count: usize) -> Vec<TaskId> {
    let claim = |number| {
        let task = id(&repo.create("task", "work", &[]));
        tracker.claim(&task, &actor(number), &[]).expect("a claim");
        task
    };
    (1..=count).map(claim).collect()
}

fn end(task: &TaskId, number: usize) -> Finalization {
    let marker = format!("(mesh r1 {task}#1)");
    Finalization {
        id: task.clone(),
        actor: actor(number),
        comment: Some(NewComment {
            author: actor(number),
            text: format!("-Checkpoint: \"so\" <{number}>\n- PR: none\n{marker}"),
            marker,
            may_be_there: false,
        }),
        close: Some(format!("verified as \"c{number}\" \\ (mesh r1 {task}#1)")),
    }
}

fn ends(tasks: &[TaskId]) -> Vec<Finalization> {
    let numbered = tasks.iter().zip(1..);
    numbered.map(|(task, number)| end(task, number)).collect()
}

#[track_caller]
fn assert_finalized(tracker: &dyn Tracker, end: &Finalization) {
    let issue = tracker.show(&end.id).expect("the bead");
    assert_eq!(issue.status, IssueStatus::Closed, "{issue:?}");
    assert_eq!(issue.close_reason, end.close);
    assert_eq!(issue.assignee.as_ref(), Some(&end.actor));
    let comments = tracker.comments(&end.id).expect("its comments");
    let [comment] = comments.as_slice() else {
        panic!("not one comment: {comments:?}");
    };
    let text = end.comment.as_ref().map(|new| new.text.as_str());
    assert_eq!(Some(comment.text.as_str()), text);
    assert_eq!(comment.author, end.actor);
}

fn is_well(finalized: &Finalized) -> bool {
    finalized.comment.is_ok() && finalized.close.is_ok()
}

fn ends_that_come_at_once_go_together(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let (tracker, heard) = open(&repo);
    let tasks = claimed(&repo, &*tracker, 6);
    let before = heard.lines().len();
    let ends = ends(&tasks);
    let (finalized, listing) = tracker.finalize(&ends[..3]);
    assert!(finalized.iter().all(is_well), "{finalized:?}");
    if let Some(listing) = listing {
        assert!(listing.get(&tasks[0]).is_some());
    }
    // Once for good it is asked what can be joined.
    let asked = heard.lines().split_off(before);
    let first = asked.iter().filter(|line| !line.contains("--help")).count();
    let (finalized, _) = tracker.finalize(&ends[3..]);
    assert!(finalized.iter().all(is_well), "{finalized:?}");
    let second = heard.lines().split_off(before + asked.len());
    // The listing, the closes, and the comments: 1.0.5 has no join for those. 0.47 has none at all, and looks before it closes.
    let wanted = match bd.version.as_str() {
        "1.3.0" => 3,
        "1.0.5" => 5,
        _ => 9,
    };
    assert_eq!((first, second.len()), (wanted, wanted), "{second:?}");
    for end in &ends {
        assert_finalized(&*tracker, end);
    }
    let (again, _) = tracker.finalize(&ends[..1]);
    assert!(again[0].close.is_ok(), "{again:?}");
}

fn what_the_listing_does_not_vouch_for_goes_alone(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let (tracker, _) = open(&repo);
    let mut tasks = claimed(&repo, &*tracker, 3);
    let blocker = repo.create("task", "a blocker", &[]);
    repo.depend(tasks[2].as_str(), &blocker, "blocks");
    let theirs = id(&repo.create("task", "theirs", &[]));
    tracker.claim(&theirs, "somebody", &[]).expect("a claim");
    let gone = id("t-gone");
    tasks.extend([theirs.clone(), gone.clone()]);
    let ends = ends(&tasks);
    let (finalized, _) = tracker.finalize(&ends);
    for at in [0, 1] {
        assert!(is_well(&finalized[at]), "{:?}", finalized[at]);
        assert_finalized(&*tracker, &ends[at]);
    }
    let blocked = refusal(finalized[2].close.clone());
    assert!(
        matches!(blocked, RefusalReason::BlockedBy(_)),
        "{blocked:?}"
    );
    assert_eq!(
        refusal(finalized[3].close.clone()),
        RefusalReason::HeldBy("somebody".into())
    );
    let missing = Err(BdError::NotFound { id: gone });
    assert_eq!(finalized[4].close, missing);
    let listing = tracker.listing().expect("a listing");
    for task in [&tasks[2], &theirs] {
        let issue = listing.get(task).expect("the bead");
        assert_eq!(issue.status, IssueStatus::InProgress, "{issue:?}");
    }
    assert!(listing.get(&tasks[4]).is_none(), "nothing was made");
}

/// Does something before each call that has the word `on`.
struct Before<F>(&'static str, F, Arc<dyn Runner>);

impl<F: Fn() + Send + Sync> Runner for Before<F> {
    fn run(&self, command: &Command) -> Result<Output, RunError> {
        if command.args.iter().any(|word| word == self.0) {
            (self.1)();
        }
        self.2.run(command)
    }
}

fn what_a_person_changes_meanwhile_stays(bd: &Bd) {
    let repo = Arc::new(TrackerRepo::new(bd));
    let (mut tracker, _) = open(&repo);
    let tasks = claimed(&repo, &*tracker, 2);
    let first = tasks[0].clone();
    for on in ["import", "batch", "close"] {
        let runner = Arc::clone(tracker.runner());
        let (repo, first) = (Arc::clone(&repo), first.clone());
        let edit = move || {
            let text = format!("edited before {on}");
            repo.bd_json(&["update", first.as_str(), "--description", &text, "--json"]);
        };
        *tracker.runner() = Arc::new(Before(on, edit, runner));
    }
    let ends = ends(&tasks);
    let (finalized, _) = tracker.finalize(&ends);
    assert!(finalized.iter().all(is_well), "{finalized:?}");
    for end in &ends {
        assert_finalized(&*tracker, end);
    }
    let edited = tracker.show(&first).expect("the bead").description;
    assert!(edited.starts_with("edited before "), "{edited}");
}

/// A joined call that dies, whether or not it did its work: each comment is there once, each bead is closed.
#[test]
fn a_joined_call_that_dies_leaves_everything_once() {
    for on in ["list", "import", "batch"] {
        for (kind, applied) in [
            ("die", true),
            ("die", false),
            ("rubbish", true),
            ("busy", false),
            ("exit-1", false),
        ] {
            let repo = TrackerRepo::new(&Bd::fake(FAKE, "1.3.0"));
            let (tracker, _) = open(&repo);
            let tasks = claimed(&repo, &*tracker, 3);
            repo.script(&json!([{ "on": on, "kind": kind, "applied": applied, "times": 2 }]));
            let ends = ends(&tasks);
            let (finalized, _) = tracker.finalize(&ends);
            repo.script(&json!([]));
            assert!(
                finalized.iter().all(is_well),
                "{on} {kind} {applied}: {finalized:?}"
            );
            for end in &ends {
                assert_finalized(&*tracker, end);
            }
        }
    }
}

/// Keeps the queue's thread until the sender is dropped; returns when it is kept.
fn hold(queue: &Queue) -> Sender<()> {
    let (go, wait) = channel::<()>();
    let (kept, is_kept) = channel();
    let work = move |_: &dyn Tracker| {
        let _ = kept.send(());
        let _ = wait.recv();
        Ok(())
    };
    queue.submit(Lane::Claim, work, |_| {});
    got(&is_kept);
    go
}

fn got<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).expect("an answer")
}

/// Hands the ends of `tasks` over.
fn submit_all(queue: &Queue, tasks: &[TaskId]) -> Receiver<Finalized> {
    let (send, finalized) = channel();
    for (task, number) in tasks.iter().zip(1..) {
        let send = send.clone();
        queue.submit_finalization(end(task, number), move |one| {
            send.send(one).expect("the test waits");
        });
    }
    finalized
}

/// What waits in the queue is written down in one go, and the listing that is read for it serves those who wait for one.
#[test]
fn ends_that_wait_join_and_share_their_listing() {
    let repo = TrackerRepo::new(&Bd::fake(FAKE, "1.3.0"));
    let (mut tracker, heard) = open(&repo);
    let tasks = claimed(&repo, &*tracker, 3);
    let before = heard.lines().len();
    *tracker.runner() = Arc::new(heard.clone());
    let queue = Queue::start(tracker).expect("a thread");
    let go = hold(&queue);
    let (send, listings) = channel();
    queue.submit_listing(move |answer| send.send(answer).expect("the test waits"));
    let finalized = submit_all(&queue, &tasks);
    drop(go);
    tasks
        .iter()
        .for_each(|_| assert!(is_well(&got(&finalized))));
    assert!(got(&listings).expect("a listing").get(&tasks[0]).is_some());
    let lines = heard.lines().split_off(before);
    let count = |word: &str| lines.iter().filter(|line| line.contains(word)).count();
    let counts = ["list --json", "import - --json", "batch --json"].map(count);
    assert_eq!(counts, [1, 1, 1], "{lines:?}");
    assert_eq!(lines.len(), 5, "two asked for help: {lines:?}");
}

/// A claim that comes while ends are written down waits for one call and no more.
#[test]
fn a_claim_goes_before_the_next_call_of_what_runs() {
    let repo = TrackerRepo::new(&Bd::fake(FAKE, "1.3.0"));
    let (mut tracker, heard) = open(&repo);
    let tasks = claimed(&repo, &*tracker, 2);
    let wanted = id(&repo.create("task", "work", &[]));
    let (reached, is_reached) = channel::<()>();
    let (go, wait) = channel::<()>();
    let gate = Mutex::new(Some((reached, wait)));
    let stop = move || {
        if let Some((reached, wait)) = gate.lock().expect("no panic").take() {
            let _ = reached.send(());
            let _ = wait.recv_timeout(PATIENCE);
        }
    };
    let runner = Arc::clone(tracker.runner());
    *tracker.runner() = Arc::new(Before("list", stop, runner));
    let queue = Queue::start(tracker).expect("a thread");
    let hold = hold(&queue);
    let before = heard.lines().len();
    let finalized = submit_all(&queue, &tasks);
    drop(hold);
    got(&is_reached);
    let (claimed, is_claimed) = channel();
    queue.submit(
        Lane::Claim,
        move |tracker: &dyn Tracker| tracker.claim(&wanted, "agent:mesh-9", &[]),
        move |answer| claimed.send(answer).expect("the test waits"),
    );
    drop(go);
    got(&is_claimed).expect("a claim");
    tasks
        .iter()
        .for_each(|_| assert!(is_well(&got(&finalized))));
    let lines = heard.lines().split_off(before);
    let at = |word: &str| lines.iter().position(|line| line.contains(word));
    let order = [
        at("list "),
        at("--claim"),
        at("import - "),
        at("batch --json"),
    ];
    assert!(order.is_sorted() && order[0].is_some(), "{lines:?}");
    assert_eq!(at("--claim"), at("list ").map(|at| at + 1), "{lines:?}");
}
