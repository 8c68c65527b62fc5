//! What can go wrong, as data. Nothing here touches a file or a terminal.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A text that values were read from: a file, an embedded file or a `--set` flag.
#[derive(Debug, PartialEq, Eq)]
pub struct Origin {
    /// What to call it: a path, `builtin:hardware/...`, or `--set`.
    pub name: String,
    /// Its whole text, for snippets.
    pub text: String,
}

/// A place in an [`Origin`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The text.
    pub origin: Arc<Origin>,
    /// Byte range in it.
    pub span: Range<usize>,
}

impl At {
    /// One-based line of the start of the range.
    #[must_use]
    pub fn line(&self) -> usize {
        let end = self.span.start.min(self.origin.text.len());
        self.origin.text.as_bytes()[..end].iter().filter(|&&b| b == b'\n').count() + 1
    }
}

/// One thing that is wrong with an input, with a place and a way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong; starts small, no full stop.
    pub message: String,
    /// Where.
    pub at: Option<At>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic without place or help.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Diagnostic {
            message: cut(message.into()),
            at: None,
            help: None,
        }
    }

    /// The same, at a place.
    #[must_use]
    pub fn at(mut self, at: &At) -> Self {
        self.at = Some(at.clone());
        self
    }

    /// The same, with a way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(cut(help.into()));
        self
    }
}

/// Longest sentence of a diagnostic, in characters: a key of a megabyte is named by its two ends.
const LONGEST: usize = 2000;

fn cut(text: String) -> String {
    if text.len() <= LONGEST || text.chars().count() <= LONGEST {
        return text;
    }
    let chars: Vec<char> = text.chars().collect();
    let (head, tail) = (&chars[..LONGEST / 8], &chars[chars.len() - LONGEST / 8..]);
    head.iter().chain(&['…']).chain(tail).collect()
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "{}:{}: ", at.origin.name, at.line())?;
        }
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

/// Six things a caller can do something different about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Input that cannot be used, every problem of it.
    #[error("{}", join(.0))]
    Invalid(Vec<Diagnostic>),
    /// No layout fits; how many fell for which reason, and the nearest miss.
    #[error("no layout fits: {}", reasons(.rejected))]
    NoFeasibleLayout {
        /// Reason → candidates that fell for it.
        rejected: BTreeMap<String, u64>,
        /// The smallest change that would make one fit.
        nearest: Option<String>,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A device or its driver is missing or failed.
    #[error("{what}")]
    Device {
        /// What was asked of it.
        what: String,
    },
    /// Stopped by the user.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// One diagnostic as an error.
    #[must_use]
    pub fn invalid(diagnostic: Diagnostic) -> Self {
        Error::Invalid(vec![diagnostic])
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Error::invalid(diagnostic)
    }
}

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

fn join(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn reasons(rejected: &BTreeMap<String, u64>) -> String {
    let mut list: Vec<_> = rejected.iter().collect();
    list.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    list.iter()
        .map(|(reason, n)| format!("{n} {reason}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The candidate nearest to `name` by edit distance, if any is near enough to be a guess.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    // As `distance` looks at 64 characters, a longer name must not buy a wider limit.
    let limit = (wanted.chars().take(64).count() / 3).max(2);
    candidates
        .into_iter()
        // Of equally near names one of the same length: a wrong letter is likelier than a lost one.
        .map(|c| (distance(&wanted, &c.to_lowercase()), c.len().abs_diff(wanted.len()), c))
        .filter(|(d, _, c)| *d <= limit || (wanted.len() > 3 && c.to_lowercase().contains(&wanted)))
        .min()
        .map(|(_, _, c)| c)
}

/// Levenshtein distance (Wagner and Fischer 1974), on characters; names are cut at 64.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let cost = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_guesses_close_names_only() {
        let names = ["h100-sxm-80gb", "a100-sxm-80gb", "mi300x"];
        assert_eq!(nearest("h100-sxm-80g", names), Some("h100-sxm-80gb"));
        assert_eq!(nearest("mi300", names), Some("mi300x"));
        assert_eq!(nearest("completely-else", names), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
