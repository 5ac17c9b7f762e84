//! What the YAML reader says, for people.

/// What is wrong, in one line and without the place, which stands in front already.
pub(crate) fn cause(problem: &serde_saphyr::Error) -> String {
    let text = problem.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line
        .rsplit_once(" at line ")
        .map_or(line, |(cause, _)| cause);
    // The reader's advice is for programmers.
    line.split(", set DuplicateKeyPolicy")
        .next()
        .unwrap_or(line)
        .to_owned()
}
