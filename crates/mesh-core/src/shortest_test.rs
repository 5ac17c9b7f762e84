//! Orders on paper.

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

fn order(plan: &Plan, policy: &Policy) -> Vec<String> {
    let ranking = Ranking::new(plan, policy);
    ranking
        .order()
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
    assert!(["a", "b", "c"].contains(&order(&plan, &policy)[0].as_str()));
    let weights = [40, 20, 20, 20, 40];
    let paper = Paper::new(&plan, &policy, &weights);
    assert_eq!(paper.makespan(&measures(&plan, &policy, &weights)), 80);
    assert_eq!(
        paper.makespan(&weights),
        100,
        "the longest first is no good here"
    );
}

#[test]
fn the_measures_are_never_worse_than_the_longest_path_and_always_the_same() {
    let mut tasks = Vec::new();
    for at in 0..60_u32 {
        let need = format!("t{}", at / 3);
        let lock = format!("g{}", at % 4);
        let locks: &[&str] = if at % 3 == 0 { &[] } else { &[&lock] };
        let needs: &[&str] = if at < 4 { &[] } else { &[&need] };
        tasks.push(task(&format!("t{at}"), needs, locks, 5 + at * 7 % 31));
    }
    let plan = Plan::build(tasks).unwrap();
    let weights: Vec<u64> = plan.all().map(|at| plan.open_minutes(at)).collect();
    for concurrency in 1..6 {
        let policy = Policy {
            rank: Rank::Makespan,
            ..Policy::with_concurrency(concurrency)
        };
        let paper = Paper::new(&plan, &policy, &weights);
        let found = measures(&plan, &policy, &weights);
        assert_eq!(found, measures(&plan, &policy, &weights));
        assert!(
            paper.makespan(&found) <= paper.makespan(&plan.graph().longest_path_from(&weights))
        );
        assert!(paper.makespan(&found) >= paper.bound);
    }
}

#[test]
fn tasks_that_run_alone_are_alone_on_paper_too() {
    let plan = Plan::build(vec![
        task("a", &[], &[], 10),
        task("b", &[], &["x"], 10),
        task("c", &[], &["y"], 10),
    ])
    .unwrap();
    let mut policy = Policy {
        rank: Rank::Makespan,
        ..Policy::with_concurrency(3)
    };
    let weights = [10, 10, 10];
    assert_eq!(Paper::new(&plan, &policy, &weights).makespan(&weights), 10);
    policy.unlabelled = Unlabelled::Alone;
    assert_eq!(Paper::new(&plan, &policy, &weights).makespan(&weights), 20);
}
