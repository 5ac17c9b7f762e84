//! How the attempts of a run relate to their estimates, so that those under way can be expected to end.
//!
//! Nothing is known at first: then estimates are taken as they are.

use crate::time::Span;

/// What the verified attempts of a run say about those under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pace {
    /// Estimates of all attempts whose agent had a result that was worth a proof, and what the agents took.
    estimated: Span,
    taken: Span,
    /// Moving average of what agents took more or less than expected; nothing before the second of them.
    deviation: Option<Span>,
    /// Moving average of what proofs took.
    proof: Option<Span>,
}

impl Pace {
    /// What an agent takes for a task with this estimate, if it is like those before it.
    pub(crate) fn expected(&self, estimate: Span) -> Span {
        if self.estimated.0 == 0 {
            return estimate;
        }
        let scaled =
            u128::from(estimate.0) * u128::from(self.taken.0) / u128::from(self.estimated.0);
        Span(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    /// How far from [`Pace::expected`] an agent's time is on average.
    pub(crate) fn deviation(&self) -> Span {
        self.deviation.unwrap_or_default()
    }

    /// What a proof takes.
    pub(crate) fn proof(&self) -> Span {
        self.proof.unwrap_or_default()
    }

    /// An agent took so long.
    pub(crate) fn note_agent(&mut self, estimate: Span, taken: Span) {
        if self.estimated.0 > 0 {
            let off = taken.0.abs_diff(self.expected(estimate).0);
            self.deviation = Some(average(self.deviation, Span(off)));
        }
        self.estimated = self.estimated.plus(estimate);
        self.taken = self.taken.plus(taken);
    }

    /// A proof took so long.
    pub(crate) fn note_proof(&mut self, taken: Span) {
        self.proof = Some(average(self.proof, taken));
    }
}

/// The newest value counts for a quarter, as in the deviation of a TCP round trip (RFC 6298).
fn average(before: Option<Span>, newest: Span) -> Span {
    before.map_or(newest, |before| {
        Span(before.0 - before.0 / 4 + newest.0 / 4)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_scaled_by_what_agents_took() {
        let mut pace = Pace::default();
        assert_eq!(pace.expected(Span::minutes(30)), Span::minutes(30));
        pace.note_agent(Span::minutes(30), Span::seconds(20));
        assert_eq!(pace.expected(Span::minutes(60)), Span::seconds(40));
        // One alone says nothing of how far off the next will be.
        assert_eq!(pace.deviation(), Span(0));
        pace.note_agent(Span::minutes(30), Span::seconds(22));
        assert_eq!(pace.expected(Span::minutes(30)), Span::seconds(21));
        assert_eq!(pace.deviation(), Span::seconds(2));
        pace.note_agent(Span::minutes(30), Span::seconds(21));
        assert_eq!(pace.deviation(), Span(1500));
    }

    #[test]
    fn a_change_of_what_proofs_take_shows_after_a_few() {
        let mut pace = Pace::default();
        (0..5).for_each(|_| pace.note_proof(Span::seconds(8)));
        assert_eq!(pace.proof(), Span::seconds(8));
        (0..8).for_each(|_| pace.note_proof(Span::seconds(80)));
        assert!(pace.proof() > Span::seconds(70), "{}", pace.proof());
    }

    #[test]
    fn the_largest_times_do_not_overflow() {
        let mut pace = Pace::default();
        for _ in 0..3 {
            pace.note_agent(Span(u64::MAX), Span(u64::MAX));
            pace.note_agent(Span(1), Span(u64::MAX));
            pace.note_proof(Span(u64::MAX));
        }
        assert_eq!(pace.expected(Span(7)), Span(7));
    }
}
