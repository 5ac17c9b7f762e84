//! The line by which a comment can be recognised as belonging to a run and an attempt. Pure text.

use mesh_core::id::AttemptId;

/// The line of an attempt's comment: `(mesh <run> <task>#<n>)`.
#[must_use]
pub fn of_attempt(run: &str, attempt: &AttemptId) -> String {
    format!("(mesh {run} {attempt})")
}

/// The line of a comment on the run as a whole, `what` telling its comments apart: `(mesh <run> wave-2)`.
#[must_use]
pub fn of_run(run: &str, what: &str) -> String {
    format!("(mesh {run} {what})")
}

/// The last marker line of `text`.
#[must_use]
pub fn find(text: &str) -> Option<&str> {
    text.lines()
        .map(str::trim)
        .rev()
        .find(|line| line.starts_with("(mesh ") && line.ends_with(')'))
}

/// Whether `text` has exactly this marker line.
#[must_use]
pub fn has(text: &str, marker: &str) -> bool {
    text.lines().any(|line| line.trim() == marker)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::id::TaskId;

    #[test]
    fn a_marker_is_found_again_and_no_other() {
        let attempt = AttemptId {
            task: TaskId::new("t-1.2").expect("a plain id"),
            number: 1,
        };
        let marker = of_attempt("r7", &attempt);
        assert_eq!(marker, "(mesh r7 t-1.2#1)");
        let text = format!("Verified.\n(mesh r7 t-1.2#12)\n{marker}\n");
        assert_eq!(find(&text), Some(marker.as_str()));
        assert!(has(&text, &marker));
        assert!(!has("see (mesh r7 t-1.2#1) above", &marker));
        assert!(!has("(mesh r7 t-1.2#12)", &marker));
        assert_eq!(find("no marker"), None);
    }
}
