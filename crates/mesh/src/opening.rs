//! What Ctrl-C and SIGTERM mean until a run has its own way with signals: the calls under way end, and so does the command.

use std::collections::BTreeSet;
use std::io::Write as _;

use mesh_proc::signal::{Listener, OwnSignal};
use mesh_proc::tree;
use rustix::process::Signal;

use crate::exit_code;

/// Listens until it is dropped. It also takes the place of signals that a shell had this process ignore, as it does for commands
/// in the background of a script: a run that is asked to end in its first seconds has to hear that.
#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "the main thread waits for a call or for a person, and the usual effect of the signal skips destructors too"
)]
pub(crate) fn listen() -> std::io::Result<Listener> {
    Listener::start(|signal| {
        let code = match signal {
            OwnSignal::HangUp => return,
            OwnSignal::Interrupt => exit_code::INTERRUPTED,
            OwnSignal::Terminate => exit_code::TERMINATED,
        };
        let processes = tree::all();
        let own = BTreeSet::from([std::process::id()]);
        for process in tree::descendants(&own, &processes) {
            tree::signal_same(process.identity(), Signal::TERM);
        }
        // Nobody is left to hear of it when this fails.
        let _ = writeln!(std::io::stderr(), "interrupted before anything was started");
        std::process::exit(i32::from(code));
    })
}
