//! Who follows whom in a schedule: a chain for each lock group, and one for each slot where slots were short.

use crate::frontier::Rules;
use crate::graph::Ix;
use crate::lock::Claim;
use crate::schedule_sim::{Schedule, ScheduleSim};

/// No neighbour in a chain.
pub(crate) const NOBODY: u32 = u32::MAX;

/// A task's place in a chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    pub chain: u32,
    pub before: u32,
    pub after: u32,
}

/// The chains of a schedule: one for each lock group, and, if the concurrency or tasks that run alone held something back, one for
/// each slot. Each task goes into a slot that one of its needs left, else into the one that was left last.
pub(crate) fn chains(sim: &ScheduleSim<'_>, schedule: &Schedule) -> (Vec<Link>, Vec<usize>) {
    let plan = sim.plan;
    let groups = u32::try_from(plan.groups().len()).unwrap_or(u32::MAX);
    let order = crate::rank::Order::default();
    let rules = Rules {
        plan,
        policy: sim.policy,
        order: &order,
    };
    let mut sequence: Vec<Ix> = plan.all().filter(|&at| sim.runs(at)).collect();
    sequence.sort_by_key(|at| (schedule.starts[at.index()], at.0));
    let alone = |at: &Ix| rules.claim(*at) == Claim::Alone;
    let limited = schedule.peak >= usize::from(sim.policy.allowed_width());
    let slots = if limited || sequence.iter().any(alone) {
        schedule.peak
    } else {
        0
    };
    let ends = sim.ends(schedule);
    let mut last = vec![NOBODY; groups as usize + slots];
    let mut taken: Vec<Vec<u32>> = vec![Vec::new(); ends.len()];
    for &at in &sequence {
        let mine = &mut taken[at.index()];
        // Tasks that share a group of more than one unit may overlap: nobody follows anybody.
        mine.extend(
            plan.groups_of(at)
                .filter(|&group| plan.capacities()[group as usize] == 1),
        );
        let slot = |number: usize| groups + u32::try_from(number).unwrap_or(0);
        if alone(&at) {
            mine.extend((0..slots).map(slot));
        } else {
            let needs = plan.graph().needs(at);
            let start = schedule.starts[at.index()];
            let fit = |&number: &usize| {
                let before = last[slot(number) as usize];
                let end = if before == NOBODY {
                    0
                } else {
                    ends[before as usize]
                };
                (before != NOBODY && needs.contains(&Ix(before)), end)
            };
            let free = (0..slots).filter(|number| fit(number).1 <= start);
            mine.extend(free.max_by_key(fit).map(slot));
        }
        for &chain in &taken[at.index()] {
            last[chain as usize] = at.0;
        }
    }
    let mut offsets = vec![0];
    for chains in &taken {
        offsets.push(offsets.last().unwrap_or(&0) + chains.len());
    }
    let links = taken.iter().flatten().map(|&chain| Link {
        chain,
        before: NOBODY,
        after: NOBODY,
    });
    let mut links: Vec<Link> = links.collect();
    let mut last = vec![None; groups as usize + slots];
    for &at in &sequence {
        for link in offsets[at.index()]..offsets[at.index() + 1] {
            let chain = links[link].chain as usize;
            if let Some((before, of_before)) = last[chain].replace((at.0, link)) {
                links[link].before = before;
                let earlier: &mut Link = &mut links[of_before];
                earlier.after = at.0;
            }
        }
    }
    (links, offsets)
}
