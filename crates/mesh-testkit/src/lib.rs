//! Test support: a hermetic environment, temporary repositories, and the real programs.
//!
//! Nothing here is linked into a shipped program. Helpers panic with the reason: a test that cannot set itself up has failed.

pub mod env;
pub mod model;
pub mod readers;
pub mod record_jj;
pub mod ro;
pub mod tools;
pub mod tracker;
