use super::*;

fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

fn task(name: &str, needs: &[&str]) -> Task {
    Task {
        needs: needs.iter().map(|need| id(need)).collect(),
        ..Task::open(id(name))
    }
}

#[test]
fn all_problems_come_at_once() {
    let problems = Plan::build(vec![
        task("a", &["a"]),
        task("b", &["nowhere"]),
        task("b", &[]),
        task("c", &["d"]),
        task("d", &["c"]),
    ])
    .unwrap_err();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "duplicate task b",
            "task a needs itself",
            "task b needs nowhere, which is not in the plan",
            "dependency cycle: c -> d -> c",
        ]
    );
}

#[test]
fn a_fault_holds_its_tasks_and_leaves_the_rest() {
    let (plan, problems) = Plan::build_tolerant(vec![
        task("a", &[]),
        task("c", &["d", "a"]),
        task("d", &["c"]),
        task("e", &["a"]),
    ]);
    assert_eq!(problems.len(), 1);
    let faulty: Vec<&str> = plan
        .tasks()
        .iter()
        .filter(|t| matches!(t.eligibility, Eligibility::Faulty { .. }))
        .map(|t| t.id.as_str())
        .collect();
    assert_eq!(faulty, ["c", "d"]);
    assert_eq!(
        plan.graph().needs(plan.find(&id("c")).unwrap()),
        [plan.find(&id("a")).unwrap()]
    );
}

#[test]
fn unknown_estimates_are_the_median_of_the_known() {
    let with = |name: &str, minutes| Task {
        estimate_minutes: minutes,
        ..Task::open(id(name))
    };
    let plan = Plan::build(vec![
        with("a", Some(10)),
        with("b", Some(50)),
        with("c", Some(20)),
        with("d", None),
    ])
    .unwrap();
    assert_eq!(plan.estimate(Ix(3)), (20, EstimateSource::Median));
    let plan = Plan::build(vec![with("d", None)]).unwrap();
    assert_eq!(
        plan.estimate(Ix(0)),
        (DEFAULT_ESTIMATE_MINUTES, EstimateSource::Default)
    );
}

#[test]
fn a_task_that_takes_more_than_there_is_is_faulty_and_can_be_mended() {
    let group = LockGroup::new("gpu").unwrap();
    let mut greedy = task("greedy", &[]);
    greedy.locks.insert_units(group.clone(), 3);
    let mut modest = task("modest", &[]);
    modest.locks.insert_units(group.clone(), 2);
    let plan = Plan::build(vec![greedy, modest]).unwrap();
    let capacity = |units| [(group.clone(), units)].into_iter().collect();
    let (plan, problems) = plan.with_capacities(&capacity(2));
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "task greedy takes 3 units of the lock group gpu, whose capacity is 2: take fewer, or set `[locks.capacity] gpu = 3`"
        ]
    );
    let (given, _) = Plan::build_tolerant(plan.given_tasks());
    let (mended, problems) = given.with_capacities(&capacity(3));
    assert_eq!(problems, []);
    assert!(
        mended
            .tasks()
            .iter()
            .all(|task| task.eligibility == Eligibility::Open)
    );
}
