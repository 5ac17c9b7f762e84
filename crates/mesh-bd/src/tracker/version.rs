//! Which kind of `bd` this is, by its version. It starts nothing.

use std::fmt;

/// Major, minor and patch of `1.3.0`, `v1.3.0` or `1.3.0-rc.1`.
fn numbers(text: &str) -> Option<(u32, u32, u32)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts = text.split(['-', '+']).next()?.split('.');
    let mut number = || parts.next()?.parse::<u32>().ok();
    let numbers = (number()?, number()?, number()?);
    parts.next().is_none().then_some(numbers)
}

/// The kinds of `bd` whose answers differ so much that they are handled apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// 0.47.x: SQLite, a daemon, `agent` and `slot`.
    Classic,
    /// 1.0.5 and later: embedded Dolt, edges in listings, metadata.
    Modern,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dialect::Classic => "classic",
            Dialect::Modern => "modern",
        })
    }
}

/// A `bd` that is not worked with, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bd {version} is not supported: {reason}")]
pub struct Unsupported {
    /// The version as bd gave it.
    pub version: String,
    /// Why, with the way out.
    pub reason: UnsupportedReason,
}

/// Why a version is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsupportedReason {
    /// 0.47.x without `agent` and `slot`.
    LacksPool,
    /// Before 0.47.
    TooOld,
    /// 1.0.4, whose automatic import puts stale data over newer.
    ImportsStaleData,
    /// 0.51 to 0.62, which need a running `dolt sql-server`.
    NeedsServer,
    /// 0.48 to 0.50 and 0.63 to 1.0.3: nobody has tried them.
    Untested,
    /// A later version that lacks a flag the work needs.
    LacksCommands,
    /// The version text is no version.
    NoVersion,
}

impl UnsupportedReason {
    /// Whether `--allow-untested-bd` gets past it.
    #[must_use]
    pub fn can_be_allowed(self) -> bool {
        matches!(
            self,
            UnsupportedReason::NeedsServer
                | UnsupportedReason::Untested
                | UnsupportedReason::NoVersion
        )
    }
}

impl fmt::Display for UnsupportedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UnsupportedReason::LacksPool => "it lacks `agent` or `slot`; use bd 0.47.1, or 1.0.5 or later",
            UnsupportedReason::TooOld => "it is too old; use bd 0.47.1, or 1.0.5 or later",
            UnsupportedReason::ImportsStaleData => {
                "1.0.4 imports stale data over newer issues; use bd 1.0.5 or later"
            }
            UnsupportedReason::NeedsServer => {
                "it needs a database server; use bd 1.0.5 or later, or --allow-untested-bd to use it as it is"
            }
            UnsupportedReason::Untested => "it is untested; use bd 1.0.5 or later, or --allow-untested-bd",
            UnsupportedReason::LacksCommands => "it lacks `update --claim` or `--set-metadata`; use bd 1.3.0",
            UnsupportedReason::NoVersion => "its version cannot be read; use bd 1.0.5 or later, or --allow-untested-bd",
        })
    }
}

/// The dialect of the version `text`.
///
/// # Errors
/// When that version is not worked with, or only with `allow_untested`.
pub(super) fn judge(text: &str, allow_untested: bool) -> Result<Dialect, Unsupported> {
    let refuse = |reason: UnsupportedReason| {
        if allow_untested && reason.can_be_allowed() {
            Ok(Dialect::Modern)
        } else {
            Err(Unsupported {
                version: text.to_owned(),
                reason,
            })
        }
    };
    let Some(numbers) = numbers(text) else {
        return refuse(UnsupportedReason::NoVersion);
    };
    match numbers {
        (0, 47, _) => Ok(Dialect::Classic),
        (0, 0..=46, _) => refuse(UnsupportedReason::TooOld),
        (0, 51..=62, _) => refuse(UnsupportedReason::NeedsServer),
        (1, 0, 4) => refuse(UnsupportedReason::ImportsStaleData),
        (0, _, _) | (1, 0, 0..=3) => refuse(UnsupportedReason::Untested),
        _ => Ok(Dialect::Modern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for text in ["1.3.0", "v1.3.0", "1.3.0-rc.1", "1.3.0+5"] {
            assert_eq!(numbers(text), Some((1, 3, 0)), "{text}");
        }
        for bad in ["", "dev", "1.3", "1.3.0.4", "1..0", "a.b.c"] {
            assert_eq!(numbers(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_version_is_judged() {
        use UnsupportedReason as R;
        let cases = [
            ("1.0.5", Ok(Dialect::Modern)),
            ("1.3.0", Ok(Dialect::Modern)),
            ("2.0.0", Ok(Dialect::Modern)),
            ("0.47.1", Ok(Dialect::Classic)),
            ("0.46.9", Err(R::TooOld)),
            ("0.48.0", Err(R::Untested)),
            ("0.60.0", Err(R::NeedsServer)),
            ("0.63.3", Err(R::Untested)),
            ("1.0.3", Err(R::Untested)),
            ("1.0.4", Err(R::ImportsStaleData)),
            ("dev", Err(R::NoVersion)),
        ];
        for (text, wanted) in cases {
            assert_eq!(judge(text, false).map_err(|e| e.reason), wanted, "{text}");
            let allowed = match wanted {
                Err(reason) if reason.can_be_allowed() => Ok(Dialect::Modern),
                other => other,
            };
            assert_eq!(
                judge(text, true).map_err(|e| e.reason),
                allowed,
                "{text} with --allow-untested-bd"
            );
        }
    }
}
