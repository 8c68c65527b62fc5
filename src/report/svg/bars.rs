//! Horizontal bars. Positive parts grow to the right of zero, negative ones to the left.

use super::super::cell::clean;
use super::axis::{Ruler, usable};
use super::frame::{self, Anchor, LINE, WIDTH};
use super::{Bar, Bars};
use std::fmt::Write;

const THICK: f64 = 20.0;
const PITCH: f64 = 30.0;
/// Longest label in columns of text; the whole name is in the tooltip.
const LABEL: usize = 30;

/// Where the bars stand.
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    ruler: Ruler,
}

impl Plot {
    fn x(&self, value: f64) -> f64 {
        self.left + (self.right - self.left) * self.ruler.place(value)
    }
}

pub(super) fn render(chart: &Bars) -> String {
    let ends = chart.bars.iter().flat_map(|bar| <[f64; 2]>::from(reach(bar)));
    let any = chart.bars.iter().any(|bar| values(bar).next().is_some());
    let Some(ruler) = Ruler::new(ends.chain([0.0]), chart.kind, false).filter(|_| any) else {
        return frame::empty(&chart.title);
    };
    let (mut body, legend_height) = if stacked(chart) {
        frame::legend(chart.parts.iter().map(String::as_str), 30.0)
    } else {
        (String::new(), 0.0)
    };
    let labels = chart
        .bars
        .iter()
        .map(|bar| frame::text_width(&frame::short(&bar.label, LABEL), 12.0))
        .fold(0.0, f64::max);
    let totals = chart
        .bars
        .iter()
        .map(|bar| frame::text_width(&total(bar, chart), 12.0))
        .fold(0.0, f64::max);
    let plot = Plot {
        left: frame::EDGE + labels + 10.0,
        right: WIDTH - totals - 14.0,
        top: 36.0 + legend_height,
        ruler,
    };
    let bottom = chart.bars.iter().fold(plot.top, |y, _| y + PITCH);
    body += &axis(&plot, bottom);
    let mut y = plot.top;
    for bar in &chart.bars {
        body += &draw(bar, chart, &plot, y);
        y += PITCH;
    }
    body += &frame::grid_line((plot.x(0.0), plot.top - 2.0), (plot.x(0.0), bottom), true);
    frame::wrap(&chart.title, &describe(chart), bottom + 2.0 * LINE + 4.0, &body)
}

fn stacked(chart: &Bars) -> bool {
    chart.parts.len() > 1 || chart.bars.iter().any(|bar| bar.values.len() > 1)
}

/// The values that can be drawn, with their part.
fn values(bar: &Bar) -> impl Iterator<Item = (usize, f64)> + '_ {
    bar.values
        .iter()
        .enumerate()
        .filter_map(|(part, v)| usable(*v, false).map(|v| (part, v)))
}

/// How far a bar reaches to the left and to the right of zero.
fn reach(bar: &Bar) -> (f64, f64) {
    let sum = |sign: f64| values(bar).map(|(_, v)| v).filter(|v| v * sign > 0.0).sum::<f64>();
    (usable(sum(-1.0), false).unwrap_or(0.0), usable(sum(1.0), false).unwrap_or(0.0))
}

/// The text at the end of a bar: what its parts sum to.
fn total(bar: &Bar, chart: &Bars) -> String {
    if values(bar).next().is_none() {
        return "-".to_string();
    }
    let (negative, positive) = reach(bar);
    chart.kind.human(negative + positive)
}

fn axis(plot: &Plot, bottom: f64) -> String {
    let mut out = String::new();
    for tick in &plot.ruler.ticks {
        let x = plot.left + (plot.right - plot.left) * tick.place;
        out += &frame::grid_line((x, plot.top - 2.0), (x, bottom), false);
        out += &frame::small(x, bottom + 16.0, Anchor::Middle, &tick.label);
    }
    out + &frame::small(
        f64::midpoint(plot.left, plot.right),
        bottom + 16.0 + LINE,
        Anchor::Middle,
        &plot.ruler.unit,
    )
}

fn draw(bar: &Bar, chart: &Bars, plot: &Plot, y: f64) -> String {
    let middle = y + THICK / 2.0 + 4.0;
    let mut out = frame::words(plot.left - 8.0, middle, Anchor::End, &frame::short(&bar.label, LABEL));
    let (mut negative, mut positive) = (0.0, 0.0);
    for (part, value) in values(bar) {
        let edge = if value < 0.0 { &mut negative } else { &mut positive };
        let from: f64 = *edge;
        *edge = usable(from + value, false).unwrap_or(from);
        let (a, b) = (plot.x(from.min(*edge)), plot.x(from.max(*edge)));
        let name = tooltip(bar, chart.parts.get(part).filter(|_| stacked(chart)), &chart.kind.human(value));
        let _ = writeln!(
            out,
            r#"<rect {} x="{a:.2}" y="{y:.1}" width="{:.2}" height="{THICK:.0}"><title>{name}</title></rect>"#,
            frame::fill(part),
            b - a
        );
    }
    let (_, end) = reach(bar);
    out + &frame::words(plot.x(end) + 6.0, middle, Anchor::Start, &total(bar, chart))
}

fn tooltip(bar: &Bar, part: Option<&String>, value: &str) -> String {
    let part = part.map_or_else(String::new, |part| format!(", {part}"));
    super::super::html::escape(&format!("{}{part}: {value}", bar.label))
}

fn describe(chart: &Bars) -> String {
    let list = chart
        .bars
        .iter()
        .take(20)
        .map(|bar| format!("{} {}", clean(&bar.label), total(bar, chart)));
    let more = if chart.bars.len() > 20 {
        format!("; and {} more", chart.bars.len() - 20)
    } else {
        String::new()
    };
    format!("Bars: {}{more}.", list.collect::<Vec<_>>().join("; "))
}
