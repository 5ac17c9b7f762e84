//! Orders and the schedules that come of them.

use super::*;
use crate::id::{LockGroup, TaskId};
use crate::policy::Rank;
use crate::rank::Ranking;
use crate::task::Task;

fn task(name: &str, needs: &[&str], locks: &[&str], minutes: u32) -> Task {
    Task {
        needs: needs
            .iter()
            .map(|need| TaskId::new(*need).unwrap())
            .collect(),
        locks: locks
            .iter()
            .map(|lock| LockGroup::new(*lock).unwrap())
            .collect(),
        estimate_minutes: Some(minutes),
        ..Task::open(TaskId::new(name).unwrap())
    }
}

fn names(plan: &Plan, policy: &Policy) -> Vec<String> {
    let ranking = Ranking::new(plan, policy);
    ranking
        .order()
        .tasks()
        .iter()
        .map(|&at| plan.task(at).id.to_string())
        .collect()
}

#[test]
fn a_long_queue_at_a_lock_goes_before_a_longer_path_beside_it() {
    // By path alone both long ones are first and the queue at x begins late: 40 + 60. With the queue first all ends at 80.
    let tasks = vec![
        task("long", &[], &[], 40),
        task("a", &[], &["x"], 20),
        task("b", &[], &["x"], 20),
        task("c", &[], &["x"], 20),
        task("other", &[], &[], 40),
    ];
    let plan = Plan::build(tasks).unwrap();
    let policy = Policy {
        rank: Rank::Makespan,
        ..Policy::with_concurrency(2)
    };
    assert!(["a", "b", "c"].contains(&names(&plan, &policy)[0].as_str()));
    let ranking = Ranking::new(&plan, &policy);
    assert_eq!(crate::forecast::makespan(&plan, &policy, &ranking), 80);
    let longest_first = Order::new([0, 4, 1, 2, 3].map(Ix).to_vec());
    assert_eq!(makespan(&plan, &policy, &longest_first), 100);
}

fn makespan(plan: &Plan, policy: &Policy, order: &Order) -> u64 {
    let weights: Vec<u64> = plan.all().map(|at| plan.open_minutes(at)).collect();
    ScheduleSim::new(plan, policy, &weights)
        .schedule(order, Direction::Forward, u64::MAX)
        .makespan
}

#[test]
fn the_order_is_never_worse_than_the_longest_path_and_always_the_same() {
    let plan = Plan::build(many(60)).unwrap();
    let weights: Vec<u64> = plan.all().map(|at| plan.open_minutes(at)).collect();
    for concurrency in 1..6 {
        let policy = Policy {
            rank: Rank::Makespan,
            ..Policy::with_concurrency(concurrency)
        };
        let found = found(&plan, &policy, 200_000);
        let by_path = plan.graph().longest_path_from(&weights);
        let by_path = largest_first(&plan, plan.graph().order(), &by_path);
        let reached = makespan(&plan, &policy, &found);
        let bound = crate::forecast::bounds(&plan, concurrency, &weights).lower_bound;
        assert!((bound..=makespan(&plan, &policy, &by_path)).contains(&reached));
        let needs = |at: &Ix| plan.graph().needs(*at).iter();
        assert!(
            plan.all()
                .all(|at| needs(&at).all(|need| found.place(*need) < found.place(at)))
        );
    }
}

/// The order that a search finds, twice.
fn found(plan: &Plan, policy: &Policy, steps: u64) -> Order {
    let weights: Vec<u64> = plan.all().map(|at| plan.open_minutes(at)).collect();
    let (found, starts) = order(plan, policy, &weights, plan.graph().order(), steps);
    let again = order(plan, policy, &weights, plan.graph().order(), steps);
    assert_eq!((&found, &starts), (&again.0, &again.1));
    let found = Order::new(found);
    let schedule =
        ScheduleSim::new(plan, policy, &weights).schedule(&found, Direction::Forward, u64::MAX);
    assert_eq!(schedule.starts, starts);
    found
}

fn many(count: u32) -> Vec<Task> {
    let one = |at: u32| {
        let need = format!("t{}", at / 3);
        let lock = format!("g{}", at % 4);
        let locks: &[&str] = if at.is_multiple_of(3) { &[] } else { &[&lock] };
        let needs: &[&str] = if at < 4 { &[] } else { &[&need] };
        task(&format!("t{at}"), needs, locks, 5 + at * 7 % 31)
    };
    (0..count).map(one).collect()
}

#[test]
fn swaps_on_the_critical_path_find_what_no_path_tells() {
    let plan = Plan::build(many(80)).unwrap();
    let policy = Policy::with_concurrency(5);
    let after = |steps| makespan(&plan, &policy, &found(&plan, &policy, steps));
    assert_eq!((after(0), after(100_000)), (327, 325));
}

#[test]
fn tasks_that_run_alone_are_alone_on_paper_too() {
    let plan = Plan::build(vec![
        task("a", &[], &[], 10),
        task("b", &[], &["x"], 10),
        task("c", &[], &["y"], 10),
    ])
    .unwrap();
    let mut policy = Policy::with_concurrency(3);
    let as_given = Order::new(plan.all().collect());
    assert_eq!(makespan(&plan, &policy, &as_given), 10);
    policy.unlabelled = Unlabelled::Alone;
    assert_eq!(makespan(&plan, &policy, &as_given), 20);
    let alone_last = Order::new([1, 2, 0].map(Ix).to_vec());
    assert_eq!(makespan(&plan, &policy, &alone_last), 20);
}
