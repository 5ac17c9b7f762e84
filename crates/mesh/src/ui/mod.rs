//! Output. One writer, and what it shows.

pub(crate) mod activity;
pub(crate) mod progress;
pub(crate) mod shell;
pub(crate) mod terminal_question;
pub(crate) mod timeline;
