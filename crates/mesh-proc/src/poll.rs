//! Waiting for file descriptors with a deadline.

use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::time::Instant;

/// Waits until one of `fds` is ready, the deadline has come or a signal arrived; which of these is for the caller to look up.
/// Without a deadline it waits for ever.
pub(crate) fn wait(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<()> {
    let timeout = deadline.and_then(|deadline| {
        // A duration too long for the kernel is as good as none.
        Timespec::try_from(deadline.saturating_duration_since(Instant::now())).ok()
    });
    match poll(fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The earlier of two deadlines that may both be absent.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
