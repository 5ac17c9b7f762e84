//! The disjunctive graph of a schedule: what needs what, and, as chains, who follows whom in each unit of a lock group or of the
//! concurrency. Its longest path is the critical path of the schedule; swaps of neighbours in a chain make it shorter.
//!
//! It knows nothing of reservations. What it promises is simulated before it counts.

use crate::chains::{Link, NOBODY, chains};
use crate::graph::{Graph, Ix};
use crate::schedule_sim::{Schedule, ScheduleSim};
use crate::split_mix::SplitMix64;

/// Two tasks that follow each other directly: the second is to go before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Swap {
    first: Ix,
    second: Ix,
}

impl Swap {
    /// The swap that undoes this one.
    pub(crate) fn reversed(self) -> Swap {
        Swap {
            first: self.second,
            second: self.first,
        }
    }
}

/// The graph with its longest paths.
pub(crate) struct Disjunctive<'a> {
    graph: &'a Graph,
    weights: &'a [u64],
    links: Vec<Link>,
    /// Where the links of each task begin; one more than there are tasks.
    offsets: Vec<usize>,
    /// The longest path to the start of each task.
    heads: Vec<u64>,
    /// The longest path from the start of each task.
    tails: Vec<u64>,
    /// All tasks, each after all that is before it.
    order: Vec<u32>,
    /// The place of each task in that order.
    place: Vec<usize>,
    length: u64,
}

impl<'a> Disjunctive<'a> {
    /// The graph of a schedule. Nothing when no two tasks share a chain.
    pub(crate) fn of(sim: &ScheduleSim<'a>, schedule: &Schedule) -> Option<Disjunctive<'a>> {
        let plan = sim.plan;
        let (links, offsets) = chains(sim, schedule);
        if links.iter().all(|link| link.after == NOBODY) {
            return None;
        }
        let count = plan.tasks().len();
        let mut graph = Disjunctive {
            graph: plan.graph(),
            weights: sim.weights,
            links,
            offsets,
            heads: vec![0; count],
            tails: vec![0; count],
            order: Vec::with_capacity(count),
            place: vec![0; count],
            length: 0,
        };
        if !graph.sort() {
            return None;
        }
        graph.find_paths(0, count - 1);
        Some(graph)
    }

    /// Length of the critical path.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Earliest start of each task, by place.
    pub(crate) fn heads(&self) -> &[u64] {
        &self.heads
    }

    /// What a swap costs, in looks at a task.
    pub(crate) fn cost(&self) -> u64 {
        (self.heads.len() + self.links.len()) as u64
    }

    fn links_of(&self, at: usize) -> &[Link] {
        &self.links[self.offsets[at]..self.offsets[at + 1]]
    }

    fn end(&self, at: u32) -> u64 {
        self.heads[at as usize] + self.weights[at as usize]
    }

    /// Sorts all tasks after what is before them; `false` when there is a cycle.
    fn sort(&mut self) -> bool {
        let count = self.heads.len();
        let all = (0..count).map(|at| index(at).0);
        let mut open: Vec<usize> = all.clone().map(|at| self.before(at).count()).collect();
        self.order.extend(all.filter(|&at| open[at as usize] == 0));
        let mut next = 0;
        while let Some(&at) = self.order.get(next) {
            self.place[at as usize] = next;
            next += 1;
            let followers: Vec<u32> = self.followers(at).collect();
            for follower in followers {
                open[follower as usize] -= 1;
                if open[follower as usize] == 0 {
                    self.order.push(follower);
                }
            }
        }
        next == count
    }

    /// Works out the longest paths to the tasks from a place of the order on, and from those up to another.
    fn find_paths(&mut self, first: usize, last: usize) {
        for place in first..self.order.len() {
            let at = self.order[place];
            let ends = self.before(at).map(|other| self.end(other));
            self.heads[at as usize] = ends.max().unwrap_or(0);
        }
        for place in (0..=last).rev() {
            let at = self.order[place];
            let rest = self.followers(at).map(|other| self.tails[other as usize]);
            self.tails[at as usize] = rest.max().unwrap_or(0) + self.weights[at as usize];
        }
        self.length = self.tails.iter().copied().max().unwrap_or(0);
    }

    /// What comes directly before a task.
    fn before(&self, at: u32) -> impl Iterator<Item = u32> {
        let needs = self.graph.needs(Ix(at)).iter().map(|need| need.0);
        let before = self.links_of(at as usize).iter().map(|link| link.before);
        needs.chain(before.filter(|&other| other != NOBODY))
    }

    /// What comes directly after a task.
    fn followers(&self, at: u32) -> impl Iterator<Item = u32> {
        let dependents = self.graph.dependents(Ix(at)).iter().map(|other| other.0);
        let after = self.links_of(at as usize).iter().map(|link| link.after);
        dependents.chain(after.filter(|&other| other != NOBODY))
    }

    /// One of the longest paths.
    pub(crate) fn critical_path(&self, split_mix: &mut SplitMix64) -> Vec<Ix> {
        let is_critical = |at: u32| {
            let (head, tail) = (self.heads[at as usize], self.tails[at as usize]);
            head + tail == self.length && self.weights[at as usize] > 0
        };
        let begins = |at: &u32| self.heads[*at as usize] == 0 && is_critical(*at);
        let mut choices: Vec<u32> = self.order.iter().copied().filter(begins).collect();
        let mut path = Vec::new();
        while let Some(at) = split_mix.pick(&choices) {
            path.push(Ix(at));
            choices.clear();
            let next = |other: &u32| self.heads[*other as usize] == self.end(at);
            // Through tasks that take no time.
            let mut stack = vec![at];
            while let Some(from) = stack.pop() {
                for other in self.followers(from).filter(next) {
                    if is_critical(other) {
                        choices.push(other);
                    } else if self.weights[other as usize] == 0 {
                        stack.push(other);
                    }
                }
            }
        }
        path
    }

    /// The swap at the ends of the blocks of a critical path that promises the shortest one: only these can make it shorter. A
    /// swap that is not free counts if it promises less than `shortest`; without any choice one is drawn.
    pub(crate) fn best_swap(
        &self,
        path: &[Ix],
        makespan: u64,
        is_free: impl Fn(&Swap) -> bool,
        split_mix: &mut SplitMix64,
    ) -> Option<Swap> {
        let mut all = Vec::new();
        for (at, pair) in path.windows(2).enumerate() {
            let &[first, second] = pair else { continue };
            if self.graph.needs(second).contains(&first) {
                continue;
            }
            let chains = || self.chains_between(first, second);
            let goes_on = |from: Ix, to: Ix| {
                let mut others = self.chains_between(from, to);
                others.any(|other| chains().any(|chain| chain == other))
            };
            let begins = at > 0 && !goes_on(path[at - 1], first);
            let next = path.get(at + 2);
            let ends = next.is_some_and(|&next| !goes_on(second, next));
            if (begins || ends) && chains().next().is_some() {
                all.push(Swap { first, second });
            }
        }
        let promise = |swap: &Swap| self.promise(*swap);
        let allowed = |swap: &&Swap| is_free(swap) || promise(swap) < makespan;
        let best = all.iter().filter(allowed).min_by_key(|swap| promise(swap));
        best.copied().or_else(|| split_mix.pick(&all))
    }

    /// The chains in which the second follows the first.
    fn chains_between(&self, first: Ix, second: Ix) -> impl Iterator<Item = u32> {
        let links = self.links_of(first.index()).iter();
        let follows = links.filter(move |link| link.after == second.0);
        follows.map(|link| link.chain)
    }

    /// The longest path through the two tasks of a swap after it; exact unless the path runs elsewhere.
    fn promise(&self, swap: Swap) -> u64 {
        let (u, v) = (swap.first, swap.second);
        let needs = |at: Ix| {
            let ends = self.graph.needs(at).iter().map(|need| self.end(need.0));
            ends.max().unwrap_or(0)
        };
        let dependents = |at: Ix| {
            let tails = self
                .graph
                .dependents(at)
                .iter()
                .map(|other| self.tails[other.index()]);
            tails.max().unwrap_or(0)
        };
        let end = |other: u32| if other == NOBODY { 0 } else { self.end(other) };
        let tail = |other: u32| {
            if other == NOBODY {
                0
            } else {
                self.tails[other as usize]
            }
        };
        let (mut head_u, mut head_v) = (needs(u), needs(v));
        let (mut tail_u, mut tail_v) = (dependents(u), dependents(v));
        for link in self.links_of(u.index()) {
            if link.after == v.0 {
                head_v = head_v.max(end(link.before));
            } else {
                head_u = head_u.max(end(link.before));
                tail_u = tail_u.max(tail(link.after));
            }
        }
        for link in self.links_of(v.index()) {
            if link.before == u.0 {
                tail_u = tail_u.max(tail(link.after));
            } else {
                head_v = head_v.max(end(link.before));
                tail_v = tail_v.max(tail(link.after));
            }
        }
        head_u = head_u.max(head_v + self.weights[v.index()]);
        tail_u += self.weights[u.index()];
        tail_v = tail_v.max(tail_u) + self.weights[v.index()];
        (head_v + tail_v).max(head_u + tail_u)
    }

    /// Swaps two neighbours in every chain in which they are, unless that makes a cycle; whether it did.
    pub(crate) fn swap(&mut self, swap: Swap) -> bool {
        let (first, last) = (
            self.place[swap.first.index()],
            self.place[swap.second.index()],
        );
        // Whatever leads to the second goes before the first with it.
        let mut leads = vec![false; last + 1 - first];
        leads[last - first] = true;
        for place in (first..last).rev() {
            let mut followers = self.followers(self.order[place]);
            leads[place - first] = followers.any(|other| {
                let other = self.place[other as usize];
                let swapped = place == first && other == last;
                !swapped && other <= last && leads[other - first]
            });
        }
        if leads[0] {
            return false;
        }
        let segment = self.order[first..=last].to_vec();
        let both = || segment.iter().zip(&leads);
        let leading = both().filter(|(_, leads)| **leads);
        let others = both().filter(|(_, leads)| !**leads);
        for (place, (&at, _)) in (first..).zip(leading.chain(others)) {
            self.order[place] = at;
            self.place[at as usize] = place;
        }
        self.exchange(swap);
        self.find_paths(first, last);
        true
    }

    fn exchange(&mut self, swap: Swap) {
        let (u, v) = (swap.first, swap.second);
        for at in self.offsets[u.index()]..self.offsets[u.index() + 1] {
            if self.links[at].after != v.0 {
                continue;
            }
            let chain = self.links[at].chain;
            let of_v = self.link(v.0, chain);
            let (before, after) = (self.links[at].before, self.links[of_v].after);
            (self.links[at].before, self.links[at].after) = (v.0, after);
            (self.links[of_v].before, self.links[of_v].after) = (before, u.0);
            if before != NOBODY {
                let link = self.link(before, chain);
                self.links[link].after = v.0;
            }
            if after != NOBODY {
                let link = self.link(after, chain);
                self.links[link].before = u.0;
            }
        }
    }

    /// Where the link of a task in a chain is that it is part of.
    fn link(&self, at: u32, chain: u32) -> usize {
        let from = self.offsets[at as usize];
        let mut links = self.links_of(at as usize).iter();
        from + links.position(|link| link.chain == chain).unwrap_or(0)
    }
}

fn index(at: usize) -> Ix {
    Ix(u32::try_from(at).unwrap_or(u32::MAX))
}

#[cfg(test)]
#[path = "disjunctive_test.rs"]
mod tests;
