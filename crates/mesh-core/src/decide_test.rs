//! The life of a task, event by event. Each test tells a story and reads the decisions aloud.

use super::*;
use crate::decision::Outcome;
use crate::event::{Delivery, PlanChange, Request};
use crate::evidence::{BlockReading, ProofChoice};
use crate::id::LockGroup;
use crate::pending_work::PendingWork;
use crate::plan::Plan;
use crate::policy::Policy;
use crate::state::Phase;
use crate::task::{Commit, Task};
use crate::time::Span;

pub(crate) fn id(name: &str) -> TaskId {
    TaskId::new(name).unwrap()
}

pub(crate) fn task(name: &str, needs: &[&str], locks: &[&str]) -> Task {
    Task {
        needs: needs.iter().map(|need| id(need)).collect(),
        locks: locks
            .iter()
            .map(|lock| LockGroup::new(*lock).unwrap())
            .collect(),
        ..Task::open(id(name))
    }
}

pub(crate) fn attempt(text: &str) -> AttemptId {
    let (task, number) = text.split_once('#').unwrap();
    AttemptId {
        task: id(task),
        number: number.parse().unwrap(),
    }
}

pub(crate) fn evidence(commit: &str) -> Evidence {
    let proof = ProofChoice::Named("check".to_owned());
    Evidence::clean(Commit(commit.to_owned()), vec!["f".to_owned()], proof)
}

/// A run under test: every step checks that a replay of the record gives the same state.
pub(crate) struct Story {
    pub(crate) state: State,
    pub(crate) now: Millis,
}

impl Story {
    pub(crate) fn begin(
        tasks: Vec<Task>,
        concurrency: u16,
        change: impl FnOnce(&mut Policy),
    ) -> (Story, String) {
        let mut policy = Policy::with_concurrency(concurrency);
        change(&mut policy);
        let mut story = Story {
            state: State::new(),
            now: Millis(0),
        };
        let said = story.tell(Event::RunStarted {
            plan: Plan::build(tasks).unwrap(),
            policy,
        });
        (story, said)
    }

    pub(crate) fn tell(&mut self, event: Event) -> String {
        let before = self.state.clone();
        let tried = decide(&before, self.now, &event);
        let (decisions, actions) = handle(&mut self.state, self.now, &event);
        assert_eq!(tried, decisions, "a decision on a copy is the decision");
        let mut replayed = before;
        assert_eq!(apply(&mut replayed, self.now, &event, &decisions), actions);
        assert_eq!(replayed, self.state, "a replay gives the same state");
        decisions.iter().map(say).collect::<Vec<_>>().join("; ")
    }

    pub(crate) fn started(&mut self, name: &str) -> String {
        self.tell(Event::Started {
            attempt: attempt(name),
        })
    }

    pub(crate) fn ended(&mut self, name: &str, ending: Ending) -> String {
        self.tell(Event::Ended {
            attempt: attempt(name),
            ending,
            tail: String::new(),
        })
    }

    pub(crate) fn settled(&mut self, name: &str) -> String {
        self.tell(Event::Finalized {
            attempt: attempt(name),
            delivery: Delivery::Kept,
        })
    }

    pub(crate) fn start_failed(&mut self, name: &str, cause: &str) -> String {
        let failure = Failure::new(FailureClass::CouldNotStart, cause);
        self.tell(Event::StartFailed {
            attempt: attempt(name),
            cause: StartFailure::Failed(failure),
        })
    }

    /// From started to verified; says what was decided on the last event.
    pub(crate) fn verified(&mut self, name: &str) -> String {
        self.started(name);
        assert_eq!(
            self.ended(name, Ending::Exited(0)),
            format!("examine {name}")
        );
        let examined = Event::Inspected {
            attempt: attempt(name),
            evidence: Ok(evidence(name)),
        };
        assert_eq!(self.tell(examined), format!("prove {name}"));
        let proof = ProofEnd {
            ending: Ending::Exited(0),
            tail: String::new(),
            passed_in_workspace: false,
        };
        self.tell(Event::Proved {
            attempt: attempt(name),
            proof,
        })
    }

    pub(crate) fn later(&mut self, span: Span) -> String {
        self.now = self.now.after(span);
        self.tell(Event::Tick)
    }
}

fn names(tasks: &[TaskId]) -> String {
    let names: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
    names.join(" ")
}

fn say(decision: &Decision) -> String {
    match decision {
        Decision::Start { attempt, slot } => format!("start {attempt} on {slot}"),
        Decision::Assign { task, agent } => format!("{task} to agent {agent}"),
        Decision::Hold { account, until } => format!("hold {account} until {}", until.0),
        Decision::Spend { reached } => format!("spent: {reached}"),
        Decision::SetBudget { .. } => "budget".to_owned(),
        Decision::Reserve { task } => format!("reserve for {task}"),
        Decision::KeepSlot { task, until } => format!("slot for {task} until {}", until.0),
        Decision::AnnounceWave { wave, tasks } => format!("announce {wave}: {}", names(tasks)),
        Decision::ConfirmWave { wave, tasks } => format!("confirm {wave}: {}", names(tasks)),
        Decision::EndWave { wave, next } => format!("end {wave}, next: {}", names(next)),
        Decision::Probe { attempt } => format!("look {attempt}"),
        Decision::SoftLimitExceeded { attempt } => format!("slow {attempt}"),
        Decision::Stop { attempt, cause } => format!("stop {attempt} {cause:?}"),
        Decision::Kill { attempt } => format!("kill {attempt}"),
        Decision::Inspect { attempt } => format!("examine {attempt}"),
        Decision::Prove { attempt, .. } => format!("prove {attempt}"),
        Decision::Accept { attempt, .. } => format!("accept {attempt}"),
        Decision::Land { attempt } => format!("land {attempt}"),
        Decision::ProveLanding { attempt } => format!("prove the landing of {attempt}"),
        Decision::Publish { attempt } => format!("publish {attempt}"),
        Decision::StopLanding { attempt } => format!("stop landing {attempt}"),
        Decision::EndLanding {
            attempt,
            delivery: Delivery::Landed { .. },
        } => format!("{attempt} landed"),
        Decision::EndLanding { attempt, .. } => format!("{attempt} not landed"),
        Decision::GiveBack { attempt, failure } => {
            format!("give back {attempt} {}", failure.class)
        }
        Decision::QueueLandings { attempts, .. } => format!("queue {} landings", attempts.len()),
        Decision::RecordingFailed { attempt, again, .. } => {
            format!("recording of {attempt} failed, again {again}")
        }
        Decision::Retry {
            attempt, failure, ..
        } => format!("retry after {attempt} {}", failure.class),
        Decision::Fail { attempt, failure } => format!("fail {attempt} {}", failure.class),
        Decision::Question { attempt, text } => format!("question {attempt} {text}"),
        Decision::Interrupt { attempt } => format!("interrupt {attempt}"),
        Decision::Skip { task, reason } => format!("skip {task}: {reason}"),
        Decision::Reset { task, dependents } => format!("redo {task} and {}", dependents.len()),
        Decision::Answer { task, text } => format!("answer {task}: {text}"),
        Decision::AwaitAnswers { until } => format!("await answers until {}", until.0),
        Decision::Refuse { reason } => format!("refuse: {reason}"),
        Decision::SetConcurrency { to } => format!("width {to}"),
        Decision::Pause { .. } => "pause".to_owned(),
        Decision::TrustOutside => "trust outside".to_owned(),
        Decision::Drain => "drain".to_owned(),
        Decision::Refresh => "refresh".to_owned(),
        Decision::Conclude => "conclude".to_owned(),
        Decision::Continue => "go on".to_owned(),
    }
}

#[test]
fn a_need_is_verified_before_its_dependent_starts_from_it() {
    let (mut run, said) =
        Story::begin(vec![task("a", &[], &[]), task("b", &["a"], &[])], 2, |_| {});
    assert_eq!(said, "start a#1 on mesh-1");
    assert_eq!(run.verified("a#1"), "accept a#1; start b#1 on mesh-1");
    let needs = run
        .state
        .need_commits(run.state.plan().find(&id("b")).unwrap());
    assert_eq!(
        needs
            .into_iter()
            .map(|(_, commit)| commit.0)
            .collect::<Vec<_>>(),
        ["a#1"]
    );
    run.verified("b#1");
    assert_eq!(run.settled("a#1"), "");
    assert_eq!(run.settled("b#1"), "conclude");
    assert_eq!(run.tell(Event::Concluded), "");
    assert_eq!(run.state.run_end(), RunEnd::Concluded);
}

#[test]
fn a_failed_attempt_is_tried_once_more_and_its_dependents_are_left_out_in_the_end() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[]), task("b", &["a"], &[])], 1, |_| {});
    run.started("a#1");
    assert_eq!(
        run.ended("a#1", Ending::Exited(3)),
        "retry after a#1 crashed; start a#2 on mesh-1"
    );
    run.started("a#2");
    assert_eq!(
        run.ended("a#1", Ending::Exited(0)),
        "",
        "a late report of the first attempt changes nothing"
    );
    let said = run.ended("a#2", Ending::Signaled(9));
    assert_eq!(
        said,
        "fail a#2 crashed; skip b: it needs a, which was not done"
    );
    run.settled("a#1");
    assert_eq!(run.settled("a#2"), "conclude");
    let retry = Request::Retry {
        task: id("a"),
        with_dependents: false,
    };
    run.tell(Event::Concluded);
    assert_eq!(
        run.tell(Event::Requested { request: retry }),
        "redo a and 1",
        "a run that has ended starts nothing"
    );
    assert_eq!(run.tell(Event::Reopened), "start a#3 on mesh-1");
}

#[test]
fn the_same_cause_twice_in_a_row_pauses_the_run_and_costs_no_task() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[]), task("b", &[], &[])], 2, |_| {});
    assert_eq!(
        run.start_failed("a#1", "no such program"),
        "retry after a#1 could-not-start"
    );
    let why = |run: &Story| {
        let at = run.state.plan().find(&id("a")).unwrap();
        run.state.why(run.now, at).to_string()
    };
    assert_eq!(why(&run), "could not be started and is tried again in 5 s");
    let said = run.start_failed("b#1", "no such program");
    assert_eq!(said, "retry after b#1 could-not-start; pause");
    run.settled("a#1");
    assert_eq!(run.settled("b#1"), "conclude");
    run.tell(Event::Concluded);
    assert_eq!(
        why(&run),
        "is held: the run is paused until `mesh resume`, because several times in a row could-not-start: no such program"
    );
    assert_eq!(
        run.tell(Event::Reopened),
        "",
        "the pause before the next start is kept"
    );
    assert_eq!(
        run.later(Span::seconds(5)),
        "start a#2 on mesh-1; start b#2 on mesh-2"
    );
}

#[test]
fn silence_is_looked_into_before_anything_is_ended() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[])], 1, |policy| {
        policy.silence_limit = Span::seconds(10)
    });
    run.started("a#1");
    assert_eq!(run.state.next_wakeup(), Some(Millis(10_000)));
    assert_eq!(run.later(Span::seconds(10)), "look a#1");
    assert_eq!(
        run.tell(Event::Probed {
            attempt: attempt("a#1"),
            last_sign: Millis(7_000)
        }),
        ""
    );
    assert_eq!(run.later(Span::seconds(7)), "look a#1");
    assert_eq!(
        run.tell(Event::Probed {
            attempt: attempt("a#1"),
            last_sign: Millis(7_000)
        }),
        "stop a#1 Hung"
    );
    assert_eq!(run.later(Span::seconds(60)), "kill a#1");
    assert_eq!(
        run.ended("a#1", Ending::Stopped),
        "retry after a#1 hung; start a#2 on mesh-1"
    );
}

#[test]
fn a_busy_lock_never_blocks_those_behind_it_but_patience_ends() {
    // `both` ranks first and needs x and y; the others take them alone.
    let both = Task {
        priority: 0,
        ..task("both", &["gate"], &["x", "y"])
    };
    let gate = Task {
        priority: 0,
        ..task("gate", &[], &[])
    };
    let mut tasks = vec![gate, both];
    for at in 1..=4 {
        tasks.push(Task {
            priority: 1,
            ..task(&format!("x{at}"), &[], &["x"])
        });
        tasks.push(Task {
            priority: 1,
            ..task(&format!("y{at}"), &[], &["y"])
        });
    }
    let (mut run, said) = Story::begin(tasks, 3, |policy| policy.lock_patience = 1);
    assert_eq!(
        said,
        "start gate#1 on mesh-1; start x1#1 on mesh-2; start y1#1 on mesh-3"
    );
    run.verified("gate#1");
    let first = run.verified("x1#1");
    assert_eq!(first, "accept x1#1; start x2#1 on mesh-1");
    let second = run.verified("y1#1");
    assert_eq!(
        second,
        "accept y1#1; start y2#1 on mesh-2; reserve for both"
    );
    assert_eq!(run.verified("x2#1"), "accept x2#1", "x is kept");
    assert_eq!(run.verified("y2#1"), "accept y2#1; start both#1 on mesh-1");
}

#[test]
fn stop_now_ends_what_runs_and_keeps_the_tasks() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[]), task("b", &[], &[])], 2, |_| {});
    run.started("a#1");
    let said = run.tell(Event::Requested {
        request: Request::Stop { now: true },
    });
    assert_eq!(said, "drain; stop a#1 RunStopped; stop b#1 RunStopped");
    assert_eq!(run.started("b#1"), "stop b#1 RunStopped");
    assert_eq!(run.ended("a#1", Ending::Stopped), "interrupt a#1");
    assert_eq!(run.ended("b#1", Ending::Stopped), "interrupt b#1");
    run.settled("a#1");
    assert_eq!(run.settled("b#1"), "conclude");
    run.tell(Event::Concluded);
    assert_eq!(
        run.tell(Event::Reopened),
        "start a#2 on mesh-1; start b#2 on mesh-2"
    );
}

#[test]
fn a_retry_that_comes_while_the_run_concludes_is_not_lost() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[])], 1, |policy| policy.retries = 0);
    run.started("a#1");
    run.ended("a#1", Ending::Exited(1));
    assert_eq!(run.settled("a#1"), "conclude");
    let request = Request::Retry {
        task: id("a"),
        with_dependents: false,
    };
    assert_eq!(run.tell(Event::Requested { request }), "redo a and 0");
    assert_eq!(run.tell(Event::Concluded), "go on; start a#2 on mesh-1");
}

#[test]
fn a_retry_under_a_started_dependent_is_refused_unless_both_go() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[]), task("b", &["a"], &[])], 1, |_| {});
    run.verified("a#1");
    run.started("b#1");
    let retry = |with_dependents| Event::Requested {
        request: Request::Retry {
            task: id("a"),
            with_dependents,
        },
    };
    assert!(
        run.tell(retry(false))
            .starts_with("refuse: b was built on a")
    );
    assert_eq!(run.tell(retry(true)), "stop b#1 Superseded; redo a and 1");
    assert_eq!(
        run.ended("b#1", Ending::Stopped),
        "interrupt b#1; start a#2 on mesh-1"
    );
    assert_eq!(run.verified("a#2"), "accept a#2; start b#2 on mesh-1");
}

#[test]
fn a_listing_adds_takes_and_unblocks() {
    let outside = Task {
        outside: vec![id("other")],
        ..task("c", &[], &[])
    };
    let (mut run, _) = Story::begin(vec![task("a", &[], &[]), outside.clone()], 2, |policy| {
        policy.refresh = true
    });
    run.started("a#1");
    let change = PlanChange {
        closed: Vec::new(),
        tasks: vec![
            Task {
                outside: Vec::new(),
                ..outside
            },
            task("new", &["a"], &[]),
        ],
        removed: Vec::new(),
        taken: vec![(id("a"), "held by ada".to_owned())],
    };
    assert_eq!(
        run.tell(Event::Refreshed { change: Ok(change) }),
        "stop a#1 Taken; start c#1 on mesh-2"
    );
    let said = run.ended("a#1", Ending::Stopped);
    assert_eq!(
        said,
        "skip a: taken: a person changed it while it ran; refresh"
    );
    assert_eq!(
        run.state
            .why(run.now, run.state.plan().find(&id("new")).unwrap())
            .to_string(),
        "waits for a (skipped)"
    );
}

#[test]
fn a_question_frees_slot_and_locks() {
    let (mut run, _) = Story::begin(
        vec![task("a", &[], &["x"]), task("b", &[], &["x"])],
        1,
        |_| {},
    );
    run.started("a#1");
    run.ended("a#1", Ending::Exited(0));
    let mut asks = evidence("a#1");
    if let BlockReading::Read(block) = &mut asks.block {
        block.blockers = Some("which port?".to_owned());
    }
    let said = run.tell(Event::Inspected {
        attempt: attempt("a#1"),
        evidence: Ok(asks),
    });
    assert_eq!(said, "question a#1 which port?; start b#1 on mesh-1");
    let finalizing = &run.state.find(&id("a")).unwrap().1.finalizing;
    assert_eq!(
        finalizing[0].outcome,
        Outcome::Question("which port?".to_owned())
    );
}

pub(crate) fn retry(name: &str, with_dependents: bool) -> Event {
    let request = Request::Retry {
        task: id(name),
        with_dependents,
    };
    Event::Requested { request }
}

pub(crate) fn listing(tasks: Vec<Task>) -> Event {
    let change = PlanChange {
        closed: Vec::new(),
        tasks,
        ..PlanChange::default()
    };
    Event::Refreshed { change: Ok(change) }
}

pub(crate) fn closed(task: Task) -> Task {
    let eligibility = crate::task::Eligibility::Satisfied { commit: None };
    Task {
        eligibility,
        ..task
    }
}

fn container(name: &str, needs: &[&str]) -> Task {
    let eligibility = crate::task::Eligibility::Container;
    Task {
        eligibility,
        ..task(name, needs, &[])
    }
}

pub(crate) fn skip(name: &str) -> Event {
    let request = Request::Skip { task: id(name) };
    Event::Requested { request }
}

#[test]
fn a_redone_child_opens_its_container_again() {
    let tasks = vec![
        task("a", &[], &[]),
        container("c", &["a"]),
        task("d", &["c"], &[]),
    ];
    let (mut run, _) = Story::begin(tasks, 2, |_| {});
    assert_eq!(run.verified("a#1"), "accept a#1; start d#1 on mesh-1");
    run.verified("d#1");
    assert_eq!(
        run.tell(retry("a", true)),
        "redo a and 1; start a#2 on mesh-1",
        "d waits for a through the container"
    );
    assert_eq!(run.verified("a#2"), "accept a#2; start d#2 on mesh-1");
    assert!(run.tell(retry("c", true)).starts_with("refuse: c was not"));
}

#[test]
fn what_a_person_closes_while_it_runs_is_done_when_it_has_ended() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[]), task("b", &["a"], &[])], 1, |_| {});
    run.started("a#1");
    let change = PlanChange {
        closed: Vec::new(),
        tasks: vec![closed(task("a", &[], &[]))],
        removed: Vec::new(),
        taken: vec![(id("a"), "closed".to_owned())],
    };
    run.tell(Event::Refreshed { change: Ok(change) });
    assert!(
        run.ended("a#1", Ending::Stopped)
            .ends_with("start b#1 on mesh-1")
    );
}

#[test]
fn what_a_person_closes_after_it_failed_frees_those_left_out_for_it() {
    let tasks = vec![task("a", &[], &[]), task("b", &["a"], &[])];
    let (mut run, _) = Story::begin(tasks, 1, |policy| policy.retries = 0);
    run.started("a#1");
    run.ended("a#1", Ending::Exited(1));
    let said = run.tell(listing(vec![closed(task("a", &[], &[]))]));
    assert_eq!(said, "start b#1 on mesh-1");
}

#[test]
fn a_skip_that_comes_while_an_attempt_is_being_ended_is_not_lost() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[])], 1, |policy| {
        policy.silence_limit = Span::seconds(10)
    });
    run.started("a#1");
    run.later(Span::seconds(10));
    run.tell(Event::Probed {
        attempt: attempt("a#1"),
        last_sign: Millis(0),
    });
    assert_eq!(run.tell(skip("a")), "stop a#1 Skipped");
    assert_eq!(
        run.state.next_wakeup(),
        Some(Millis(70_000)),
        "the kill is not put off"
    );
    assert_eq!(
        run.ended("a#1", Ending::Stopped),
        "skip a: a person skipped it"
    );
    let (mut run, _) = Story::begin(vec![task("a", &[], &[])], 1, |_| {});
    let (task, holder) = (id("a"), "ada".to_owned());
    run.tell(Event::ClaimLost { task, holder });
    assert_eq!(run.tell(skip("a")), "stop a#1 Skipped");
}

#[test]
fn a_second_report_of_a_start_does_not_put_off_the_kill() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[])], 1, |_| {});
    run.started("a#1");
    run.tell(skip("a"));
    run.later(Span::seconds(30));
    assert_eq!(run.started("a#1"), "");
    assert_eq!(run.later(Span::seconds(30)), "kill a#1");
    assert_eq!(run.started("a#1"), "");
    assert_eq!(run.state.next_wakeup(), None);
}

#[test]
fn nothing_starts_while_claims_are_given_back_even_when_the_run_is_reopened() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[])], 1, |_| {});
    run.tell(Event::Claimed {
        attempt: attempt("a#1"),
    });
    run.started("a#1");
    run.tell(Event::Requested {
        request: Request::Stop { now: true },
    });
    run.ended("a#1", Ending::Stopped);
    assert_eq!(run.settled("a#1"), "conclude");
    assert_eq!(run.tell(Event::Reopened), "");
    assert_eq!(run.tell(Event::Concluded), "go on; start a#2 on mesh-1");
    run.tell(Event::Claimed {
        attempt: attempt("a#2"),
    });
    run.tell(Event::Concluded);
    assert_eq!(
        run.state.claimed().count(),
        1,
        "a second report gives nothing back"
    );
}

#[test]
fn a_run_reopened_while_it_concludes_waits_for_its_pauses() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[]), task("b", &[], &[])], 2, |_| {});
    run.start_failed("a#1", "no such program");
    run.start_failed("b#1", "no such program");
    run.settled("a#1");
    assert_eq!(run.settled("b#1"), "conclude");
    run.tell(Event::Reopened);
    assert_eq!(run.tell(Event::Concluded), "go on");
    assert_eq!(
        run.later(Span::seconds(5)),
        "start a#2 on mesh-1; start b#2 on mesh-2"
    );
}

#[test]
fn the_end_of_an_older_attempt_says_nothing_about_the_newer_ones_delivery() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[])], 1, |_| {});
    run.started("a#1");
    run.ended("a#1", Ending::Exited(1));
    run.verified("a#2");
    let landed = Delivery::Landed {
        commit: Commit("m".to_owned()),
    };
    run.tell(Event::Finalized {
        attempt: attempt("a#2"),
        delivery: landed.clone(),
    });
    run.settled("a#1");
    let Phase::Verified { delivery, .. } = &run.state.find(&id("a")).unwrap().1.phase else {
        panic!("a is verified");
    };
    assert_eq!(*delivery, landed);
}

#[test]
fn what_is_owed_names_needs_before_what_needs_them() {
    let tasks = vec![task("b", &["a"], &[]), task("a", &[], &[])];
    let (mut run, _) = Story::begin(tasks, 1, |_| {});
    run.verified("a#1");
    run.verified("b#1");
    let pending_work = run.state.pending_work();
    let place = |name: &str| {
        let settles = |pending_work: &PendingWork| matches!(pending_work, PendingWork::Finalize { attempt: one, .. } if *one == attempt(name));
        pending_work.iter().position(settles).unwrap()
    };
    assert!(place("a#1") < place("b#1"));
}
