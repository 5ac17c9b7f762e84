//! How close the frontier comes to what no schedule can beat, over seeded epics without faults and with known durations.

use mesh_core::forecast;
use mesh_core::plan::Plan;
use mesh_core::policy::{Policy, Rank};

use crate::generate;
use crate::rng::Rng;
use crate::schedule::{wave_makespan, zero_overhead_makespan};

/// A makespan divided by the lower bound of its epic, in millionths, over many epics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ratios {
    sorted: Vec<u64>,
}

impl Ratios {
    /// Sorts what was measured.
    #[must_use]
    pub fn new(mut millionths: Vec<u64>) -> Ratios {
        millionths.sort_unstable();
        Ratios { sorted: millionths }
    }

    /// The arithmetic mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let sum: u64 = self.sorted.iter().sum();
        sum as f64 / 1e6 / self.sorted.len().max(1) as f64
    }

    /// The value that `percent` of a hundred do not exceed; 100 is the largest.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> f64 {
        let last = self.sorted.len().saturating_sub(1);
        self.sorted
            .get(last * percent / 100)
            .map_or(0.0, |&value| value as f64 / 1e6)
    }
}

/// Ratios of the three ways to dispatch over the same epics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EpicFigures {
    /// How many epics were measured.
    pub epics: usize,
    /// Frontier, rank `default`.
    pub default_rank: Ratios,
    /// Frontier, rank `makespan`.
    pub makespan_rank: Ratios,
    /// A barrier after each wave, rank `default`.
    pub waves: Ratios,
}

/// Measures `seeds` epics, beginning with seed `from`.
#[must_use]
pub fn measure(from: u64, seeds: u64) -> EpicFigures {
    let (mut default_rank, mut makespan_rank, mut waves) = (Vec::new(), Vec::new(), Vec::new());
    for seed in from..from.saturating_add(seeds) {
        let Some([default, makespan, wave]) = ratios_of(seed) else {
            continue;
        };
        default_rank.push(default);
        makespan_rank.push(makespan);
        waves.push(wave);
    }
    EpicFigures {
        epics: waves.len(),
        default_rank: Ratios::new(default_rank),
        makespan_rank: Ratios::new(makespan_rank),
        waves: Ratios::new(waves),
    }
}

/// The epic of a seed: its plan, the number of agents, and how long each task takes, in milliseconds.
#[must_use]
pub fn epic(seed: u64) -> Option<(Plan, u16, Vec<u64>)> {
    let mut rng = Rng::new(seed).fork(0xe71c);
    let made = generate::tasks(&mut rng, true);
    let concurrency = u16::try_from(rng.between(2, 12)).unwrap_or(2);
    let durations: Vec<u64> = made.truth.iter().map(|truth| truth.work_ms).collect();
    let plan = Plan::build(made.tasks).ok()?;
    plan.graph()
        .has_parallelism(&vec![true; plan.tasks().len()])
        .then_some((plan, concurrency, durations))
}

fn ratios_of(seed: u64) -> Option<[u64; 3]> {
    let (plan, concurrency, durations) = epic(seed)?;
    let policy = Policy::with_concurrency(concurrency);
    let makespan = Policy {
        rank: Rank::Makespan,
        ..policy.clone()
    };
    let bound = forecast::bounds(&plan, concurrency, &durations).lower_bound;
    let ratio = |reached: u64| reached * 1_000_000 / bound.max(1);
    Some([
        ratio(zero_overhead_makespan(&plan, &policy, &durations)),
        ratio(zero_overhead_makespan(&plan, &makespan, &durations)),
        ratio(wave_makespan(&plan, &policy, &durations)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_mean_of_known_values() {
        let ratios = Ratios::new(vec![3_000_000, 1_000_000, 2_000_000]);
        assert_eq!(
            (ratios.mean(), ratios.percentile(50), ratios.percentile(100)),
            (2.0, 2.0, 3.0)
        );
    }
}
