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
