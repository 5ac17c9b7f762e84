//! Bytes in, plan and diagnostics out.
//!
//! The sources of tasks ([`epic`] and the formats of [`file`]) become
//! [`source_snapshot::SourceSnapshot`]: the scheduler's tasks, what is to be done in each, and all
//! problems of the input at once. Prompts and comments are rendered from the templates in `formulas/`, which are compiled in.
//! This crate opens no file, runs nothing, reads no clock and never panics on what it is given.

pub mod audit;
pub mod comment;
pub mod csv;
pub mod details;
pub mod diagnostic;
pub mod diff;
pub mod epic;
pub mod file;
pub mod formula;
pub mod learnings;
pub mod list;
pub mod prompt;
pub mod role_prompt;
pub mod source_snapshot;
pub mod st;
pub mod units;

mod json;
mod nearest;
mod overlap;
mod template;
mod yaml;

#[cfg(test)]
#[path = "fixtures_test.rs"]
mod fixtures;
