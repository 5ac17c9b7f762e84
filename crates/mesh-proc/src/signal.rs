//! Signals to ourselves, as calls on one thread.
//!
//! While a [`Listener`] lives, SIGINT, SIGTERM and SIGHUP do nothing but this call: what they mean is for the caller. After it was
//! dropped they do nothing at all; they do not get their usual effect back. Children are not touched by any of this.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::io;
use std::thread::JoinHandle;

/// A signal that a person or the system sent to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OwnSignal {
    /// SIGINT, Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone.
    HangUp,
}

/// Delivers signals until it is dropped. Must not be dropped by its own function, which would wait for itself.
#[derive(Debug)]
pub struct Listener {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Calls `on_signal` for each signal, one after the other, from a thread of its own.
    ///
    /// # Errors
    /// The handlers could not be installed or the thread not be started.
    pub fn start(mut on_signal: impl FnMut(OwnSignal) + Send + 'static) -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let handle = signals.handle();
        let thread = std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    match signal {
                        SIGINT => on_signal(OwnSignal::Interrupt),
                        SIGTERM => on_signal(OwnSignal::Terminate),
                        SIGHUP => on_signal(OwnSignal::HangUp),
                        _ => {}
                    }
                }
            })?;
        Ok(Self {
            handle,
            thread: Some(thread),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the caller's function has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}
