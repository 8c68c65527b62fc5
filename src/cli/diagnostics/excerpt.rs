//! The piece of a text that an error is shown in: one line, cut around the place, harmless.

use crate::error::At;
use crate::report::text::shorten;
use std::ops::Range;

/// Characters of a line that are shown.
pub const WIDTH: usize = 100;
/// Characters before the place when the line is cut.
const BEFORE: usize = 40;

/// One line with a marked range.
#[derive(Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, or the part of it around the place.
    pub text: String,
    /// Bytes of `text` to mark.
    pub span: Range<usize>,
    /// One-based line.
    pub line: usize,
    /// One-based column in characters of the whole line.
    pub column: usize,
    /// The line begins before the excerpt does.
    pub cut: bool,
}

impl Excerpt {
    /// Cut it out; `None` for a place that means the whole text.
    #[must_use]
    pub fn new(at: &At) -> Option<Excerpt> {
        let text = at.origin.text.as_str();
        let start = floor(text, at.span.start);
        let end = floor(text, at.span.end).max(start);
        if end == 0 {
            return None;
        }
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
        let (before, rest) = (&text[line_start..start], text[start..line_end].trim_end_matches('\r'));
        let marked = &rest[..(end - start).min(rest.len())];
        let after = &rest[marked.len()..];
        let column = before.chars().count() + 1;

        let skip = (column - 1).saturating_sub(if column > WIDTH - BEFORE { BEFORE } else { WIDTH });
        let head: String = before.chars().skip(skip).collect();
        let head = format!("{}{}", if skip > 0 { "…" } else { "" }, clean(&head));
        let room = WIDTH.saturating_sub(head.chars().count()).max(8);
        let marked = shorten(&clean(&marked.chars().take(room + 1).collect::<String>()), room);
        let left = room.saturating_sub(marked.chars().count());
        let tail = shorten(&clean(&after.chars().take(left + 1).collect::<String>()), left);
        let span = head.len()..head.len() + marked.len();
        let line = text.as_bytes()[..line_start].iter().filter(|&&b| b == b'\n').count() + 1;
        Some(Excerpt {
            text: format!("{head}{marked}{tail}"),
            span,
            line,
            column,
            cut: skip > 0,
        })
    }
}

/// The last character boundary that is not after `index`.
fn floor(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}

/// Tabs as spaces, everything that a terminal would obey as a mark; the length in characters stays.
fn clean(text: &str) -> String {
    crate::report::cell::clean(text)
}
