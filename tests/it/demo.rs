//! `mesh demo`, which needs nothing but git.

use serde_json::Value;

use crate::fixture::ST_GIT;

#[test]
fn the_demo_works_its_plan_in_parallel_and_lands_it_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let place = fixture.env.dir().join("demo");
    let dir = place.display().to_string();
    let report = fixture
        .mesh(&["demo", "--dir", &dir, "--json"])
        .exits(0)
        .object();
    assert_eq!(report["state"], "done");
    assert!(
        report["overlap"]["peak"].as_u64() >= Some(3),
        "{}",
        report["overlap"]
    );
    let tasks = report["tasks"].as_array().expect("tasks");
    assert!((10..=15).contains(&tasks.len()), "{} tasks", tasks.len());
    for task in tasks {
        assert_eq!(task["state"], "landed", "{task:#}");
    }
    // One task fails its first attempt and passes its second; one needs no change.
    let attempts = |task: &&Value| task["attempts"].as_array().map(Vec::len) == Some(2);
    let twice: Vec<_> = tasks
        .iter()
        .filter(attempts)
        .map(|task| &task["id"])
        .collect();
    assert_eq!(twice, ["menu"]);
    let unchanged = |task: &&Value| {
        task["attempts"][0]["changed"]
            .as_array()
            .is_some_and(Vec::is_empty)
    };
    let unchanged: Vec<_> = tasks
        .iter()
        .filter(unchanged)
        .map(|task| &task["id"])
        .collect();
    assert_eq!(unchanged, ["sorted"]);

    let cookbook = place.join("cookbook");
    let git = |args: &[&str]| fixture.env.must("git", args, &cookbook);
    let shown = |path: &str| git(&["show", &format!("demo:{path}")]);
    assert_eq!(shown("MENU.md"), "# Menu\n\n- Bread\n- Soup\n- Salad\n");
    assert!(!shown("INDEX.md").contains("to do") && !shown("prices.txt").contains("to do"));
    assert!(shown("shopping.txt").contains("buy flour"));
    // Only the demo's own branch has moved.
    assert_eq!(git(&["rev-list", "--count", "main"]).trim(), "1");
    assert_eq!(git(&["status", "--porcelain"]), "");
    // The workspace of the attempt that failed went with its task's success.
    assert_eq!(git(&["worktree", "list"]).lines().count(), 1);
    fixture.assert_no_process();
}

#[test]
fn the_demo_leaves_a_folder_with_something_in_it_alone_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let before = crate::snapshot::everything(&fixture);
    let dir = fixture.repo.display().to_string();
    let said = fixture.mesh(&["demo", "--dir", &dir]).exits(2);
    assert!(said.stderr.contains("is not empty"), "{}", said.stderr);
    assert_eq!(before, crate::snapshot::everything(&fixture));
}
