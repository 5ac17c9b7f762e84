//! The demo's plan and files: a cookbook that twelve small tasks fill.

use mesh_core::id::TaskId;
use mesh_plan::st::{StDep, StItem, new_plan};

/// What the repository begins with. Lines that different tasks edit lie apart, so that their results merge.
pub(crate) const FILES: [(&str, &str); 3] = [
    (
        "README.md",
        "# Cookbook\n\nThree dishes, their prices, and a menu.\n",
    ),
    (
        "INDEX.md",
        "# Index\n\nBaked\n-----\nBread: to do\n\n\nCooked\n------\nSoup: to do\n\n\nRaw\n---\nSalad: to do\n",
    ),
    (
        "prices.txt",
        "# Prices\n\nBaked\n-----\nBread: to do\n\n\nCooked\n------\nSoup: to do\n",
    ),
];

/// One task of the demo.
pub(crate) struct DemoTask {
    pub id: &'static str,
    pub title: &'static str,
    pub needs: &'static [&'static str],
    /// Lock group, for tasks that edit a file that others edit too.
    pub lock: Option<&'static str>,
    pub proof: &'static str,
    /// How long the agent takes, in tenths of a second.
    pub tenths: u64,
}

/// The plan: four roots, two lock groups, one task that fails its first attempt (`menu`), one that needs no change (`sorted`).
pub(crate) const TASKS: [DemoTask; 12] = [
    task(
        "pantry",
        "Write the pantry list",
        &[],
        None,
        "test -s pantry.txt",
        18,
    ),
    task(
        "bread",
        "Write the bread recipe",
        &[],
        None,
        "grep -q '^# Bread' recipes/bread.md",
        25,
    ),
    task(
        "soup",
        "Write the soup recipe",
        &[],
        None,
        "grep -q '^# Soup' recipes/soup.md",
        22,
    ),
    task(
        "salad",
        "Write the salad recipe",
        &[],
        None,
        "grep -q '^# Salad' recipes/salad.md",
        15,
    ),
    task(
        "sorted",
        "Check that the pantry list is sorted",
        &["pantry"],
        None,
        "sort -c pantry.txt",
        10,
    ),
    task(
        "index-bread",
        "Put the bread into the index",
        &["bread"],
        Some("index"),
        "grep -q '^Bread: recipes/bread.md' INDEX.md",
        14,
    ),
    task(
        "index-soup",
        "Put the soup into the index",
        &["soup"],
        Some("index"),
        "grep -q '^Soup: recipes/soup.md' INDEX.md",
        14,
    ),
    task(
        "index-salad",
        "Put the salad into the index",
        &["salad"],
        Some("index"),
        "grep -q '^Salad: recipes/salad.md' INDEX.md",
        14,
    ),
    task(
        "price-bread",
        "Price the bread",
        &["bread", "pantry"],
        Some("prices"),
        "grep -q '^Bread: [0-9]' prices.txt",
        16,
    ),
    task(
        "price-soup",
        "Price the soup",
        &["soup", "pantry"],
        Some("prices"),
        "grep -q '^Soup: [0-9]' prices.txt",
        16,
    ),
    task(
        "menu",
        "Write the menu (integration)",
        &["index-bread", "index-soup", "index-salad"],
        None,
        "for dish in Bread Soup Salad; do grep -q \"$dish\" MENU.md || { echo \"$dish is missing\"; exit 1; }; done; ! grep -q 'to do' INDEX.md",
        18,
    ),
    task(
        "shopping",
        "Write the shopping list",
        &["menu", "price-bread", "price-soup"],
        None,
        "test -s shopping.txt && ! grep -q 'to do' prices.txt",
        14,
    ),
];

const fn task(
    id: &'static str,
    title: &'static str,
    needs: &'static [&'static str],
    lock: Option<&'static str>,
    proof: &'static str,
    tenths: u64,
) -> DemoTask {
    DemoTask {
        id,
        title,
        needs,
        lock,
        proof,
        tenths,
    }
}

/// The plan as a file, written at `stamp`.
pub(crate) fn plan(stamp: &str) -> Vec<u8> {
    let id = |text: &str| TaskId::new(text).ok();
    let item = |task: &DemoTask| {
        let mut item = StItem::pending(id(task.id)?, task.title);
        item.deps = task
            .needs
            .iter()
            .filter_map(|need| id(need))
            .map(StDep::blocks)
            .collect();
        item.notes = notes(task);
        Some(item)
    };
    let items: Vec<StItem> = TASKS.iter().filter_map(item).collect();
    new_plan(stamp, &items)
}

fn notes(task: &DemoTask) -> String {
    let locks = task
        .lock
        .map(|lock| format!("locks: [{lock}]\n"))
        .unwrap_or_default();
    let proof = serde_json::Value::from(task.proof);
    format!(
        "```mesh\nvalidation:\n  - {proof}\nestimate_minutes: {}\n{locks}```",
        task.tenths.div_ceil(10)
    )
}

#[cfg(test)]
mod tests {
    use mesh_plan::st;

    #[test]
    fn the_plan_is_a_plan() {
        let loaded = st::load("plan.jsonl", &super::plan("2026-01-01T00:00:00Z"));
        assert_eq!(loaded.diagnostics, []);
        let plan = loaded.plan(&Default::default()).unwrap();
        assert_eq!(plan.tasks().len(), super::TASKS.len());
        assert_eq!(plan.groups().len(), 2);
        assert!(plan.graph().has_parallelism(&[true; super::TASKS.len()]));
        assert!(
            loaded
                .details
                .values()
                .all(|details| details.proof_command().is_some())
        );
    }
}
