//! How many may run at once when little is left of what an account may use. The one clamp there is: of what agents say of their
//! accounts, of what a person says of the budget, and of the helper commands.

use std::fmt;

/// A share in percent from 0 to 100, counted to four decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "u32", into = "u32"))]
pub struct Percent(u32);

impl Percent {
    const UNIT: u32 = 10_000;

    /// A whole number; above 100 it is 100.
    #[must_use]
    pub const fn whole(number: u8) -> Percent {
        Percent::from_ten_thousandths(number as u32 * Percent::UNIT)
    }

    /// From ten-thousandths of a percent; above 100 percent it is that.
    #[must_use]
    pub const fn from_ten_thousandths(number: u32) -> Percent {
        const MOST: u32 = 100 * Percent::UNIT;
        Percent(if number > MOST { MOST } else { number })
    }
}

impl From<u32> for Percent {
    fn from(ten_thousandths: u32) -> Percent {
        Percent::from_ten_thousandths(ten_thousandths)
    }
}

impl From<Percent> for u32 {
    fn from(percent: Percent) -> u32 {
        percent.0
    }
}

impl fmt::Display for Percent {
    /// The number without needless zeros: `41`, `25.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / Percent::UNIT, self.0 % Percent::UNIT);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{part:04}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// Where the clamp begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// At this or less one runs alone.
    pub single: Percent,
    /// Above this nothing is clamped; from here down to `single` the width falls in proportion.
    pub linear_start: Percent,
    /// Above this more instances of an agent program may be started for one run.
    pub scale_out: Percent,
}

impl Thresholds {
    /// Those that hold where nothing else is said.
    pub const USUAL: Thresholds = Thresholds {
        single: Percent::whole(10),
        linear_start: Percent::whole(33),
        scale_out: Percent::whole(25),
    };
}

/// Which part of the clamp applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClampMode {
    /// One runs alone.
    SingleAgent,
    /// In proportion to what is left.
    LinearClamp,
    /// As many as may.
    FullFanout,
}

impl ClampMode {
    /// The word that records and commands have.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ClampMode::SingleAgent => "single_agent",
            ClampMode::LinearClamp => "linear_clamp",
            ClampMode::FullFanout => "full_fanout",
        }
    }
}

/// What the clamp leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clamped {
    /// How many may run at once, at least one.
    pub width: u32,
    /// Which part of the clamp that was.
    pub mode: ClampMode,
    /// Whether more instances of an agent program may be started.
    pub may_scale_out: bool,
}

/// How many of `most` may run at once while `left` is left.
#[must_use]
pub fn clamp(left: Percent, most: u32, thresholds: Thresholds) -> Clamped {
    let Thresholds {
        single,
        linear_start,
        scale_out,
    } = thresholds;
    let most = most.max(1);
    let (mode, width) = if left <= single || linear_start <= single {
        (ClampMode::SingleAgent, 1)
    } else if left <= linear_start {
        let share = u64::from(most) * u64::from(left.0 - single.0);
        let width = share / u64::from(linear_start.0 - single.0);
        // No more than `most`, which fits.
        let width = u32::try_from(width).unwrap_or(most);
        (ClampMode::LinearClamp, width.max(1))
    } else {
        (ClampMode::FullFanout, most)
    };
    Clamped {
        width,
        mode,
        may_scale_out: left > scale_out,
    }
}

/// The width of a run of `concurrency` agents while `left` is left.
#[must_use]
pub fn clamped_width(left: Percent, concurrency: u16) -> u16 {
    let clamped = clamp(left, u32::from(concurrency), Thresholds::USUAL);
    u16::try_from(clamped.width)
        .unwrap_or(concurrency)
        .min(concurrency)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten-thousandths from hundredths, which the tables are written in.
    fn percent(hundredths: u32) -> Percent {
        Percent::from_ten_thousandths(hundredths * 100)
    }

    #[test]
    fn the_table_of_twelve_threads() {
        use ClampMode::{FullFanout as Full, LinearClamp as Linear, SingleAgent as Single};
        for (left, width, mode, may_scale_out) in [
            (0, 1, Single, false),
            (500, 1, Single, false),
            (999, 1, Single, false),
            (1000, 1, Single, false),
            (1001, 1, Linear, false),
            (1100, 1, Linear, false),
            (1200, 1, Linear, false),
            (1383, 1, Linear, false),
            (1384, 2, Linear, false),
            (1500, 2, Linear, false),
            (2000, 5, Linear, false),
            (2500, 7, Linear, false),
            (2501, 7, Linear, true),
            (2510, 7, Linear, true),
            (2800, 9, Linear, true),
            (3108, 10, Linear, true),
            (3109, 11, Linear, true),
            (3299, 11, Linear, true),
            (3300, 12, Linear, true),
            (3301, 12, Full, true),
            (4100, 12, Full, true),
            (10_000, 12, Full, true),
        ] {
            let expected = Clamped {
                width,
                mode,
                may_scale_out,
            };
            let found = clamp(percent(left), 12, Thresholds::USUAL);
            assert_eq!(found, expected, "{left} hundredths");
        }
    }

    #[test]
    fn other_numbers_and_other_thresholds() {
        for (left, most, single, linear_start, width, mode) in [
            // At least one thread, however few are given.
            (10_000, 0, 1000, 3300, 1, ClampMode::FullFanout),
            (2000, 1, 1000, 3300, 1, ClampMode::LinearClamp),
            // A line that ends where it begins, or before, is none: one runs alone, whatever is left.
            (10_000, 12, 3300, 3300, 1, ClampMode::SingleAgent),
            (5000, 12, 4000, 3300, 1, ClampMode::SingleAgent),
            (5000, 10, 0, 10_000, 5, ClampMode::LinearClamp),
            (0, 10, 0, 10_000, 1, ClampMode::SingleAgent),
            (3300, u32::MAX, 1000, 3300, u32::MAX, ClampMode::LinearClamp),
        ] {
            let thresholds = Thresholds {
                single: percent(single),
                linear_start: percent(linear_start),
                ..Thresholds::USUAL
            };
            let found = clamp(percent(left), most, thresholds);
            assert_eq!((found.width, found.mode), (width, mode), "{left} of {most}");
        }
        assert_eq!(clamped_width(Percent::whole(5), 0), 0);
        assert_eq!(clamped_width(Percent::whole(200), 7), 7);
        assert_eq!(percent(2510).to_string(), "25.1");
        assert_eq!(percent(4100).to_string(), "41");
        assert_eq!(Percent::from_ten_thousandths(10_001).to_string(), "1.0001");
    }
}
