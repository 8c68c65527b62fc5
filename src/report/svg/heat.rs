//! A grid of values as colors.

use super::Heat;
use super::frame::{self, Anchor, LINE, WIDTH};
use std::fmt::Write;

/// Least width of a cell with its value in it.
const VALUE_WIDTH: f64 = 44.0;
const MAX_HEIGHT: f64 = 34.0;

/// Six steps of cividis, which looks the same to those who tell fewer colors apart (Nuñez, Anderton and
/// Renslow 2018, doi 10.1371/journal.pone.0199239).
const CIVIDIS: [[f64; 3]; 6] = [
    [0.0, 32.0, 77.0],
    [49.0, 68.0, 107.0],
    [102.0, 105.0, 112.0],
    [149.0, 143.0, 120.0],
    [203.0, 186.0, 105.0],
    [255.0, 233.0, 69.0],
];

/// The color at a place from 0 to 1, and whether it is dark.
fn color(place: f64) -> (String, bool) {
    let last = CIVIDIS.len() - 1;
    #[allow(clippy::cast_precision_loss)]
    let at = place.clamp(0.0, 1.0) * last as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let below = (at.floor() as usize).min(last - 1);
    #[allow(clippy::cast_precision_loss)]
    let share = at - below as f64;
    let [a, b] = [CIVIDIS[below], CIVIDIS[below + 1]];
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let mix = |i: usize| (a[i] + (b[i] - a[i]) * share).round() as u8;
    (format!("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2)), place < 0.55)
}

pub(super) fn render(chart: &Heat) -> String {
    let Some(scale) = chart.scale() else {
        return frame::empty(&chart.title);
    };
    let widest = chart.rows.iter().map(|r| frame::text_width(r, 12.0)).fold(0.0, f64::max);
    let left = frame::EDGE + widest.min(WIDTH / 3.0) + 8.0;
    let top = 30.0 + 2.0 * LINE;
    #[allow(clippy::cast_precision_loss)]
    let (n_columns, n_rows) = (chart.columns.len().max(1) as f64, chart.rows.len().max(1) as f64);
    let width = (WIDTH - left) / n_columns;
    let height = (600.0 / n_rows).clamp(6.0, MAX_HEIGHT);
    let mut body = frame::small(frame::EDGE, 44.0, Anchor::Start, &legend(chart));
    let unit = chart.kind.scale(scale.high);
    for (row, label) in chart.rows.iter().enumerate() {
        #[allow(clippy::cast_precision_loss)]
        let y = top + height * row as f64;
        if height >= 12.0 || row % 2 == 0 {
            body += &frame::small(left - 6.0, y + height / 2.0 + 4.0, Anchor::End, &frame::short(label, 28));
        }
        for (column, value) in chart.row(row).iter().enumerate() {
            #[allow(clippy::cast_precision_loss)]
            let x = left + width * column as f64;
            let told = format!(
                "{} {}, {} {}: {}",
                chart.x,
                chart.columns[column],
                chart.y,
                label,
                chart.kind.human(*value)
            );
            body += &cell(scale.place(*value), (x, y), (width, height), &told);
            if width >= VALUE_WIDTH && height >= 14.0 && value.is_finite() {
                let dark = color(scale.place(*value).unwrap_or(0.0)).1;
                let ink = if dark { "#ffffff" } else { "#1b2330" };
                let _ = writeln!(
                    body,
                    r#"<text fill="{ink}" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                    x + width / 2.0,
                    y + height / 2.0 + 4.0,
                    chart.kind.number(*value, &unit)
                );
            }
        }
    }
    let bottom = top + height * n_rows;
    body += &columns(chart, (left, bottom), width);
    frame::wrap(&chart.title, &describe(chart), bottom + 2.0 * LINE + 8.0, &body)
}

fn cell(place: Option<f64>, (x, y): (f64, f64), (width, height): (f64, f64), told: &str) -> String {
    let fill = place.map_or_else(
        || r##"class="rest" fill="#e1e5eb""##.to_string(),
        |p| format!(r#"fill="{}""#, color(p).0),
    );
    let told = super::super::html::escape(told);
    format!(r#"<rect {fill} x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"><title>{told}</title></rect>"#) + "\n"
}

/// As many labels as have room.
fn columns(chart: &Heat, (left, bottom): (f64, f64), width: f64) -> String {
    let widest = chart.columns.iter().map(|c| frame::text_width(c, 12.0)).fold(0.0, f64::max) + 8.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let every = (widest / width).ceil().max(1.0) as usize;
    let mut out = String::new();
    for (column, label) in chart.columns.iter().enumerate().step_by(every) {
        #[allow(clippy::cast_precision_loss)]
        let x = left + width * (column as f64 + 0.5);
        out += &frame::small(x, bottom + 16.0, Anchor::Middle, label);
    }
    out + &frame::small(f64::midpoint(left, WIDTH), bottom + 16.0 + LINE, Anchor::Middle, &chart.x)
}

fn legend(chart: &Heat) -> String {
    let ends = chart.scale().map_or_else(String::new, |s| {
        let how = if s.log { ", logarithmic" } else { "" };
        let unit = chart.kind.scale(s.high);
        let unit = if unit.unit.is_empty() {
            String::new()
        } else {
            format!(" in {}", unit.unit)
        };
        format!("{} dark to {} bright{how}{unit}", chart.kind.human(s.low), chart.kind.human(s.high))
    });
    let down = if chart.y.is_empty() {
        String::new()
    } else {
        format!("down: {}; ", chart.y)
    };
    format!("{down}{ends}; gray: none fits")
}

fn describe(chart: &Heat) -> String {
    format!(
        "{} columns of {} and {} rows of {}. {}.",
        chart.columns.len(),
        chart.x,
        chart.rows.len(),
        chart.y,
        legend(chart)
    )
}
