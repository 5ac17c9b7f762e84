//! One thread that waits for the end of many processes.
//!
//! It sleeps in one `poll` over their process file descriptors and costs nothing while nobody ends. Each token is called back
//! exactly once; a process that is our child is reaped first.

use crate::shim::ShimHandle;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

/// The waiting thread. Dropping it ends the waiting, not the processes.
#[derive(Debug)]
pub struct Watcher<T> {
    sender: Option<Sender<(T, ShimHandle)>>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Watcher<T> {
    /// Starts the thread; `on_end` is called on it with the token of each process that ended, in the order of their ends.
    ///
    /// # Errors
    /// No file descriptor or no thread to be had.
    pub fn start(on_end: impl FnMut(T) + Send + 'static) -> io::Result<Self> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, receiver) = channel();
        let ours = Arc::clone(&wake);
        let thread = std::thread::Builder::new()
            .name("process-ends".into())
            .spawn(move || wait_for_ends(&receiver, &ours, on_end))?;
        Ok(Self {
            sender: Some(sender),
            wake,
            thread: Some(thread),
        })
    }

    /// Calls back with `token` when this process has ended, also when it has already.
    pub fn add(&self, token: T, live: ShimHandle) {
        if let Some(sender) = &self.sender {
            // The thread only goes away in `drop`, or with a panic of the caller's own function.
            let _ = sender.send((token, live));
        }
        wake_up(&self.wake);
    }
}

impl<T> Drop for Watcher<T> {
    fn drop(&mut self) {
        self.sender = None;
        wake_up(&self.wake);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn wake_up(wake: &OwnedFd) {
    // Can only fail when 2^64 - 2 wake-ups are pending, and then it is awake.
    let _ = rustix::io::write(wake, &1u64.to_ne_bytes());
}

fn wait_for_ends<T>(
    receiver: &Receiver<(T, ShimHandle)>,
    wake: &OwnedFd,
    mut on_end: impl FnMut(T),
) {
    let mut waiting: Vec<(T, ShimHandle)> = Vec::new();
    loop {
        loop {
            match receiver.try_recv() {
                Ok(added) => waiting.push(added),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        let ended = match wait_once(&waiting, wake) {
            Ok(ended) => ended,
            // Out of memory or descriptors for a moment; the processes are still there to be asked.
            Err(_) => {
                std::thread::sleep(std::time::Duration::from_millis(100));
                continue;
            }
        };
        // From the back, so that the indices before stay valid; called in the order of adding.
        let mut tokens: Vec<T> = ended
            .into_iter()
            .rev()
            .map(|index| {
                let (token, live) = waiting.remove(index);
                live.reap();
                token
            })
            .collect();
        tokens.reverse();
        tokens.into_iter().for_each(&mut on_end);
    }
}

/// Sleeps until something happens and says which of `waiting` have ended, in ascending order.
fn wait_once<T>(waiting: &[(T, ShimHandle)], wake: &OwnedFd) -> io::Result<Vec<usize>> {
    let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
    fds.extend(
        waiting
            .iter()
            .map(|(_, live)| PollFd::from_borrowed_fd(live.pidfd(), PollFlags::IN)),
    );
    crate::poll::wait(&mut fds, None)?;
    let _ = rustix::io::read(wake, &mut [0u8; 8]);
    Ok(fds[1..]
        .iter()
        .enumerate()
        .filter(|(_, fd)| !fd.revents().is_empty())
        .map(|(index, _)| index)
        .collect())
}
