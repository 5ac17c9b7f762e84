//! What a plan could have been done in, had nothing but the agents taken time.

use std::collections::{BTreeMap, BTreeSet};

use mesh_sim::schedule::{Work, best_of_schedules};
use serde_json::Value;

use crate::Outcome;

/// The seed of the random orders: any, but the same each time.
const SEED: u64 = 24;

/// The best makespan, in milliseconds, of `schedules` random orders of the plan that `mesh plan --json` printed, when every task
/// takes `duration_ms`.
///
/// # Errors
/// When the object is not what `mesh plan --json` prints.
pub fn best(plan: &Value, concurrency: u16, schedules: u32, duration_ms: u64) -> Outcome<u64> {
    let tasks = plan["tasks"].as_array().ok_or("the plan has no tasks")?;
    let runs: Vec<&Value> = tasks
        .iter()
        .filter(|task| task["rank"].as_u64() > Some(0))
        .collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(text).collect()
    };
    let place: BTreeMap<String, usize> = runs
        .iter()
        .enumerate()
        .map(|(at, task)| (text(&task["id"]), at))
        .collect();
    let groups: BTreeSet<String> = runs.iter().flat_map(|task| list(&task["locks"])).collect();
    let group: BTreeMap<&String, u32> = groups.iter().zip(0..).collect();
    let work: Vec<Work> = runs
        .iter()
        .map(|task| Work {
            duration: duration_ms,
            needs: list(&task["needs"])
                .iter()
                .filter_map(|need| place.get(need).copied())
                .collect(),
            locks: list(&task["locks"])
                .iter()
                .filter_map(|lock| group.get(lock).copied())
                .collect(),
            alone: false,
        })
        .collect();
    if work.is_empty() {
        return Err("nothing of the plan runs".into());
    }
    Ok(best_of_schedules(&work, concurrency, schedules, SEED))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_fork_on_two_agents_takes_two_steps() {
        let plan = json!({ "tasks": [
            { "id": "a", "needs": [], "locks": [], "rank": 1 },
            { "id": "b", "needs": ["a"], "locks": ["x"], "rank": 2 },
            { "id": "c", "needs": ["a"], "locks": [], "rank": 3 },
            { "id": "done", "needs": [], "locks": [], "rank": 0 },
        ]});
        assert_eq!(super::best(&plan, 2, 10, 1000).unwrap(), 2000);
        assert_eq!(super::best(&plan, 1, 10, 1000).unwrap(), 3000);
    }
}
