use super::*;
use crate::id::{LockGroup, TaskId};
use crate::plan::Plan;
use crate::policy::{Policy, Unlabelled};
use crate::rank::Order;
use crate::schedule_sim::Direction;
use crate::task::Task;

fn plan() -> Plan {
    let name = |at: u32| TaskId::new(format!("t{at}")).unwrap();
    let one = |at: u32| {
        let mut task = Task::open(name(at));
        task.estimate_minutes = Some(3 + at * 7 % 11);
        if at >= 6 && !at.is_multiple_of(5) {
            task.needs = vec![name(at - 6)];
        }
        let groups = if at.is_multiple_of(7) { 0 } else { 1 + at % 2 };
        let locks = (0..groups).map(|step| LockGroup::new(format!("g{}", (at + step) % 4)));
        task.locks = locks.collect::<Result<_, _>>().unwrap();
        task
    };
    Plan::build((0..40).map(one).collect()).unwrap()
}

/// Swaps as long as there is something to swap, `times` at most, and works the longest paths out anew each time.
fn check(policy: &Policy, times: usize) {
    let plan = plan();
    let weights: Vec<u64> = plan.all().map(|at| plan.open_minutes(at)).collect();
    let sim = ScheduleSim::new(&plan, policy, &weights);
    let order = Order::new(plan.graph().order().to_vec());
    let schedule = sim.schedule(&order, Direction::Forward, u64::MAX);
    let mut graph = Disjunctive::of(&sim, &schedule).unwrap();
    assert!(graph.length() <= schedule.makespan);
    let mut split_mix = SplitMix64::new();
    for _ in 0..times {
        let path = graph.critical_path(&mut split_mix);
        let minutes: u64 = path.iter().map(|at| weights[at.index()]).sum();
        assert_eq!(minutes, graph.length(), "the path is as long as it says");
        let Some(swap) = graph.best_swap(&path, 0, |_| true, &mut split_mix) else {
            return;
        };
        let promise = graph.promise(swap);
        if !graph.swap(swap) {
            continue;
        }
        assert!(graph.length() >= promise);
        let (heads, tails) = (graph.heads.clone(), graph.tails.clone());
        graph.order.clear();
        assert!(graph.sort(), "no cycle");
        graph.find_paths(0, weights.len() - 1);
        assert_eq!((heads, tails), (graph.heads.clone(), graph.tails.clone()));
    }
}

#[test]
fn a_swap_changes_the_longest_paths_that_it_must_and_makes_no_cycle() {
    let policy = Policy::with_concurrency;
    for concurrency in [1, 2, 3, 8, 40] {
        check(&policy(concurrency), 200);
    }
    let unlabelled = Unlabelled::Alone;
    check(
        &Policy {
            unlabelled,
            ..policy(4)
        },
        200,
    );
}

#[test]
fn the_graph_of_a_schedule_is_as_long_as_the_schedule() {
    let plan = plan();
    let weights: Vec<u64> = plan.all().map(|at| plan.open_minutes(at)).collect();
    let order = Order::new(plan.graph().order().to_vec());
    for concurrency in [2, 3, 5] {
        let policy = Policy::with_concurrency(concurrency);
        let sim = ScheduleSim::new(&plan, &policy, &weights);
        let schedule = sim.schedule(&order, Direction::Forward, u64::MAX);
        let graph = Disjunctive::of(&sim, &schedule).unwrap();
        assert_eq!(graph.length(), schedule.makespan);
    }
}
