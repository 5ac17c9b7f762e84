//! Bugs that a test of the simulator switches on, to see that the judges see them. Without the feature `planted` there are none.

/// A bug of a kind that a judge must see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Locks are free again when the proof begins.
    LockReleasedEarly,
    /// A task starts while one of its needs is open.
    NeedIgnored,
    /// Reports of an older attempt count for the newest.
    AttemptNotFenced,
    /// A second report of an agent's end is taken for another.
    EndTrustedTwice,
    /// A result comes onto the target without a proof of what it makes of it.
    LandingWithoutProof,
    /// What is taken as verified is not the commit that was recorded.
    VerifiedWithoutCommit,
    /// A wave counts as over while tasks of it run.
    BarrierCrossed,
    /// When a provider's limit is over, more than one attempt starts before one got an answer.
    ProbesTogether,
    /// What the run may use does not bound its starts.
    BudgetIgnored,
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug for this thread, or takes it out again.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

#[cfg(feature = "planted")]
pub(crate) fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

#[cfg(not(feature = "planted"))]
pub(crate) const fn is_planted(_: Bug) -> bool {
    false
}
