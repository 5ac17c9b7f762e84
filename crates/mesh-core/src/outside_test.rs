//! What is not the task's fault, and what somebody else did: common causes, recordings that fail, stages that take too long, tasks
//! that are closed elsewhere.

use super::tests::{Story, attempt, evidence, id, task};
use super::*;
use crate::decision::HeldLocks;
use crate::event::{PlanChange, Request};
use crate::id::LockGroup;
use crate::state::Phase;
use crate::task::{Eligibility, Task, TaskLimits};
use crate::time::Span;

const NO_BLOCK: &str = "no final block";

fn names(count: usize) -> Vec<Task> {
    (1..=count)
        .map(|at| task(&format!("t{at}"), &[], &[]))
        .collect()
}

impl Story {
    /// An agent that starts and ends at once.
    fn refused(&mut self, name: &str) -> String {
        self.started(name);
        self.ended(name, Ending::Exited(1))
    }

    fn examined(&mut self, name: &str, failure: &str) -> String {
        self.tell(Event::Inspected {
            attempt: attempt(name),
            evidence: Err(Failure::new(FailureClass::NotRecordable, failure)),
        })
    }

    fn word(&self, name: &str) -> &'static str {
        let at = self.state.plan().find(&id(name)).unwrap();
        self.state.state_word(at)
    }

    fn why(&self, name: &str) -> String {
        let at = self.state.plan().find(&id(name)).unwrap();
        self.state.why(self.now, at).to_string()
    }

    fn retries(&self, name: &str) -> u32 {
        self.state.find(&id(name)).unwrap().1.retries
    }

    fn closes(&mut self, name: &str) -> String {
        let task = Task {
            eligibility: Eligibility::Satisfied { commit: None },
            ..self.state.find(&id(name)).unwrap().0.clone()
        };
        self.tell(Event::Refreshed {
            change: Ok(PlanChange {
                tasks: vec![task],
                closed: vec![(id(name), "it was closed".to_owned())],
                ..PlanChange::default()
            }),
        })
    }
}

#[test]
fn three_tasks_that_end_alike_within_seconds_pause_the_run_and_use_up_no_retry() {
    let (mut run, _) = Story::begin(names(4), 3, |_| {});
    assert_eq!(
        run.refused("t1#1"),
        "retry after t1#1 crashed; start t1#2 on mesh-1"
    );
    assert_eq!(
        run.refused("t2#1"),
        "retry after t2#1 crashed; width 1",
        "two different tasks in a row"
    );
    assert_eq!(run.refused("t3#1"), "retry after t3#1 crashed; pause");
    assert_eq!(run.refused("t1#2"), "retry after t1#2 crashed");
    for name in ["t1", "t2", "t3"] {
        assert_eq!((name, run.retries(name)), (name, 0));
    }
    for name in ["t1#1", "t2#1", "t3#1"] {
        assert_eq!(run.settled(name), "");
    }
    assert_eq!(run.settled("t1#2"), "conclude");
    run.tell(Event::Concluded);
    assert_eq!(
        run.tell(Event::Reopened),
        "start t1#3 on mesh-1; start t2#2 on mesh-2; start t3#2 on mesh-3"
    );
    assert_eq!(run.verified("t1#3"), "accept t1#3; start t4#1 on mesh-1");
}

#[test]
fn a_task_that_a_common_cause_had_ended_waits_again_with_what_needs_it() {
    let mut tasks = names(2);
    tasks.push(task("after", &["t1"], &[]));
    let (mut run, _) = Story::begin(tasks, 1, |_| {});
    run.refused("t1#1");
    assert_eq!(
        run.refused("t1#2"),
        "fail t1#2 crashed; skip after: it needs t1, which was not done; start t2#1 on mesh-1"
    );
    assert_eq!(run.refused("t2#1"), "retry after t2#1 crashed; pause");
    assert_eq!((run.word("t1"), run.word("after")), ("held", "waiting"));
    assert_eq!((run.retries("t1"), run.retries("t2")), (0, 0));
}

#[test]
fn one_bad_task_another_way_a_longer_time_or_a_success_is_no_common_cause() {
    let (mut run, _) = Story::begin(names(5), 1, |_| {});
    run.refused("t1#1");
    assert!(run.refused("t1#2").starts_with("fail t1#2"), "one task");
    run.started("t2#1");
    let said = run.ended("t2#1", Ending::Exited(7));
    assert_eq!(said, "retry after t2#1 crashed; start t2#2 on mesh-1");
    run.started("t2#2");
    run.now = run.now.after(Span::seconds(21));
    let said = run.ended("t2#2", Ending::Exited(7));
    assert!(said.starts_with("fail t2#2"), "it took longer: {said}");
    assert_eq!(
        run.refused("t3#1"),
        "retry after t3#1 crashed; start t3#2 on mesh-1"
    );
    assert!(run.verified("t3#2").starts_with("accept t3#2"));
    assert_eq!(
        run.refused("t4#1"),
        "retry after t4#1 crashed; start t4#2 on mesh-1"
    );
}

#[test]
fn a_success_of_an_agent_that_started_before_the_others_failed_says_nothing() {
    let (mut run, _) = Story::begin(names(5), 3, |_| {});
    let proof_of = |name: &str| Event::Proved {
        attempt: attempt(name),
        proof: ProofEnd {
            ending: Ending::Exited(0),
            tail: String::new(),
            passed_in_workspace: false,
        },
    };
    for name in ["t1#1", "t2#1"] {
        run.started(name);
        run.ended(name, Ending::Exited(0));
        run.tell(Event::Inspected {
            attempt: attempt(name),
            evidence: Ok(evidence(name)),
        });
    }
    run.now = run.now.after(Span::seconds(1));
    run.refused("t3#1");
    run.tell(proof_of("t1#1"));
    run.now = run.now.after(Span::seconds(1));
    assert!(run.refused("t3#2").starts_with("fail t3#2"));
    run.tell(proof_of("t2#1"));
    run.refused("t4#1");
    assert!(run.refused("t5#1").ends_with("pause"));
    assert_eq!((run.word("t3"), run.retries("t3")), ("held", 0));
}

#[test]
fn two_tasks_are_no_proof_while_another_agent_runs() {
    let (mut run, _) = Story::begin(names(3), 3, |_| {});
    run.started("t3#1");
    run.refused("t1#1");
    run.refused("t2#1");
    run.refused("t1#2");
    assert_eq!(*run.state.admission(), Admission::Open);
}

#[test]
fn an_agent_without_a_result_counts_from_its_start() {
    let (mut run, _) = Story::begin(names(3), 3, |_| {});
    let mut said = String::new();
    for name in ["t1#1", "t2#1", "t3#1"] {
        run.started(name);
        run.ended(name, Ending::Exited(0));
        let mut found = evidence(name);
        found.block = crate::evidence::BlockReading::Missing(NO_BLOCK.to_owned());
        said = run.tell(Event::Inspected {
            attempt: attempt(name),
            evidence: Ok(found),
        });
    }
    assert_eq!(said, "retry after t3#1 no-result; pause");
}

#[test]
fn one_hard_task_does_not_narrow_the_run() {
    let (mut run, _) = Story::begin(names(6), 4, |policy| policy.retries = 5);
    for number in 1..=4 {
        let name = format!("t1#{number}");
        run.started(&name);
        run.now = run.now.after(Span::minutes(1));
        run.ended(&name, Ending::Exited(1));
    }
    assert_eq!(run.state.width(), 4);
    run.started("t2#1");
    run.now = run.now.after(Span::minutes(1));
    let said = run.ended("t2#1", Ending::Exited(1));
    assert!(said.contains("width 2"), "{said}");
}

#[test]
fn what_cannot_be_recorded_is_recorded_again_without_another_agent() {
    let (mut run, _) = Story::begin(names(2), 1, |_| {});
    run.started("t1#1");
    run.ended("t1#1", Ending::Exited(0));
    assert_eq!(
        run.examined("t1#1", "disk full"),
        "recording of t1#1 failed, again true"
    );
    assert_eq!(run.examined("t1#1", "disk full"), "", "a double report");
    assert_eq!(run.later(Span::seconds(5)), "examine t1#1");
    assert_eq!(
        run.examined("t1#1", "disk full"),
        "recording of t1#1 failed, again false; pause; conclude"
    );
    assert_eq!(
        run.why("t1"),
        "is held: what it left could not be recorded and waits in its workspace: disk full"
    );
    run.tell(Event::Concluded);
    assert_eq!(run.tell(Event::Reopened), "examine t1#1");
    let done = Event::Inspected {
        attempt: attempt("t1#1"),
        evidence: Ok(evidence("t1#1")),
    };
    assert_eq!(run.tell(done), "prove t1#1");
}

#[test]
fn work_that_waits_to_be_recorded_outlasts_a_stop_and_not_a_skip() {
    let (mut run, _) = Story::begin(names(2), 2, |_| {});
    for name in ["t1#1", "t2#1"] {
        run.started(name);
        run.ended(name, Ending::Exited(0));
        run.examined(name, "disk full");
    }
    let skip = Request::Skip { task: id("t2") };
    assert_eq!(
        run.tell(Event::Requested { request: skip }),
        "skip t2: a person skipped it"
    );
    let stop = Request::Stop { now: true };
    assert_eq!(
        run.tell(Event::Requested { request: stop }),
        "drain; recording of t1#1 failed, again false"
    );
    assert_eq!(run.settled("t2#1"), "conclude");
    run.tell(Event::Concluded);
    assert_eq!(run.tell(Event::Reopened), "examine t1#1");
}

#[test]
fn every_stage_has_a_limit() {
    let (mut run, _) = Story::begin(names(1), 1, |policy| {
        policy.preparation_limit = Span::seconds(10);
        policy.recording_limit = Span::seconds(20);
        policy.proof_limit = Span::seconds(30);
        policy.start_pause = Span::seconds(1);
    });
    assert_eq!(run.later(Span::seconds(10)), "stop t1#1 Overdue");
    assert_eq!(run.later(Span::seconds(60)), "kill t1#1");
    assert_eq!(
        run.start_failed("t1#1", "it was killed"),
        "retry after t1#1 could-not-start"
    );
    assert_eq!(run.later(Span::seconds(1)), "start t1#2 on mesh-1");
    run.started("t1#2");
    run.ended("t1#2", Ending::Exited(0));
    assert_eq!(
        run.later(Span::seconds(20)),
        "recording of t1#2 failed, again true"
    );
    // The first recording came to its end after all.
    let found = Event::Inspected {
        attempt: attempt("t1#2"),
        evidence: Ok(evidence("t1#2")),
    };
    assert_eq!(run.tell(found), "prove t1#2");
    assert_eq!(run.later(Span::seconds(30)), "stop t1#2 Overdue");
    let proof = ProofEnd {
        ending: Ending::Stopped,
        tail: String::new(),
        passed_in_workspace: false,
    };
    assert_eq!(
        run.tell(Event::Proved {
            attempt: attempt("t1#2"),
            proof
        }),
        "retry after t1#2 verify-failed; start t1#3 on mesh-1"
    );
}

#[test]
fn time_without_a_coordinator_counts_against_no_limit() {
    let (mut run, _) = Story::begin(names(3), 3, |policy| {
        policy.preparation_limit = Span::seconds(10);
        policy.recording_limit = Span::seconds(20);
        policy.proof_limit = Span::seconds(30);
    });
    for name in ["t2#1", "t3#1"] {
        run.started(name);
        run.ended(name, Ending::Exited(0));
    }
    let found = Event::Inspected {
        attempt: attempt("t3#1"),
        evidence: Ok(evidence("t3#1")),
    };
    assert_eq!(run.tell(found), "prove t3#1");
    run.now = run.now.after(Span::minutes(600));
    assert_eq!(run.tell(Event::Reopened), "");
    assert_eq!(run.later(Span::seconds(9)), "");
    assert_eq!(run.later(Span::seconds(1)), "stop t1#1 Overdue");
    assert_eq!(
        run.later(Span::seconds(10)),
        "recording of t2#1 failed, again true"
    );
}

#[test]
fn an_agent_without_a_first_sign_of_life_is_ended_at_its_start_limit() {
    let (mut run, _) = Story::begin(names(1), 1, |policy| {
        policy.start_limit = Some(Span::seconds(30));
        policy.silence_limit = Span::minutes(10);
    });
    run.started("t1#1");
    assert_eq!(run.later(Span::seconds(30)), "look t1#1");
    let silent = Event::Probed {
        attempt: attempt("t1#1"),
        last_sign: Millis(0),
    };
    let (mut other, look) = (
        Story {
            state: run.state.clone(),
            now: run.now,
        },
        Event::Probed {
            attempt: attempt("t1#1"),
            last_sign: Millis(12_000),
        },
    );
    assert_eq!(run.tell(silent), "stop t1#1 Hung");
    assert_eq!(other.tell(look), "", "it has written something since");
    assert_eq!(
        other.state.next_wakeup(),
        Some(Millis(12_000).after(Span::minutes(10)))
    );
}

/// The other task has those of the run: none but silence.
#[test]
fn a_task_has_limits_of_its_own() {
    let mut tasks = names(2);
    tasks[0].limits = TaskLimits {
        start: Some(Span::seconds(30)),
        soft: Some(Span::seconds(20)),
        hard: Some(Span::minutes(5)),
    };
    let (mut run, _) = Story::begin(tasks, 2, |policy| {
        policy.silence_limit = Span::minutes(10);
    });
    run.started("t1#1");
    run.started("t2#1");
    assert_eq!(
        run.state.next_wakeup(),
        Some(run.now.after(Span::seconds(20)))
    );
    assert_eq!(run.later(Span::seconds(20)), "slow t1#1");
    assert_eq!(run.later(Span::seconds(10)), "look t1#1");
}

#[test]
fn a_proof_that_fails_only_in_a_fresh_workspace_means_that_something_is_not_recorded() {
    let (mut run, _) = Story::begin(names(1), 1, |_| {});
    run.started("t1#1");
    run.ended("t1#1", Ending::Exited(0));
    run.tell(Event::Inspected {
        attempt: attempt("t1#1"),
        evidence: Ok(evidence("t1#1")),
    });
    let proof = ProofEnd {
        ending: Ending::Exited(1),
        tail: "build/gen.js: no such file".to_owned(),
        passed_in_workspace: true,
    };
    assert_eq!(
        run.tell(Event::Proved {
            attempt: attempt("t1#1"),
            proof
        }),
        "fail t1#1 not-recorded"
    );
    assert_eq!(
        run.why("t1"),
        "failed: not-recorded: the proof `check` passes in the workspace; in a fresh one of the recorded commit, after the setup command, it ended with \
         exit code 1\nbuild/gen.js: no such file"
    );
}

#[test]
fn a_task_that_somebody_else_closes_is_not_done() {
    let mut tasks = names(2);
    tasks.push(task("after", &["t1"], &[]));
    let (mut run, _) = Story::begin(tasks, 1, |_| {});
    // t1 runs; t2 waits; both are closed by somebody else.
    run.started("t1#1");
    assert_eq!(run.closes("t2"), "", "nothing is stopped");
    assert_eq!(run.closes("t1"), "");
    assert_eq!(
        (run.word("t1"), run.word("t2"), run.word("after")),
        ("running", "closed-elsewhere", "waiting")
    );
    run.now = run.now.after(Span::minutes(1));
    assert_eq!(
        run.ended("t1#1", Ending::Exited(1)),
        "fail t1#1 crashed; skip after: it needs t1, which was not done",
        "no second attempt at what somebody else closed"
    );
    assert_eq!(run.word("t1"), "closed-elsewhere");
    let retry = Request::Retry {
        task: id("t1"),
        with_dependents: false,
    };
    let said = run.tell(Event::Requested { request: retry });
    assert!(said.starts_with("refuse: t1 was closed by somebody else"));
    assert_eq!(
        run.tell(Event::Requested {
            request: Request::TrustOutside
        }),
        "trust outside; start after#1 on mesh-1"
    );
}

#[test]
fn a_verdict_counts_although_somebody_else_closed_the_task_meanwhile() {
    let mut tasks = names(1);
    tasks.push(task("after", &["t1"], &[]));
    let (mut run, _) = Story::begin(tasks, 1, |_| {});
    run.started("t1#1");
    run.closes("t1");
    assert_eq!(run.verified("t1#1"), "accept t1#1; start after#1 on mesh-1");
}

#[test]
fn a_closed_task_that_is_opened_again_runs() {
    let (mut run, _) = Story::begin(names(2), 1, |_| {});
    run.closes("t2");
    run.verified("t1#1");
    let open = task("t2", &[], &[]);
    let said = run.tell(Event::Refreshed {
        change: Ok(PlanChange {
            tasks: vec![open],
            ..PlanChange::default()
        }),
    });
    assert_eq!(said, "start t2#1 on mesh-1");
}

#[test]
fn who_trusts_what_is_outside_goes_on_with_it() {
    let mut tasks = names(2);
    tasks.push(task("after", &["t2"], &[]));
    let (mut run, _) = Story::begin(tasks, 2, |policy| policy.trust_outside = true);
    run.started("t2#1");
    assert_eq!(run.closes("t2"), "");
    run.now = run.now.after(Span::minutes(1));
    assert_eq!(
        run.ended("t2#1", Ending::Exited(1)),
        "retry after t2#1 crashed; start after#1 on mesh-1"
    );
}

#[test]
fn an_attempt_is_judged_by_the_locks_it_started_with_and_proved_by_what_the_record_says() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &["x"])], 1, |_| {});
    run.started("a#1");
    run.tell(Event::Refreshed {
        change: Ok(PlanChange {
            tasks: vec![task("a", &[], &["y"])],
            ..PlanChange::default()
        }),
    });
    let ended = Event::Ended {
        attempt: attempt("a#1"),
        ending: Ending::Exited(0),
        tail: String::new(),
    };
    let (_, actions) = handle(&mut run.state, run.now, &ended);
    let held = [LockGroup::new("x").unwrap()].into_iter().collect();
    assert_eq!(
        actions,
        [Action::Inspect {
            attempt: attempt("a#1"),
            locks: HeldLocks::Groups(held)
        }]
    );
    run.tell(Event::Inspected {
        attempt: attempt("a#1"),
        evidence: Ok(evidence("a#1")),
    });
    let proved = Event::Proved {
        attempt: attempt("a#1"),
        proof: ProofEnd {
            ending: Ending::Exited(0),
            tail: String::new(),
            passed_in_workspace: false,
        },
    };
    run.tell(proved);
    let Phase::Verified { proof, .. } = &run.state.find(&id("a")).unwrap().1.phase else {
        panic!("a is verified");
    };
    assert_eq!(proof.as_deref(), Some("check"));
    assert_eq!(&*run.state.find(&id("a")).unwrap().1.changed, ["f"]);
}
