use super::*;
use crate::id::{LockGroup, TaskId};
use crate::task::Task;

fn task(name: &str, locks: &[&str]) -> Task {
    Task {
        locks: locks
            .iter()
            .map(|lock| LockGroup::new(*lock).unwrap())
            .collect(),
        ..Task::open(TaskId::new(name).unwrap())
    }
}

/// All `tasks` are ready, in this order; starts as many as may and says which.
fn check(frontier: &mut Frontier, plan: &Plan, policy: &Policy, expected: &[u32]) {
    let order = Order::new(plan.all().collect());
    let rules = Rules {
        plan,
        policy,
        order: &order,
    };
    let started: Vec<u32> = std::iter::from_fn(|| {
        frontier
            .start_next(rules, policy.concurrency)
            .map(|at| at.0)
    })
    .collect();
    assert_eq!(started, expected);
}

fn with_ready(plan: &Plan, ready: &[u32]) -> Frontier {
    let order = Order::new(plan.all().collect());
    let mut frontier = Frontier::new(plan);
    for &at in ready {
        frontier.set_ready(&order, Ix(at), true);
    }
    frontier
}

#[test]
fn the_best_go_first_and_a_busy_lock_holds_back_nobody_behind_it() {
    let tasks = vec![
        task("a", &["x"]),
        task("b", &["x"]),
        task("c", &["y"]),
        task("d", &[]),
    ];
    let plan = Plan::build(tasks).unwrap();
    let mut policy = Policy::with_concurrency(2);
    check(
        &mut with_ready(&plan, &[0, 1, 2, 3]),
        &plan,
        &policy,
        &[0, 2],
    );
    policy.concurrency = 4;
    check(
        &mut with_ready(&plan, &[0, 1, 2, 3]),
        &plan,
        &policy,
        &[0, 2, 3],
    );
    policy.unlabelled = Unlabelled::Alone;
    check(&mut with_ready(&plan, &[1, 2, 3]), &plan, &policy, &[1, 2]);
    check(&mut with_ready(&plan, &[3]), &plan, &policy, &[3]);
}

#[test]
fn locks_are_kept_for_one_that_was_passed_over_too_often() {
    let tasks = vec![
        task("both", &["x", "y"]),
        task("x1", &["x"]),
        task("y1", &["y"]),
        task("x2", &["x"]),
        task("y2", &["y"]),
    ];
    let plan = Plan::build(tasks).unwrap();
    let policy = Policy {
        lock_patience: 1,
        ..Policy::with_concurrency(4)
    };
    let order = Order::new(plan.all().collect());
    let rules = Rules {
        plan: &plan,
        policy: &policy,
        order: &order,
    };
    let mut frontier = with_ready(&plan, &[1]);
    check(&mut frontier, &plan, &policy, &[1]);
    frontier.set_ready(&order, Ix(0), true);
    frontier.set_ready(&order, Ix(2), true);
    check(&mut frontier, &plan, &policy, &[2]);
    // The second time that somebody takes one of its locks is once too often.
    frontier.end(rules, Ix(1));
    frontier.set_ready(&order, Ix(3), true);
    check(&mut frontier, &plan, &policy, &[3]);
    frontier.end(rules, Ix(2));
    frontier.set_ready(&order, Ix(4), true);
    check(&mut frontier, &plan, &policy, &[]);
    frontier.end(rules, Ix(3));
    check(&mut frontier, &plan, &policy, &[0]);
    frontier.end(rules, Ix(0));
    check(&mut frontier, &plan, &policy, &[4]);
    assert_eq!(frontier.reservations(), []);
}
