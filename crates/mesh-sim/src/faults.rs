//! Which faults a seeded world has, and what its people do.

use mesh_core::event::Request;
use mesh_core::graph::Ix;
use mesh_core::state::State;
use mesh_core::task::{Eligibility, Task};

use crate::generate::task_id;
use crate::rng::Rng;
use crate::world::{Edit, Person};

/// Rates in percent, mixed anew for each seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Attempts that go wrong.
    pub bad_attempt: u64,
    /// Tasks whose attempts all go wrong in the same way.
    pub stubborn: u64,
    /// Agents that do not end when told to.
    pub refuses_stop: u64,
    /// Reports that come twice.
    pub double: u64,
    /// Outside calls that take long.
    pub busy: u64,
    /// Listings that fail.
    pub listing_fails: u64,
    /// Acts of people over the run.
    pub people: u64,
    /// Kills of the coordinator over the run.
    pub kills: u64,
    /// Landings that do not go as they should, at each of their steps.
    pub landing: u64,
    /// The machine breaks once.
    pub breaks: bool,
    /// The provider of the agents refuses everybody for a while.
    pub refuses: bool,
}

impl Faults {
    /// The mix of a seed; one world in ten has no faults at all.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Faults {
        if rng.percent(10) {
            return Faults::default();
        }
        Faults {
            bad_attempt: *rng.pick(&[0, 5, 20, 50]),
            stubborn: *rng.pick(&[0, 0, 5, 20]),
            refuses_stop: *rng.pick(&[0, 10, 40]),
            double: *rng.pick(&[0, 5, 30]),
            busy: *rng.pick(&[0, 10, 60]),
            listing_fails: *rng.pick(&[0, 20]),
            people: *rng.pick(&[0, 3, 12, 40]),
            kills: *rng.pick(&[0, 0, 1, 4]),
            landing: *rng.pick(&[0, 10, 40]),
            breaks: rng.percent(10),
            refuses: rng.percent(15),
        }
    }
}

/// What people do in a run over `count` tasks and `groups` lock groups that lasts about `span_ms`, with the moments.
#[must_use]
pub fn people(
    rng: &mut Rng,
    faults: &Faults,
    count: usize,
    groups: u64,
    span_ms: u64,
) -> Vec<(u64, Person)> {
    let mut acts = Vec::new();
    let mut new = count;
    for _ in 0..faults.people {
        let at = rng.below(span_ms.max(1));
        acts.push((at, act(rng, &mut new, groups)));
    }
    for _ in 0..faults.kills {
        acts.push((rng.below(span_ms.max(1)), Person::KillsCoordinator));
    }
    if faults.refuses {
        let at = rng.below(span_ms.max(1));
        acts.push((at, Person::Provider(false)));
        acts.push((at + rng.between(1_000, 3_600_000), Person::Provider(true)));
    }
    // Drawn apart: the worlds of before stay what they were.
    let mut limits = rng.fork(0x11_417);
    if limits.percent(30) {
        for _ in 0..limits.between(1, 3) {
            let at = limits.below(span_ms.max(1));
            let account = limits.index(2);
            acts.push((
                at,
                Person::Limits(account, limits.between(60_000, 18_000_000)),
            ));
        }
    }
    if faults.breaks {
        let at = rng.below(span_ms.max(1));
        acts.push((at, Person::Machine(false)));
        acts.push((at + rng.between(1_000, 3_600_000), Person::Machine(true)));
    }
    acts
}

/// What a person says of the wave that waits to be confirmed: mostly yes, at times other tasks, which may be a bad pick.
#[must_use]
pub fn word_on_wave(rng: &mut Rng, state: &State) -> Option<Request> {
    let wave = state.unconfirmed_wave()?;
    let mut tasks: Vec<Ix> = match rng.below(10) {
        0..=4 => wave.tasks.clone(),
        5 | 6 => wave.tasks.iter().rev().copied().collect(),
        7 | 8 => state.ready().collect(),
        _ => state.plan().all().collect(),
    };
    if rng.percent(40) {
        rng.shuffle(&mut tasks);
        tasks.truncate(1 + rng.index(usize::from(state.width()) + 1));
    }
    let tasks = tasks
        .iter()
        .map(|at| state.plan().task(*at).id.clone())
        .collect();
    let wave = wave.number + u32::from(rng.percent(5));
    Some(Request::Pick { wave, tasks })
}

fn act(rng: &mut Rng, new: &mut usize, groups: u64) -> Person {
    let one = |rng: &mut Rng, new: usize| task_id(rng.index(new));
    let some = one(rng, *new);
    match rng.below(42) {
        0 | 1 => Person::Asks(Request::Stop {
            now: rng.percent(50),
        }),
        2..=6 => Person::Asks(Request::Retry {
            task: some,
            with_dependents: rng.percent(60),
        }),
        7 | 8 => Person::Asks(Request::Answer {
            task: some,
            text: "yes".to_owned(),
        }),
        9..=12 => Person::Asks(Request::Skip { task: some }),
        13 => Person::Asks(Request::TrustOutside),
        14..=16 => Person::Reaps(some),
        17..=21 => {
            let id = task_id(*new);
            let needs = (0..rng.below(3)).map(|_| one(rng, *new)).collect();
            *new += 1;
            Person::Edits(Edit::Put(Task {
                needs,
                eligibility: Eligibility::Open,
                ..Task::open(id)
            }))
        }
        22..=25 => Person::Edits(Edit::Need(some, one(rng, *new))),
        26 => Person::Edits(Edit::Need(some, task_id(9_999))),
        27 | 28 => Person::Edits(Edit::Free(some)),
        29 | 30 => {
            let locks = crate::generate::locks(rng, groups + 1, true);
            Person::Edits(Edit::Locks(some, locks))
        }
        31 => Person::Edits(Edit::Remove(some)),
        32 | 33 => Person::Edits(Edit::Take(some)),
        34 | 35 => Person::Edits(Edit::GiveBack(some)),
        36 | 37 => Person::Edits(Edit::Close(some)),
        38 => Person::Edits(Edit::Rewrite(some)),
        39 => Person::Edits(Edit::CloseOutside),
        _ => Person::Asks(Request::Land {
            tasks: if rng.percent(50) {
                vec![some]
            } else {
                Vec::new()
            },
            onto: "main".to_owned(),
        }),
    }
}
