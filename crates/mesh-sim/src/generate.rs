//! Plans and rules of a seeded world. Nothing here runs anything.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::clamp::Percent;
use mesh_core::id::{LockGroup, TaskId};
use mesh_core::plan::Plan;
use mesh_core::policy::{
    AgentAccount, Allowance, Budget, Dispatch, Policy, Rank, RetryMode, Unlabelled,
};
use mesh_core::task::{Commit, Eligibility, Locks, Task};
use mesh_core::time::Span;

use crate::rng::Rng;
use crate::schedule::{best_of_schedules, work_of};

/// What a task is in truth, beside what its plan says.
#[derive(Debug, Clone)]
pub struct Truth {
    /// How long its agent works, in milliseconds.
    pub work_ms: u64,
}

/// The name of the task with this number.
#[must_use]
pub fn task_id(number: usize) -> TaskId {
    TaskId::new(format!("t-{number}")).unwrap_or_else(|_| unreachable!("a short plain word"))
}

/// The name of the lock group with this number.
#[must_use]
pub fn lock_group(number: u64) -> LockGroup {
    LockGroup::new(format!("g{number}")).unwrap_or_else(|_| unreachable!("a short plain word"))
}

/// Tasks of a world with the truth about each, by place.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// As the source lists them.
    pub tasks: Vec<Task>,
    /// As they are.
    pub truth: Vec<Truth>,
    /// How many lock groups there are.
    pub groups: u64,
}

/// Draws a plan of open tasks with needs, locks, estimates and priorities. `exact` makes every estimate the truth.
#[must_use]
pub fn tasks(rng: &mut Rng, exact: bool) -> Tasks {
    let count = match rng.below(10) {
        0 => rng.between(1, 4),
        1..=6 => rng.between(5, 40),
        _ => rng.between(40, 120),
    };
    let count = usize::try_from(count).unwrap_or(1);
    let groups = rng.below(7);
    let needs = needs(rng, count);
    let unestimated = *rng.pick(&[0, 0, 20, 100]);
    let mut made = Tasks {
        tasks: Vec::new(),
        truth: Vec::new(),
        groups,
    };
    for (at, needs) in needs.into_iter().enumerate() {
        let minutes = if rng.percent(10) {
            rng.between(60, 180)
        } else {
            rng.between(2, 45)
        };
        let noisy = if rng.percent(50) {
            minutes
        } else {
            (minutes * rng.between(50, 200) / 100).max(1)
        };
        let estimate = if exact { minutes } else { noisy };
        let missing = !exact && rng.percent(unestimated);
        made.tasks.push(Task {
            needs: needs.into_iter().map(task_id).collect(),
            locks: locks(rng, groups, !exact),
            priority: i32::try_from(rng.below(5)).unwrap_or(2),
            estimate_minutes: (!missing).then(|| u32::try_from(estimate).unwrap_or(1)),
            checkpoint: rng.percent(5),
            tie: if rng.percent(50) {
                u32::try_from(at).unwrap_or(0)
            } else {
                0
            },
            ..Task::open(task_id(at))
        });
        made.truth.push(Truth {
            work_ms: minutes * 60_000,
        });
    }
    made
}

/// Draws what each of `count` tasks needs, as numbers of tasks before it.
#[must_use]
pub fn needs(rng: &mut Rng, count: usize) -> Vec<Vec<usize>> {
    match rng.below(4) {
        0 => layered(rng, count),
        1 => sparse(rng, count),
        2 => chains(rng, count),
        _ => forks(rng, count),
    }
}

/// Draws lock groups, one unit of each or, with `units`, more of some.
pub(crate) fn locks(rng: &mut Rng, groups: u64, units: bool) -> Locks {
    let mut locks = Locks::default();
    if groups == 0 || rng.percent(40) {
        return locks;
    }
    let wanted = match rng.below(10) {
        0 => 3,
        1 | 2 => 2,
        _ => 1,
    };
    for _ in 0..wanted {
        let group = lock_group(rng.below(groups));
        let many = units && rng.percent(10);
        locks.insert_units(group, if many { 2 } else { 1 });
    }
    locks
}

/// Draws capacities for some lock groups. A task may want more than there is.
fn capacity(rng: &mut Rng) -> BTreeMap<LockGroup, u32> {
    let mut capacity = BTreeMap::new();
    if rng.percent(50) {
        for number in 0..8 {
            if rng.percent(50) {
                let units = u32::try_from(rng.between(2, 4)).unwrap_or(2);
                capacity.insert(lock_group(number), units);
            }
        }
    }
    capacity
}

fn layered(rng: &mut Rng, count: usize) -> Vec<Vec<usize>> {
    let width = usize::try_from(rng.between(2, 12)).unwrap_or(2);
    let layer = |at: usize| at / width;
    (0..count)
        .map(|at| match layer(at) {
            0 => Vec::new(),
            of => (0..rng.between(1, 3))
                .map(|_| (of - 1) * width + rng.index(width))
                .collect(),
        })
        .collect()
}

fn sparse(rng: &mut Rng, count: usize) -> Vec<Vec<usize>> {
    let density = rng.between(0, 3);
    (0..count)
        .map(|at| {
            if at == 0 {
                Vec::new()
            } else {
                (0..rng.below(density + 1)).map(|_| rng.index(at)).collect()
            }
        })
        .collect()
}

fn chains(rng: &mut Rng, count: usize) -> Vec<Vec<usize>> {
    let chains = usize::try_from(rng.between(1, 6)).unwrap_or(1);
    (0..count)
        .map(|at| {
            let mut needs = Vec::new();
            if at >= chains && rng.percent(90) {
                needs.push(at - chains);
            }
            if at > 0 && rng.percent(8) {
                needs.push(rng.index(at));
            }
            needs
        })
        .collect()
}

fn forks(rng: &mut Rng, count: usize) -> Vec<Vec<usize>> {
    let mut needs: Vec<Vec<usize>> = Vec::new();
    for at in 0..count {
        let join = at > 4 && rng.percent(12);
        let wanted = if join {
            rng.between(3, 5)
        } else {
            u64::from(at > 0 && rng.percent(80))
        };
        let near = at.min(10);
        needs.push((0..wanted).map(|_| at - 1 - rng.index(near)).collect());
    }
    needs
}

/// Turns some tasks into containers, satisfied, foreign or blocked ones.
pub fn unsettle(rng: &mut Rng, made: &mut Tasks) {
    let odd = *rng.pick(&[0, 5, 15]);
    for task in &mut made.tasks {
        if !rng.percent(odd) {
            continue;
        }
        match rng.below(5) {
            0 => task.eligibility = Eligibility::Satisfied { commit: None },
            1 => {
                task.eligibility = Eligibility::Satisfied {
                    commit: Some(Commit(format!("before-{}", task.id))),
                }
            }
            2 => {
                task.eligibility = Eligibility::NotOurs {
                    reason: "held by ada".to_owned(),
                }
            }
            3 => {
                task.outside =
                    vec![TaskId::new("elsewhere").unwrap_or_else(|_| unreachable!("a plain word"))]
            }
            _ => {
                task.eligibility = Eligibility::Container;
                task.locks = Locks::default();
            }
        }
    }
}

/// Draws one agent or two, of two accounts or of one.
fn agents(rng: &mut Rng) -> Vec<AgentAccount> {
    let agent = |name: &str, account: &str| AgentAccount {
        name: name.to_owned(),
        account: account.to_owned(),
        by_name_only: false,
    };
    match rng.below(4) {
        0 => vec![agent("claude", "one"), agent("codex", "two")],
        1 => vec![agent("claude", "one"), agent("reviewer", "one")],
        2 => vec![agent("claude", "one")],
        _ => Vec::new(),
    }
}

/// Draws what a run may use; most may use all they want.
fn budget(rng: &mut Rng) -> Budget {
    let mut budget = Budget::default();
    match rng.below(12) {
        0 => budget.run.tokens = Some(rng.between(1_000, 200_000)),
        1 => budget.run.cost_micro_usd = Some(rng.between(100_000, 20_000_000)),
        2 => budget.run.time = Some(Span::minutes(rng.between(10, 600))),
        3 => budget.task.tokens = Some(rng.between(100, 10_000)),
        4 => budget.task.time = Some(Span::minutes(rng.between(1, 60))),
        _ => {}
    }
    budget
}

/// Draws what a person says is left of the account's windows; most say nothing.
fn allowance(rng: &mut Rng) -> Allowance {
    let mut left = |percent: u64| {
        let said = rng.percent(percent).then(|| rng.between(0, 40));
        said.and_then(|left| u8::try_from(left).ok())
            .map(Percent::whole)
    };
    Allowance {
        five_hour: left(10),
        weekly: left(10),
    }
}

/// Draws the rules of a run.
#[must_use]
pub fn policy(rng: &mut Rng) -> Policy {
    // Drawn apart: the worlds of before stay what they were.
    let mut of_waves = rng.fork(0x3a7f);
    let mut of_retries = rng.fork(0x51c4);
    let mut of_limits = rng.fork(0x11_417);
    let mut of_allowance = rng.fork(0x2b_0d1);
    let concurrency = u16::try_from(rng.between(1, 12)).unwrap_or(1);
    Policy {
        agents: agents(&mut of_limits),
        budget: Budget {
            allowance: allowance(&mut of_allowance),
            ..budget(&mut of_limits)
        },
        dispatch: if of_waves.percent(25) {
            Dispatch::Waves
        } else {
            Dispatch::Frontier
        },
        ask_waves: of_waves.percent(70),
        rank: *rng.pick(&Rank::ALL),
        picks: if rng.percent(10) {
            vec![task_id(rng.index(20))]
        } else {
            Vec::new()
        },
        capacity: capacity(rng),
        slot_wait_percent: *rng.pick(&[0, 5, 5, 20]),
        lock_patience: u32::try_from(rng.below(5)).unwrap_or(3),
        unlabelled: if rng.percent(25) {
            Unlabelled::Alone
        } else {
            Unlabelled::Free
        },
        retries: u32::try_from(rng.below(3)).unwrap_or(1),
        start_retries: u32::try_from(rng.below(3)).unwrap_or(1),
        silence_limit: *rng.pick(&[Span::minutes(15), Span::minutes(5), Span::minutes(2)]),
        retry_mode: *of_retries.pick(&[RetryMode::ByClass, RetryMode::Continue, RetryMode::Fresh]),
        answer_wait: of_retries.percent(30).then_some(Span::minutes(20)),
        soft_limit: rng.percent(30).then_some(Span::minutes(30)),
        refresh: rng.percent(60),
        allow_no_validation: rng.percent(20),
        start_limit: rng.percent(20).then_some(Span::minutes(1)),
        preparation_limit: *rng.pick(&[Span::minutes(5), Span::minutes(60)]),
        recording_limit: *rng.pick(&[Span::minutes(5), Span::minutes(60)]),
        proof_limit: *rng.pick(&[Span::minutes(1), Span::minutes(60)]),
        trust_outside: rng.percent(30),
        land: rng.percent(40).then(|| "main".to_owned()),
        ..Policy::with_concurrency(concurrency)
    }
}

/// An epic whose tasks all take the same time, in levels: each task needs one or two of the level before, and ten tasks share four
/// lock groups. `concurrency` agents can work it without a gap as long as they are as many as a level has tasks on average.
///
/// Drawn again until some order of 200 reaches what no schedule can beat, and no lock group alone makes it longer: so a run that
/// loses a round has itself to blame.
#[must_use]
pub fn even_epic(seed: u64, levels: usize, count: usize, concurrency: u16) -> Vec<Task> {
    let mut rng = Rng::new(seed).fork(0xe7e2);
    loop {
        let tasks = levels_of_equals(&mut rng, levels.max(1), count);
        let Ok(plan) = Plan::build(tasks.clone()) else {
            continue;
        };
        let policy = Policy::with_concurrency(concurrency);
        let work = work_of(&plan, &policy, &vec![1; count]);
        let rounds = (count as u64).div_ceil(concurrency.max(1).into());
        let bound = rounds.max(levels as u64);
        if best_of_schedules(&work, concurrency, 200, seed) == bound {
            return tasks;
        }
    }
}

fn levels_of_equals(rng: &mut Rng, levels: usize, count: usize) -> Vec<Task> {
    // Of which level each task is: at least one of every level, and the first ones are the larger ones.
    let mut level_of: Vec<usize> = (0..count)
        .map(|at| match at.checked_sub(levels) {
            None => at,
            Some(_) => rng.index(levels).min(rng.index(levels + 2)),
        })
        .collect();
    level_of.sort_unstable();
    let name = |at: usize| {
        let letter = char::from(b'a' + u8::try_from(level_of[at] % 26).unwrap_or(0));
        TaskId::new(format!("{letter}{}", at + 1)).unwrap_or_else(|_| unreachable!("a plain word"))
    };
    let mut tasks: Vec<Task> = (0..count).map(|at| Task::open(name(at))).collect();
    for at in 0..count {
        let before = |other: &usize| level_of[*other] + 1 == level_of[at];
        let before: Vec<usize> = (0..count).filter(before).collect();
        if !before.is_empty() {
            let needs: BTreeSet<usize> =
                (0..rng.between(1, 2)).map(|_| *rng.pick(&before)).collect();
            tasks[at].needs = needs.into_iter().map(name).collect();
        }
    }
    for _ in 0..count * 5 / 12 {
        let task = rng.index(count);
        let group = lock_group(rng.below(4));
        if tasks[task].locks.is_empty() {
            tasks[task].locks.insert(group);
        }
    }
    tasks
}
