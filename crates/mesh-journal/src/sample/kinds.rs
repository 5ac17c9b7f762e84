//! One of every kind of event and decision, with all that they can carry.

use mesh_core::clamp::Percent;
use mesh_core::decision::{Decision, SkipReason, StopCause};
use mesh_core::event::{Delivery, Event, PlanChange, Request, StartFailure};
use mesh_core::evidence::{
    BlockReading, Ending, Evidence, Failure, FailureClass, ProofChoice, ProofEnd, ScopeBreach,
    Unrecorded,
};
use mesh_core::id::{LockGroup, SlotId};
use mesh_core::landing::{Candidate, Integration, Publication};
use mesh_core::metered::{Metered, RateWindow, Refusal, RefusalClass, Usage};
use mesh_core::plan::Plan;
use mesh_core::policy::{AgentAccount, Allowance, Budget, Cap, Policy};
use mesh_core::task::{Eligibility, Task};
use mesh_core::time::{Millis, Span};

use super::{attempt, commit, evidence, id, task};

fn failure() -> Failure {
    Failure::new(FailureClass::Crashed, "the agent ended with exit code 3")
}

/// At least one of every kind of event, and of all that events carry.
pub(crate) fn every_event() -> Vec<Event> {
    let one = || attempt("a b/../c", 1);
    let mut events = vec![
        begun(),
        Event::Reopened,
        Event::Tick,
        Event::Claimed { attempt: one() },
        Event::Started { attempt: one() },
        Event::StartFailed {
            attempt: one(),
            cause: StartFailure::Taken {
                holder: "ada".to_owned(),
            },
        },
        Event::StartFailed {
            attempt: one(),
            cause: StartFailure::Failed(failure()),
        },
        Event::Probed {
            attempt: one(),
            last_sign: Millis(17),
        },
        Event::Inspected {
            attempt: one(),
            evidence: Err(failure()),
        },
        Event::Inspected {
            attempt: one(),
            evidence: Ok(strange_findings()),
        },
        Event::ClaimLost {
            task: id("t"),
            holder: String::new(),
        },
        Event::Refreshed {
            change: Ok(PlanChange::default()),
        },
        Event::Refreshed {
            change: Ok(PlanChange {
                tasks: vec![task("new", &["t"], &["core"])],
                removed: vec![id("gone")],
                taken: vec![(id("t"), "assignee is ada".to_owned())],
                closed: vec![(id("u"), "it was closed".to_owned())],
            }),
        },
        Event::Refreshed {
            change: Err("bd did not answer".to_owned()),
        },
        Event::Unwritten {
            tasks: vec![(id("t"), "busy".to_owned())],
        },
        Event::Noticed {
            attempts: vec![one(), attempt("t", 2)],
            changes: vec!["branch spare moved from a to b".to_owned()],
        },
        Event::Metered {
            attempt: one(),
            metered: Metered::default(),
        },
        Event::Metered {
            attempt: one(),
            metered: metered(),
        },
        Event::Progressed { attempt: one() },
        Event::WaveFinalized { wave: 2 },
        Event::Concluded,
    ];
    events.extend(events_with_variants());
    events
}

/// Events whose content has kinds of its own.
fn events_with_variants() -> Vec<Event> {
    let one = || attempt("a b/../c", 1);
    let mut events = Vec::new();
    let endings = [
        Ending::Exited(0),
        Ending::Exited(-1),
        Ending::Signaled(9),
        Ending::CouldNotStart("no such file".to_owned()),
        Ending::HardLimit,
        Ending::Flood,
        Ending::Stopped,
        Ending::NoReport,
    ];
    for ending in endings {
        events.push(Event::Ended {
            attempt: one(),
            ending: ending.clone(),
            tail: "line\nline\u{7}".to_owned(),
        });
        events.push(Event::Proved {
            attempt: one(),
            proof: ProofEnd {
                ending,
                tail: "line\nline\u{7}".to_owned(),
                passed_in_workspace: true,
            },
        });
    }
    let proofs = [
        ProofChoice::Named("a".to_owned()),
        ProofChoice::SelfChecked("b".to_owned()),
        ProofChoice::Refused("true".to_owned()),
        ProofChoice::Nothing,
        ProofChoice::Waived,
    ];
    for proof in proofs {
        events.push(Event::Inspected {
            attempt: one(),
            evidence: Ok(evidence("c1", &[], proof)),
        });
    }
    let integrations = [
        Integration::Candidate(candidate()),
        Integration::AlreadyThere {
            commit: commit("c9"),
        },
        Integration::Conflict {
            paths: vec!["a b".to_owned()],
        },
        Integration::Refused {
            reason: "checked out".to_owned(),
        },
    ];
    for integration in integrations {
        events.push(Event::Integrated {
            attempt: one(),
            landing: 4,
            integration,
        });
    }
    events.push(Event::LandingProved {
        attempt: one(),
        landing: 4,
        proof: ProofEnd {
            ending: Ending::Exited(1),
            tail: "red".to_owned(),
            passed_in_workspace: false,
        },
    });
    let publications = [
        Publication::Moved {
            commit: commit("c9"),
        },
        Publication::TargetMoved,
        Publication::Refused {
            reason: "checked out".to_owned(),
        },
    ];
    for publication in publications {
        events.push(Event::Published {
            attempt: one(),
            landing: 4,
            publication,
        });
    }
    let deliveries = [
        Delivery::Kept,
        Delivery::Queued,
        Delivery::Landed {
            commit: commit("c9"),
        },
        Delivery::NotLanded {
            reason: "conflict".to_owned(),
        },
    ];
    for delivery in deliveries {
        events.push(Event::Finalized {
            attempt: one(),
            delivery,
        });
    }
    let requests = [
        Request::Stop { now: false },
        Request::Stop { now: true },
        Request::Retry {
            task: id("t"),
            with_dependents: true,
        },
        Request::Answer {
            task: id("t"),
            text: "This.\nAlways.".to_owned(),
        },
        Request::Skip { task: id("t") },
        Request::Land {
            tasks: vec![id("t")],
            onto: "main".to_owned(),
        },
        Request::TrustOutside,
        Request::Budget { budget: budget() },
        Request::Pick {
            wave: 2,
            tasks: vec![id("t"), id("u")],
        },
    ];
    events.extend(requests.map(|request| Event::Requested { request }));
    events
}

/// All that an agent can say of what it used.
fn metered() -> Metered {
    Metered {
        session: Some("01a2".to_owned()),
        usage: Some(Usage {
            input: 5,
            cached_input: 4,
            output: 3,
            cost_micro_usd: Some(2),
        }),
        is_cumulative: true,
        windows: vec![RateWindow {
            name: "five_hour".to_owned(),
            used_percent: 97,
            resets_at: Some(Millis(9)),
        }],
        refusal: Some(Refusal {
            class: RefusalClass::Quota,
            resets_at: Some(Millis(9)),
            said: "usage limit reached".to_owned(),
        }),
    }
}

fn budget() -> Budget {
    let cap = Cap {
        cost_micro_usd: Some(1),
        tokens: Some(2),
        time: Some(Span(3)),
    };
    Budget {
        run: cap,
        task: cap,
        allowance: Allowance {
            five_hour: Some(Percent::from(625_000)),
            weekly: Some(Percent::whole(41)),
        },
    }
}

fn candidate() -> Candidate {
    Candidate {
        from: commit("c7"),
        to: commit("c8"),
        copies: vec![commit("c8")],
    }
}

/// A plan with every standing, under a policy with every field set.
fn begun() -> Event {
    let gpu = || LockGroup::new("gpu").unwrap();
    let mut locked = task("a b/../c", &[], &["core", "ui-2"]);
    locked.locks.insert_units(gpu(), 2);
    let (plan, _) = Plan::build_tolerant(vec![
        Task {
            title: "Tîtle \"quoted\"\\ \u{1f980}".to_owned(),
            checkpoint: true,
            tie: 7,
            priority: -1,
            outside: vec![id("bd-elsewhere")],
            ..locked
        },
        Task {
            eligibility: Eligibility::Satisfied {
                commit: Some(commit("c0")),
            },
            ..task("done", &[], &[])
        },
        Task {
            eligibility: Eligibility::Satisfied { commit: None },
            ..task("done-by-hand", &[], &[])
        },
        Task {
            eligibility: Eligibility::Container,
            ..task("epic", &["done"], &[])
        },
        Task {
            eligibility: Eligibility::NotOurs {
                reason: "held by ada".to_owned(),
            },
            ..task("hers", &[], &[])
        },
        task("faulty", &["nowhere"], &[]),
        Task {
            estimate_minutes: None,
            ..task("ring-1", &["ring-2"], &[])
        },
        task("ring-2", &["ring-1"], &[]),
    ]);
    let policy = Policy {
        picks: vec![id("ring-1")],
        capacity: std::collections::BTreeMap::from([(gpu(), 3)]),
        rank: mesh_core::policy::Rank::Makespan,
        unlabelled: mesh_core::policy::Unlabelled::Alone,
        start_limit: Some(Span::seconds(30)),
        soft_limit: Some(Span::minutes(5)),
        preparation_limit: Span::minutes(1),
        recording_limit: Span::minutes(2),
        proof_limit: Span::minutes(3),
        quick_limit: Span::seconds(4),
        slot_wait_percent: 7,
        dispatch: mesh_core::policy::Dispatch::Waves,
        ask_waves: true,
        trust_outside: true,
        land: Some("main".to_owned()),
        refresh: true,
        allow_no_validation: true,
        agents: vec![AgentAccount {
            name: "claude".to_owned(),
            account: "ours".to_owned(),
            by_name_only: true,
        }],
        budget: budget(),
        ..Policy::with_concurrency(3)
    };
    Event::RunStarted { plan, policy }
}

/// All that can be wrong with a result at once.
fn strange_findings() -> Evidence {
    let mut strange = evidence("c1", &["src/a.rs"], ProofChoice::Nothing);
    strange.block = BlockReading::Missing("two blocks".to_owned());
    strange.changes.conflicted = vec!["src/a.rs".to_owned()];
    strange.changes.strays = vec![commit("s1")];
    strange.changes.missing_needs = vec![commit("n1")];
    strange.changes.breaches = vec![ScopeBreach {
        path: "src/a.rs".to_owned(),
        group: LockGroup::new("core").unwrap(),
    }];
    strange.changes.unrecorded = vec![Unrecorded {
        path: "build/gen.js".to_owned(),
        why: "ignored".to_owned(),
    }];
    strange
}

/// Fails to compile when there is a new kind: add it to [`every_event`] then.
pub(crate) fn event_kind(event: &Event) -> usize {
    match event {
        Event::RunStarted { .. } => 0,
        Event::Reopened => 1,
        Event::Tick => 2,
        Event::Claimed { .. } => 3,
        Event::Started { .. } => 4,
        Event::StartFailed { .. } => 5,
        Event::Probed { .. } => 6,
        Event::Ended { .. } => 7,
        Event::Inspected { .. } => 8,
        Event::Proved { .. } => 9,
        Event::Finalized { .. } => 10,
        Event::ClaimLost { .. } => 11,
        Event::Refreshed { .. } => 12,
        Event::Requested { .. } => 13,
        Event::Concluded => 14,
        Event::Noticed { .. } => 15,
        Event::Integrated { .. } => 16,
        Event::LandingProved { .. } => 17,
        Event::Published { .. } => 18,
        Event::WaveFinalized { .. } => 19,
        Event::Unwritten { .. } => 20,
        Event::Metered { .. } => 21,
        Event::Progressed { .. } => 22,
    }
}

/// At least one of every kind of decision.
pub(crate) fn every_decision() -> Vec<Decision> {
    let one = || attempt("t", 1);
    let mut decisions = vec![
        Decision::Start {
            attempt: one(),
            slot: SlotId(2),
        },
        Decision::Assign {
            task: id("t"),
            agent: 1,
        },
        Decision::Hold {
            account: "ours".to_owned(),
            until: Millis(8),
        },
        Decision::Spend {
            reached: "2 of 2 tokens are used".to_owned(),
        },
        Decision::SetBudget { budget: budget() },
        Decision::Reserve { task: id("t") },
        Decision::KeepSlot {
            task: id("t"),
            until: Millis(7),
        },
        Decision::AnnounceWave {
            wave: 2,
            tasks: vec![id("t"), id("u")],
        },
        Decision::AnnounceWave {
            wave: 2,
            tasks: Vec::new(),
        },
        Decision::ConfirmWave {
            wave: 2,
            tasks: vec![id("u")],
        },
        Decision::EndWave {
            wave: 2,
            next: vec![id("t")],
        },
        Decision::Probe { attempt: one() },
        Decision::SoftLimitExceeded { attempt: one() },
        Decision::Kill { attempt: one() },
        Decision::Inspect { attempt: one() },
        Decision::Prove {
            attempt: one(),
            command: "make test".to_owned(),
            self_checked: true,
            commit: commit("c1"),
        },
        Decision::Accept {
            attempt: one(),
            commit: commit("c1"),
            self_checked: false,
        },
        Decision::Land { attempt: one() },
        Decision::ProveLanding { attempt: one() },
        Decision::Publish { attempt: one() },
        Decision::StopLanding { attempt: one() },
        Decision::EndLanding {
            attempt: one(),
            delivery: Delivery::NotLanded {
                reason: "conflict".to_owned(),
            },
        },
        Decision::GiveBack {
            attempt: one(),
            failure: Failure::new(FailureClass::Conflict, "conflicts with main in a"),
        },
        Decision::QueueLandings {
            attempts: vec![one()],
            onto: "main".to_owned(),
        },
        Decision::Question {
            attempt: one(),
            text: "Which?\nThis or that?".to_owned(),
        },
        Decision::Interrupt { attempt: one() },
        Decision::Reset {
            task: id("t"),
            dependents: vec![id("u"), id("v")],
        },
        Decision::Answer {
            task: id("t"),
            text: "This.\nAlways.".to_owned(),
        },
        Decision::AwaitAnswers { until: Millis(9) },
        Decision::Refuse {
            reason: "no".to_owned(),
        },
        Decision::SetConcurrency { to: 2 },
        Decision::Pause {
            cause: "setup: no".to_owned(),
            excused: vec![one()],
        },
        Decision::RecordingFailed {
            attempt: one(),
            failure: failure(),
            again: true,
        },
        Decision::Retry {
            attempt: one(),
            failure: failure(),
            counts: false,
        },
        Decision::TrustOutside,
        Decision::Drain,
        Decision::Refresh,
        Decision::Conclude,
        Decision::Continue,
    ];
    let causes = [
        StopCause::Hung,
        StopCause::Overdue,
        StopCause::RunStopped,
        StopCause::Taken,
        StopCause::Skipped,
        StopCause::ClaimLost,
        StopCause::Superseded,
    ];
    decisions.extend(causes.map(|cause| Decision::Stop {
        attempt: one(),
        cause,
    }));
    let reasons = [
        SkipReason::ByPerson,
        SkipReason::Taken("closed".to_owned()),
        SkipReason::NeedFailed(id("u")),
    ];
    decisions.extend(reasons.map(|reason| Decision::Skip {
        task: id("t"),
        reason,
    }));
    for class in FailureClass::ALL {
        decisions.push(Decision::Retry {
            attempt: one(),
            failure: Failure::new(class, "why"),
            counts: true,
        });
        decisions.push(Decision::Fail {
            attempt: one(),
            failure: Failure::new(class, ""),
        });
    }
    decisions
}

/// Fails to compile when there is a new kind: add it to [`every_decision`] then.
pub(crate) fn decision_kind(decision: &Decision) -> usize {
    match decision {
        Decision::Start { .. } => 0,
        Decision::Reserve { .. } => 1,
        Decision::Probe { .. } => 2,
        Decision::SoftLimitExceeded { .. } => 3,
        Decision::Stop { .. } => 4,
        Decision::Kill { .. } => 5,
        Decision::Inspect { .. } => 6,
        Decision::Prove { .. } => 7,
        Decision::Accept { .. } => 8,
        Decision::Retry { .. } => 9,
        Decision::Fail { .. } => 10,
        Decision::Question { .. } => 11,
        Decision::Interrupt { .. } => 12,
        Decision::Skip { .. } => 13,
        Decision::Reset { .. } => 14,
        Decision::Refuse { .. } => 15,
        Decision::SetConcurrency { .. } => 16,
        Decision::Pause { .. } => 17,
        Decision::Drain => 18,
        Decision::Refresh => 19,
        Decision::Conclude => 20,
        Decision::Continue => 21,
        Decision::RecordingFailed { .. } => 22,
        Decision::TrustOutside => 23,
        Decision::Land { .. } => 24,
        Decision::ProveLanding { .. } => 25,
        Decision::Publish { .. } => 26,
        Decision::StopLanding { .. } => 27,
        Decision::EndLanding { .. } => 28,
        Decision::GiveBack { .. } => 29,
        Decision::QueueLandings { .. } => 30,
        Decision::KeepSlot { .. } => 31,
        Decision::AnnounceWave { .. } => 32,
        Decision::ConfirmWave { .. } => 33,
        Decision::EndWave { .. } => 34,
        Decision::Answer { .. } => 35,
        Decision::AwaitAnswers { .. } => 36,
        Decision::Assign { .. } => 37,
        Decision::Hold { .. } => 38,
        Decision::Spend { .. } => 39,
        Decision::SetBudget { .. } => 40,
    }
}
