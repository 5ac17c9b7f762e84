use super::*;
use crate::id::{LockGroup, TaskId};
use crate::policy::Unlabelled;
use crate::task::Task;

fn task(name: &str, minutes: u32, needs: &[&str], locks: &[&str]) -> Task {
    Task {
        estimate_minutes: Some(minutes),
        needs: needs
            .iter()
            .map(|need| TaskId::new(*need).unwrap())
            .collect(),
        locks: locks
            .iter()
            .map(|lock| LockGroup::new(*lock).unwrap())
            .collect(),
        ..Task::open(TaskId::new(name).unwrap())
    }
}

fn names(plan: &Plan, waves: &[Vec<Ix>]) -> Vec<Vec<String>> {
    waves
        .iter()
        .map(|wave| {
            wave.iter()
                .map(|&at| plan.task(at).id.to_string())
                .collect()
        })
        .collect()
}

#[test]
fn a_wave_holds_no_two_tasks_of_one_lock() {
    let tasks = vec![
        task("a", 9, &[], &["x"]),
        task("b", 8, &[], &["x"]),
        task("c", 7, &[], &[]),
        task("d", 1, &["a"], &[]),
    ];
    let plan = Plan::build(tasks).unwrap();
    let mut policy = Policy::with_concurrency(3);
    assert_eq!(
        names(&plan, &waves(&plan, &policy)),
        [vec!["a", "c"], vec!["b", "d"]]
    );
    policy.unlabelled = Unlabelled::Alone;
    assert_eq!(
        names(&plan, &waves(&plan, &policy)),
        [vec!["a"], vec!["b"], vec!["c"], vec!["d"]]
    );
}

#[test]
fn the_bound_is_the_largest_of_three() {
    let plan = Plan::build(vec![
        task("a", 10, &[], &["x"]),
        task("b", 10, &[], &["x"]),
        task("c", 5, &["a"], &[]),
    ])
    .unwrap();
    let of = |cap| bounds(&plan, cap, &[10, 10, 5]);
    assert_eq!(of(1).lower_bound, 25);
    assert_eq!(
        of(2),
        Bounds {
            total: 25,
            critical_path: 15,
            busiest_lock: 20,
            lower_bound: 20
        }
    );
}
