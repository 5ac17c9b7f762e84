use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::csv;

fn sliced(plan: &Value, most: Option<usize>) -> Slice {
    slice(plan.to_string().as_bytes(), most).expect("the plan is sound")
}

fn ids(units: &[Unit]) -> Vec<&str> {
    units.iter().map(|unit| unit.id.as_str()).collect()
}

fn left_out(left: &[LeftOut]) -> Vec<String> {
    left.iter()
        .map(|one| format!("{}: {}", one.id, one.reason))
        .collect()
}

#[track_caller]
fn refused(plan: &str, expected: &[&str]) {
    let problems = slice(plan.as_bytes(), None).expect_err(plan);
    let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn steps_are_counted_under_each_key() {
    let steps = json!([
        {"step": "a", "status": "completed"},
        {"title": "b", "status": "in_progress"},
        {"step": "c"},
        {"step": "d", "status": "blocked"},
        {},
    ]);
    let expected = PlanSummary {
        total_steps: 5,
        pending: 2,
        in_progress: 1,
        completed: 1,
        other: 1,
    };
    for plan in [
        steps.clone(),
        json!({"explanation": "why", "plan": steps}),
        json!({"steps": steps}),
    ] {
        let summary = summary(plan.to_string().as_bytes()).expect("a plan");
        assert_eq!(summary, expected, "{plan}");
    }
}

#[test]
fn a_step_becomes_a_unit_with_what_units_have_by_default() {
    let slice = sliced(
        &json!([{"step": "say \"hi\"\nto\tall"}, {"step": "done", "status": "completed"}]),
        None,
    );
    let text = serde_json::to_string(&slice.units[0]).expect("it is JSON");
    let read: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(
        read,
        json!({
            "id": "unit-001", "objective": "say \"hi\"\nto\tall", "unit_scope": "unknown", "constraints": "", "invariants": "",
            "proof_command": "", "delivery_mode": "commit_first", "attempt": "1", "variant": "baseline", "budget_tier": "unknown",
        })
    );
    assert_eq!(left_out(&slice.left_out), ["step-001: it is completed"]);
    assert_eq!(slice.lacking.without_scope, ["unit-001"]);
    assert_eq!(slice.lacking.without_proof, ["unit-001"]);
}

#[test]
fn units_come_after_what_they_depend_on_also_where_they_are_cut() {
    let plan = json!([
        {"id": "c", "step": "C", "depends_on": ["b"], "unit_scope": ["src", "docs"]},
        {"id": "b", "step": "B", "depends_on": "a; z"},
        {"id": "z", "step": "Z", "status": "completed"},
        {"id": "a", "step": "A", "status": "in_progress", "proof_command": "make"},
        {"id": "p", "step": "P", "status": "paused"},
        {"id": "q", "step": "Q", "depends_on": ["p"]},
    ]);
    let all = sliced(&plan, None);
    assert_eq!(ids(&all.units), ["a", "b", "c"]);
    assert_eq!(all.units[1].depends_on, ["a"]);
    assert_eq!(all.units[2].unit_scope, "src; docs");
    assert_eq!(
        left_out(&all.left_out),
        [
            "z: it is completed",
            "p: its status is `paused`, neither pending nor in_progress",
            "q: it depends on p, which is left out",
        ]
    );
    let two = sliced(&plan, Some(2));
    assert_eq!(ids(&two.units), ["a", "b"]);
    assert_eq!(left_out(&two.left_out)[0], "c: there are 2 units already");
    let none = sliced(&plan, Some(0));
    assert!(none.units.is_empty());
}

#[test]
fn a_plan_that_is_wrong_is_refused_with_every_problem() {
    refused(
        "{\n  \"tasks\": []\n}",
        &["1:1: error: this is not an array, or an object with an array `plan` or `steps`"],
    );
    refused("[1,]", &["1:4: error: this is no JSON: expected value"]);
    refused(
        "[\n 1,\n {\"step\": 2, \"status\": true},\n {\"step\": \"x\", \"depends_on\": [1]}]",
        &[
            "2:2: error: an entry of the list is an object with keys",
            "3:24: error: `status` is a text",
            "4:30: error: `depends_on` is a list of texts",
        ],
    );
    refused(
        "[{\"id\": \"a\", \"step\": \"A\", \"depends_on\": [\"b\"]},\n\
         {\"id\": \"b\", \"step\": \"B\", \"depends_on\": [\"a\"]},\n\
         {\"id\": \"a\", \"step\": \"A\"},\n\
         {\"step\": \" \", \"depends_on\": [\"bb\"]}]",
        &[
            "1:2: error: dependency cycle: a -> b -> a",
            "3:1: error: duplicate task a",
            "4:1: error: `step` is missing: nothing is to be done",
            "4:1: error: task unit-004 needs bb, which is not in the plan; did you mean `b`?",
        ],
    );
}

#[test]
fn a_wave_of_a_plan_without_scopes_is_as_wide_as_it_may_be() {
    let steps: Vec<Value> = (0..5)
        .map(|n| json!({"step": format!("step {n}")}))
        .collect();
    let slice = sliced(&json!(steps), None);
    let units = json!({"units": slice.units}).to_string();
    let wave = wave(units.as_bytes(), 3).expect("units");
    assert_eq!(wave.selected, ["unit-001", "unit-002", "unit-003"]);
    assert_eq!(wave.lacking.without_scope, wave.selected);
    assert_eq!(
        left_out(&wave.left_out),
        [
            "unit-004: the wave has 3 units already",
            "unit-005: the wave has 3 units already"
        ]
    );
    let read = csv::load(csv::Input {
        name: "wave.csv",
        bytes: &wave.csv,
        instruction: None,
        dependencies: None,
    });
    assert_eq!(read.snapshot.diagnostics, []);
    assert_eq!(read.items, wave.selected);
}

#[test]
fn a_wave_has_no_overlap_and_nothing_that_waits() {
    let units = json!({"units": [
        {"id": "a", "objective": "A", "unit_scope": "src/a", "attempt": 2},
        {"id": "b", "objective": "B", "unit_scope": "docs; src/a/b"},
        {"id": "c", "objective": "C", "unit_scope": "src/ab", "depends_on": []},
        {"id": "d", "objective": "D", "unit_scope": "tests", "depends_on": ["a"]},
        {"id": "e", "objective": "E", "unit_scope": "x", "depends_on": ["gone"]},
        {"objective": "F"},
        {"id": "a", "objective": "G"},
        {"id": "h", "objective": " "},
    ]});
    let wave = wave(units.to_string().as_bytes(), 8).expect("units");
    assert_eq!(wave.units_in, 8);
    assert_eq!(wave.selected, ["a", "c"]);
    assert_eq!(
        left_out(&wave.left_out),
        [
            "entry 6: it has no id",
            "a: a unit before it has the same id",
            "h: it has no objective",
            "b: its scope src/a/b overlaps with src/a of a",
            "d: it depends on a, which is not done",
            "e: it depends on gone, which is none of the units",
        ]
    );
    assert_eq!(
        String::from_utf8(wave.csv).expect("text"),
        "id,objective,unit_scope,constraints,invariants,proof_command,delivery_mode,attempt,variant,budget_tier\n\
         a,A,src/a,,,,commit_first,2,baseline,unknown\n\
         c,C,src/ab,,,,commit_first,1,baseline,unknown\n"
    );
}

proptest! {
    /// Whatever the bytes are, the answer is units or problems.
    #[test]
    fn no_document_is_too_strange(text in "[\\[\\]{}:,\" a-c0-9stepidunl]{0,60}") {
        let _ = summary(text.as_bytes());
        let _ = slice(text.as_bytes(), Some(2));
        let _ = wave(text.as_bytes(), 2);
    }

    /// Units of any plan without a ring: each after its needs, nothing is lost.
    #[test]
    fn nothing_is_lost(needs in proptest::collection::vec(proptest::collection::vec(0_usize..9, 0..3), 1..9), most in 0_usize..9) {
        let steps: Vec<Value> = needs.iter().enumerate().map(|(n, needs)| {
            let needs: Vec<String> = needs.iter().filter(|need| **need < n).map(|need| format!("t{need}")).collect();
            json!({"id": format!("t{n}"), "step": "x", "depends_on": needs})
        }).rev().collect();
        let slice = sliced(&json!(steps), Some(most));
        prop_assert_eq!(slice.units.len(), most.min(steps.len()));
        prop_assert_eq!(slice.units.len() + slice.left_out.len(), steps.len());
        for (at, unit) in slice.units.iter().enumerate() {
            let before = ids(&slice.units[..at]);
            prop_assert!(unit.depends_on.iter().all(|need| before.contains(&need.as_str())));
        }
    }
}
