//! What an agent says that it used, and what its provider lets it use. A claim of the agent's program, like all that it writes: budgets
//! and limits go by it because nobody else knows.

use std::fmt;

use crate::time::Millis;

/// What the stream of one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Metered {
    /// The agent's session; later attempts may go on in it.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub session: Option<String>,
    /// What it used; nothing of a program that does not say.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub usage: Option<Usage>,
    /// The usage is that of the whole session, earlier attempts in it included (codex 0.169, 0.171).
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "crate::stored::is_false")
    )]
    pub is_cumulative: bool,
    /// How much of the account's allowance is used.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub windows: Vec<RateWindow>,
    /// Why the provider's refusal ended it, if one did.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub refusal: Option<Refusal>,
}

impl Metered {
    /// The refusal that ended the attempt, if it is a limit of the account.
    #[must_use]
    pub fn limit(&self) -> Option<&Refusal> {
        self.refusal
            .as_ref()
            .filter(|refusal| refusal.class.is_limit())
    }
}

/// Tokens and money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Usage {
    /// Tokens read by the model, those from a cache included.
    pub input: u64,
    /// Those of them that came from a cache.
    #[cfg_attr(feature = "serde", serde(default))]
    pub cached_input: u64,
    /// Tokens written by the model.
    pub output: u64,
    /// In millionths of a US dollar, by the program's own account; nothing where it gives none.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub cost_micro_usd: Option<u64>,
}

impl Usage {
    /// Tokens read and written.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// Adds what another attempt used. A cost is known as soon as one of them is: what is not known is said elsewhere.
    pub fn add(&mut self, other: &Usage) {
        self.input = self.input.saturating_add(other.input);
        self.cached_input = self.cached_input.saturating_add(other.cached_input);
        self.output = self.output.saturating_add(other.output);
        self.cost_micro_usd = match (self.cost_micro_usd, other.cost_micro_usd) {
            (Some(mine), Some(its)) => Some(mine.saturating_add(its)),
            (mine, its) => mine.or(its),
        };
    }

    /// What was used since `before` of the same session.
    #[must_use]
    pub fn since(&self, before: &Usage) -> Usage {
        let cost = |cost: u64| cost.saturating_sub(before.cost_micro_usd.unwrap_or(0));
        Usage {
            input: self.input.saturating_sub(before.input),
            cached_input: self.cached_input.saturating_sub(before.cached_input),
            output: self.output.saturating_sub(before.output),
            cost_micro_usd: self.cost_micro_usd.map(cost),
        }
    }
}

/// Dollars for people, with cents: `$1.23`; parts of a cent where that is all there is.
#[must_use]
pub fn dollars(micro_usd: u64) -> String {
    let (whole, rest) = (micro_usd / 1_000_000, micro_usd % 1_000_000);
    match micro_usd {
        1..=9_999 => format!("${whole}.{:04}", rest / 100),
        _ => format!("${whole}.{:02}", rest / 10_000),
    }
}

/// One of the windows in which a provider counts what an account uses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RateWindow {
    /// Its name, as the program gives it: `five_hour`, `primary`.
    pub name: String,
    /// How much of it is used, in percent.
    pub used_percent: u8,
    /// When it begins anew.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "resets_at_ms",
            default,
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub resets_at: Option<Millis>,
}

/// What the provider, or the program in its name, said at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Refusal {
    /// What kind.
    pub class: RefusalClass,
    /// When the account may be used again, if that was said.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "resets_at_ms",
            default,
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub resets_at: Option<Millis>,
    /// The words, in one line.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "String::is_empty")
    )]
    pub said: String,
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum RefusalClass {
    /// The account's allowance is used up.
    Quota,
    /// Too many requests, and the program gave up before they were fewer. One that it rode out is no refusal.
    RateLimit,
    /// The provider or the way to it does not work for now.
    Transient,
    /// The login is missing or not valid.
    Auth,
    /// The conversation is too long.
    Context,
    /// Anything else.
    Other,
}

impl RefusalClass {
    /// Whether the account is to be left alone for a while.
    #[must_use]
    pub fn is_limit(self) -> bool {
        matches!(self, RefusalClass::Quota | RefusalClass::RateLimit)
    }

    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RefusalClass::Quota => "the quota is used up",
            RefusalClass::RateLimit => "too many requests",
            RefusalClass::Transient => "the provider does not answer",
            RefusalClass::Auth => "not logged in",
            RefusalClass::Context => "the conversation is too long",
            RefusalClass::Other => "the provider refused",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.said.as_str() {
            "" => f.write_str(self.class.as_str()),
            said => f.write_str(said),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_added_and_told_apart_again() {
        let first = Usage {
            input: 2500,
            cached_input: 2200,
            output: 70,
            cost_micro_usd: None,
        };
        let mut both = first;
        both.add(&Usage {
            cost_micro_usd: Some(3),
            ..first
        });
        assert_eq!(both.tokens(), 5140);
        assert_eq!(both.cost_micro_usd, Some(3));
        let second = both.since(&first);
        assert_eq!((second.input, second.output), (2500, 70));
        // A program that counts anew never makes less than nothing.
        assert_eq!(first.since(&both).tokens(), 0);
    }

    #[test]
    fn money_is_shown_in_cents_or_less() {
        for (micro, shown) in [
            (0, "$0.00"),
            (3_090, "$0.0030"),
            (12_345_678, "$12.34"),
            (5_000_000, "$5.00"),
        ] {
            assert_eq!(dollars(micro), shown);
        }
    }
}
