//! Lengths of time and sizes as a person writes them in a configuration: `90s`, `15m`, `1h30m`, `500ms`; `64MiB`.

use crate::time::Span;

/// The longest span that is accepted: a year. Longer is a slip, and sums of such spans must not overflow.
const MAX_MS: u64 = 365 * 24 * 3_600_000;

/// Reads `text` as numbers with units (`ms`, `s`, `m` or `min`, `h`, `d`, or their words), largest to smallest in any order, blanks allowed.
/// A number without unit is refused: seconds and minutes are too easily confused.
///
/// # Errors
/// A fragment that says what is wrong.
pub fn parse_span(text: &str) -> Result<Span, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let (number, unit, after) = number_and_unit(rest)?;
        let factor = match unit {
            "ms" => 1,
            "s" | "sec" | "second" | "seconds" => 1_000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            "h" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            "" => return Err(format!("{number} has no unit (ms, s, m, h or d)")),
            other => return Err(format!("`{other}` is no unit (ms, s, m, h or d)")),
        };
        sum = number
            .checked_mul(factor)
            .and_then(|ms| sum.checked_add(ms))
            .filter(|ms| *ms <= MAX_MS)
            .ok_or_else(|| "it is longer than a year".to_owned())?;
        rest = after;
    }
    Ok(Span(sum))
}

/// Reads `text` as bytes: a number with `KiB`, `MiB`, `GiB`, or with `B` or nothing for bytes.
///
/// # Errors
/// A fragment that says what is wrong.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit, after) = number_and_unit(text.trim())?;
    if !after.is_empty() {
        return Err(format!("`{after}` follows the size"));
    }
    let shift = match unit {
        "" | "B" => 0,
        "KiB" | "K" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        other => return Err(format!("`{other}` is no unit (B, KiB, MiB or GiB)")),
    };
    number
        .checked_mul(1 << shift)
        .filter(|bytes| *bytes <= 1 << 50)
        .ok_or_else(|| "it is too large".to_owned())
}

fn number_and_unit(text: &str) -> Result<(u64, &str, &str), String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Err(format!("`{text}` does not start with a number"));
    }
    let number = text[..digits]
        .parse()
        .map_err(|_| "the number is too large".to_owned())?;
    let rest = text[digits..].trim_start();
    let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    Ok((number, &rest[..letters], rest[letters..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_as_people_write_them() {
        let check = |text, ms| assert_eq!(parse_span(text), Ok(Span(ms)), "{text}");
        check("90s", 90_000);
        check("15m", 900_000);
        check(" 15 min ", 900_000);
        check("1h30m", 5_400_000);
        check("1h 30m", 5_400_000);
        check("1 hour 30 minutes", 5_400_000);
        check("500ms", 500);
        check("0s", 0);
        check("365d", MAX_MS);
    }

    #[test]
    fn spans_that_are_none_say_why() {
        let check = |text, part: &str| {
            let problem = parse_span(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        };
        check("", "empty");
        check("15", "no unit");
        check("15x", "`x` is no unit");
        check("-5s", "does not start with a number");
        check("1.5h", "no unit");
        check("366d", "longer than a year");
        check("99999999999999999999s", "too large");
        check("18446744073709551615d", "longer than a year");
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_bytes("64MiB"), Ok(64 << 20));
        assert_eq!(parse_bytes("10 KiB"), Ok(10 << 10));
        assert_eq!(parse_bytes("512"), Ok(512));
        assert!(parse_bytes("64MB").is_err());
        assert!(parse_bytes("99999999999GiB").is_err());
        assert!(parse_bytes("1MiB 2").is_err());
    }
}
