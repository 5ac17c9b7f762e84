//! Claims, releases, closes, leases.

use mesh_bd::{BdError, RefusalReason, Renewal};
use mesh_core::issue::IssueStatus;
use mesh_testkit::tracker::Bd;

use crate::support::{NewTask, TrackerRepo, assignee, id, on_each_bd, open, pairs, refusal};

on_each_bd!(
    claims_with_metadata,
    a_held_bead_is_refused_and_the_same_actor_may_ask_again,
    six_claims_race_and_one_wins,
    closed_and_missing_beads_cannot_be_claimed,
    closes_as_the_claiming_actor,
    close_by_another,
    close_is_refused_while_blockers_are_open,
    releases_only_what_the_actor_has,
    renews_its_own_lease_only,
);

/// Calls of a claim: classic is asked first whether the bead is to be had.
fn calls_of_claim(bd: &Bd) -> usize {
    if bd.is_classic() { 2 } else { 1 }
}

fn claims_with_metadata(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let (tracker, heard) = open(&repo);
    let claimed = tracker
        .claim(
            &task,
            "agent:mesh-1",
            &pairs(&[("mesh.run", "r1"), ("mesh.attempt", "1e5")]),
        )
        .expect("a claim");
    assert_eq!(
        heard.lines().len(),
        calls_of_claim(bd),
        "{:?}",
        heard.lines()
    );
    assert_eq!(claimed.is_leased, bd.has_leases());
    let listing = tracker.listing().expect("a listing");
    let issue = listing.get(&task).expect("the bead");
    assert_eq!(issue.status, IssueStatus::InProgress);
    assert_eq!(assignee(&listing, &task).as_deref(), Some("agent:mesh-1"));
    let metadata = match bd.is_classic() {
        true => Vec::new(),
        // bd reads numbers as numbers.
        false => pairs(&[("mesh.attempt", "100000"), ("mesh.run", "r1")]),
    };
    assert_eq!(issue.metadata, metadata);
}

fn a_held_bead_is_refused_and_the_same_actor_may_ask_again(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let (tracker, heard) = open(&repo);
    tracker
        .claim(&task, "mesh-1", &pairs(&[("mesh.run", "r1")]))
        .expect("a claim");
    let refused = tracker.claim(&task, "mesh-2", &pairs(&[("mesh.run", "r2")]));
    assert_eq!(refusal(refused), RefusalReason::HeldBy("mesh-1".into()));
    assert_eq!(
        heard.lines().len(),
        calls_of_claim(bd) + 1,
        "the first answer says who has it: {:?}",
        heard.lines()
    );
    let kept = tracker.show(&task).expect("the bead");
    let metadata = match bd.is_classic() {
        true => Vec::new(),
        // The loser's is not written.
        false => pairs(&[("mesh.run", "r1")]),
    };
    assert_eq!(kept.metadata, metadata);
    tracker
        .claim(&task, "mesh-1", &pairs(&[("mesh.run", "r3")]))
        .expect("the same actor");
}

fn six_claims_race_and_one_wins(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let (tracker, _) = open(&repo);
    let actors: Vec<String> = (1..=6).map(|n| format!("mesh-{n}")).collect();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let racers: Vec<_> = actors
            .iter()
            .map(|actor| scope.spawn(|| tracker.claim(&task, actor, &[])))
            .collect();
        racers
            .into_iter()
            .map(|racer| racer.join().expect("no panic"))
            .collect()
    });
    let winners: Vec<&String> = actors
        .iter()
        .zip(&answers)
        .filter(|(_, a)| a.is_ok())
        .map(|(actor, _)| actor)
        .collect();
    let holder = tracker.show(&task).expect("the bead").assignee;
    assert_eq!(winners.len(), 1, "{answers:?}, held by {holder:?}");
    assert_eq!(holder.as_ref(), Some(winners[0]));
    for answer in answers.into_iter().filter(Result::is_err) {
        assert_eq!(refusal(answer), RefusalReason::HeldBy(winners[0].clone()));
    }
}

fn closed_and_missing_beads_cannot_be_claimed(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let (tracker, _) = open(&repo);
    tracker
        .close(&task, "mesh", "done")
        .expect("nobody has it, so anybody may close it");
    assert_eq!(
        refusal(tracker.claim(&task, "mesh-1", &[])),
        RefusalReason::Status(IssueStatus::Closed)
    );
    let none = id("t-none");
    assert_eq!(
        tracker.claim(&none, "mesh-1", &[]),
        Err(BdError::NotFound { id: none.clone() })
    );
    assert_eq!(
        tracker.close(&none, "mesh-1", "x"),
        Err(BdError::NotFound { id: none.clone() })
    );
    assert_eq!(
        tracker.release(&none, "mesh-1"),
        Err(BdError::NotFound { id: none })
    );
}

fn closes_as_the_claiming_actor(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let (tracker, heard) = open(&repo);
    tracker.claim(&task, "mesh-1", &[]).expect("a claim");
    tracker
        .close(&task, "mesh-1", "-verified: \"all\"\nat 1234abcd")
        .expect("a close");
    // Before 1.3 bd closes for anybody, so it is asked who has it.
    let calls = if bd.has_leases() { 1 } else { 2 };
    assert_eq!(
        heard.lines().len(),
        calls_of_claim(bd) + calls,
        "{:?}",
        heard.lines()
    );
    let issue = tracker.show(&task).expect("the bead");
    assert_eq!(issue.status, IssueStatus::Closed);
    assert_eq!(
        issue.close_reason.as_deref(),
        Some("-verified: \"all\"\nat 1234abcd")
    );
    tracker
        .close(&task, "mesh-1", "again")
        .expect("closing twice is harmless");
}

fn close_by_another(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let (tracker, _) = open(&repo);
    tracker.claim(&task, "mesh-1", &[]).expect("a claim");
    let closed = tracker.close(&task, "mesh-2", "done");
    let status = tracker.show(&task).expect("the bead").status;
    assert_eq!(refusal(closed), RefusalReason::HeldBy("mesh-1".into()));
    assert_eq!(status, IssueStatus::InProgress);
}

fn close_is_refused_while_blockers_are_open(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let epic = repo.epic_with(
        "Parser",
        &[NewTask::new("a", &[]), NewTask::new("b", &["a"])],
    );
    let (tracker, _) = open(&repo);
    match refusal(tracker.close(&id(epic.task("b")), "mesh", "done")) {
        RefusalReason::BlockedBy(text) => assert!(text.contains(epic.task("a")), "{text}"),
        other => panic!("{other:?}"),
    }
    if !bd.is_classic() {
        match refusal(tracker.close(&id(&epic.id), "mesh", "done")) {
            RefusalReason::Other(text) => assert!(text.contains("open child"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    // A blocked bead can be claimed: the dependencies are the coordinator's business.
    tracker
        .claim(&id(epic.task("b")), "mesh-1", &[])
        .expect("a claim");
}

fn releases_only_what_the_actor_has(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let (tracker, _) = open(&repo);
    tracker
        .release(&task, "mesh-1")
        .expect("what nobody has is released already");
    tracker.claim(&task, "mesh-1", &[]).expect("a claim");
    assert_eq!(
        refusal(tracker.release(&task, "mesh-2")),
        RefusalReason::HeldBy("mesh-1".into())
    );
    tracker.release(&task, "mesh-1").expect("a release");
    let issue = tracker.show(&task).expect("the bead");
    assert_eq!((issue.status, issue.assignee), (IssueStatus::Open, None));
    tracker
        .claim(&task, "mesh-2", &[])
        .expect("it is free again");
    tracker.close(&task, "mesh-2", "done").expect("a close");
    assert_eq!(
        refusal(tracker.release(&task, "mesh-2")),
        RefusalReason::Status(IssueStatus::Closed),
        "it must not be reopened"
    );
    assert_eq!(
        tracker.show(&task).expect("the bead").status,
        IssueStatus::Closed
    );
}

fn renews_its_own_lease_only(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let open_task = id(&repo.create("task", "not begun", &[]));
    let (tracker, heard) = open(&repo);
    tracker.claim(&task, "mesh-1", &[]).expect("a claim");
    if !bd.has_leases() {
        assert_eq!(tracker.renew(&task, "mesh-1"), Ok(Renewal::NoLeases));
        assert_eq!(
            heard.lines().len(),
            calls_of_claim(bd),
            "nothing was called"
        );
        return;
    }
    assert_eq!(tracker.renew(&task, "mesh-1"), Ok(Renewal::Renewed));
    let reason = |answer| match answer {
        Ok(Renewal::Refused(refusal)) => refusal.reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        reason(tracker.renew(&task, "mesh-2")),
        RefusalReason::HeldBy("mesh-1".into())
    );
    assert_eq!(
        reason(tracker.renew(&open_task, "mesh-1")),
        RefusalReason::Status(IssueStatus::Open)
    );
    let none = id("t-none");
    assert_eq!(
        tracker.renew(&none, "mesh-1"),
        Err(BdError::NotFound { id: none })
    );
}
