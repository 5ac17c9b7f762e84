//! The one channel into the loop. Whatever happens outside becomes an [`Input`] here.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use mesh_core::event::Event;
use mesh_core::process::ProcessId;
use mesh_core::time::Millis;
use mesh_proc::signal::OwnSignal;

use crate::clock::Clock;

/// Something from outside.
#[derive(Debug)]
pub enum Input {
    /// A fact for the core.
    Fact(Box<Event>),
    /// A process has ended that somebody watches.
    ProcessEnded(ProcessId),
    /// Somebody wrote a request into the control folder.
    ControlChanged,
    /// A signal to ourselves.
    Signal(OwnSignal),
    /// Something that people should hear of now.
    Note(String),
}

/// Where the loop takes its inputs from.
pub trait Inputs: Send {
    /// The next input; nothing when `until` is there first. It blocks, without an end when there is no `until`.
    fn next(&mut self, until: Option<Millis>) -> Option<Input>;
}

/// The inputs of this machine.
pub(crate) struct Inbox {
    pub receiver: Receiver<Input>,
    pub clock: Arc<Clock>,
}

impl Inputs for Inbox {
    fn next(&mut self, until: Option<Millis>) -> Option<Input> {
        // Only time can run out: all senders live as long as the run context, which lives as long as the loop.
        let Some(until) = until else {
            return self.receiver.recv().ok();
        };
        let rest = Duration::from_millis(until.since(self.clock.now()).0);
        self.receiver.recv_timeout(rest).ok()
    }
}
