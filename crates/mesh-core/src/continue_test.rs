//! What an attempt goes on from: questions with and without an answer, failures after which the workspace is good.

use super::tests::{Story, attempt, evidence, id, task};
use super::*;
use crate::decision::{AskedQuestion, Continuation};
use crate::event::Request;
use crate::evidence::BlockReading;
use crate::policy::{Policy, RetryMode};
use crate::time::Span;

/// Task `a`, whose first attempt asks.
fn asking(set: impl FnOnce(&mut Policy)) -> (Story, String) {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[])], 1, set);
    run.started("a#1");
    run.ended("a#1", Ending::Exited(0));
    let mut found = evidence("a#1");
    if let BlockReading::Read(block) = &mut found.block {
        block.blockers = Some("which port?".to_owned());
    }
    let said = run.tell(Event::Inspected {
        attempt: attempt("a#1"),
        evidence: Ok(found),
    });
    (run, said)
}

/// What the attempt that `event` starts goes on from.
fn continues(run: &mut Story, event: &Event) -> Option<Continuation> {
    let (_, actions) = handle(&mut run.state, run.now, event);
    actions.into_iter().find_map(|action| match action {
        Action::Start(order) => order.continues,
        _ => None,
    })
}

fn asked(answer: Option<&str>) -> Continuation {
    Continuation {
        attempt: 1,
        question: Some(AskedQuestion {
            text: "which port?".to_owned(),
            answer: answer.map(str::to_owned),
        }),
    }
}

#[test]
fn a_question_is_gone_on_from_with_and_without_an_answer() {
    let answer = Request::Answer {
        task: id("a"),
        text: "8080".to_owned(),
    };
    let retry = Request::Retry {
        task: id("a"),
        with_dependents: false,
    };
    for (request, expected) in [(answer, asked(Some("8080"))), (retry, asked(None))] {
        let (mut run, said) = asking(|_| {});
        assert_eq!(said, "question a#1 which port?");
        let event = Event::Requested { request };
        assert_eq!(continues(&mut run, &event), Some(expected));
        assert!(run.verified("a#2").starts_with("accept a#2"));
        assert_eq!(run.state.find(&id("a")).unwrap().1.continues, None);
    }
}

#[test]
fn only_an_open_question_is_answered() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[])], 1, |_| {});
    let answer = |task| Event::Requested {
        request: Request::Answer {
            task: id(task),
            text: "8080".to_owned(),
        },
    };
    assert_eq!(run.tell(answer("a")), "refuse: a has no open question");
    assert_eq!(
        run.tell(answer("z")),
        "refuse: there is no task z in this run"
    );
}

#[test]
fn a_run_stays_open_for_answers_for_as_long_as_it_is_told_and_no_longer() {
    let wait = |policy: &mut Policy| policy.answer_wait = Some(Span::minutes(5));
    let (mut run, _) = asking(wait);
    let until = run.now.after(Span::minutes(5));
    assert_eq!(
        run.settled("a#1"),
        format!("await answers until {}", until.0)
    );
    assert_eq!(run.state.next_wakeup(), Some(until));
    let answer = Event::Requested {
        request: Request::Answer {
            task: id("a"),
            text: "8080".to_owned(),
        },
    };
    assert_eq!(run.tell(answer), "answer a: 8080; start a#2 on mesh-1");
    assert_eq!(run.state.answers_until(), None);

    let (mut run, _) = asking(wait);
    run.settled("a#1");
    run.now = until;
    assert_eq!(run.tell(Event::Tick), "conclude");
    assert_eq!(run.state.next_wakeup(), None);

    let (mut run, _) = asking(wait);
    run.settled("a#1");
    let stop = Event::Requested {
        request: Request::Stop { now: false },
    };
    assert_eq!(run.tell(stop), "drain; conclude");
}

#[test]
fn what_a_retry_begins_with_follows_from_how_the_attempt_failed() {
    let after = |ending: Ending, mode: RetryMode| {
        let (mut run, _) = Story::begin(vec![task("a", &[], &[])], 1, |policy| {
            policy.retry_mode = mode;
        });
        run.started("a#1");
        let event = Event::Ended {
            attempt: attempt("a#1"),
            ending,
            tail: String::new(),
        };
        continues(&mut run, &event).map(|before| before.attempt)
    };
    let crashed = || Ending::Exited(3);
    assert_eq!(after(crashed(), RetryMode::ByClass), Some(1));
    assert_eq!(after(crashed(), RetryMode::Continue), Some(1));
    assert_eq!(after(crashed(), RetryMode::Fresh), None);
    for class in FailureClass::ALL {
        let expected = matches!(
            class,
            FailureClass::VerifyFailed
                | FailureClass::NoResult
                | FailureClass::Crashed
                | FailureClass::Hung
                | FailureClass::Limit
        );
        assert_eq!(class.leaves_good_work(), expected, "{class}");
    }
}

#[test]
fn an_attempt_whose_agent_never_ran_leaves_to_the_next_what_it_was_to_go_on_from() {
    let (mut run, _) = Story::begin(vec![task("a", &[], &[])], 1, |_| {});
    run.started("a#1");
    run.ended("a#1", Ending::Exited(3));
    run.start_failed("a#2", "no space left");
    run.now = run.now.after(Span::minutes(1));
    let before = continues(&mut run, &Event::Tick);
    assert_eq!(before.map(|before| before.attempt), Some(1));
}
