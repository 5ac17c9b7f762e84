use super::*;
use crate::sample::{self, Script, task};
use mesh_core::decision::Decision;
use mesh_core::handle;
use mesh_core::id::SlotId;
use mesh_core::policy::Policy;
use mesh_core::state::RunEnd;
use mesh_core::time::Millis;

#[test]
fn replay_gives_the_state_of_the_live_run() {
    let records = sample::small_run();
    let mut live = State::new();
    for record in &records {
        let (decisions, _) = handle(&mut live, record.at, &record.event);
        assert_eq!(decisions, record.decisions);
    }
    assert_eq!(replay(&records).unwrap(), live);
    assert_eq!(live.run_end(), RunEnd::Concluded);
}

#[test]
fn recorded_decisions_count_even_where_this_version_would_decide_otherwise() {
    let script = Script::begin(
        vec![task("a", &[], &[]), task("b", &[], &[])],
        Policy::with_concurrency(1),
    );
    let mut records = script.records;
    assert_eq!(
        records[0].decisions,
        [Decision::Start {
            attempt: sample::attempt("a", 1),
            slot: SlotId(1)
        }]
    );
    records[0].decisions = vec![Decision::Start {
        attempt: sample::attempt("b", 1),
        slot: SlotId(1),
    }];
    let state = replay(&records).unwrap();
    let (_, b) = state.find(&sample::id("b")).unwrap();
    assert!(b.active().is_some());
}

#[test]
fn actions_are_shown_beside_their_record() {
    let records = sample::small_run();
    let mut starts = 0;
    replay_with(&records, |_, _, actions| {
        starts += actions
            .iter()
            .filter(|action| matches!(action, Action::Start(_)))
            .count();
    })
    .unwrap();
    assert_eq!(starts, 8);
}

#[test]
fn records_that_are_no_run_are_refused() {
    let records = sample::small_run();
    assert_eq!(replay(&[]), Err(ReplayError::Empty));
    assert_eq!(
        replay(&records[1..]),
        Err(ReplayError::Misplaced {
            number: 2,
            found: "not"
        })
    );
    let mut twice = records.clone();
    twice.push(records[0].clone());
    assert!(matches!(
        replay(&twice),
        Err(ReplayError::Misplaced { found: "again", .. })
    ));
}

/// A damaged or foreign journal must not bring the program down.
#[test]
fn decisions_without_sense_do_not_panic() {
    let (plan, _) = mesh_core::plan::Plan::build_tolerant(vec![task("t", &[], &[])]);
    let begun = Event::RunStarted {
        plan,
        policy: Policy::with_concurrency(1),
    };
    for event in sample::every_event().into_iter().skip(1) {
        for reversed in [false, true] {
            let mut decisions = sample::every_decision();
            if reversed {
                decisions.reverse();
            }
            let record = |number, event: &Event, decisions: &[Decision]| Record {
                number,
                at: Millis(number),
                wall: sample::START,
                event: event.clone(),
                decisions: decisions.to_vec(),
            };
            let records = [
                record(1, &begun, &decisions),
                record(2, &event, &decisions),
                record(3, &event, &decisions),
            ];
            replay(&records).unwrap();
        }
    }
}
