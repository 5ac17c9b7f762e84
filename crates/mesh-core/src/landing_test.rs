use crate::decide::handle;
use crate::decide::tests::{Story, attempt, id, task};
use crate::decision::Action;
use crate::event::{Delivery, Event, Request};
use crate::evidence::{Ending, FailureClass, ProofEnd};
use crate::landing::{Candidate, Integration, Publication};
use crate::state::{Phase, RunEnd};
use crate::task::{Commit, Task};
use crate::time::Span;

fn begin(tasks: Vec<Task>) -> Story {
    let attempts: Vec<String> = tasks.iter().map(|task| format!("{}#1", task.id)).collect();
    let mut run = Story::begin(tasks, 4, |policy| policy.land = Some("main".to_owned())).0;
    for name in attempts {
        run.tell(Event::Claimed {
            attempt: attempt(&name),
        });
    }
    run
}

fn candidate(of: &str) -> Candidate {
    Candidate {
        from: Commit("m".to_owned()),
        to: Commit(format!("{of}+m")),
        copies: vec![Commit(format!("{of}+m"))],
    }
}

impl Story {
    fn number(&self) -> u32 {
        self.state.landing().expect("a landing").number
    }

    fn integrated(&mut self, name: &str, integration: Integration) -> String {
        let landing = self.number();
        self.tell(Event::Integrated {
            attempt: attempt(name),
            landing,
            integration,
        })
    }

    fn conflicts(&mut self, name: &str) -> String {
        let paths = vec!["f".to_owned()];
        self.integrated(name, Integration::Conflict { paths })
    }

    fn merges(&mut self, name: &str) -> String {
        self.integrated(name, Integration::Candidate(candidate(name)))
    }

    fn landing_proved(&mut self, name: &str, landing: u32, ending: Ending) -> String {
        self.tell(Event::LandingProved {
            attempt: attempt(name),
            landing,
            proof: ProofEnd {
                ending,
                tail: "red".to_owned(),
                passed_in_workspace: false,
            },
        })
    }

    fn published(&mut self, name: &str, publication: Publication) -> String {
        let landing = self.number();
        self.tell(Event::Published {
            attempt: attempt(name),
            landing,
            publication,
        })
    }

    fn lands(&mut self, name: &str) -> String {
        assert_eq!(self.merges(name), format!("prove the landing of {name}"));
        let number = self.number();
        assert_eq!(
            self.landing_proved(name, number, Ending::Exited(0)),
            format!("publish {name}")
        );
        let commit = candidate(name).to;
        self.published(name, Publication::Moved { commit })
    }

    fn finalized(&mut self, name: &str) -> String {
        let ended = &self
            .state
            .find(&attempt(name).task)
            .expect("a task")
            .1
            .finalizing;
        let delivery = ended[0].delivery.clone();
        self.tell(Event::Finalized {
            attempt: attempt(name),
            delivery,
        })
    }

    fn delivery(&self, name: &str) -> Delivery {
        match &self.state.find(&id(name)).expect("a task").1.phase {
            Phase::Verified { delivery, .. } => delivery.clone(),
            other => panic!("{name} is {other:?}"),
        }
    }

    fn reason(&self, name: &str) -> String {
        match self.delivery(name) {
            Delivery::NotLanded { reason } => reason,
            other => panic!("{name} is {other:?}"),
        }
    }
}

#[test]
fn results_land_one_at_a_time_and_their_ends_are_written_down_after_that() {
    let mut run = begin(vec![task("a", &[], &[]), task("b", &["a"], &[])]);
    assert_eq!(
        run.verified("a#1"),
        "accept a#1; land a#1; start b#1 on mesh-1"
    );
    assert_eq!(run.verified("b#1"), "accept b#1", "a is being landed");
    assert_eq!(run.delivery("b"), Delivery::Queued);
    assert_eq!(run.lands("a#1"), "a#1 landed; land b#1");
    assert_eq!(run.lands("b#1"), "b#1 landed");
    assert_eq!(run.finalized("a#1"), "");
    assert_eq!(run.finalized("b#1"), "conclude");
}

#[test]
fn a_conflict_gives_the_task_back_once_and_the_next_attempt_stands_on_the_target() {
    let mut run = begin(vec![task("a", &[], &[]), task("b", &[], &[])]);
    run.verified("a#1");
    run.verified("b#1");
    run.lands("a#1");
    let conflict = Event::Integrated {
        attempt: attempt("b#1"),
        landing: run.number(),
        integration: Integration::Conflict {
            paths: vec!["f".to_owned()],
        },
    };
    let (_, actions) = handle(&mut run.state, run.now, &conflict);
    let order = actions.iter().find_map(|action| match action {
        Action::Start(order) => Some(order.clone()),
        _ => None,
    });
    let order = order.expect("b is started again");
    assert_eq!(order.onto.as_deref(), Some("main"));
    let previous = order.previous.expect("a failure");
    assert_eq!(
        (previous.class, previous.detail.as_str()),
        (FailureClass::Conflict, "conflicts with main in f")
    );
    // The end of the attempt before is written down first.
    assert_eq!(run.verified("b#2"), "accept b#2");
    assert_eq!(run.finalized("b#1"), "land b#2");
    assert_eq!(run.conflicts("b#2"), "b#2 not landed");
    assert_eq!(run.reason("b"), "conflicts with main in f");
}

#[test]
fn what_was_built_on_a_result_that_does_not_land_is_not_landed_either() {
    let mut run = begin(vec![task("a", &[], &[]), task("b", &["a"], &[])]);
    run.verified("a#1");
    run.verified("b#1");
    assert_eq!(run.conflicts("a#1"), "a#1 not landed; b#1 not landed");
    assert_eq!(run.reason("b"), "a, which it needs, is not landed");
}

#[test]
fn what_waits_for_a_task_that_is_given_back_waits_again() {
    let mut run = begin(vec![
        task("a", &[], &["x"]),
        task("b", &["a"], &["y"]),
        task("c", &[], &["y"]),
    ]);
    run.started("c#1");
    assert_eq!(run.verified("a#1"), "accept a#1; land a#1");
    assert_eq!(
        run.conflicts("a#1"),
        "give back a#1 conflict; start a#2 on mesh-1"
    );
    assert_eq!(run.state.find(&id("b")).unwrap().1.open_needs, 1);
}

#[test]
fn a_proof_that_fails_on_the_integrated_tree_is_the_tasks_and_one_that_cannot_run_is_not() {
    let mut run = begin(vec![task("a", &[], &[])]);
    run.verified("a#1");
    run.merges("a#1");
    let number = run.number();
    assert_eq!(
        run.landing_proved("a#1", number, Ending::Exited(1)),
        "give back a#1 verify-failed; start a#2 on mesh-1"
    );
    // What the landing made is dropped before the next one begins.
    assert_eq!(run.verified("a#2"), "accept a#2");
    assert_eq!(run.finalized("a#1"), "land a#2");
    run.merges("a#2");
    let number = run.number();
    let cause = Ending::CouldNotStart("no disk".to_owned());
    assert_eq!(run.landing_proved("a#2", number, cause), "a#2 not landed");
    let reason = run.reason("a");
    assert!(reason.contains("could not be started: no disk"), "{reason}");
}

#[test]
fn a_target_that_moves_is_integrated_with_again_and_late_reports_of_before_do_not_count() {
    let mut run = begin(vec![task("a", &[], &[])]);
    run.verified("a#1");
    for round in 1..=3 {
        run.merges("a#1");
        let number = run.number();
        if round > 1 {
            assert_eq!(
                run.landing_proved("a#1", number - 1, Ending::Exited(0)),
                "",
                "the proof of the round before says nothing about this candidate"
            );
        }
        run.landing_proved("a#1", number, Ending::Exited(0));
        let moved = run.published("a#1", Publication::TargetMoved);
        assert_eq!(
            moved,
            if round < 3 {
                "land a#1"
            } else {
                "a#1 not landed"
            }
        );
    }
    assert_eq!(
        run.reason("a"),
        "main was moved by somebody else 3 times in a row"
    );
}

#[test]
fn a_stop_ends_landings_and_one_that_takes_too_long_is_given_up() {
    let tasks = || vec![task("a", &[], &[]), task("b", &[], &[])];
    let mut run = begin(tasks());
    run.verified("a#1");
    run.verified("b#1");
    run.merges("a#1");
    let stop = Event::Requested {
        request: Request::Stop { now: true },
    };
    assert_eq!(run.tell(stop), "drain; stop landing a#1; b#1 not landed");
    let number = run.number();
    assert_eq!(
        run.landing_proved("a#1", number, Ending::Stopped),
        "a#1 not landed"
    );
    assert_eq!(run.reason("a"), "the run was stopped before it was landed");
    run.finalized("a#1");
    assert_eq!(run.finalized("b#1"), "conclude");

    let mut run = begin(tasks());
    run.verified("a#1");
    run.verified("b#1");
    run.merges("a#1");
    assert_eq!(
        run.later(Span::minutes(240)),
        "a#1 not landed",
        "b waits until what a made is gone"
    );
    assert_eq!(run.finalized("a#1"), "land b#1");

    // The call that moves the target may still do so.
    run.merges("b#1");
    let number = run.number();
    assert_eq!(
        run.landing_proved("b#1", number, Ending::Exited(0)),
        "publish b#1"
    );
    assert_eq!(run.later(Span::minutes(240)), "b#1 not landed");
    let reason = run.reason("b");
    assert!(
        reason.contains("whether it was moved is not known"),
        "{reason}"
    );
}

#[test]
fn results_of_a_run_that_has_ended_are_landed_with_what_they_need_and_nothing_starts() {
    let tasks = vec![
        task("a", &[], &[]),
        task("b", &["a"], &[]),
        task("c", &[], &[]),
    ];
    let mut run = Story::begin(tasks, 4, |_| {}).0;
    for name in ["a#1", "c#1", "b#1"] {
        run.verified(name);
        run.settled(name);
    }
    run.tell(Event::Concluded);
    let land = |tasks: &[&str]| Event::Requested {
        request: Request::Land {
            tasks: tasks.iter().map(|name| id(name)).collect(),
            onto: "main".to_owned(),
        },
    };
    assert_eq!(
        run.tell(land(&["z"])),
        "refuse: there is no task z in this run"
    );
    assert_eq!(run.tell(land(&["b"])), "queue 2 landings; land a#1");
    assert_eq!(run.lands("a#1"), "a#1 landed; land b#1");
    assert_eq!(run.lands("b#1"), "b#1 landed");
    run.finalized("a#1");
    assert_eq!(run.finalized("b#1"), "conclude");
    run.tell(Event::Concluded);
    assert_eq!(run.state.run_end(), RunEnd::Concluded);
    assert_eq!(run.delivery("c"), Delivery::Kept);
    assert_eq!(run.tell(land(&["b"])), "refuse: there is nothing to land");
    assert_eq!(run.tell(land(&[])), "queue 1 landings; land c#1");
}
