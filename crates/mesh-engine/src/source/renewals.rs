//! Keeping leases alive. One thread sleeps until the next renewal is due; it costs nothing in between.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use mesh_core::id::TaskId;

/// A lease runs for five minutes (measured on bd 1.3.0) and is taken at the earliest ten minutes after that.
const EVERY: Duration = Duration::from_secs(240);
/// Renewals of many tasks are spread over this much, so that they do not queue behind one another.
const JITTER: Duration = Duration::from_secs(20);

enum Change {
    Keep(TaskId),
    Drop(TaskId),
}

/// Leases that are being renewed. Ends when it is dropped.
pub(crate) struct Renewals {
    sender: Sender<Change>,
}

impl Renewals {
    /// Starts the thread; `renew` is called for each task whose time has come and must not wait.
    pub fn start(renew: impl Fn(&TaskId) + Send + 'static) -> std::io::Result<Renewals> {
        let (sender, receiver) = channel();
        std::thread::Builder::new()
            .name("renewals".to_owned())
            .spawn(move || {
                let mut due: BTreeMap<TaskId, Instant> = BTreeMap::new();
                loop {
                    let now = Instant::now();
                    let ready: Vec<TaskId> = due
                        .iter()
                        .filter(|(_, at)| **at <= now)
                        .map(|(task, _)| task.clone())
                        .collect();
                    for task in ready {
                        renew(&task);
                        due.insert(task.clone(), next(now, &task));
                    }
                    let received = match due.values().min() {
                        Some(next) => {
                            receiver.recv_timeout(next.saturating_duration_since(Instant::now()))
                        }
                        None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                    };
                    match received {
                        Ok(Change::Keep(task)) => {
                            due.insert(task.clone(), next(Instant::now(), &task));
                        }
                        Ok(Change::Drop(task)) => {
                            due.remove(&task);
                        }
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            })?;
        Ok(Renewals { sender })
    }

    /// Renews nothing: what is left when the system gives no thread. The leases run out, and nobody takes them for ten minutes.
    pub fn idle() -> Renewals {
        Renewals {
            sender: channel().0,
        }
    }

    /// Renews the lease of `task` from now on.
    pub fn keep(&self, task: &TaskId) {
        let _ = self.sender.send(Change::Keep(task.clone()));
    }

    /// No longer.
    pub fn drop_lease(&self, task: &TaskId) {
        let _ = self.sender.send(Change::Drop(task.clone()));
    }
}

fn next(now: Instant, task: &TaskId) -> Instant {
    let spread = task.as_str().bytes().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    let jitter = u64::try_from(JITTER.as_millis()).map_or(0, |span| spread % span);
    now + EVERY - Duration::from_millis(jitter)
}
