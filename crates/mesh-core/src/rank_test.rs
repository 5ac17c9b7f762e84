use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;
use crate::id::TaskId;
use crate::task::Task;

fn task(name: &str, priority: i32, minutes: u32, needs: &[&str]) -> Task {
    Task {
        priority,
        estimate_minutes: Some(minutes),
        needs: needs
            .iter()
            .map(|need| TaskId::new(*need).unwrap())
            .collect(),
        ..Task::open(TaskId::new(name).unwrap())
    }
}

#[track_caller]
fn check(tasks: Vec<Task>, change: impl FnOnce(&mut Policy), expected: &[&str]) {
    let plan = Plan::build(tasks).unwrap();
    let mut policy = Policy::with_concurrency(1);
    change(&mut policy);
    let ranking = Ranking::new(&plan, &policy);
    let names: Vec<&str> = ranking
        .order()
        .tasks()
        .iter()
        .map(|&at| plan.task(at).id.as_str())
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn each_criterion_decides_where_those_before_it_are_equal() {
    check(
        vec![task("a", 2, 1, &[]), task("b", 0, 1, &[])],
        |_| {},
        &["b", "a"],
    );
    check(
        vec![task("a", 1, 5, &[]), task("b", 1, 9, &[])],
        |_| {},
        &["b", "a"],
    );
    check(
        vec![task("a", 1, 5, &[]), task("b", 1, 9, &[])],
        |p| p.picks = vec![TaskId::new("a").unwrap()],
        &["a", "b"],
    );
    // Same path length; b unlocks two.
    let fork = vec![
        task("a", 1, 5, &[]),
        task("b", 1, 5, &[]),
        task("a1", 1, 5, &["a"]),
        task("b1", 1, 5, &["b"]),
        task("b2", 1, 5, &["b"]),
    ];
    check(fork, |_| {}, &["b", "a", "a1", "b1", "b2"]);
    let check_point = Task {
        checkpoint: true,
        ..task("z", 1, 5, &[])
    };
    check(vec![task("a", 1, 5, &[]), check_point], |_| {}, &["z", "a"]);
    check(
        vec![task("t-10", 1, 5, &[]), task("t-2", 1, 5, &[])],
        |_| {},
        &["t-2", "t-10"],
    );
}

#[test]
fn makespan_puts_the_path_before_the_priority() {
    let tasks = || vec![task("urgent", 0, 5, &[]), task("long", 4, 50, &[])];
    check(tasks(), |_| {}, &["urgent", "long"]);
    check(tasks(), |p| p.rank = Rank::Makespan, &["long", "urgent"]);
}

#[test]
fn seed_goes_by_its_own_priority_and_by_direct_dependents() {
    let tasks = || {
        vec![
            // An urgent task waits for it, in a long chain.
            task("chain", 2, 50, &[]),
            task("chain-1", 0, 50, &["chain"]),
            task("chain-2", 1, 50, &["chain-1"]),
            task("chain-3", 1, 50, &["chain-2"]),
            task("fork", 2, 1, &[]),
            task("fork-1", 3, 1, &["fork"]),
            task("fork-2", 3, 1, &["fork"]),
            Task {
                checkpoint: true,
                ..task("zone", 3, 1, &[])
            },
        ]
    };
    let by_seed = [
        "chain-1", "chain-2", "chain-3", "fork", "chain", "zone", "fork-1", "fork-2",
    ];
    check(tasks(), |p| p.rank = Rank::Seed, &by_seed);
    let chain = TaskId::new("chain").unwrap();
    let picked = [
        "chain", "chain-1", "chain-2", "chain-3", "fork", "zone", "fork-1", "fork-2",
    ];
    check(
        tasks(),
        |p| (p.rank, p.picks) = (Rank::Seed, vec![chain]),
        &picked,
    );
    // What is done already does not count as held up.
    let mut done = tasks();
    for task in &mut done[5..7] {
        task.eligibility = Eligibility::Satisfied { commit: None };
    }
    let open = [
        "chain-1", "chain-2", "chain-3", "chain", "fork", "zone", "fork-1", "fork-2",
    ];
    check(done, |p| p.rank = Rank::Seed, &open);
}

#[test]
fn every_rank_has_a_word() {
    for rank in Rank::ALL {
        assert_eq!(Rank::from_word(rank.as_str()), Some(rank));
    }
    assert_eq!(Rank::from_word("shortest"), None);
}

#[test]
fn a_task_is_as_urgent_as_what_waits_for_it() {
    let tasks = |eligibility: Eligibility| {
        let between = Task {
            eligibility,
            ..task("between", 4, 5, &["idle"])
        };
        vec![
            task("idle", 4, 5, &[]),
            between,
            task("urgent", 0, 5, &["between"]),
            task("plain", 2, 60, &[]),
        ]
    };
    check(
        tasks(Eligibility::Open),
        |_| {},
        &["idle", "between", "urgent", "plain"],
    );
    let names = |eligibility| {
        let plan = Plan::build(tasks(eligibility)).unwrap();
        let ranking = Ranking::new(&plan, &Policy::with_concurrency(1));
        let open = |at: &Ix| plan.task(*at).eligibility == Eligibility::Open;
        let order = ranking.order().tasks().iter().copied().filter(open);
        order
            .map(|at| plan.task(at).id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(Eligibility::Container), ["idle", "urgent", "plain"]);
    // Nobody waits through what is done already.
    let done = Eligibility::Satisfied { commit: None };
    assert_eq!(names(done), ["urgent", "plain", "idle"]);
}

#[test]
fn a_pick_is_first_but_the_order_that_can_run_has_its_needs_before_it() {
    let tasks = vec![
        task("other", 0, 5, &[]),
        task("need", 3, 5, &[]),
        task("pick", 3, 5, &["need"]),
        task("last", 4, 5, &[]),
    ];
    let plan = Plan::build(tasks).unwrap();
    let mut policy = Policy::with_concurrency(1);
    policy.picks = vec![TaskId::new("pick").unwrap()];
    for rank in [Rank::Default, Rank::Makespan] {
        policy.rank = rank;
        let ranking = Ranking::new(&plan, &policy);
        let names = |order: &[Ix]| order.iter().map(|at| at.0).collect::<Vec<_>>();
        assert_eq!(names(ranking.order().tasks())[0], 2);
        let order = ranking.runnable(&plan);
        let place = |at: u32| order.iter().position(|other| other.0 == at);
        assert!(place(1) < place(2) && order.len() == 4, "{order:?}");
    }
}

#[test]
fn what_was_found_stays_while_tasks_are_only_done() {
    let tasks = |first: Eligibility, minutes: u32| {
        vec![
            Task {
                eligibility: first,
                ..task("a", 2, 5, &[])
            },
            task("b", 2, minutes, &[]),
            task("c", 2, 9, &["a"]),
        ]
    };
    let plan = |first, minutes| Plan::build(tasks(first, minutes)).unwrap();
    let policy = Policy {
        rank: Rank::Makespan,
        ..Policy::with_concurrency(1)
    };
    let before = plan(Eligibility::Open, 10);
    let ranking = Ranking::new(&before, &policy);
    let done = plan(Eligibility::Satisfied { commit: None }, 10);
    let later = ranking.renewed(&before, &done, &policy);
    assert_eq!(later.order(), ranking.order());
    assert_eq!(later.found, ranking.found);
    assert_ne!(Ranking::new(&done, &policy).found, ranking.found);
    let longer = plan(Eligibility::Open, 30);
    assert_ne!(
        ranking.renewed(&before, &longer, &policy).found,
        ranking.found
    );
    assert_eq!(later.renewed(&done, &before, &policy).found, ranking.found);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_order_without_picks_can_run(priorities in prop::collection::vec((0_i32..5, 0_u32..40, 0_usize..20, 0_usize..20, any::<bool>()), 1..30), makespan in any::<bool>()) {
        let name = |at: usize| format!("t-{at}");
        let tasks: Vec<Task> = priorities
            .iter()
            .enumerate()
            .map(|(at, &(priority, minutes, first, second, container))| {
                let needs: Vec<String> = [first, second].into_iter().filter(|&need| need < at).map(name).collect();
                let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
                let eligibility = if container { Eligibility::Container } else { Eligibility::Open };
                Task { eligibility, ..task(&name(at), priority, minutes, &needs) }
            })
            .collect();
        let plan = Plan::build(tasks).unwrap();
        let rank = if makespan { Rank::Makespan } else { Rank::Default };
        let ranking = Ranking::new(&plan, &Policy { rank, ..Policy::with_concurrency(3) });
        let open = |at: &Ix| plan.task(*at).eligibility == Eligibility::Open;
        let by_rank: Vec<Ix> = ranking.order().tasks().iter().copied().filter(open).collect();
        let that_runs: Vec<Ix> = ranking.runnable(&plan).into_iter().filter(open).collect();
        prop_assert_eq!(by_rank, that_runs);
    }
}

proptest! {
    #[test]
    fn natural_order_is_total(a in "[a-z0-9.]{0,8}", b in "[a-z0-9.]{0,8}", c in "[a-z0-9.]{0,8}") {
        prop_assert_eq!(natural_cmp(&a, &b), natural_cmp(&b, &a).reverse());
        prop_assert_eq!(natural_cmp(&a, &b) == Ordering::Equal, a == b);
        if natural_cmp(&a, &b) != Ordering::Greater && natural_cmp(&b, &c) != Ordering::Greater {
            prop_assert_ne!(natural_cmp(&a, &c), Ordering::Greater);
        }
    }
}
