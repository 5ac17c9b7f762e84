//! Schedules small enough to be worked out by hand.

use super::*;
use crate::generate;
use mesh_core::policy::Rank;

fn work(duration: u64, needs: &[usize], locks: &[u32]) -> Work {
    Work {
        duration,
        needs: needs.to_vec(),
        locks: locks.to_vec(),
        alone: false,
    }
}

#[test]
fn a_list_schedule_keeps_needs_locks_and_the_cap() {
    let all = [
        work(3, &[], &[0]),
        work(3, &[], &[0]),
        work(2, &[0], &[]),
        work(4, &[], &[]),
    ];
    assert_eq!(list_schedule(&all, 4, &[0, 1, 2, 3]), 6);
    assert_eq!(list_schedule(&all, 1, &[0, 1, 2, 3]), 12);
    // 0 and 3; at 3 the lock is free for 1; at 4 a slot for 2.
    assert_eq!(list_schedule(&all, 2, &[0, 1, 2, 3]), 6);
    let alone = [
        Work {
            alone: true,
            ..work(5, &[], &[])
        },
        work(5, &[], &[]),
    ];
    assert_eq!(list_schedule(&alone, 4, &[0, 1]), 10);
}

#[test]
fn the_best_of_many_is_never_worse_than_one_and_never_better_than_the_bound() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let made = generate::tasks(&mut rng, true);
        let plan = Plan::build(made.tasks).unwrap();
        let durations: Vec<u64> = made.truth.iter().map(|truth| truth.work_ms).collect();
        let policy = Policy {
            rank: Rank::Makespan,
            ..Policy::with_concurrency(4)
        };
        let all = work_of(&plan, &policy, &durations);
        let bound = forecast::bounds(&plan, 4, &durations).lower_bound;
        let order: Vec<usize> = (0..all.len()).collect();
        let best = best_of_schedules(&all, 4, 30, seed);
        assert!(best <= best_of_schedules(&all, 4, 1, seed));
        assert!(best >= bound && list_schedule(&all, 4, &order) >= bound);
        assert!(zero_overhead_makespan(&plan, &policy, &durations) >= bound);
        assert!(wave_makespan(&plan, &policy, &durations) >= bound);
    }
}

#[test]
fn the_core_without_overhead_runs_a_chain_beside_a_fork_in_the_chains_time() {
    let mut tasks: Vec<_> = (0..6)
        .map(|at| mesh_core::task::Task::open(generate::task_id(at)))
        .collect();
    tasks[1].needs = vec![generate::task_id(0)];
    tasks[2].needs = vec![generate::task_id(1)];
    for task in &mut tasks {
        task.estimate_minutes = Some(10);
    }
    let plan = Plan::build(tasks).unwrap();
    let policy = Policy::with_concurrency(2);
    assert_eq!(zero_overhead_makespan(&plan, &policy, &[10; 6]), 30);
    assert_eq!(wave_makespan(&plan, &policy, &[10; 6]), 30);
}
