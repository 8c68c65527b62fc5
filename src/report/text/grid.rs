//! Rows and columns of text by display width.

use super::super::{Align, Shown};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Between two columns.
const GAP: usize = 2;
/// Columns of words are not cut below this.
const NARROWEST: usize = 8;

/// The table within `width` columns.
pub(super) fn write(shown: &Shown, width: usize) -> String {
    if shown.headers.is_empty() {
        return String::new();
    }
    let grid = columns(shown);
    match fit(&grid, &shown.aligns, width) {
        Some(widths) => rows(&grid, &shown.aligns, &widths),
        None => list(shown, width),
    }
}

/// The texts column by column, header first, numbers padded so that their points stand below each other.
fn columns(shown: &Shown) -> Vec<Vec<String>> {
    let column = |index: usize| {
        let body: Vec<&str> = shown.rows.iter().map(|row| row[index].as_str()).collect();
        let body = match shown.aligns[index] {
            Align::Right => align_points(&body),
            Align::Left => body.iter().map(ToString::to_string).collect(),
        };
        std::iter::once(shown.header(index)).chain(body).collect()
    };
    (0..shown.headers.len()).map(column).collect()
}

fn align_points(texts: &[&str]) -> Vec<String> {
    let tail = |text: &str| text.find('.').map_or(0, |dot| text.len() - dot);
    let number = |text: &str| text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().all(|b| b.is_ascii_digit() || b".,-".contains(&b));
    let widest = texts.iter().filter(|t| number(t)).map(|t| tail(t)).max().unwrap_or(0);
    let pad = |text: &&str| {
        if number(text) {
            format!("{text}{}", " ".repeat(widest - tail(text)))
        } else {
            (*text).to_string()
        }
    };
    texts.iter().map(pad).collect()
}

/// The width of each column, words cut where needed; none if even that is too wide.
fn fit(grid: &[Vec<String>], aligns: &[Align], width: usize) -> Option<Vec<usize>> {
    let mut widths: Vec<usize> = grid
        .iter()
        .map(|column| column.iter().map(|t| t.width()).max().unwrap_or(0))
        .collect();
    let room = width.checked_sub(GAP * (widths.len() - 1))?;
    while widths.iter().sum::<usize>() > room {
        let words = widths
            .iter_mut()
            .zip(aligns)
            .filter(|(w, align)| **align == Align::Left && **w > NARROWEST);
        *words.map(|(w, _)| w).max()? -= 1;
    }
    Some(widths)
}

fn rows(grid: &[Vec<String>], aligns: &[Align], widths: &[usize]) -> String {
    let mut out = String::new();
    for row in 0..grid[0].len() {
        let cells = grid
            .iter()
            .zip(aligns)
            .zip(widths)
            .map(|((column, align), width)| pad(&cut(&column[row], *width), *width, *align));
        out += cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end();
        out.push('\n');
    }
    out
}

/// One line per value, for terminals that are too narrow for the columns.
fn list(shown: &Shown, width: usize) -> String {
    let mut out = String::new();
    for (number, row) in shown.rows.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        for (index, text) in row.iter().enumerate() {
            let header = shown.header(index);
            let line = if header.is_empty() {
                text.clone()
            } else {
                format!("{header}: {text}")
            };
            out += &cut(&line, width);
            out.push('\n');
        }
    }
    out
}

/// `text` in at most `width` columns, with an ellipsis where it was cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    let mut used = 1;
    let kept = text.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used <= width
    });
    let kept: String = kept.collect();
    if width == 0 { String::new() } else { kept + "…" }
}

/// `text` in pieces of at most `width` columns.
pub(super) fn chunks(text: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > width {
            pieces.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
}

/// `text` filled with spaces to `width` columns.
pub(super) fn pad(text: &str, width: usize, align: Align) -> String {
    let fill = " ".repeat(width.saturating_sub(text.width()));
    match align {
        Align::Left => format!("{text}{fill}"),
        Align::Right => format!("{fill}{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_padded_by_display_width() {
        assert_eq!(cut("東京タワー", 6), "東京…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(pad("東", 4, Align::Right), "  東");
        assert_eq!(align_points(&["1.25", "10", "-", "6 s"]), ["1.25", "10   ", "-", "6 s"]);
    }
}
