//! What the protocols share when they tell a limit of the provider from other ends.

use mesh_core::metered::RefusalClass;
use mesh_core::time::Millis;
use std::path::Path;

/// Where an attempt's program has said what it used.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// Its standard output.
    pub stdout: &'a Path,
    /// Its standard error.
    pub stderr: &'a Path,
    /// The folder in which it keeps its sessions, if it has one.
    pub home: Option<&'a Path>,
    /// Patterns by which the last lines of a plain program show that a limit ended it.
    pub limit_patterns: &'a [String],
    /// Now, in milliseconds since 1970.
    pub now_unix_ms: u64,
    /// A moment of the run from milliseconds since 1970.
    pub moment: &'a dyn Fn(u64) -> Millis,
}

/// What the status of a refused request means.
pub(super) fn class_of_status(status: Option<u64>) -> RefusalClass {
    match status {
        Some(429) => RefusalClass::RateLimit,
        Some(401 | 403) => RefusalClass::Auth,
        Some(408 | 500..=599) => RefusalClass::Transient,
        Some(413) => RefusalClass::Context,
        _ => RefusalClass::Other,
    }
}

/// What the words of a program mean that gives no status; nothing when they say nothing of a limit.
pub(super) fn of_words(said: &str) -> Option<RefusalClass> {
    let said = said.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&[
        "hit your usage limit",
        "usage limit has been reached",
        "usage limit reached",
    ]) {
        Some(RefusalClass::Quota)
    } else if has(&["429 too many requests", "rate limit reached"]) {
        Some(RefusalClass::RateLimit)
    } else if has(&["prompt is too long", "context window"]) {
        Some(RefusalClass::Context)
    } else if has(&["experiencing high demand", "at capacity"]) {
        Some(RefusalClass::Transient)
    } else {
        None
    }
}

/// A fraction as a percentage, from 0 to 100.
pub(super) fn percent(fraction: f64) -> u8 {
    (fraction.clamp(0.0, 1.0) * 100.0).round() as u8
}

#[cfg(test)]
#[path = "meter_test.rs"]
mod tests;
