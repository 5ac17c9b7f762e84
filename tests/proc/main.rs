//! Suite `proc`: short commands, the shim and its tree, strays, and the agent that plays in other suites.
//!
//! Every process here is a real one. Nothing is waited for by guessing a time: [`support::until`] asks for the event.

mod agent;
mod kill;
mod limits;
mod lock;
mod ordinary;
mod orphans;
mod run;
mod sandbox;
mod support;
mod tree;
mod watch;
