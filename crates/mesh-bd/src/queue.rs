//! One call at a time. A thread owns the tracker and works four lanes: claims first, because an agent's start waits for them; then
//! snapshots, which are short and rare and for which agents wait in the midst of their work; then the rest in order; then renewals,
//! which may be late by minutes.
//!
//! It must never let one request's panic stop the others, and it never drops a request without a word: each reply is called
//! exactly once, with [`BdError::QueueClosed`] if the request's turn did not come.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};

use crate::error::BdError;
use crate::listing::Listing;
use crate::tracker::Tracker;

/// Which requests go before which. Within a lane the first come is the first served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// What an agent's start waits for.
    Claim,
    /// Copies of the tracker's files, between two calls.
    Snapshot,
    /// Everything else.
    Rest,
    /// Renewals of leases.
    Renewal,
}

const LANES: usize = 4;

/// How often a waiting listing may move behind newer requests before it keeps its place.
const MOST_MOVES: u8 = 3;

type Work = Box<dyn FnOnce(Option<&dyn Tracker>) + Send>;
type ListingReply = Box<dyn FnOnce(Result<Arc<Listing>, BdError>) + Send>;

enum Job {
    Work(Work),
    Listing {
        replies: Vec<ListingReply>,
        moves: u8,
    },
}

#[derive(Default)]
struct State {
    lanes: [VecDeque<Job>; LANES],
    closed: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Signalled when there is something to do, or nothing more to come.
    to_worker: Condvar,
}

impl Shared {
    /// A panic while the lock is held cannot leave the lanes half changed, so a poisoned lock is as good as another.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queue in front of a tracker. Dropping it abandons what waits.
pub struct Queue {
    shared: Arc<Shared>,
}

impl Queue {
    /// Starts the thread that owns `tracker`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(tracker: Box<dyn Tracker>) -> Result<Queue, BdError> {
        let shared = Arc::new(Shared::default());
        let for_worker = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("bd".to_owned())
            .spawn(move || work(&for_worker, &*tracker))
            .map_err(|cause| BdError::NoThread {
                cause: cause.to_string(),
            })?;
        Ok(Queue { shared })
    }

    /// Queues `work`. `reply` is called once, on the queue's thread, or on this one if the queue is closed already; it must
    /// not wait for the queue.
    pub fn submit<T, W, R>(&self, lane: Lane, work: W, reply: R)
    where
        T: 'static,
        W: FnOnce(&dyn Tracker) -> Result<T, BdError> + Send + 'static,
        R: FnOnce(Result<T, BdError>) + Send + 'static,
    {
        let job: Work = Box::new(move |tracker| {
            let answer = match tracker {
                None => Err(BdError::QueueClosed),
                Some(tracker) => caught(|| work(tracker)),
            };
            reply(answer);
        });
        let mut state = self.shared.lock();
        if state.closed {
            drop(state);
            return job(None);
        }
        state.lanes[lane as usize].push_back(Job::Work(job));
        drop(state);
        self.shared.to_worker.notify_one();
    }

    /// Queues a listing, in the lane of the rest. One that waits already serves both: it moves to this request's place, so that
    /// it shows all that was asked before, but not for ever.
    pub fn submit_listing<R>(&self, reply: R)
    where
        R: FnOnce(Result<Arc<Listing>, BdError>) + Send + 'static,
    {
        let reply: ListingReply = Box::new(reply);
        let mut state = self.shared.lock();
        if state.closed {
            drop(state);
            return reply(Err(BdError::QueueClosed));
        }
        let lane = &mut state.lanes[Lane::Rest as usize];
        let movable = |job: &Job| matches!(job, Job::Listing { moves, .. } if *moves < MOST_MOVES);
        let job = match lane.iter().position(movable).and_then(|at| lane.remove(at)) {
            Some(Job::Listing { mut replies, moves }) => {
                replies.push(reply);
                Job::Listing {
                    replies,
                    moves: moves + 1,
                }
            }
            // Only listings are movable, so there was none.
            Some(Job::Work(_)) | None => Job::Listing {
                replies: vec![reply],
                moves: 0,
            },
        };
        lane.push_back(job);
        drop(state);
        self.shared.to_worker.notify_one();
    }

    /// Queues `work` and waits for its answer. Never call it from a reply: it would wait for itself.
    ///
    /// # Errors
    /// What `work` gives, or that its turn did not come.
    pub fn call<T, W>(&self, lane: Lane, work: W) -> Result<T, BdError>
    where
        T: Send + 'static,
        W: FnOnce(&dyn Tracker) -> Result<T, BdError> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel();
        self.submit(lane, work, move |answer| {
            // The receiver waits below; it is gone only if its thread is.
            let _ = sender.send(answer);
        });
        receiver.recv().unwrap_or(Err(BdError::QueueClosed))
    }

    /// Closes the queue and tells everything that waits. Replies are called without the lock.
    fn abandon(&self) {
        let jobs: Vec<Job> = {
            let mut state = self.shared.lock();
            state.closed = true;
            state.lanes.iter_mut().flat_map(std::mem::take).collect()
        };
        self.shared.to_worker.notify_one();
        jobs.into_iter().for_each(|job| run(job, None));
    }
}

impl Drop for Queue {
    /// Does not wait for a call in flight.
    fn drop(&mut self) {
        self.abandon();
    }
}

/// The thread's life: the first job of the first lane that has one, until the queue is closed and empty.
fn work(shared: &Shared, tracker: &dyn Tracker) {
    loop {
        let job = {
            let mut state = shared.lock();
            loop {
                match state.lanes.iter_mut().find_map(VecDeque::pop_front) {
                    Some(job) => break job,
                    None if state.closed => return,
                    None => {
                        state = shared
                            .to_worker
                            .wait(state)
                            .unwrap_or_else(PoisonError::into_inner)
                    }
                }
            }
        };
        run(job, Some(tracker));
    }
}

/// Runs a job and its replies, each on its own: a reply that panics takes no other with it.
fn run(job: Job, tracker: Option<&dyn Tracker>) {
    match job {
        Job::Work(work) => report_panic(catch_unwind(AssertUnwindSafe(|| work(tracker)))),
        Job::Listing { replies, .. } => {
            let answer = match tracker {
                None => Err(BdError::QueueClosed),
                Some(tracker) => caught(|| tracker.listing()).map(Arc::new),
            };
            for reply in replies {
                let answer = answer.clone();
                report_panic(catch_unwind(AssertUnwindSafe(|| reply(answer))));
            }
        }
    }
}

/// The answer of `work`, or its panic as an error.
fn caught<T>(work: impl FnOnce() -> Result<T, BdError>) -> Result<T, BdError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(BdError::Panicked(panic_text(&*panic))))
}

fn report_panic(ended: Result<(), Box<dyn Any + Send>>) {
    if let Err(panic) = ended {
        tracing::error!(
            panic = panic_text(&*panic),
            "a reply to a tracker request panicked"
        );
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned())
}
