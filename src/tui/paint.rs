//! Writing into a buffer: panels, lines cut to their width, bars.

use super::theme::{Role, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

/// Something to write into, and how it looks.
pub struct Paint<'a> {
    /// The cells.
    pub buffer: &'a mut Buffer,
    /// The looks.
    pub theme: &'a Theme,
}

/// Columns that a text takes.
#[must_use]
pub fn columns(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// Safe text of at most `width` columns; what is cut off is told by an ellipsis.
#[must_use]
pub fn fit(text: &str, width: usize) -> String {
    crate::report::text::shorten(text, width)
}

impl Paint<'_> {
    /// Write safe text from `(x, y)` on, in at most `width` columns. What lies outside is dropped: the window
    /// may just have shrunk.
    pub fn put(&mut self, (x, y): (u16, u16), text: &str, width: u16, style: Style) {
        let area = self.buffer.area;
        if x >= area.left() && y >= area.top() && x < area.right() && y < area.bottom() && width > 0 {
            self.buffer.set_stringn(x, y, text, usize::from(width.min(area.right() - x)), style);
        }
    }

    /// The same in the looks of a role.
    pub fn text(&mut self, at: (u16, u16), text: &str, width: u16, role: Role) {
        let style = self.theme.style(role);
        self.put(at, text, width, style);
    }

    /// Fill with the ground of the theme.
    pub fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        let style = self.theme.style(Role::Text);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                    cell.set_style(style);
                }
            }
        }
    }

    /// A frame with a title at its left and another at its right; double where it listens. What is inside.
    pub fn panel(&mut self, area: Rect, title: &str, right: &str, focus: bool) -> Inner {
        self.clear(area);
        if area.width < 2 || area.height < 2 {
            return Inner { area: Rect::default() };
        }
        let role = if focus { Role::Focus } else { Role::Border };
        let [h, v, a, b, c, d] = if focus {
            ["═", "║", "╔", "╗", "╚", "╝"]
        } else {
            ["─", "│", "┌", "┐", "└", "┘"]
        };
        let (left, last, top, bottom) = (area.left(), area.right() - 1, area.top(), area.bottom() - 1);
        let line = h.repeat(usize::from(area.width.saturating_sub(2)));
        for (y, from, to) in [(top, a, b), (bottom, c, d)] {
            self.text((left, y), from, 1, role);
            self.text((left + 1, y), &line, area.width - 2, role);
            self.text((last, y), to, 1, role);
        }
        for y in top + 1..bottom {
            self.text((left, y), v, 1, role);
            self.text((last, y), v, 1, role);
        }
        let room = usize::from(area.width.saturating_sub(4));
        let title = fit(title, room.saturating_sub(1));
        if !title.is_empty() && room > 4 {
            let title = format!(" {title} ");
            self.text(
                (left + 2, top),
                &title,
                columns(&title),
                if focus { Role::Focus } else { Role::Strong },
            );
        }
        let free = room.saturating_sub(title.width() + 4);
        if !right.is_empty() && right.width() + 2 <= free {
            let right = format!(" {right} ");
            let x = last.saturating_sub(1 + columns(&right));
            self.text((x, top), &right, columns(&right), role);
        }
        Inner {
            area: Rect::new(left + 1, top + 1, area.width - 2, area.height - 2),
        }
    }
}

/// The inside of a panel: lines and columns from 0.
#[derive(Debug, Clone, Copy)]
pub struct Inner {
    /// Where it is.
    pub area: Rect,
}

impl Inner {
    /// Columns.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.area.width
    }

    /// Lines.
    #[must_use]
    pub fn height(&self) -> u16 {
        self.area.height
    }

    /// Write in a line from a column on, cut at the end of the panel.
    pub fn put(&self, paint: &mut Paint<'_>, (x, y): (u16, u16), text: &str, role: Role) {
        let style = paint.theme.style(role);
        self.styled(paint, (x, y), text, style);
    }

    /// The same in a style.
    pub fn styled(&self, paint: &mut Paint<'_>, (x, y): (u16, u16), text: &str, style: Style) {
        if y < self.area.height && x < self.area.width {
            let text = fit(text, usize::from(self.area.width - x));
            paint.put((self.area.left() + x, self.area.top() + y), &text, self.area.width - x, style);
        }
    }

    /// Write so that the text ends before a column.
    pub fn right(&self, paint: &mut Paint<'_>, (end, y): (u16, u16), text: &str, role: Role) {
        let end = end.min(self.area.width);
        let text = fit(text, usize::from(end));
        self.put(paint, (end.saturating_sub(columns(&text)), y), &text, role);
    }

    /// A bar of a share from 0 to 1 over `width` columns, in eighths of a column.
    pub fn bar(&self, paint: &mut Paint<'_>, (x, y): (u16, u16), width: u16, share: f64, role: Role) {
        if x < self.area.width {
            self.put(paint, (x, y), &bar(share, width.min(self.area.width - x)), role);
        }
    }

    /// Turn a line into the one where the cursor is.
    pub fn select(&self, paint: &mut Paint<'_>, y: u16) {
        if y >= self.area.height {
            return;
        }
        let style = paint.theme.style(Role::Select);
        let area = Rect::new(self.area.left(), self.area.top() + y, self.area.width, 1).intersection(paint.buffer.area);
        paint.buffer.set_style(area, Style::new().add_modifier(style.add_modifier));
    }
}

/// A bar of a share from 0 to 1; anything above nothing shows.
#[must_use]
pub fn bar(share: f64, width: u16) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if !share.is_finite() || share <= 0.0 {
        return String::new();
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let eighths = ((share.min(1.0) * f64::from(width) * 8.0).round() as usize).max(1);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// `[####......]` of `width` columns, frame included.
#[must_use]
pub fn gauge(share: f64, width: u16) -> String {
    let room = usize::from(width.saturating_sub(2));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let full = (share.clamp(0.0, 1.0) * room as f64).round() as usize;
    format!("[{}{}]", "█".repeat(full), "·".repeat(room - full))
}

/// First of `n` lines to show so that `cursor` is among the `room` that there are.
#[must_use]
pub fn first_line(cursor: usize, n: usize, room: usize) -> usize {
    if room == 0 || n <= room {
        return 0;
    }
    cursor.saturating_sub(room / 2).min(n - room)
}

/// Cells of each part that sum to those of the whole: the largest remainders get what rounding leaves.
#[must_use]
pub fn cells(parts: &[f64], whole: f64, width: usize) -> Vec<usize> {
    if whole <= 0.0 {
        return vec![0; parts.len()];
    }
    #[allow(clippy::cast_precision_loss)]
    let exact: Vec<f64> = parts.iter().map(|p| (p / whole).max(0.0) * width as f64).collect();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let mut out: Vec<usize> = exact.iter().map(|e| e.floor() as usize).collect();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let total = (exact.iter().sum::<f64>().round() as usize).min(width);
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()).then(a.cmp(b)));
    let mut left = total.saturating_sub(out.iter().sum());
    for i in order {
        if left == 0 {
            break;
        }
        out[i] += 1;
        left -= 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bars_and_gauges() {
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(1e-9, 4), "▏");
        assert_eq!(bar(f64::NAN, 4), "");
        assert_eq!(gauge(0.5, 6), "[██··]");
        assert_eq!((first_line(9, 10, 4), first_line(0, 10, 4), first_line(3, 3, 4)), (6, 0, 0));
    }

    proptest! {
        #[test]
        fn stacked_cells_sum_to_their_share(parts in prop::collection::vec(0.0..9.0_f64, 1..8), free in 0.0..5.0_f64, width in 1..200_usize) {
            let whole = parts.iter().sum::<f64>() + free;
            prop_assume!(whole > 0.0);
            let list = cells(&parts, whole, width);
            let used: usize = list.iter().sum();
            let exact = parts.iter().sum::<f64>() / whole * width as f64;
            prop_assert!(used <= width && (used as f64 - exact).abs() <= 0.5 + 1e-9, "{:?} {}", list, exact);
        }
    }
}
