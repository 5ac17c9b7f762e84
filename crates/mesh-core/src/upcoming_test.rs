use crate::decide::tests::{Story, attempt, evidence, id, task};
use crate::event::{Event, Request};
use crate::evidence::Ending;
use crate::state::State;

/// The attempts, each with the results it stands on, as far as those are recorded.
fn shown(state: &State) -> Vec<String> {
    let all = state.upcoming().into_iter();
    all.map(|next| match next.needs {
        None => format!("{} on what is not recorded yet", next.attempt),
        Some(needs) => {
            let needs: Vec<&str> = needs.iter().map(|need| need.task.as_str()).collect();
            format!("{} on [{}]", next.attempt, needs.join(", "))
        }
    })
    .collect()
}

#[test]
fn a_dependent_is_upcoming_while_its_need_is_at_work_and_knows_its_result_before_the_proof() {
    let tasks = vec![
        task("a", &[], &[]),
        task("b", &["a"], &[]),
        task("c", &["b"], &[]),
        task("free", &[], &[]),
    ];
    let (mut story, _) = Story::begin(tasks, 1, |_| {});
    assert_eq!(shown(&story.state), ["b#1 on what is not recorded yet"]);
    story.started("a#1");
    story.ended("a#1", Ending::Exited(0));
    story.tell(Event::Inspected {
        attempt: attempt("a#1"),
        evidence: Ok(evidence("a#1")),
    });
    assert_eq!(shown(&story.state), ["b#1 on [a]"]);
}

#[test]
fn what_may_start_at_any_time_stands_on_nothing_else() {
    let tasks = vec![
        task("a", &[], &[]),
        task("b", &[], &[]),
        task("c", &[], &[]),
    ];
    let (story, _) = Story::begin(tasks, 2, |_| {});
    assert_eq!(shown(&story.state), ["c#1 on []"]);
}

#[test]
fn nothing_is_upcoming_in_a_run_that_stops() {
    let tasks = vec![task("a", &[], &[]), task("b", &["a"], &[])];
    let (mut story, _) = Story::begin(tasks, 1, |_| {});
    assert!(!shown(&story.state).is_empty());
    story.tell(Event::Requested {
        request: Request::Skip { task: id("b") },
    });
    assert!(shown(&story.state).is_empty(), "b is not to run");
    let (mut story, _) = Story::begin(vec![task("a", &[], &[]), task("b", &["a"], &[])], 1, |_| {});
    story.tell(Event::Requested {
        request: Request::Stop { now: false },
    });
    assert!(shown(&story.state).is_empty());
}
