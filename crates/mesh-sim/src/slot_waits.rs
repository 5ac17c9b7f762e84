//! What it is worth that a slot may wait for a better task: makespans of rank `makespan` with and without, when tasks take what
//! their estimates say and when they do not.

use mesh_core::forecast;
use mesh_core::plan::Plan;
use mesh_core::policy::{Policy, Rank};

use crate::epics::{self, Ratios};
use crate::generate;
use crate::rng::Rng;
use crate::schedule::zero_overhead_makespan;

/// The log-normal distribution of sigma 0.3 around 1, in thousandths: the middle of each of 32 equally likely parts.
const LOG_NORMAL: [u64; 32] = [
    524, 605, 654, 691, 724, 753, 779, 805, 829, 852, 875, 898, 920, 943, 965, 988, 1012, 1036,
    1061, 1087, 1114, 1143, 1174, 1207, 1243, 1283, 1328, 1382, 1446, 1530, 1653, 1908,
];
/// How many epics are measured at most: each is run twelve times.
const MOST_EPICS: u64 = 1000;
/// An epic of equal tasks, as a real one of the bench: so many, in so many levels, for so many agents, so long.
const EQUAL_TASKS: (usize, usize, u16, u64) = (24, 4, 6, 20_000);

/// How far what tasks take is from what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviation {
    /// Not at all.
    Exact,
    /// Every end comes up to 2 s late.
    Late,
    /// By a log-normal factor (sigma 0.3).
    Noisy,
}

impl Deviation {
    const ALL: [Deviation; 3] = [Deviation::Exact, Deviation::Late, Deviation::Noisy];

    /// As a fragment.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Deviation::Exact => "exact",
            Deviation::Late => "0 to 2 s late",
            Deviation::Noisy => "off by sigma 0.3",
        }
    }

    fn of(self, duration: u64, rng: &mut Rng) -> u64 {
        match self {
            Deviation::Exact => duration,
            Deviation::Late => duration + rng.between(0, 2000),
            Deviation::Noisy => duration * rng.pick(&LOG_NORMAL) / 1000,
        }
    }
}

/// Makespans over lower bounds, for one kind of epics and one deviation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Whether all tasks take the same time.
    pub equal_tasks: bool,
    /// How far estimates were off.
    pub deviation: Deviation,
    /// When no slot waits.
    pub without: Ratios,
    /// When slots wait as long as they may by default.
    pub with: Ratios,
}

/// Measures the epics of some seeds, at most 1,000.
#[must_use]
pub fn measure(from: u64, seeds: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    for equal_tasks in [false, true] {
        let epics: Vec<_> = (from..from.saturating_add(seeds.min(MOST_EPICS)))
            .filter_map(|seed| Some((seed, epic(seed, equal_tasks)?)))
            .collect();
        for deviation in Deviation::ALL {
            let ratios = |percent: Option<u32>| {
                let ratio = |(seed, epic): &(u64, Epic)| ratio(*seed, epic, deviation, percent);
                Ratios::new(epics.iter().map(ratio).collect())
            };
            rows.push(Row {
                equal_tasks,
                deviation,
                without: ratios(Some(0)),
                with: ratios(None),
            });
        }
    }
    rows
}

type Epic = (Plan, u16, Vec<u64>);

fn epic(seed: u64, equal_tasks: bool) -> Option<Epic> {
    if !equal_tasks {
        return epics::epic(seed);
    }
    let (count, levels, concurrency, duration) = EQUAL_TASKS;
    let plan = Plan::build(generate::even_epic(seed, levels, count, concurrency)).ok()?;
    Some((plan, concurrency, vec![duration; count]))
}

/// In millionths. A slot waits for up to `percent` of the mean estimate, or as long as it does by default.
fn ratio(seed: u64, epic: &Epic, deviation: Deviation, percent: Option<u32>) -> u64 {
    let (plan, concurrency, durations) = epic;
    let mut rng = Rng::new(seed).fork(0x517e);
    let taken: Vec<u64> = durations
        .iter()
        .map(|&duration| deviation.of(duration, &mut rng))
        .collect();
    let usual = Policy::with_concurrency(*concurrency);
    let policy = Policy {
        rank: Rank::Makespan,
        slot_wait_percent: percent.unwrap_or(usual.slot_wait_percent),
        ..usual
    };
    let bound = forecast::bounds(plan, *concurrency, &taken).lower_bound;
    zero_overhead_makespan(plan, &policy, &taken) * 1_000_000 / bound.max(1)
}
