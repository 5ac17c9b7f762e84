//! What a run may use, from flags and configuration.

use mesh_core::clamp::Percent;
use mesh_core::duration::parse_span;
use mesh_core::policy::{Allowance, Budget, Cap};
use mesh_core::time::Span;

use crate::helper::percent;

/// Bounds of what a run may use. At one of them nothing new starts, running agents go on, and the run ends with exit code 23 when
/// work is left.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct BudgetArgs {
    /// Start nothing more when agents have used this much money, in US dollars, by their own account.
    #[arg(long, value_name = "USD", value_parser = micro_usd)]
    pub max_cost: Option<u64>,
    /// Start nothing more when agents have read and written this many tokens: `500k`, `20M`.
    #[arg(long, value_name = "TOKENS", value_parser = tokens)]
    pub max_tokens: Option<u64>,
    /// Start nothing more when the run has been worked for so long since it began or was taken up: `8h`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub max_time: Option<Span>,
    /// What is left of the account's five-hour window, in percent: fewer agents run at once from 33 percent on, one from 10.
    #[arg(long, value_name = "PCT", value_parser = percent, allow_negative_numbers = true)]
    pub budget_five_hour: Option<Percent>,
    /// What is left of the account's weekly window, in percent; of the two the one counts of which less is left.
    #[arg(long, value_name = "PCT", value_parser = percent, allow_negative_numbers = true)]
    pub budget_weekly: Option<Percent>,
}

impl BudgetArgs {
    /// What was given.
    pub fn budget(&self) -> Budget {
        Budget {
            run: Cap {
                cost_micro_usd: self.max_cost,
                tokens: self.max_tokens,
                time: self.max_time,
            },
            task: Cap::default(),
            allowance: Allowance {
                five_hour: self.budget_five_hour,
                weekly: self.budget_weekly,
            },
        }
    }
}

/// Dollars in millionths.
///
/// # Errors
/// A fragment that says what it must be.
pub(crate) fn micro_usd(text: &str) -> Result<u64, String> {
    let wrong = || "it must be an amount of US dollars, such as 5 or 2.50".to_owned();
    let digits = text.trim().trim_start_matches('$');
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 6 || !is_number(whole) || !is_number(part) {
        return Err(wrong());
    }
    let micro: u64 = format!("{part:0<6}").parse().map_err(|_| wrong())?;
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let sum = whole
        .checked_mul(1_000_000)
        .and_then(|whole| whole.checked_add(micro));
    sum.filter(|sum| *sum > 0).ok_or_else(wrong)
}

/// A number of tokens.
///
/// # Errors
/// A fragment that says what it must be.
pub(crate) fn tokens(text: &str) -> Result<u64, String> {
    let wrong = || "it must be a number of tokens, such as 500k or 20M".to_owned();
    let text = text.trim().replace('_', "");
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => match text.strip_suffix(['m', 'M']) {
            Some(digits) => (digits, 1_000_000),
            None => (text.as_str(), 1),
        },
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let tokens = number.checked_mul(factor).filter(|tokens| *tokens > 0);
    tokens.ok_or_else(wrong)
}

fn time(text: &str) -> Result<Span, String> {
    match parse_span(text)? {
        Span(0) => Err("it must be longer than nothing".to_owned()),
        span => Ok(span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_and_tokens_are_read_exactly() {
        assert_eq!(micro_usd("5"), Ok(5_000_000));
        assert_eq!(micro_usd("$2.5"), Ok(2_500_000));
        assert_eq!(micro_usd("0.000001"), Ok(1));
        for wrong in [
            "",
            "0",
            "-1",
            "1.0000001",
            "1e3",
            "five",
            ".5",
            "99999999999999999999",
        ] {
            assert!(micro_usd(wrong).is_err(), "{wrong}");
        }
        assert_eq!(tokens("500k"), Ok(500_000));
        assert_eq!(tokens("20M"), Ok(20_000_000));
        assert_eq!(tokens("1_000"), Ok(1000));
        for wrong in ["", "0", "k", "1.5M", "-3", "99999999999999999999"] {
            assert!(tokens(wrong).is_err(), "{wrong}");
        }
    }
}
