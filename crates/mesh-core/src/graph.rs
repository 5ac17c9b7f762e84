//! The checked DAG of a plan: who needs whom, in which order, and how long the rest takes.
//!
//! Tasks are dense indices here. Nothing in this module knows a tracker or a clock.

/// Place of a task in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ix(pub u32);

impl Ix {
    /// As an index into a slice.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Edges in both directions, and an order in which every task comes after what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    needs: Vec<Vec<Ix>>,
    dependents: Vec<Vec<Ix>>,
    order: Vec<Ix>,
    level: Vec<u32>,
}

impl Graph {
    /// Builds the graph from what each task needs. Repeated edges count once.
    ///
    /// # Errors
    /// When there is a cycle: its members in order, each needing the next, the last needing the first.
    pub fn new(mut needs: Vec<Vec<Ix>>) -> Result<Graph, Vec<Ix>> {
        let count = needs.len();
        let mut dependents = vec![Vec::new(); count];
        for (at, list) in needs.iter_mut().enumerate() {
            list.sort_unstable();
            list.dedup();
            for need in list.iter() {
                dependents[need.index()].push(ix(at));
            }
        }
        let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
        let mut level = vec![0_u32; count];
        let mut order: Vec<Ix> = (0..count).filter(|&at| open[at] == 0).map(ix).collect();
        let mut done = 0;
        while let Some(&task) = order.get(done) {
            done += 1;
            for &dependent in &dependents[task.index()] {
                let at = dependent.index();
                level[at] = level[at].max(level[task.index()] + 1);
                open[at] -= 1;
                if open[at] == 0 {
                    order.push(dependent);
                }
            }
        }
        if order.len() < count {
            return Err(cycle_among(&needs, &open));
        }
        Ok(Graph {
            needs,
            dependents,
            order,
            level,
        })
    }

    /// How many tasks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.needs.len()
    }

    /// Whether there is no task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.needs.is_empty()
    }

    /// What `task` needs, by index.
    #[must_use]
    pub fn needs(&self, task: Ix) -> &[Ix] {
        &self.needs[task.index()]
    }

    /// Who needs `task`, by index.
    #[must_use]
    pub fn dependents(&self, task: Ix) -> &[Ix] {
        &self.dependents[task.index()]
    }

    /// All tasks, each after what it needs.
    #[must_use]
    pub fn order(&self) -> &[Ix] {
        &self.order
    }

    /// Length of the longest chain of needs above `task`.
    #[must_use]
    pub fn level(&self, task: Ix) -> u32 {
        self.level[task.index()]
    }

    /// For each task the largest sum of `weight` over a path that starts with it and follows dependents.
    #[must_use]
    pub fn longest_path_from(&self, weight: &[u64]) -> Vec<u64> {
        let mut longest = vec![0_u64; self.len()];
        for &task in self.order.iter().rev() {
            let rest = self
                .dependents(task)
                .iter()
                .map(|d| longest[d.index()])
                .max()
                .unwrap_or(0);
            longest[task.index()] = rest.saturating_add(weight[task.index()]);
        }
        longest
    }

    /// For each task how many of the `counted` tasks depend on it, directly or not.
    ///
    /// Reachability is kept as bits, a block of targets at a time, so that memory stays within a few megabytes for any plan.
    #[must_use]
    pub fn transitive_dependents(&self, counted: &[bool]) -> Vec<u32> {
        const WORDS: usize = 64;
        let mut totals = vec![0_u32; self.len()];
        let mut reach = vec![[0_u64; WORDS]; self.len()];
        for block in (0..self.len()).step_by(WORDS * 64) {
            for &task in self.order.iter().rev() {
                let mut mine = [0_u64; WORDS];
                for dependent in self.dependents(task) {
                    for (word, other) in mine.iter_mut().zip(&reach[dependent.index()]) {
                        *word |= other;
                    }
                    if let Some(bit) = dependent
                        .index()
                        .checked_sub(block)
                        .filter(|bit| *bit < WORDS * 64)
                        && counted[dependent.index()]
                    {
                        mine[bit / 64] |= 1 << (bit % 64);
                    }
                }
                totals[task.index()] += mine.iter().map(|word| word.count_ones()).sum::<u32>();
                reach[task.index()] = mine;
            }
        }
        totals
    }

    /// Whether any two of the `counted` tasks may ever run side by side. False for a chain and for a single task: then one path
    /// holds them all.
    #[must_use]
    pub fn has_parallelism(&self, counted: &[bool]) -> bool {
        let weight: Vec<u64> = counted.iter().map(|&counts| u64::from(counts)).collect();
        let longest = self
            .longest_path_from(&weight)
            .into_iter()
            .max()
            .unwrap_or(0);
        longest < weight.iter().sum()
    }

    /// All that depends on `task`, directly or not, each once, in graph order.
    #[must_use]
    pub fn all_dependents(&self, task: Ix) -> Vec<Ix> {
        self.closure(task, |at| self.dependents(at))
    }

    /// All that `task` needs, directly or not, each once, in graph order.
    #[must_use]
    pub fn all_needs(&self, task: Ix) -> Vec<Ix> {
        self.closure(task, |at| self.needs(at))
    }

    fn closure<'a>(&'a self, start: Ix, next: impl Fn(Ix) -> &'a [Ix]) -> Vec<Ix> {
        let mut seen = vec![false; self.len()];
        let mut stack = vec![start];
        while let Some(at) = stack.pop() {
            for &other in next(at) {
                if !std::mem::replace(&mut seen[other.index()], true) {
                    stack.push(other);
                }
            }
        }
        self.order
            .iter()
            .copied()
            .filter(|at| seen[at.index()])
            .collect()
    }
}

fn ix(at: usize) -> Ix {
    Ix(u32::try_from(at).unwrap_or(u32::MAX))
}

/// Follows needs among the tasks that never became free until one repeats.
fn cycle_among(needs: &[Vec<Ix>], open: &[usize]) -> Vec<Ix> {
    let stuck = |at: Ix| open[at.index()] > 0;
    let Some(start) = (0..needs.len()).map(ix).find(|&at| stuck(at)) else {
        return Vec::new();
    };
    let mut path = vec![start];
    let mut place = vec![usize::MAX; needs.len()];
    place[start.index()] = 0;
    let mut at = start;
    // A stuck task always has a stuck need, so this ends at a repeat after at most `needs.len()` steps.
    while let Some(&next) = needs[at.index()].iter().find(|&&need| stuck(need)) {
        if place[next.index()] != usize::MAX {
            return path.split_off(place[next.index()]);
        }
        place[next.index()] = path.len();
        path.push(next);
        at = next;
    }
    path
}

#[cfg(test)]
#[path = "graph_test.rs"]
mod tests;
