use std::collections::BTreeSet;
use std::path::Path;

use mesh_core::clamp::Percent;
use mesh_core::id::{LockGroup, TaskId};
use mesh_core::plan::Plan;
use mesh_core::policy::{
    AgentAccount, Allowance, Budget, Cap, Dispatch, Policy, Rank, RetryMode, Unlabelled,
};
use mesh_core::task::{Eligibility, Task, TaskLimits};
use mesh_core::time::Span;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::sample;

fn round_trip(event: &Event, decisions: &[Decision]) -> Record {
    let line = encode_record(7, Millis(1), sample::START, event, decisions);
    assert!(!line.contains('\n'), "a record is one line: {line}");
    decode_record(line.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{line}"))
}

#[test]
fn every_kind_of_event_comes_back() {
    let mut kinds = BTreeSet::new();
    for event in sample::every_event() {
        assert_eq!(round_trip(&event, &[]).event, event);
        kinds.insert(sample::event_kind(&event));
    }
    assert_eq!(kinds, (0..23).collect());
}

#[test]
fn every_kind_of_decision_comes_back() {
    let decisions = sample::every_decision();
    assert_eq!(round_trip(&Event::Tick, &decisions).decisions, decisions);
    let kinds: BTreeSet<usize> = decisions.iter().map(sample::decision_kind).collect();
    assert_eq!(kinds, (0..41).collect());
}

#[test]
fn a_header_comes_back() {
    let header = sample::header();
    assert_eq!(decode_header(encode_header(&header).as_bytes()), Ok(header));
}

/// The form is what an older mesh reads, and what people and other tools search in. Fixtures of version 2 were written before leaf
/// types derived it.
#[test]
fn what_was_stored_is_stored_the_same_way_again() {
    for name in ["every-kind.jsonl", "small-run.jsonl"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fixtures/journals/v2")
            .join(name);
        let text = fs_err::read_to_string(&path).unwrap();
        let contents = crate::read(&path).unwrap();
        let again = sample::bytes_of(&contents.header, &contents.records);
        let again = String::from_utf8(again).unwrap();
        for (old, new) in text.lines().zip(again.lines()) {
            assert_eq!(old, new);
        }
        assert_eq!(text.len(), again.len());
    }
}

#[test]
fn the_words_of_records_are_those_that_people_read() {
    for class in mesh_core::evidence::FailureClass::ALL {
        assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
    }
    for rank in [Rank::Default, Rank::Makespan] {
        assert_eq!(serde_json::to_value(rank).unwrap(), rank.as_str());
    }
}

/// Any JSON object in `line` gets a field that nobody knows.
fn with_unknown_fields(line: &str) -> String {
    fn visit(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                // The keys of this one are names of lock groups, not fields.
                let of_fields = fields.iter_mut().filter(|(name, _)| *name != "capacity");
                of_fields.for_each(|(_, value)| visit(value));
                fields.insert(
                    "added_later".to_owned(),
                    serde_json::json!({"x": [1, null]}),
                );
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(visit),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(line).unwrap();
    visit(&mut value);
    value.to_string()
}

#[test]
fn fields_that_a_later_version_adds_are_passed_over_everywhere() {
    let decisions = sample::every_decision();
    for event in sample::every_event() {
        let line = encode_record(7, Millis(1), sample::START, &event, &decisions);
        let record = decode_record(with_unknown_fields(&line).as_bytes()).unwrap();
        assert_eq!((record.event, record.decisions), (event, decisions.clone()));
    }
}

#[test]
fn an_error_names_the_field() {
    let check = |line: &str, expected: &str| {
        let error = decode_record(line.as_bytes()).unwrap_err().to_string();
        assert!(
            error.contains(expected),
            "`{error}` does not name {expected}"
        );
    };
    let line =
        |rest: &str| format!(r#"{{"v":1,"n":1,"at":0,"wall":"2026-03-01T08:15:30.250Z",{rest}}}"#);
    check(
        &line(r#""event":{"is":"claimed","attempt":{"task":" ","number":1}}"#),
        r#"event.attempt.task: " " is not a task id: it is empty"#,
    );
    check(
        &line(r#""event":{"is":"refreshed"}"#),
        "event: exactly one of `change` and `problem` must be there",
    );
    check(
        &line(r#""event":{"is":"tick"},"decisions":[{"is":"drain"},{"is":"reserve","task":""}]"#),
        "decisions[1].task",
    );
    let slot = r#""event":{"is":"tick"},"decisions":[{"is":"start","attempt":{"task":"t","number":1},"slot":0}]"#;
    check(&line(slot), "decisions[0].slot");
    let failure = r#""event":{"is":"examined","attempt":{"task":"t","number":1},"failure":{"class":"bored"}}"#;
    check(
        &line(failure),
        "event.failure.class: unknown variant `bored`, expected one of `could-not-start`",
    );
    let task = r#""event":{"is":"refreshed","change":{"tasks":[{"id":"t","standing":{"is":"open"},"priority":1,"needs":["a","\u0007"]}]}}"#;
    check(
        &line(task),
        r#"event.change.tasks[0].needs[1]: "\u{7}" is not a task id"#,
    );
    let locks = task.replace("needs", "locks");
    check(
        &line(&locks),
        r#"event.change.tasks[0].locks: "\u{7}" is not a lock group"#,
    );
    // Of a value that says itself what it is, serde knows no fields: the error then shows the value.
    check(
        &line(r#""event":{"is":"asked","request":{"is":"skip","task":""}}"#),
        r#"event.request: "" is not a task id: it is empty"#,
    );
    check(
        &line(r#""event":{"is":"looked","attempt":{"task":"t","number":1}}"#),
        "event: missing field `last_sign`",
    );
    check(
        &line(r#""event":{"is":"looked","attempt":{"task":"t","number":-1},"last_sign":0}"#),
        "event.attempt.number: invalid value: integer `-1`",
    );
    check(
        &line(r#""event":{"kind":"tick"}"#),
        "event: it does not say in `is` what it is",
    );
    check(
        &line(r#""event":{"is":"danced"}"#),
        "event: unknown variant `danced`",
    );
    check(
        &line(r#""event":{"is":"tick"},"event":{"is":"reopened"}"#),
        "duplicate field `event`",
    );
    check(r#"{"v":3,"strange":true}"#, "format 3");
    let newer = line(r#""event":{"is":"tick"}"#).replace("\"v\":1", "\"v\":3");
    check(&newer, "format 3");
    check(r#"{"v":1,"n":1"#, "not JSON");
}

fn task_id() -> impl Strategy<Value = TaskId> {
    prop_oneof!["[a-e]", "[^\\p{Cc}]{1,12}"].prop_filter_map("no id", |text| TaskId::new(text).ok())
}

fn text() -> impl Strategy<Value = String> {
    any::<String>()
}

fn standing() -> impl Strategy<Value = Eligibility> {
    prop_oneof![
        4 => Just(Eligibility::Open),
        1 => option::of(text()).prop_map(|commit| Eligibility::Satisfied { commit: commit.map(mesh_core::task::Commit) }),
        1 => Just(Eligibility::Container),
        1 => text().prop_map(|reason| Eligibility::NotOurs { reason }),
        1 => text().prop_map(|reason| Eligibility::Faulty { reason }),
    ]
}

prop_compose! {
    fn task()(
        id in task_id(), title in text(), eligibility in standing(), needs in vec(task_id(), 0..4), outside in vec(task_id(), 0..2),
        locks in btree_set("[a-c]{1,2}(-[0-9])?", 0..3), priority in any::<i32>(), estimate_minutes in option::of(any::<u32>()),
        checkpoint in any::<bool>(), tie in any::<u32>(), limits in any::<[Option<u64>; 3]>(),
        agents in vec("[a-z:]{1,9}", 0..3),
    ) -> Task {
        let locks = locks.into_iter().map(|text| LockGroup::new(text).unwrap()).collect();
        let [start, soft, hard] = limits.map(|limit| limit.map(Span));
        let limits = TaskLimits { start, soft, hard };
        Task { id, title, eligibility, needs, outside, locks, priority, estimate_minutes, checkpoint, tie, limits, agents }
    }
}

prop_compose! {
    fn policy()(
        concurrency in any::<u16>(), rank in select(&Rank::ALL[..]), picks in vec(task_id(), 0..3), alone in any::<bool>(),
        counts in any::<(u32, u32, u32)>(), times in any::<(u64, u64, Option<u64>)>(), flags in any::<(bool, bool, bool)>(),
        limits in any::<(Option<u64>, u64, u64, u64, u64)>(),
    ) -> Policy {
        Policy {
            concurrency,
            rank,
            dispatch: if flags.1 { Dispatch::Waves } else { Dispatch::Frontier },
            ask_waves: flags.2,
            picks,
            capacity: (0..counts.0 % 3)
                .map(|number| (LockGroup::new(format!("g{number}")).unwrap(), number + 2))
                .collect(),
            lock_patience: counts.0,
            slot_wait_percent: counts.1,
            unlabelled: if alone { Unlabelled::Alone } else { Unlabelled::Free },
            retries: counts.1,
            start_retries: counts.2,
            retry_mode: if flags.0 { RetryMode::Fresh } else { RetryMode::ByClass },
            answer_wait: limits.0.map(Span),
            start_pause: Span(times.0),
            silence_limit: Span(times.1),
            soft_limit: times.2.map(Span),
            refresh: flags.0,
            allow_no_validation: flags.1,
            trust_outside: flags.2,
            land: flags.0.then(|| "main".to_owned()),
            start_limit: limits.0.map(Span),
            preparation_limit: Span(limits.1),
            recording_limit: Span(limits.2),
            proof_limit: Span(limits.3),
            quick_limit: Span(limits.4),
            agents: (0..counts.2 % 3)
                .map(|number| AgentAccount { name: format!("a{number}"), account: String::new(), by_name_only: number % 2 == 1 })
                .collect(),
            budget: Budget {
                run: Cap { cost_micro_usd: limits.0, tokens: times.2, time: limits.0.map(Span) },
                task: Cap { tokens: limits.0, ..Cap::default() },
                allowance: Allowance { five_hour: times.2.map(|left| Percent::from(left as u32)), weekly: None },
            },
        }
    }
}

mod texts {
    //! Every text of an event or a decision replaced, so that none depends on what it says.

    use super::*;
    use mesh_core::decision::SkipReason;
    use mesh_core::event::{Delivery, StartFailure};
    use mesh_core::evidence::{BlockReading, ChangedClaim, Ending, Evidence, ProofChoice};
    use mesh_core::id::AttemptId;
    use mesh_core::landing::{Integration, Publication};

    pub(super) struct Filling {
        pub(super) texts: Vec<String>,
        pub(super) attempt: AttemptId,
        pub(super) number: i32,
        pub(super) at: usize,
    }

    impl Filling {
        fn text(&mut self) -> String {
            self.at += 1;
            self.texts[self.at % self.texts.len()].clone()
        }

        fn commit(&mut self) -> mesh_core::task::Commit {
            mesh_core::task::Commit(self.text())
        }

        fn ending(&mut self, ending: &mut Ending) {
            match ending {
                Ending::Exited(number) | Ending::Signaled(number) => *number = self.number,
                Ending::CouldNotStart(cause) => *cause = self.text(),
                Ending::HardLimit | Ending::Flood | Ending::Stopped | Ending::NoReport => {}
            }
        }

        fn evidence(&mut self, evidence: &mut Evidence) {
            match &mut evidence.block {
                BlockReading::Missing(why) => *why = self.text(),
                BlockReading::Read(block) => {
                    block.pr = Some(self.text());
                    block.verify = (self.number > 0).then(|| self.text());
                    block.blockers = (self.number < 0).then(|| self.text());
                    block.changed = match block.changed {
                        ChangedClaim::Paths(_) => ChangedClaim::Paths(self.texts.clone()),
                        ChangedClaim::NoDiff(_) => ChangedClaim::NoDiff(self.text()),
                    };
                }
            }
            let changes = &mut evidence.changes;
            changes.commit = self.commit();
            changes.paths = self.texts.clone();
            changes.strays = vec![self.commit(), self.commit()];
            match &mut evidence.proof {
                ProofChoice::Named(text)
                | ProofChoice::SelfChecked(text)
                | ProofChoice::Refused(text) => {
                    *text = self.text();
                }
                ProofChoice::Nothing | ProofChoice::Waived => {}
            }
        }

        pub(super) fn event(&mut self, event: &mut Event) {
            let id = self.attempt.clone();
            match event {
                Event::Claimed { attempt }
                | Event::Started { attempt }
                | Event::Progressed { attempt }
                | Event::Probed { attempt, .. } => *attempt = id,
                Event::Metered { attempt, metered } => {
                    *attempt = id;
                    metered.session = Some(self.text());
                    if let Some(refusal) = &mut metered.refusal {
                        refusal.said = self.text();
                    }
                }
                Event::StartFailed { attempt, cause } => {
                    *attempt = id;
                    match cause {
                        StartFailure::Taken { holder } => *holder = self.text(),
                        StartFailure::Failed(failure) => failure.detail = self.text(),
                    }
                }
                Event::Ended {
                    attempt,
                    ending,
                    tail,
                } => {
                    *attempt = id;
                    self.ending(ending);
                    *tail = self.text();
                }
                Event::Inspected { attempt, evidence } => {
                    *attempt = id;
                    match evidence {
                        Ok(evidence) => self.evidence(evidence),
                        Err(failure) => failure.detail = self.text(),
                    }
                }
                Event::Proved { attempt, proof } => {
                    *attempt = id;
                    self.ending(&mut proof.ending);
                    proof.tail = self.text();
                }
                Event::Integrated {
                    attempt,
                    integration,
                    ..
                } => {
                    *attempt = id;
                    match integration {
                        Integration::Candidate(candidate) => {
                            candidate.from = self.commit();
                            candidate.to = self.commit();
                            candidate.copies = vec![self.commit()];
                        }
                        Integration::AlreadyThere { commit } => *commit = self.commit(),
                        Integration::Conflict { paths } => *paths = self.texts.clone(),
                        Integration::Refused { reason } => *reason = self.text(),
                    }
                }
                Event::LandingProved { attempt, proof, .. } => {
                    *attempt = id;
                    self.ending(&mut proof.ending);
                    proof.tail = self.text();
                }
                Event::Published {
                    attempt,
                    publication,
                    ..
                } => {
                    *attempt = id;
                    match publication {
                        Publication::Moved { commit } => *commit = self.commit(),
                        Publication::TargetMoved => {}
                        Publication::Refused { reason } => *reason = self.text(),
                    }
                }
                Event::Finalized { attempt, delivery } => {
                    *attempt = id;
                    match delivery {
                        Delivery::Kept | Delivery::Queued => {}
                        Delivery::Landed { commit } => *commit = self.commit(),
                        Delivery::NotLanded { reason } => *reason = self.text(),
                    }
                }
                Event::ClaimLost { task, holder } => {
                    *task = id.task;
                    *holder = self.text();
                }
                Event::Refreshed {
                    change: Err(problem),
                } => *problem = self.text(),
                Event::Noticed { attempts, changes } => {
                    *attempts = vec![id];
                    *changes = self.texts.clone();
                }
                Event::Unwritten { tasks } => *tasks = vec![(id.task, self.text())],
                Event::RunStarted { .. }
                | Event::Reopened
                | Event::Tick
                | Event::Refreshed { .. }
                | Event::Requested { .. }
                | Event::WaveFinalized { .. }
                | Event::Concluded => {}
            }
        }

        pub(super) fn decision(&mut self, decision: &mut Decision) {
            let id = self.attempt.clone();
            match decision {
                Decision::Prove {
                    attempt,
                    command,
                    commit,
                    ..
                } => {
                    (*attempt, *command, *commit) = (id, self.text(), self.commit());
                }
                Decision::Accept {
                    attempt, commit, ..
                } => (*attempt, *commit) = (id, self.commit()),
                Decision::Retry {
                    attempt, failure, ..
                }
                | Decision::RecordingFailed {
                    attempt, failure, ..
                }
                | Decision::Fail { attempt, failure } => {
                    (*attempt, failure.detail) = (id, self.text());
                }
                Decision::Question { attempt, text } => (*attempt, *text) = (id, self.text()),
                Decision::Answer { task, text } => (*task, *text) = (id.task, self.text()),
                Decision::Skip { task, reason } => {
                    *task = id.task.clone();
                    match reason {
                        SkipReason::ByPerson => {}
                        SkipReason::Taken(sign) => *sign = self.text(),
                        SkipReason::NeedFailed(need) => *need = id.task,
                    }
                }
                Decision::Refuse { reason } => *reason = self.text(),
                Decision::Pause { cause, excused } => {
                    (*cause, *excused) = (self.text(), vec![id]);
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_plan_and_a_policy_come_back_equal(tasks in vec(task(), 0..12), policy in policy()) {
        let (plan, _) = Plan::build_tolerant(tasks);
        let event = Event::RunStarted { plan, policy };
        prop_assert_eq!(round_trip(&event, &[]).event, event);
    }

    #[test]
    fn a_change_of_the_plan_comes_back(
        tasks in vec(task(), 0..4), removed in vec(task_id(), 0..3), taken in vec((task_id(), text()), 0..3),
        closed in vec((task_id(), text()), 0..3),
    ) {
        let change = mesh_core::event::PlanChange { tasks, removed, taken, closed };
        let event = Event::Refreshed { change: Ok(change) };
        prop_assert_eq!(round_trip(&event, &[]).event, event);
    }

    #[test]
    fn whatever_the_texts_say_events_and_decisions_come_back(
        texts in vec(text(), 1..6), task in task_id(), number in any::<u32>(), code in any::<i32>(),
    ) {
        let attempt = mesh_core::id::AttemptId { task, number };
        let mut filling = texts::Filling { texts, attempt, number: code, at: 0 };
        let mut decisions = sample::every_decision();
        decisions.iter_mut().for_each(|decision| filling.decision(decision));
        for mut event in sample::every_event() {
            filling.event(&mut event);
            prop_assert_eq!(round_trip(&event, &[]).event, event);
        }
        prop_assert_eq!(round_trip(&Event::Tick, &decisions).decisions, decisions);
    }

    #[test]
    fn no_line_makes_the_reader_panic(line in vec(any::<u8>(), 0..200)) {
        let _ = decode_record(&line);
        let _ = decode_header(&line);
    }
}
