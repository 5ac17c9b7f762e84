//! Two agents, and tasks that end together on paper: one ends a little earlier, and what should follow is not ready yet.

use crate::decide::tests::{Story, attempt, evidence, id, task};
use crate::event::Event;
use crate::evidence::{Ending, ProofEnd};
use crate::policy::{Policy, Rank};
use crate::task::Task;
use crate::time::{Millis, Span};

fn minutes(minutes: u32, task: Task) -> Task {
    Task {
        estimate_minutes: Some(minutes),
        ..task
    }
}

/// On paper `a` and `b` end after 10 minutes, then `p1` and `p2` start and `c` comes last. The mean is 22 minutes.
fn tasks() -> Vec<Task> {
    vec![
        minutes(10, task("a", &[], &[])),
        minutes(10, task("b", &[], &[])),
        minutes(40, task("p1", &["b"], &[])),
        minutes(40, task("p2", &["b"], &[])),
        minutes(10, task("c", &[], &[])),
    ]
}

const LIMIT: Span = Span(22 * 60_000 / 10);

/// Up to the moment at which `a` ends, half a minute early.
fn begun(tasks: Vec<Task>, change: impl FnOnce(&mut Policy)) -> Story {
    let makespan = |policy: &mut Policy| {
        policy.rank = Rank::Makespan;
        change(policy);
    };
    let (mut story, said) = Story::begin(tasks, 2, makespan);
    assert_eq!(said, "start b#1 on mesh-1; start a#1 on mesh-2");
    story.started("a#1");
    story.started("b#1");
    story.now = Millis(570_000);
    assert_eq!(story.ended("a#1", Ending::Exited(0)), "examine a#1");
    story
}

impl Story {
    fn inspected(&mut self, name: &str) -> String {
        self.tell(Event::Inspected {
            attempt: attempt(name),
            evidence: Ok(evidence(name)),
        })
    }

    fn proved(&mut self, name: &str, code: i32) -> String {
        let proof = ProofEnd {
            ending: Ending::Exited(code),
            tail: String::new(),
            passed_in_workspace: false,
        };
        self.tell(Event::Proved {
            attempt: attempt(name),
            proof,
        })
    }

    /// The proof of an agent's result that has ended passes now.
    fn accepted(&mut self, name: &str) -> String {
        self.inspected(name);
        self.proved(name, 0)
    }

    fn why_of(&self, name: &str) -> String {
        let at = self.state.plan().find(&id(name)).unwrap();
        self.state.why(self.now, at).to_string()
    }
}

#[test]
fn a_slot_waits_for_better_tasks_whose_need_is_about_to_end() {
    let mut story = begun(tasks(), |_| {});
    let until = story.now.after(Span(LIMIT.0 * 95 / 100));
    let kept = format!("accept a#1; slot for p1 until {}", until.0);
    assert_eq!(story.accepted("a#1"), kept);
    assert_eq!(story.state.next_wakeup(), Some(until));
    assert_eq!(
        story.why_of("c"),
        "is held: a slot is free and waits up to 2 min for p1, which is about to become ready"
    );
    assert_eq!(story.why_of("p1"), "waits for b (running)");
    // What happens meanwhile changes nothing, and is not decided again.
    assert_eq!(story.settled("a#1"), "");
    story.now = story.now.after(Span::seconds(30));
    assert_eq!(story.ended("b#1", Ending::Exited(0)), "examine b#1");
    assert_eq!(
        story.accepted("b#1"),
        "accept b#1; start p1#1 on mesh-1; start p2#1 on mesh-2"
    );
    assert!(story.why_of("c").contains("all 2 agents are busy"));
}

#[test]
fn the_wait_ends_by_the_clock_and_does_not_begin_again() {
    let mut story = begun(tasks(), |_| {});
    story.accepted("a#1");
    let until = story.state.next_wakeup().unwrap();
    story.now = Millis(until.0 - 1);
    assert_eq!(story.tell(Event::Tick), "");
    story.now = until;
    assert_eq!(story.tell(Event::Tick), "start c#1 on mesh-2");
    assert!(story.state.next_wakeup().unwrap() > story.now);
}

#[test]
fn any_event_after_its_end_ends_the_wait() {
    let mut story = begun(tasks(), |_| {});
    story.accepted("a#1");
    // As after a time in which there was no coordinator.
    story.now = story.now.after(Span::minutes(30));
    assert_eq!(story.settled("a#1"), "start c#1 on mesh-2");
}

#[test]
fn a_slot_waits_while_the_last_need_is_in_its_proof_and_no_longer() {
    let mut story = begun(tasks(), |_| {});
    assert_eq!(story.ended("b#1", Ending::Exited(0)), "examine b#1");
    story.inspected("b#1");
    assert!(story.accepted("a#1").contains("slot for p1"));
    // It is to be done again: nothing is about to become ready any more.
    story.now = story.now.after(Span::seconds(1));
    let said = story.proved("b#1", 1);
    assert!(
        said.ends_with("start b#2 on mesh-1; start c#1 on mesh-2"),
        "{said}"
    );
}

#[test]
fn a_slot_does_not_wait_without_reason() {
    // Nothing better is about to become ready: its need has long to go.
    let mut long = tasks();
    long[1] = minutes(20, long[1].clone());
    let mut story = begun(long, |_| {});
    assert_eq!(story.accepted("a#1"), "accept a#1; start c#1 on mesh-2");
    // There is room for what comes.
    let mut few = tasks();
    few.remove(3);
    let mut story = begun(few, |_| {});
    assert_eq!(story.accepted("a#1"), "accept a#1; start c#1 on mesh-2");
    // Nobody wants it to.
    let mut story = begun(tasks(), |policy| policy.slot_wait_percent = 0);
    assert_eq!(story.accepted("a#1"), "accept a#1; start c#1 on mesh-2");
    // A person wants the other first.
    let mut story = begun(tasks(), |policy| {
        policy.picks = ["b", "a", "c"].map(id).to_vec();
    });
    assert_eq!(story.accepted("a#1"), "accept a#1; start c#1 on mesh-2");
}

#[test]
fn nobody_waits_for_an_agent_when_estimates_are_far_off() {
    let after = |taken: [u64; 2]| {
        let mut story = begun(tasks(), |_| {});
        for taken in taken {
            let estimate = Span::minutes(10);
            story.state.pace.note_agent(estimate, Span::minutes(taken));
        }
        story.accepted("a#1")
    };
    assert!(after([10, 10]).starts_with("accept a#1; slot for p1"));
    assert_eq!(after([20, 1]), "accept a#1; start c#1 on mesh-2");
}

#[test]
fn others_that_are_in_nobodys_way_take_the_slot_meanwhile() {
    // `p` and `c` share a lock, `d` goes after them, and there is a slot for it beside `p`.
    let tasks = vec![
        minutes(10, task("a", &[], &[])),
        minutes(10, task("b", &[], &[])),
        minutes(60, task("p", &["b"], &["x"])),
        minutes(60, task("e", &["p", "a"], &[])),
        minutes(20, task("c", &[], &["x"])),
        minutes(10, task("d", &[], &[])),
    ];
    let mut story = begun(tasks, |_| {});
    assert_eq!(story.accepted("a#1"), "accept a#1; start d#1 on mesh-2");
}
