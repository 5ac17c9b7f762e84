//! Limits of providers and budgets: who starts, who waits, and when it goes on.

use super::tests::{Story, attempt, id, task};
use super::*;
use crate::clamp::Percent;
use crate::event::Request;
use crate::limit::{Account, Gate};
use crate::metered::{Metered, RateWindow, Refusal, RefusalClass, Usage};
use crate::policy::{AgentAccount, Allowance, Budget, Cap, Policy};
use crate::task::Task;
use crate::time::Span;

fn many(count: usize) -> Vec<Task> {
    let name = |at| format!("t{at:02}");
    (1..=count).map(|at| task(&name(at), &[], &[])).collect()
}

fn two_agents(policy: &mut Policy) {
    let agent = |name: &str| AgentAccount {
        name: name.to_owned(),
        account: name.to_owned(),
        by_name_only: false,
    };
    policy.agents = vec![agent("claude"), agent("codex")];
}

fn refused(resets_at: Option<u64>) -> Metered {
    Metered {
        refusal: Some(Refusal {
            class: RefusalClass::Quota,
            resets_at: resets_at.map(Millis),
            said: "usage limit reached".to_owned(),
        }),
        ..Metered::default()
    }
}

fn used(input: u64, cost_micro_usd: Option<u64>) -> Metered {
    Metered {
        usage: Some(Usage {
            input,
            cached_input: 0,
            output: 0,
            cost_micro_usd,
        }),
        ..Metered::default()
    }
}

impl Story {
    fn metered(&mut self, name: &str, metered: Metered) -> String {
        self.tell(Event::Metered {
            attempt: attempt(name),
            metered,
        })
    }

    /// The agent starts and ends on its provider's limit.
    fn limited(&mut self, name: &str, resets_at: Option<u64>) -> String {
        self.started(name);
        self.metered(name, refused(resets_at));
        self.ended(name, Ending::Exited(1))
    }

    fn progressed(&mut self, name: &str) -> String {
        let attempt = attempt(name);
        self.tell(Event::Progressed { attempt })
    }

    fn failed_after(&mut self, name: &str, metered: Metered) -> String {
        self.started(name);
        self.metered(name, metered);
        self.now = self.now.after(Span::minutes(1));
        self.ended(name, Ending::Exited(1))
    }

    fn explained(&self, name: &str) -> String {
        let at = self.state.plan().find(&id(name)).unwrap();
        self.state.why(self.now, at).to_string()
    }

    fn settle_all(&mut self) -> String {
        let state = &self.state;
        let open = state.plan().all().flat_map(|at| {
            let ends = state.task(at).finalizing.iter();
            ends.map(move |end| state.attempt_id(at, end.attempt))
        });
        let open: Vec<AttemptId> = open.collect();
        let told = open
            .iter()
            .map(|attempt| self.settled(&attempt.to_string()));
        told.filter(|said| !said.is_empty()).collect()
    }
}

#[test]
fn a_limit_costs_no_task_anything_and_one_probe_opens_the_account_again() {
    let (mut run, said) = Story::begin(many(5), 3, |_| {});
    assert!(said.ends_with("start t03#1 on mesh-3"), "{said}");
    assert_eq!(
        run.limited("t01#1", Some(600_000)),
        "hold  until 600000; retry after t01#1 limit"
    );
    // Those that run may end on it, or go on.
    assert_eq!(
        run.limited("t02#1", Some(600_000)),
        "retry after t02#1 limit"
    );
    assert_eq!(run.verified("t03#1"), "accept t03#1");
    assert_eq!(run.settle_all(), "", "the run does not end while it waits");
    assert!(
        run.explained("t04")
            .starts_with("is held: the provider's limit is reached; it goes on in 10 min"),
        "{}",
        run.explained("t04")
    );
    assert_eq!(run.state.next_wakeup(), Some(Millis(600_000)));
    for task in ["t01", "t02"] {
        assert_eq!(run.state.find(&id(task)).unwrap().1.retries, 0);
    }
    // One starts, and the others when it has an answer.
    assert_eq!(run.later(Span::minutes(10)), "start t01#2 on mesh-1");
    run.started("t01#2");
    assert_eq!(run.later(Span::minutes(1)), "");
    assert!(
        run.explained("t04").contains("t01 shows whether"),
        "{}",
        run.explained("t04")
    );
    assert_eq!(
        run.progressed("t01#2"),
        "start t02#2 on mesh-2; start t04#1 on mesh-3"
    );
    assert_eq!(run.progressed("t01#2"), "");
}

#[test]
fn a_probe_that_is_refused_shuts_the_account_for_longer_each_time() {
    let (mut run, _) = Story::begin(many(3), 2, |_| {});
    run.limited("t01#1", None);
    run.limited("t02#1", None);
    let mut number = 1;
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        let until = run.now.after(Span::minutes(minutes));
        assert_eq!(run.state.next_wakeup(), Some(until), "after {number}");
        number += 1;
        let started = format!("start t01#{number} on mesh-1");
        assert_eq!(run.later(Span::minutes(minutes)), started);
        run.limited(&format!("t01#{number}"), None);
    }
}

#[test]
fn a_reset_that_is_over_already_is_believed_once() {
    let (mut run, _) = Story::begin(many(2), 1, |_| {});
    run.now = Millis(5_000);
    assert_eq!(
        run.limited("t01#1", Some(4_000)),
        "hold  until 5000; retry after t01#1 limit; start t01#2 on mesh-1"
    );
    assert_eq!(
        run.limited("t01#2", Some(4_000)),
        "hold  until 125000; retry after t01#2 limit"
    );
    // What no provider says is not believed at all.
    run.later(Span::minutes(2));
    let said = run.limited("t01#3", Some(u64::MAX));
    assert!(said.starts_with("hold  until 365000"), "{said}");
}

#[test]
fn what_a_stopped_probe_would_have_shown_the_next_one_shows() {
    let (mut run, _) = Story::begin(many(3), 2, |_| {});
    run.limited("t01#1", Some(60_000));
    run.verified("t02#1");
    assert_eq!(run.later(Span::minutes(1)), "start t01#2 on mesh-1");
    run.started("t01#2");
    run.tell(Event::Requested {
        request: Request::Skip { task: id("t01") },
    });
    let said = run.ended("t01#2", Ending::Stopped);
    assert!(said.ends_with("start t03#1 on mesh-1"), "{said}");
    // An agent that says nothing shows it by living for long enough.
    run.started("t03#1");
    let (name, account) = run.state.accounts().iter().next().unwrap();
    assert_eq!(
        (name.as_str(), &account.gate),
        (
            "",
            &Gate::Probing {
                attempt: Some(attempt("t03#1"))
            }
        )
    );
    run.later(crate::limit::PROBE_PATIENCE);
    assert_eq!(run.state.accounts()[""].gate, Gate::Open);
}

#[test]
fn the_other_agent_works_on_while_one_account_is_shut() {
    let (mut run, _) = Story::begin(many(4), 2, two_agents);
    assert_eq!(
        run.limited("t01#1", Some(600_000)),
        "hold claude until 600000; retry after t01#1 limit; t01 to agent 1; start t01#2 on mesh-1"
    );
    assert_eq!(run.state.agent_of(&attempt("t01#1")), 0);
    assert_eq!(run.state.agent_of(&attempt("t01#2")), 1);
    assert_eq!(
        run.verified("t02#1"),
        "accept t02#1; t03 to agent 1; start t03#1 on mesh-2"
    );
    assert_eq!(
        run.limited("t01#2", Some(300_000)),
        "hold codex until 300000; retry after t01#2 limit"
    );
    assert_eq!(
        run.limited("t03#1", Some(300_000)),
        "retry after t03#1 limit"
    );
    let why = run.explained("t04");
    assert!(
        why.contains("account codex is reached; it goes on in 5 min"),
        "{why}"
    );
    assert_eq!(run.later(Span::minutes(5)), "start t01#3 on mesh-1");
    // Beside the probe of one account the other one has its own.
    assert_eq!(
        run.later(Span::minutes(5)),
        "t03 to agent 0; start t03#2 on mesh-2"
    );
}

#[test]
fn the_width_follows_what_is_left_of_an_account() {
    let account = |left: u8| {
        let window = RateWindow {
            name: "five_hour".to_owned(),
            used_percent: 100 - left,
            resets_at: None,
        };
        Account {
            windows: [(window.name.clone(), window)].into(),
            ..Account::default()
        }
    };
    // The table of the rule for 12 agents.
    let table = [
        (0, 1),
        (10, 1),
        (11, 1),
        (12, 1),
        (15, 2),
        (20, 5),
        (25, 7),
        (28, 9),
        (33, 12),
        (34, 12),
        (100, 12),
    ];
    for (left, width) in table {
        assert_eq!(account(left).width(12), width, "{left} percent left");
    }
    assert_eq!(Account::default().width(12), 12);

    let (mut run, _) = Story::begin(many(8), 4, |_| {});
    run.started("t01#1");
    let mut metered = used(1, None);
    metered.windows = vec![RateWindow {
        name: "five_hour".to_owned(),
        used_percent: 92,
        resets_at: Some(Millis(900_000)),
    }];
    run.metered("t01#1", metered);
    // It has ended already, so three are left, and one may run.
    for name in ["t01#1", "t02#1", "t03#1"] {
        let said = run.verified(name);
        assert_eq!(said, format!("accept {name}"));
    }
    let why = run.explained("t05");
    assert_eq!(
        why,
        "is held: 8 percent are left of the provider's limit, so at most 1 agent at once"
    );
    assert_eq!(run.verified("t04#1"), "accept t04#1; start t05#1 on mesh-1");
    // The window begins anew.
    assert_eq!(run.state.next_wakeup(), Some(Millis(900_000)));
    let said = run.later(Span::minutes(15));
    assert!(said.ends_with("start t08#1 on mesh-4"), "{said}");
}

#[test]
fn a_limit_says_nothing_of_the_machine_and_narrows_nothing() {
    let (mut run, _) = Story::begin(many(6), 4, |_| {});
    for name in ["t01#1", "t02#1", "t03#1", "t04#1"] {
        run.limited(name, Some(60_000));
    }
    assert_eq!(run.state.width(), 4);
    assert_eq!(*run.state.admission(), Admission::Open);
    // Another refusal is an end like any other.
    let (mut run, _) = Story::begin(many(1), 1, |_| {});
    run.started("t01#1");
    let mut metered = refused(None);
    metered.refusal.as_mut().unwrap().class = RefusalClass::Transient;
    run.metered("t01#1", metered);
    assert_eq!(
        run.ended("t01#1", Ending::Exited(1)),
        "retry after t01#1 crashed; start t01#2 on mesh-1"
    );
}

#[test]
fn a_run_that_waits_for_a_limit_can_be_stopped_and_taken_up() {
    let (mut run, _) = Story::begin(many(2), 1, |_| {});
    run.limited("t01#1", Some(600_000));
    run.settle_all();
    let stop = Request::Stop { now: false };
    assert_eq!(
        run.tell(Event::Requested { request: stop }),
        "drain; conclude"
    );
    run.tell(Event::Concluded);
    assert_eq!(run.state.next_wakeup(), None);
    assert_eq!(
        run.tell(Event::Reopened),
        "",
        "it waits until the same time"
    );
    assert_eq!(run.state.next_wakeup(), Some(Millis(600_000)));
    run.tell(Event::Requested {
        request: Request::Stop { now: true },
    });
    run.tell(Event::Concluded);
    run.now = Millis(700_000);
    assert_eq!(run.tell(Event::Reopened), "start t01#2 on mesh-1");
}

#[test]
fn a_session_that_goes_on_is_counted_once() {
    let (mut run, _) = Story::begin(many(1), 1, |_| {});
    let of_session = |input| Metered {
        session: Some("s".to_owned()),
        is_cumulative: true,
        ..used(input, None)
    };
    run.failed_after("t01#1", of_session(2500));
    run.metered("t01#1", of_session(9999));
    run.failed_after("t01#2", of_session(5000));
    let (_, task) = run.state.find(&id("t01")).unwrap();
    let used: Vec<u64> = task.used.iter().map(|(_, usage)| usage.input).collect();
    assert_eq!(used, [2500, 2500]);
    assert_eq!(run.state.spent().tokens(), 5000);
}

fn bounded(run: Cap, task: Cap) -> impl FnOnce(&mut Policy) {
    move |policy| {
        policy.budget = Budget {
            run,
            task,
            ..Budget::default()
        }
    }
}

#[test]
fn nothing_starts_above_the_budget_and_a_higher_one_goes_on() {
    let cap = |tokens| Cap {
        tokens: Some(tokens),
        ..Cap::default()
    };
    let (mut run, _) = Story::begin(many(4), 2, bounded(cap(1000), Cap::default()));
    run.started("t01#1");
    run.metered("t01#1", used(1000, None));
    assert_eq!(
        run.tell(Event::Tick),
        "",
        "somebody waits, and it was decided when it was known"
    );
    assert!(matches!(run.state.admission(), Admission::Spent { .. }));
    assert_eq!(run.verified("t02#1"), "accept t02#1");
    assert_eq!(
        run.explained("t03"),
        "is held: 1000 of 1000 tokens are used; `mesh resume` with a higher bound goes on"
    );
    assert_eq!(run.verified("t01#1"), "accept t01#1");
    assert_eq!(run.settle_all(), "conclude");
    run.tell(Event::Concluded);
    assert_eq!(
        run.tell(Event::Reopened),
        "spent: 1000 of 1000 tokens are used; conclude"
    );
    run.tell(Event::Concluded);
    let budget = Budget {
        run: cap(2000),
        ..Budget::default()
    };
    run.tell(Event::Requested {
        request: Request::Budget { budget },
    });
    let said = run.tell(Event::Reopened);
    assert!(said.starts_with("start t03#1"), "{said}");
}

#[test]
fn what_is_left_of_the_budget_clamps_the_width() {
    let left = |five_hour: u8, weekly: u8| Budget {
        allowance: Allowance {
            five_hour: Some(Percent::whole(five_hour)),
            weekly: Some(Percent::whole(weekly)),
        },
        ..Budget::default()
    };
    let (mut run, said) = Story::begin(many(9), 4, |policy| policy.budget = left(90, 22));
    assert_eq!(said, "start t01#1 on mesh-1; start t02#1 on mesh-2");
    assert_eq!(run.state.width(), 2);
    assert_eq!(
        run.explained("t03"),
        "is held: 22 percent are left of the weekly budget, so at most 2 of 4 agents at once"
    );
    run.started("t01#1");
    let said = run.verified("t01#1");
    assert!(
        said.contains("start t03#1") && !said.contains("t04"),
        "{said}"
    );
    // Of the two windows the one counts of which less is left, and a newer word counts.
    let budget = left(10, 100);
    run.tell(Event::Requested {
        request: Request::Budget { budget },
    });
    assert_eq!(run.state.width(), 1);
    let budget = left(34, 100);
    let said = run.tell(Event::Requested {
        request: Request::Budget { budget },
    });
    assert_eq!(run.state.active_count(), 4, "{said}");
}

#[test]
fn money_and_time_bound_a_run_too() {
    let cap = Cap {
        cost_micro_usd: Some(2_000_000),
        time: Some(Span::minutes(10)),
        ..Cap::default()
    };
    let (mut run, _) = Story::begin(many(3), 1, bounded(cap, Cap::default()));
    run.limited("t01#1", Some(9_000_000));
    assert_eq!(run.state.next_wakeup(), Some(Millis(600_000)));
    run.settle_all();
    assert_eq!(
        run.later(Span::minutes(10)),
        "spent: 10 min of 10 min are over; conclude"
    );
    let (mut run, _) = Story::begin(many(3), 1, bounded(cap, Cap::default()));
    run.started("t01#1");
    let said = run.metered("t01#1", used(1, Some(2_500_000)));
    assert_eq!(said, "spent: $2.50 of $2.00 are used");
}

#[test]
fn a_task_that_used_up_what_one_may_is_not_tried_again() {
    let cap = Cap {
        time: Some(Span::minutes(1)),
        ..Cap::default()
    };
    let tasks = vec![
        task("a", &[], &[]),
        task("b", &["a"], &[]),
        task("c", &[], &[]),
    ];
    let (mut run, _) = Story::begin(tasks, 1, bounded(Cap::default(), cap));
    let said = run.failed_after("a#1", Metered::default());
    assert_eq!(
        said,
        "fail a#1 budget; skip b: it needs a, which was not done; start c#1 on mesh-1"
    );
    let why = run.explained("a");
    assert!(
        why.contains("60 s of 60 s are over, which is what one task may use; crashed"),
        "{why}"
    );
    // Whoever has it done again means it.
    run.tell(Event::Requested {
        request: Request::Retry {
            task: id("a"),
            with_dependents: false,
        },
    });
    assert_eq!(run.verified("c#1"), "accept c#1; start a#2 on mesh-1");
}

/// A task that names its agents.
fn with_agents(name: &str, agents: &[&str], locks: &[&str]) -> Task {
    let agents = agents.iter().map(|agent| (*agent).to_owned()).collect();
    Task {
        agents,
        ..task(name, &[], locks)
    }
}

#[test]
fn a_task_gets_the_agent_that_it_names_and_waits_for_it_while_others_start() {
    let tasks = vec![
        with_agents("t01", &["codex"], &[]),
        with_agents("t02", &["claude"], &[]),
        with_agents("t03", &["claude"], &[]),
        with_agents("t04", &["codex", "claude"], &[]),
        with_agents("t05", &[], &[]),
    ];
    let (mut run, said) = Story::begin(tasks, 2, two_agents);
    assert!(
        said.ends_with("t01 to agent 1; start t01#1 on mesh-1; start t02#1 on mesh-2"),
        "{said}"
    );
    // The account of the one agent is shut: what names it waits, and holds nobody up behind it.
    assert_eq!(
        run.limited("t02#1", Some(600_000)),
        "hold claude until 600000; retry after t02#1 limit; t04 to agent 1; start t04#1 on mesh-2"
    );
    assert_eq!(
        run.verified("t04#1"),
        "accept t04#1; t05 to agent 1; start t05#1 on mesh-2"
    );
    assert_eq!(run.verified("t05#1"), "accept t05#1");
    let why = run.explained("t03");
    assert!(
        why.contains("account claude is reached; it goes on in 10 min"),
        "{why}"
    );
    assert_eq!(run.later(Span::minutes(10)), "start t02#2 on mesh-2");
}

#[test]
fn an_agent_that_only_tasks_name_works_for_nobody_else() {
    let only_by_name = |policy: &mut Policy| {
        two_agents(policy);
        policy.agents[1].by_name_only = true;
    };
    let tasks = vec![with_agents("t01", &["codex"], &[]), task("t02", &[], &[])];
    let (mut run, said) = Story::begin(tasks, 2, only_by_name);
    assert!(
        said.ends_with("t01 to agent 1; start t01#1 on mesh-1; start t02#1 on mesh-2"),
        "{said}"
    );
    assert_eq!(
        run.limited("t02#1", Some(600_000)),
        "hold claude until 600000; retry after t02#1 limit"
    );
    let why = run.explained("t02");
    assert!(why.contains("account claude is reached"), "{why}");
}

#[test]
fn a_task_whose_agent_the_run_does_not_have_holds_nobody_up() {
    let tasks = vec![
        with_agents("t01", &["qwen"], &["core"]),
        task("t02", &[], &["core"]),
    ];
    let (mut run, said) = Story::begin(tasks, 2, two_agents);
    assert!(said.ends_with("start t02#1 on mesh-1"), "{said}");
    let why = run.explained("t01");
    assert!(why.contains("does not have its agent qwen"), "{why}");
    run.verified("t02#1");
    assert!(run.settle_all().contains("conclude"));
}

#[test]
fn what_waits_for_an_account_keeps_no_lock_for_itself() {
    let impatient = |policy: &mut Policy| {
        two_agents(policy);
        policy.lock_patience = 0;
    };
    let tasks = vec![
        with_agents("t01", &["claude"], &["core"]),
        with_agents("t02", &["codex"], &["core"]),
        with_agents("t03", &["codex"], &["core"]),
    ];
    let (mut run, said) = Story::begin(tasks, 2, impatient);
    assert!(said.ends_with("start t01#1 on mesh-1"), "{said}");
    let said = run.limited("t01#1", Some(6_000_000));
    assert!(
        said.ends_with("t02 to agent 1; start t02#1 on mesh-1"),
        "{said}"
    );
    let said = run.verified("t02#1");
    assert!(
        said.ends_with("t03 to agent 1; start t03#1 on mesh-1"),
        "{said}"
    );
}
