//! One call at a time. A thread owns the tracker and works its lanes: claims first, because an agent's start waits for them; then
//! snapshots, which are short and rare and for which agents wait in the midst of their work; then the rest in order; then renewals,
//! which may be late by minutes; then bookkeeping and the audit, for which nobody waits.
//!
//! Claims and snapshots go first between the calls of a request, too, so that none waits for more than the one call that runs. What
//! comes to the same kind of request while it waits joins it: listings, and ends of attempts.
//!
//! It must never let one request's panic stop the others, and it never drops a request without a word: each reply is called
//! exactly once, with [`BdError::QueueClosed`] if the request's turn did not come.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak, mpsc};

use mesh_proc::run::{Command, Output, RunError, Runner};

use crate::error::BdError;
use crate::finalize::{Finalization, Finalized};
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
    /// What mesh keeps in the tracker beside the beads.
    Background,
    /// Entries of the audit.
    Audit,
}

const LANES: usize = 6;

/// The lanes for which somebody's start or work waits.
const URGENT: [Lane; 2] = [Lane::Claim, Lane::Snapshot];

/// How often a waiting listing may move behind newer requests before it keeps its place.
const MOST_MOVES: u8 = 3;

type Work = Box<dyn FnOnce(Option<&dyn Tracker>) + Send>;
type ListingReply = Box<dyn FnOnce(Result<Arc<Listing>, BdError>) + Send>;
type FinalizedReply = Box<dyn FnOnce(Finalized) + Send>;

enum Job {
    Work(Work),
    Finalize(Vec<(Finalization, FinalizedReply)>),
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
    /// What runs is urgent itself, so that nothing goes before it.
    is_urgent: AtomicBool,
    /// Signalled when there is something to do, or nothing more to come.
    to_worker: Condvar,
}

impl Shared {
    /// A panic while the lock is held cannot leave the lanes half changed, so a poisoned lock is as good as another.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_urgent(&self) -> Option<Job> {
        let mut state = self.lock();
        URGENT
            .iter()
            .find_map(|lane| state.lanes[*lane as usize].pop_front())
    }

    /// The listings that wait now.
    fn take_listings(&self) -> Vec<ListingReply> {
        let mut state = self.lock();
        let lane = &mut state.lanes[Lane::Rest as usize];
        let (listings, others) = std::mem::take(lane)
            .into_iter()
            .partition(|job| matches!(job, Job::Listing { .. }));
        *lane = others;
        let replies = |job| match job {
            Job::Listing { replies, .. } => replies,
            Job::Work(_) | Job::Finalize(_) => Vec::new(),
        };
        let listings: VecDeque<Job> = listings;
        listings.into_iter().flat_map(replies).collect()
    }
}

/// Makes the calls of a tracker, and lets urgent requests go before each.
struct UrgentFirst {
    runner: Arc<dyn Runner>,
    shared: Weak<Shared>,
    tracker: OnceLock<Weak<dyn Tracker>>,
}

impl Runner for UrgentFirst {
    fn run(&self, command: &Command) -> Result<Output, RunError> {
        let tracker = self.tracker.get().and_then(Weak::upgrade);
        if let (Some(tracker), Some(shared)) = (tracker, self.shared.upgrade())
            && !shared.is_urgent.swap(true, Ordering::Relaxed)
        {
            while let Some(job) = shared.next_urgent() {
                run(job, Some(&*tracker), &shared);
            }
            shared.is_urgent.store(false, Ordering::Relaxed);
        }
        self.runner.run(command)
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
    pub fn start(mut tracker: Box<dyn Tracker>) -> Result<Queue, BdError> {
        let shared = Arc::new(Shared::default());
        let urgent_first = Arc::new(UrgentFirst {
            runner: Arc::clone(tracker.runner()),
            shared: Arc::downgrade(&shared),
            tracker: OnceLock::new(),
        });
        *tracker.runner() = Arc::clone(&urgent_first) as Arc<dyn Runner>;
        let tracker: Arc<dyn Tracker> = Arc::from(tracker);
        // Only just made, so nothing is in it.
        let _ = urgent_first.tracker.set(Arc::downgrade(&tracker));
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
            Some(Job::Work(_) | Job::Finalize(_)) | None => Job::Listing {
                replies: vec![reply],
                moves: 0,
            },
        };
        lane.push_back(job);
        drop(state);
        self.shared.to_worker.notify_one();
    }

    /// Queues an attempt's end to be written down; ends that wait go together. `reply` as in [`Queue::submit`].
    pub fn submit_finalization<R>(&self, end: Finalization, reply: R)
    where
        R: FnOnce(Finalized) + Send + 'static,
    {
        let reply: FinalizedReply = Box::new(reply);
        let mut state = self.shared.lock();
        if state.closed {
            drop(state);
            return reply(Finalized::failed(&BdError::QueueClosed));
        }
        let lane = &mut state.lanes[Lane::Rest as usize];
        let waiting = lane.iter_mut().find_map(|job| match job {
            Job::Finalize(ends) => Some(ends),
            Job::Work(_) | Job::Listing { .. } => None,
        });
        match waiting {
            Some(ends) => ends.push((end, reply)),
            None => lane.push_back(Job::Finalize(vec![(end, reply)])),
        }
        drop(state);
        self.shared.to_worker.notify_one();
    }

    /// Writes an attempt's end down and waits for what came of it. Never call it from a reply.
    #[must_use]
    pub fn finalize(&self, end: Finalization) -> Finalized {
        let (sender, receiver) = mpsc::channel();
        self.submit_finalization(end, move |finalized| {
            // The receiver waits below; it is gone only if its thread is.
            let _ = sender.send(finalized);
        });
        let closed = |_| Finalized::failed(&BdError::QueueClosed);
        receiver.recv().unwrap_or_else(closed)
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
        jobs.into_iter()
            .for_each(|job| run(job, None, &self.shared));
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
        let (lane, job) = {
            let mut state = shared.lock();
            loop {
                let mut lanes = state.lanes.iter_mut().enumerate();
                match lanes.find_map(|(lane, jobs)| Some((lane, next(jobs)?))) {
                    Some(next) => break next,
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
        let is_urgent = URGENT.iter().any(|urgent| *urgent as usize == lane);
        shared.is_urgent.store(is_urgent, Ordering::Relaxed);
        run(job, Some(tracker), shared);
    }
}

/// The next job of a lane: the first, but ends that need a listing before a listing, which they serve.
fn next(jobs: &mut VecDeque<Job>) -> Option<Job> {
    let lists = |job: &Job| matches!(job, Job::Finalize(ends) if ends.len() > 1);
    let first = match jobs.front()? {
        Job::Listing { .. } => jobs.iter().position(lists).unwrap_or(0),
        Job::Work(_) | Job::Finalize(_) => 0,
    };
    jobs.remove(first)
}

/// Runs a job and its replies, each on its own: a reply that panics takes no other with it.
fn run(job: Job, tracker: Option<&dyn Tracker>, shared: &Shared) {
    match job {
        Job::Work(work) => report_panic(catch_unwind(AssertUnwindSafe(|| work(tracker)))),
        Job::Listing { replies, .. } => {
            let answer = match tracker {
                None => Err(BdError::QueueClosed),
                Some(tracker) => caught(|| tracker.listing()).map(Arc::new),
            };
            reply_with_listing(replies, &answer);
        }
        Job::Finalize(waiting) => {
            let (ends, replies): (Vec<Finalization>, Vec<FinalizedReply>) =
                waiting.into_iter().unzip();
            let finalized = match tracker {
                None => Err(BdError::QueueClosed),
                Some(tracker) => finalize(tracker, &ends, shared),
            };
            let count = ends.len();
            let finalized =
                finalized.unwrap_or_else(|error| vec![Finalized::failed(&error); count]);
            for (reply, finalized) in replies.into_iter().zip(finalized) {
                report_panic(catch_unwind(AssertUnwindSafe(|| reply(finalized))));
            }
        }
    }
}

/// Finalizes, and serves the listings that waited if one was read for it: nothing else is new in one of their own.
fn finalize(
    tracker: &dyn Tracker,
    ends: &[Finalization],
    shared: &Shared,
) -> Result<Vec<Finalized>, BdError> {
    let waiting = shared.take_listings();
    let (finalized, listing) = match caught(|| Ok(tracker.finalize(ends))) {
        Ok(answer) => answer,
        Err(error) => {
            put_back(shared, waiting);
            return Err(error);
        }
    };
    match listing {
        Some(listing) => reply_with_listing(waiting, &Ok(Arc::new(listing))),
        None => put_back(shared, waiting),
    }
    Ok(finalized)
}

fn put_back(shared: &Shared, replies: Vec<ListingReply>) {
    if !replies.is_empty() {
        let moves = MOST_MOVES;
        let job = Job::Listing { replies, moves };
        shared.lock().lanes[Lane::Rest as usize].push_back(job);
    }
}

fn reply_with_listing(replies: Vec<ListingReply>, answer: &Result<Arc<Listing>, BdError>) {
    for reply in replies {
        let answer = answer.clone();
        report_panic(catch_unwind(AssertUnwindSafe(|| reply(answer))));
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
