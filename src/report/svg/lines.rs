//! Lines through points over two axes.

use super::axis::{Ruler, usable};
use super::frame::{self, Anchor, LINE, WIDTH};
use super::{Axis, Lines};
use std::fmt::Write;

const HEIGHT: f64 = 250.0;
/// More points than this are drawn without a dot each.
const DOTS: usize = 32;
/// After the palette is used up, lines are told apart by dashes.
const DASHES: [&str; 4] = ["", "6 3", "2 3", "8 3 2 3"];

/// Where the lines stand.
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Ruler,
    y: Ruler,
}

impl Plot {
    fn point(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (
            self.left + (self.right - self.left) * self.x.place(x),
            self.bottom - (self.bottom - self.top) * self.y.place(y),
        )
    }
}

pub(super) fn render(chart: &Lines) -> String {
    let points = || {
        chart
            .series
            .iter()
            .flat_map(|(_, points)| points)
            .filter_map(|p| drawable(*p, chart))
    };
    let x = Ruler::new(points().map(|p| p.0), chart.x.kind, chart.x.log);
    let y = Ruler::new(points().map(|p| p.1), chart.y.kind, chart.y.log);
    let (Some(x), Some(y)) = (x, y) else {
        return frame::empty(&chart.title);
    };
    let (mut body, legend_height) = if chart.series.len() > 1 {
        frame::legend(chart.series.iter().map(|(name, _)| name.as_str()), 30.0)
    } else {
        (String::new(), 0.0)
    };
    // The label of the vertical axis stands above it: turned text is hard to read.
    body += &frame::small(frame::EDGE, 30.0 + legend_height + 18.0, Anchor::Start, &axis_label(&chart.y, &y));
    let marks = y.ticks.iter().map(|t| frame::text_width(&t.label, 12.0)).fold(0.0, f64::max);
    let top = 30.0 + legend_height + LINE + 14.0;
    let plot = Plot {
        left: frame::EDGE + marks + 8.0,
        right: WIDTH - 24.0,
        top,
        bottom: top + HEIGHT,
        x,
        y,
    };
    body += &axes(&plot, &chart.x);
    body += &area(chart, &plot);
    for (index, (name, points)) in chart.series.iter().enumerate() {
        body += &draw(index, name, points, chart, &plot);
    }
    frame::wrap(&chart.title, &describe(chart), plot.bottom + 2.0 * LINE + 4.0, &body)
}

/// The area between the first and the last line, where they are the ends of a range.
fn area(chart: &Lines, plot: &Plot) -> String {
    let (Some((_, first)), Some((_, last)), true) = (chart.series.first(), chart.series.last(), chart.fill) else {
        return String::new();
    };
    let corners = first.iter().chain(last.iter().rev()).filter_map(|p| drawable(*p, chart));
    let points: Vec<String> = corners
        .map(|p| {
            let (x, y) = plot.point(p);
            format!("{x:.2},{y:.2}")
        })
        .collect();
    format!(
        "<polygon {} fill-opacity=\"0.18\" points=\"{}\"/>\n",
        frame::fill(0),
        points.join(" ")
    )
}

fn drawable((x, y): (f64, f64), chart: &Lines) -> Option<(f64, f64)> {
    Some((usable(x, chart.x.log)?, usable(y, chart.y.log)?))
}

fn axis_label(axis: &Axis, ruler: &Ruler) -> String {
    let unit = &ruler.unit;
    if unit.is_empty() {
        axis.label.clone()
    } else if unit.ends_with(axis.label.as_str()) {
        unit.clone()
    } else {
        format!("{}, {unit}", axis.label)
    }
}

fn axes(plot: &Plot, x: &Axis) -> String {
    let mut out = String::new();
    for tick in &plot.y.ticks {
        let y = plot.bottom - (plot.bottom - plot.top) * tick.place;
        out += &frame::grid_line((plot.left, y), (plot.right, y), false);
        out += &frame::small(plot.left - 8.0, y + 4.0, Anchor::End, &tick.label);
    }
    for tick in &plot.x.ticks {
        let x = plot.left + (plot.right - plot.left) * tick.place;
        out += &frame::grid_line((x, plot.bottom), (x, plot.bottom + 5.0), true);
        out += &frame::small(x, plot.bottom + 19.0, Anchor::Middle, &tick.label);
    }
    out += &frame::grid_line((plot.left, plot.bottom), (plot.right, plot.bottom), true);
    out + &frame::small(
        f64::midpoint(plot.left, plot.right),
        plot.bottom + 19.0 + LINE,
        Anchor::Middle,
        &axis_label(x, &plot.x),
    )
}

fn draw(index: usize, name: &str, points: &[(f64, f64)], chart: &Lines, plot: &Plot) -> String {
    let mut path = String::new();
    let mut dots = String::new();
    let mut pen = 'M';
    for (number, point) in points.iter().enumerate() {
        let Some(usable) = drawable(*point, chart) else {
            pen = 'M';
            continue;
        };
        let (x, y) = plot.point(usable);
        let _ = write!(path, "{pen}{x:.2} {y:.2}");
        // A point without neighbors has no line, so it always gets a dot.
        let next = points.get(number + 1).and_then(|p| drawable(*p, chart));
        if points.len() <= DOTS || (pen == 'M' && next.is_none()) {
            let _ = writeln!(dots, r#"<circle {} cx="{x:.2}" cy="{y:.2}" r="3"/>"#, frame::fill(index));
        }
        pen = 'L';
    }
    if path.is_empty() {
        return String::new();
    }
    let dash = DASHES[(index / 8) % DASHES.len()];
    let dash = if dash.is_empty() {
        String::new()
    } else {
        format!(r#" stroke-dasharray="{dash}""#)
    };
    let name = super::super::html::escape(name);
    format!(
        r#"<g><title>{name}</title>
<path {}{dash} fill="none" stroke-width="2" stroke-linejoin="round" d="{path}"/>
{dots}</g>
"#,
        frame::stroke(index)
    )
}

fn describe(chart: &Lines) -> String {
    let list = chart.series.iter().take(12).map(|(name, points)| {
        let seen: Vec<_> = points.iter().filter_map(|p| drawable(*p, chart)).collect();
        match (seen.first(), seen.last()) {
            (Some(a), Some(b)) => {
                let (x, y) = (chart.x.kind, chart.y.kind);
                format!(
                    "{name} from {} at {} to {} at {}",
                    y.human(a.1),
                    x.human(a.0),
                    y.human(b.1),
                    x.human(b.0)
                )
            }
            _ => format!("{name} without data"),
        }
    });
    let list = list.collect::<Vec<_>>().join("; ");
    format!("{} over {}: {list}.", chart.y.label, chart.x.label)
}
