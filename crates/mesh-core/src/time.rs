//! Time as the core sees it: an argument, never a reading.

use std::fmt;

/// A moment, in milliseconds since the run started. The engine never lets it go backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Millis(pub u64);

impl Millis {
    /// The moment `span` later; saturates instead of overflowing.
    #[must_use]
    pub fn after(self, span: Span) -> Millis {
        Millis(self.0.saturating_add(span.0))
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Millis) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// A length of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Span(pub u64);

impl Span {
    /// A span of whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Span {
        Span(seconds.saturating_mul(1000))
    }

    /// This span and `other`; saturates instead of overflowing.
    #[must_use]
    pub const fn plus(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }

    /// A span of whole minutes.
    #[must_use]
    pub const fn minutes(minutes: u64) -> Span {
        Span(minutes.saturating_mul(60_000))
    }
}

impl fmt::Display for Span {
    /// Writes the span as a person would say it: `850 ms`, `12 s`, `4 min`, `1 h 05 min`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        match self.0 {
            0..=999 => write!(f, "{} ms", self.0),
            1_000..=119_999 => write!(f, "{seconds} s"),
            120_000..=3_599_999 => write!(f, "{} min", seconds / 60),
            _ => write!(f, "{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        }
    }
}
