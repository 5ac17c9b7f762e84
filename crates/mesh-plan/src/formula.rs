//! The tracker's formulas of a run and of an attempt, compiled in, and the titles by which what was poured from them is found again.
//!
//! The names of formulas, variables and steps are a contract with people who pour them by hand: they must not change.

use mesh_core::id::{AttemptId, TaskId};

/// A formula as the tracker reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formula {
    /// The name under which it is poured.
    pub name: &'static str,
    /// The name of its file in a folder of formulas.
    pub file_name: &'static str,
    /// The file.
    pub text: &'static str,
}

/// One run.
pub const RUN: Formula = Formula {
    name: "mol-mesh-run",
    file_name: "mol-mesh-run.formula.json",
    text: include_str!("../../../formulas/mol-mesh-run.formula.json"),
};

/// One attempt of a run.
pub const ARM: Formula = Formula {
    name: "mol-mesh-arm",
    file_name: "mol-mesh-arm.formula.json",
    text: include_str!("../../../formulas/mol-mesh-arm.formula.json"),
};

/// All of them.
pub const ALL: [Formula; 2] = [RUN, ARM];

/// The steps of [`RUN`] that are passed before its first task starts. They are gated.
pub const FIRST_STEPS: [&str; 2] = ["resolve-target", "validate-target"];

/// What `target` and `run` make of the title of the step `validate-target`: no other step has it.
#[must_use]
pub fn title_of_run(target: &TaskId, run: &str) -> String {
    format!("validate-target: {target} (run {run})")
}

/// What `attempt` and `run` make of the title of the only step of [`ARM`].
#[must_use]
pub fn title_of_arm(attempt: &AttemptId, run: &str) -> String {
    format!(
        "arm: {} attempt {} (run {run})",
        attempt.task, attempt.number
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn json(formula: Formula) -> Value {
        serde_json::from_str(formula.text).expect("a formula is JSON")
    }

    fn ids(list: &Value) -> Vec<&str> {
        let steps = list.as_array().expect("steps");
        steps
            .iter()
            .filter_map(|step| step["id"].as_str())
            .collect()
    }

    fn title(formula: Formula, step: usize, values: &[(&str, &str)]) -> String {
        let formula = json(formula);
        let title = formula["steps"][step]["title"].as_str().expect("a title");
        values
            .iter()
            .fold(title.to_owned(), |title, (name, value)| {
                title.replace(&format!("{{{{{name}}}}}"), value)
            })
    }

    #[test]
    fn names_variables_steps_and_gates_are_those_of_the_contract() {
        let run = json(RUN);
        assert_eq!(run["formula"], RUN.name);
        assert_eq!(RUN.file_name, format!("{}.formula.json", RUN.name));
        assert_eq!(
            ids(&run["steps"]),
            ["resolve-target", "validate-target", "run-waves", "closeout"]
        );
        for step in run["steps"].as_array().expect("steps") {
            let is_first = FIRST_STEPS.contains(&step["id"].as_str().expect("an id"));
            assert_eq!(step["gate"].is_object(), is_first, "{step}");
        }
        for name in ["target_id", "target_kind", "concurrency"] {
            assert_eq!(run["vars"][name]["required"], true, "{name}");
        }
        assert_eq!(run["vars"]["workspace_backend"]["default"], "worktree");
        assert_eq!(run["vars"]["audit_level"]["default"], "full");
        let arm = json(ARM);
        assert_eq!(arm["formula"], ARM.name);
        assert_eq!(ARM.file_name, format!("{}.formula.json", ARM.name));
        assert_eq!(ids(&arm["steps"]), ["arm"]);
    }

    #[test]
    fn titles_by_which_molecules_are_found_are_those_of_the_formulas() {
        let task = TaskId::new("t-1.2").expect("an id");
        let values = [("target_id", "t-1.2"), ("run_id", "r7")];
        assert_eq!(title_of_run(&task, "r7"), title(RUN, 1, &values));
        let values = [("task_id", "t-1.2"), ("attempt", "3"), ("run_id", "r7")];
        let attempt = AttemptId { task, number: 3 };
        assert_eq!(title_of_arm(&attempt, "r7"), title(ARM, 0, &values));
    }
}
