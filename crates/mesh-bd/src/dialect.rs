//! Which kind of `bd` this is and what it can do. It judges version texts and help texts; it starts nothing.

use std::fmt;

/// A version as `bd version --json` gives it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Major, minor, patch.
    pub numbers: (u32, u32, u32),
    /// What follows a `-` (`rc.1`), empty for a release.
    pub suffix: String,
}

impl Version {
    /// Reads `1.3.0`, `v1.3.0` or `1.3.0-rc.1`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Version> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let (core, suffix) = match text.find(['-', '+']) {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, ""),
        };
        let mut parts = core.split('.');
        let mut number = || parts.next().filter(|p| !p.is_empty())?.parse::<u32>().ok();
        let numbers = (number()?, number()?, number()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Version {
            numbers,
            suffix: suffix.to_owned(),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        if self.suffix.is_empty() {
            Ok(())
        } else {
            write!(f, "-{}", self.suffix)
        }
    }
}

/// The kinds of `bd` whose answers differ so much that they are handled apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// 0.47.x: SQLite, a daemon, `agent` and `slot`. Recognised, not yet worked with.
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

/// What this binary can do beyond its dialect, found by asking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// A claim is a lease that `heartbeat` renews (measured: 1.3.0 has it, 1.0.5 has not).
    pub leases: bool,
    /// `update` takes conditions (`--if-assignee`), so that a release cannot hit somebody else's claim.
    pub conditional_update: bool,
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
    /// 0.47.x.
    Classic,
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
            UnsupportedReason::Classic => {
                "0.47 is supported by a later version of mesh; use bd 1.0.5 or later, or a plan file as the source"
            }
            UnsupportedReason::TooOld => "it is too old; use bd 1.0.5 or later",
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
pub fn judge(text: &str, allow_untested: bool) -> Result<Dialect, Unsupported> {
    let refuse = |reason: UnsupportedReason| {
        if allow_untested && reason.can_be_allowed() {
            Ok(Dialect::Modern)
        } else {
            Err(Unsupported {
                version: text.trim().to_owned(),
                reason,
            })
        }
    };
    let Some(version) = Version::parse(text) else {
        return refuse(UnsupportedReason::NoVersion);
    };
    match version.numbers {
        (0, 47, _) => refuse(UnsupportedReason::Classic),
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
        assert_eq!(Version::parse("1.3.0").map(|v| v.numbers), Some((1, 3, 0)));
        assert_eq!(
            Version::parse("v1.3.0-rc.1").map(|v| v.to_string()),
            Some("1.3.0-rc.1".to_owned())
        );
        for bad in ["", "dev", "1.3", "1.3.0.4", "1..0", "a.b.c"] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_version_is_judged() {
        use UnsupportedReason as R;
        let cases = [
            ("1.0.5", Ok(Dialect::Modern)),
            ("1.3.0", Ok(Dialect::Modern)),
            ("2.0.0", Ok(Dialect::Modern)),
            ("0.47.1", Err(R::Classic)),
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
