//! Charts as SVG: plain text, no script, the same bytes for the same numbers.
//!
//! Colors are attributes, so that a chart stands alone; a page may replace them through the classes
//! `c0`..`c11` (fill), `s0`..`s11` (stroke), `ink`, `dim`, `grid`, `rim`, `rest` and `mark`.

mod axis;
mod bars;
pub(super) mod frame;
mod heat;
mod lines;
mod scatter;
mod tracks;

pub use tracks::{Mark, Row, Slice, Tracks, Work, empty, note_hidden};

use super::{Cell, Column, Kind, Table};

/// A picture of numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Chart {
    /// Horizontal bars, stacked when there are several parts.
    Bars(Bars),
    /// Lines through points.
    Lines(Lines),
    /// Rows of bars over time.
    Tracks(Tracks),
    /// Points of two measures of the same quantity.
    Scatter(Scatter),
    /// A grid of values.
    Heat(Heat),
}

/// Horizontal bars over one value axis that contains zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// What it shows.
    pub title: String,
    /// How people see the values, which are in its base unit.
    pub kind: Kind,
    /// Names of the parts of each bar, in drawing order.
    pub parts: Vec<String>,
    /// The bars from top to bottom.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Its name.
    pub label: String,
    /// One value per part.
    pub values: Vec<f64>,
}

/// One axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// What it measures.
    pub label: String,
    /// How people see the values, which are in its base unit.
    pub kind: Kind,
    /// Whether it is logarithmic; values that are not positive are then left out.
    pub log: bool,
}

/// A named list of points (x, y).
pub type Series = (String, Vec<(f64, f64)>);

/// Lines through points.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    /// What it shows.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines; a point that is not finite makes a gap.
    pub series: Vec<Series>,
    /// Whether the area between the first and the last line is filled: they are the ends of a range.
    pub fill: bool,
}

/// Points of a quantity that is known twice, on logarithmic axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    /// What it shows.
    pub title: String,
    /// How people see the values, which are in its base unit.
    pub kind: Kind,
    /// What stands on the horizontal axis.
    pub x: String,
    /// What stands on the vertical axis.
    pub y: String,
    /// Named groups of points; one that is not positive is left out.
    pub groups: Vec<(String, Vec<Dot>)>,
    /// Ratios of y to x between which a line is drawn.
    pub band: Option<(f64, f64)>,
}

/// One point.
#[derive(Debug, Clone, PartialEq)]
pub struct Dot {
    /// Its horizontal value.
    pub x: f64,
    /// Its vertical value.
    pub y: f64,
    /// What it is.
    pub label: String,
}

impl Dot {
    /// Whether it has a place on logarithmic axes.
    #[must_use]
    pub fn is_drawable(&self) -> bool {
        [self.x, self.y].iter().all(|v| v.is_finite() && *v > 0.0)
    }
}

impl Scatter {
    /// Each group with those of its points that can be drawn.
    pub fn drawable(&self) -> impl Iterator<Item = (&str, Vec<&Dot>)> {
        self.groups
            .iter()
            .map(|(name, dots)| (name.as_str(), dots.iter().filter(|d| d.is_drawable()).collect()))
    }

    /// All points that can be drawn.
    pub fn dots(&self) -> impl Iterator<Item = &Dot> {
        self.drawable().flat_map(|(_, dots)| dots)
    }
}

/// Values over two axes of words.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// What it shows.
    pub title: String,
    /// How people see the values, which are in its base unit.
    pub kind: Kind,
    /// What the columns are.
    pub x: String,
    /// What the rows are; empty for a single row.
    pub y: String,
    /// Names of the columns, from left to right.
    pub columns: Vec<String>,
    /// Names of the rows, from top to bottom.
    pub rows: Vec<String>,
    /// Row by row; what is not finite is left out.
    pub values: Vec<f64>,
}

/// What the colors of a grid span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) log: bool,
}

impl Heat {
    /// The values of a row.
    pub(super) fn row(&self, row: usize) -> &[f64] {
        let n = self.columns.len();
        self.values.get(row * n..(row + 1) * n).unwrap_or_default()
    }

    /// From the least to the most; logarithmic where they differ tenfold. None without values.
    pub(super) fn scale(&self) -> Option<Span> {
        let known = self.values.iter().copied().filter(|v| v.is_finite());
        let (low, high) = known.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        (low <= high).then_some(Span {
            low,
            high,
            log: low > 0.0 && high / low >= 10.0,
        })
    }
}

impl Span {
    /// Where a value stands, from 0 to 1; none where there is none.
    pub(super) fn place(self, value: f64) -> Option<f64> {
        if !value.is_finite() {
            return None;
        }
        let Span { low, high, log } = self;
        let place = if log {
            (value / low).ln() / (high / low).ln()
        } else {
            (value - low) / (high - low)
        };
        Some(if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.5 })
    }
}

/// `chart` as one `svg` element.
#[must_use]
pub fn render(chart: &Chart) -> String {
    match chart {
        Chart::Bars(chart) => bars::render(chart),
        Chart::Lines(chart) => lines::render(chart),
        Chart::Tracks(chart) => tracks::render(chart),
        Chart::Scatter(chart) => scatter::render(chart),
        Chart::Heat(chart) => heat::render(chart),
    }
}

impl Chart {
    /// Its title.
    #[must_use]
    pub fn title(&self) -> &str {
        match self {
            Chart::Bars(chart) => &chart.title,
            Chart::Lines(chart) => &chart.title,
            Chart::Tracks(chart) => &chart.title,
            Chart::Scatter(chart) => &chart.title,
            Chart::Heat(chart) => &chart.title,
        }
    }

    /// Its numbers, for formats without pictures: all of the bars, the ends of the lines, the sums of the tracks.
    #[must_use]
    pub fn table(&self) -> Table {
        match self {
            Chart::Bars(chart) => bars_table(chart),
            Chart::Lines(chart) => lines_table(chart),
            Chart::Tracks(chart) => tracks_table(chart),
            Chart::Scatter(chart) => scatter_table(chart),
            Chart::Heat(chart) => heat_table(chart),
        }
    }
}

/// More bars than this stand below each other in a table, fewer beside each other.
const BESIDE: usize = 5;

fn bars_table(chart: &Bars) -> Table {
    let largest = chart
        .bars
        .iter()
        .flat_map(|bar| &bar.values)
        .copied()
        .filter(|v| v.is_finite())
        .fold(0.0, |a: f64, v| v.abs().max(a));
    let unit = chart.kind.scale(largest).unit;
    let value = |bar: usize, part: usize| {
        let value = chart.bars.get(bar).and_then(|bar| bar.values.get(part));
        value.map_or(Cell::Missing, |v| Cell::quantity(*v, chart.kind))
    };
    let labels: Vec<&str> = chart.bars.iter().map(|bar| bar.label.as_str()).collect();
    let parts: Vec<&str> = chart.parts.iter().map(String::as_str).collect();
    let beside = parts.len() > 1 && labels.len() <= BESIDE;
    let (down, across) = if beside { (parts, labels) } else { (labels, parts) };
    let columns = across.iter().map(|name| Column::numbers(*name).unit(&unit));
    let mut table = Table::new(&chart.title, std::iter::once(Column::words("")).chain(columns).collect());
    for (row, name) in down.into_iter().enumerate() {
        let values = (0..across.len()).map(|column| if beside { value(column, row) } else { value(row, column) });
        table.rows.push(std::iter::once(Cell::from(name)).chain(values).collect());
    }
    table
}

fn lines_table(chart: &Lines) -> Table {
    let (x, y) = (&chart.x, &chart.y);
    let columns = [end_of(x, "from"), end_of(x, "to"), end_of(y, "at first"), end_of(y, "at last")];
    let columns = columns.into_iter().map(Column::numbers);
    let mut table = Table::new(&chart.title, std::iter::once(Column::words("")).chain(columns).collect());
    for (name, points) in &chart.series {
        let ends = [points.first(), points.last()];
        let xs = ends.iter().map(|p| p.map_or(Cell::Missing, |p| Cell::quantity(p.0, x.kind)));
        let ys = ends.iter().map(|p| p.map_or(Cell::Missing, |p| Cell::quantity(p.1, y.kind)));
        table
            .rows
            .push(std::iter::once(Cell::from(name.as_str())).chain(xs).chain(ys).collect());
    }
    table
}

fn tracks_table(chart: &Tracks) -> Table {
    let used: Vec<(usize, &Work)> = chart.used().collect();
    let columns = used.iter().map(|(_, work)| Column::numbers(work.name));
    let mut table = Table::new(&chart.title, std::iter::once(Column::words("")).chain(columns).collect());
    for (label, marks) in chart.tracks() {
        let seconds = used.iter().map(|(i, _)| Cell::quantity(Tracks::seconds(marks, *i), Kind::Duration));
        table.rows.push(std::iter::once(Cell::from(label)).chain(seconds).collect());
    }
    table
}

fn scatter_table(chart: &Scatter) -> Table {
    let columns = [Column::words(""), Column::numbers("points"), Column::numbers("too high")];
    let mut table = Table::new(&chart.title, columns.into_iter().collect());
    #[allow(clippy::cast_precision_loss)]
    let count = |n: usize| Cell::Count(n as f64);
    for (name, dots) in chart.drawable() {
        let above = dots.iter().filter(|d| d.y > d.x).count();
        table.rows.push(vec![Cell::from(name), count(dots.len()), count(above)]);
    }
    table
}

fn heat_table(chart: &Heat) -> Table {
    let unit = chart.kind.scale(chart.scale().map_or(0.0, |s| s.high)).unit;
    let columns = chart.columns.iter().map(|name| Column::numbers(name).unit(&unit));
    let mut table = Table::new(&chart.title, std::iter::once(Column::words(&chart.y)).chain(columns).collect());
    for (row, name) in chart.rows.iter().enumerate() {
        let values = chart.row(row).iter().map(|v| {
            if v.is_finite() {
                Cell::quantity(*v, chart.kind)
            } else {
                Cell::Missing
            }
        });
        table.rows.push(std::iter::once(Cell::from(name.as_str())).chain(values).collect());
    }
    table
}

/// The name of an end of an axis; a label that is only the unit is not said twice.
fn end_of(axis: &Axis, end: &str) -> String {
    if axis.kind.suffix() == super::cell::slug(&axis.label) {
        end.to_string()
    } else {
        format!("{} {end}", axis.label)
    }
}

#[cfg(test)]
mod tests;
