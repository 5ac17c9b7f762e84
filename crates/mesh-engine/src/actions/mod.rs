//! What actions come to: each runs on a thread of its own, talks to the adapters, and ends in facts for the inbox.
//!
//! Nothing is decided here. A worker that panics is a fact too: its attempt fails with the panic's text.

pub(crate) mod compound;
pub(crate) mod evidence;
pub(crate) mod finalize;
pub(crate) mod folder;
pub(crate) mod inspect;
pub(crate) mod kept;
pub(crate) mod land;
pub(crate) mod learnings;
pub(crate) mod leftout;
pub(crate) mod leftovers;
pub(crate) mod manifest;
pub(crate) mod output;
pub(crate) mod ports;
pub(crate) mod prepare;
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod prompt;
pub(crate) mod prove;
pub(crate) mod refused;
pub(crate) mod shared;
pub(crate) mod start;
pub(crate) mod stop;
