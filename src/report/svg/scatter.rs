//! Points over two logarithmic axes of the same quantity, with the diagonal where they agree.

use super::axis::{Ruler, usable};
use super::frame::{self, Anchor, LINE, WIDTH};
use super::{Dot, Scatter};
use std::fmt::Write;

/// The drawing is a square: a decade is as long on both axes, so the diagonal is one.
const SIDE: f64 = 560.0;

/// Where the square stands and what its axes measure.
struct Square {
    left: f64,
    top: f64,
    ruler: Ruler,
}

impl Square {
    fn point(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (
            self.left + SIDE * self.ruler.place(x),
            self.top + SIDE * (1.0 - self.ruler.place(y)),
        )
    }
}

pub(super) fn render(chart: &Scatter) -> String {
    let values = chart.dots().flat_map(|d| [d.x, d.y]).filter_map(|v| usable(v, true));
    let Some(ruler) = Ruler::new(values, chart.kind, true) else {
        return frame::empty(&chart.title);
    };
    let (mut body, legend_height) = frame::legend(chart.groups.iter().map(|(name, _)| name.as_str()), 30.0);
    let unit = ruler.unit.clone();
    let marks = ruler.ticks.iter().map(|t| frame::text_width(&t.label, 12.0)).fold(0.0, f64::max);
    let top = 30.0 + legend_height + LINE + 14.0;
    body += &frame::small(frame::EDGE, top - 16.0, Anchor::Start, &format!("{}, {unit}", chart.y));
    let square = Square {
        left: frame::EDGE + marks + 8.0,
        top,
        ruler,
    };
    body += &axes(&square, &format!("{}, {unit}", chart.x));
    body += &guides(chart, &square);
    for (index, (name, dots)) in chart.drawable().enumerate() {
        body += &group(index, name, &dots, &square);
    }
    frame::wrap(&chart.title, &describe(chart), top + SIDE + 2.0 * LINE + 4.0, &body)
}

fn axes(square: &Square, x_label: &str) -> String {
    let (left, top) = (square.left, square.top);
    let (right, bottom) = (left + SIDE, top + SIDE);
    let mut out = String::new();
    for tick in &square.ruler.ticks {
        let (x, y) = (left + SIDE * tick.place, bottom - SIDE * tick.place);
        out += &frame::grid_line((left, y), (right, y), false);
        out += &frame::grid_line((x, top), (x, bottom), false);
        out += &frame::small(left - 8.0, y + 4.0, Anchor::End, &tick.label);
        out += &frame::small(x, bottom + 19.0, Anchor::Middle, &tick.label);
    }
    out += &frame::grid_line((left, bottom), (right, bottom), true);
    out += &frame::grid_line((left, top), (left, bottom), true);
    out + &frame::small(f64::midpoint(left, right), bottom + 19.0 + LINE, Anchor::Middle, x_label)
}

/// The diagonal, and where the prediction is so many times the measurement.
fn guides(chart: &Scatter, square: &Square) -> String {
    let mut out = guide(1.0, "", square);
    if let Some((low, high)) = chart.band {
        out += &guide(low, r#" stroke-dasharray="6 4""#, square);
        out += &guide(high, r#" stroke-dasharray="6 4""#, square);
        let text = "solid: predicted as measured; dashed: eight of ten left-out runs lie between";
        out += &frame::small(WIDTH, square.top - 16.0, Anchor::End, text);
    }
    out
}

/// The line y = ratio · x inside the square.
fn guide(ratio: f64, dash: &str, square: &Square) -> String {
    let (lo, hi) = square.ruler.ends();
    let start = if ratio < 1.0 { (lo / ratio, lo) } else { (lo, lo * ratio) };
    let end = if ratio < 1.0 { (hi, hi * ratio) } else { (hi / ratio, hi) };
    if start.0 >= hi || start.1 >= hi {
        return String::new();
    }
    let ((x1, y1), (x2, y2)) = (square.point(start), square.point(end));
    format!(r##"<line class="rim" stroke="#8a94a3"{dash} x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"##) + "\n"
}

fn group(index: usize, name: &str, dots: &[&Dot], square: &Square) -> String {
    let mut out = format!(
        "<g {} fill-opacity=\"0.65\"><title>{}</title>\n",
        frame::fill(index),
        super::super::html::escape(name)
    );
    for dot in dots {
        let (Some(x), Some(y)) = (usable(dot.x, true), usable(dot.y, true)) else {
            continue;
        };
        let (x, y) = square.point((x, y));
        let label = super::super::html::escape(&dot.label);
        let _ = writeln!(out, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.2"><title>{label}</title></circle>"#);
    }
    out + "</g>\n"
}

fn describe(chart: &Scatter) -> String {
    let groups: Vec<String> = chart
        .drawable()
        .map(|(name, dots)| {
            let above = dots.iter().filter(|d| d.y > d.x).count();
            format!("{name}: {} points, {above} of them predicted too high", dots.len())
        })
        .collect();
    format!("{} over {}, both on logarithmic axes. {}.", chart.y, chart.x, groups.join("; "))
}
