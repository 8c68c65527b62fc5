//! Rows of bars over time. Bars too narrow to see are joined: then each column of a row shows what
//! takes most of it, so that the picture stays small however many bars a step has.

use super::super::Kind;
use super::axis::Ruler;
use super::frame::{self, Anchor, LINE, WIDTH};
use std::fmt::Write;

/// Height of a row for kernels, and of one for another lane.
const ROW: (f64, f64) = (14.0, 10.0);
/// From row to row, beyond its height.
const GAP: f64 = 3.0;
/// Narrowest column.
const COLUMN: f64 = 1.0;
/// Columns of all rows together: what keeps a page below a megabyte.
const MOST_COLUMNS: usize = 40_000;
/// Longest label in columns of text.
const LABEL: usize = 24;

/// Rows of bars over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracks {
    /// What it shows.
    pub title: String,
    /// Where time ends; it begins at zero.
    pub end_s: f64,
    /// What a bar can be; the place in this list is its color.
    pub works: Vec<Work>,
    /// The rows from top to bottom.
    pub rows: Vec<Row>,
}

/// What a bar can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Its name.
    pub name: &'static str,
    /// What stands for it in text.
    pub letter: char,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// Bars that do not overlap, by start.
    Track {
        /// Its name.
        label: String,
        /// It belongs to the row above.
        minor: bool,
        /// Its bars.
        marks: Vec<Mark>,
    },
    /// What stands for rows that are not shown.
    LeftOut(String),
}

/// A bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Start.
    pub start_s: f64,
    /// End.
    pub end_s: f64,
    /// Place in [`Tracks::works`].
    pub work: usize,
    /// Whether it decides when the end is.
    pub critical: bool,
}

/// What takes most of a slice of time, and whether most of it is critical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Place in [`Tracks::works`]; nothing where more than half is idle.
    pub work: Option<usize>,
    /// Whether the critical path runs through most of it.
    pub critical: bool,
}

impl Tracks {
    /// Which works occur.
    pub fn used(&self) -> impl Iterator<Item = (usize, &Work)> {
        let any = |work: usize| self.tracks().any(|(_, marks)| marks.iter().any(|m| m.work == work));
        self.works.iter().enumerate().filter(move |(i, _)| any(*i))
    }

    /// Label and bars of each row that has bars.
    pub fn tracks(&self) -> impl Iterator<Item = (&str, &[Mark])> {
        self.rows.iter().filter_map(|row| match row {
            Row::Track { label, marks, .. } => Some((label.as_str(), marks.as_slice())),
            Row::LeftOut(_) => None,
        })
    }

    /// Seconds of one work in a row.
    #[must_use]
    pub fn seconds(marks: &[Mark], work: usize) -> f64 {
        marks.iter().filter(|m| m.work == work).map(|m| m.end_s - m.start_s).sum()
    }

    /// A row as `n` equal slices of time.
    #[must_use]
    pub fn slices(&self, marks: &[Mark], n: usize) -> Vec<Slice> {
        #[allow(clippy::cast_precision_loss)]
        let width_s = self.end_s / n as f64;
        let mut shares_s = vec![vec![0.0; self.works.len()]; n];
        let mut critical_s = vec![0.0; n];
        for mark in marks.iter().filter(|m| m.end_s > m.start_s && m.work < self.works.len()) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let first = (mark.start_s / width_s).max(0.0) as usize;
            for (i, shares) in shares_s.iter_mut().enumerate().skip(first) {
                #[allow(clippy::cast_precision_loss)]
                let from_s = i as f64 * width_s;
                if from_s >= mark.end_s {
                    break;
                }
                let own_s = mark.end_s.min(from_s + width_s) - mark.start_s.max(from_s);
                shares[mark.work] += own_s.max(0.0);
                critical_s[i] += if mark.critical { own_s.max(0.0) } else { 0.0 };
            }
        }
        shares_s.iter().zip(&critical_s).map(|(s, c)| slice(s, *c, width_s)).collect()
    }
}

fn slice(shares_s: &[f64], critical_s: f64, width_s: f64) -> Slice {
    // Of equals the first. Work of all kinds together stands against idleness: a stage that is
    // busy half of the time with two kinds of work is not idle.
    let most = |a: (usize, f64), b: (usize, f64)| if b.1 > a.1 { b } else { a };
    let busiest = shares_s.iter().copied().enumerate().reduce(most);
    let busy_s: f64 = shares_s.iter().sum();
    Slice {
        work: busiest.filter(|(_, s)| *s > 0.0 && busy_s >= width_s / 2.0).map(|(work, _)| work),
        critical: critical_s > width_s / 2.0,
    }
}

/// Where the rows stand.
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    ruler: Ruler,
    columns: usize,
}

impl Plot {
    fn x(&self, time_s: f64) -> f64 {
        self.left + (self.right - self.left) * self.ruler.place(time_s)
    }
}

pub(super) fn render(chart: &Tracks) -> String {
    let Some(ruler) = Ruler::new([0.0, chart.end_s], Kind::Duration, false).filter(|_| chart.end_s > 0.0 && chart.used().next().is_some())
    else {
        return frame::empty(&chart.title);
    };
    let legend = chart.used().map(|(i, work)| (i, work.name));
    let (mut body, legend_height) = frame::legend_of(legend, 30.0);
    let labels = chart.tracks().map(|(l, _)| frame::text_width(&frame::short(l, LABEL), 12.0));
    let mut plot = Plot {
        left: frame::EDGE + labels.fold(0.0, f64::max) + 10.0,
        right: WIDTH - 14.0,
        top: 36.0 + legend_height,
        ruler,
        columns: 0,
    };
    let room = (plot.x(chart.end_s) - plot.left) / COLUMN;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let room = room as usize;
    plot.columns = room.min(MOST_COLUMNS / chart.rows.len().max(1)).max(1);
    let rows = rows(chart, &plot);
    body += &axis(&plot, rows.bottom);
    body += &rows.body;
    let mut y = rows.bottom + 16.0 + 2.0 * LINE;
    for line in caption(chart, &rows) {
        body += &frame::small(frame::EDGE, y, Anchor::Start, &line);
        y += LINE - 4.0;
    }
    frame::wrap(&chart.title, &describe(chart), y, &body)
}

/// The rows as they were drawn.
struct Rows<'a> {
    body: String,
    bottom: f64,
    /// Bars were joined in one of them.
    joined: bool,
    /// Labels of those in which nothing would be seen.
    hidden: Vec<&'a str>,
}

fn rows<'a>(chart: &'a Tracks, plot: &Plot) -> Rows<'a> {
    let (mut out, mut y, mut joined, mut hidden) = (String::new(), plot.top, false, Vec::new());
    for row in &chart.rows {
        match row {
            Row::Track { label, minor: true, marks } if columns(chart, plot, marks).is_some_and(|c| empty(&c)) => {
                note_hidden(&mut hidden, label);
            }
            Row::Track { label, minor, marks } => {
                let height = if *minor { ROW.1 } else { ROW.0 };
                let middle = y + height / 2.0 + 4.0;
                let name = frame::short(label, LABEL);
                out += &if *minor {
                    frame::small(plot.left - 8.0, middle, Anchor::End, &name)
                } else {
                    frame::words(plot.left - 8.0, middle, Anchor::End, &name)
                };
                out += &frame::rest((plot.left, y), (plot.x(chart.end_s) - plot.left, height));
                joined |= track(chart, plot, (label, marks), (y, height), &mut out);
                y += height + GAP;
            }
            Row::LeftOut(text) => {
                out += &frame::small(plot.left, y + 12.0, Anchor::Start, text);
                y += ROW.0 + GAP;
            }
        }
    }
    Rows {
        body: out,
        bottom: y,
        joined,
        hidden,
    }
}

/// Whether nothing is seen in a row of slices.
#[must_use]
pub fn empty(slices: &[Slice]) -> bool {
    slices.iter().all(|s| s.work.is_none())
}

/// Keep the name of a row that is not shown, once.
pub fn note_hidden<'a>(hidden: &mut Vec<&'a str>, label: &'a str) {
    if !hidden.contains(&label) {
        hidden.push(label);
    }
}

/// A row as columns, where bars are too narrow to be drawn as they are.
fn columns(chart: &Tracks, plot: &Plot, marks: &[Mark]) -> Option<Vec<Slice>> {
    let narrow = |m: &Mark| m.end_s > m.start_s && plot.x(m.end_s) - plot.x(m.start_s) < COLUMN;
    marks.iter().any(narrow).then(|| chart.slices(marks, plot.columns))
}

/// A piece of a row from one place to another.
type Piece = (f64, f64);

/// One row; true when bars were joined.
fn track(chart: &Tracks, plot: &Plot, (label, marks): (&str, &[Mark]), (y, height): (f64, f64), out: &mut String) -> bool {
    let cells = columns(chart, plot, marks);
    for (work, named) in chart.works.iter().enumerate() {
        let pieces = match &cells {
            Some(cells) => runs(cells, plot, chart.end_s, |c| c.work == Some(work)),
            None => apart(marks.iter().filter(|m| m.work == work), plot),
        };
        if !pieces.is_empty() {
            let n = marks.iter().filter(|m| m.work == work).count();
            let human = Kind::Duration.human(Tracks::seconds(marks, work));
            let title = super::super::html::escape(&format!("{label}, {}: {n} bars, {human}", named.name));
            let shape = outline(&pieces, y, height);
            let _ = writeln!(out, r#"<path {} d="{shape}"><title>{title}</title></path>"#, frame::fill(work));
        }
    }
    let critical = match &cells {
        Some(cells) => runs(cells, plot, chart.end_s, |c| c.critical),
        None => apart(marks.iter().filter(|m| m.critical), plot),
    };
    if !critical.is_empty() {
        let _ = writeln!(
            out,
            r##"<path class="mark" fill="none" stroke="#1b2330" d="{}"/>"##,
            outline(&critical, y, height)
        );
    }
    cells.is_some()
}

/// Bars as they are, with a hair between them.
fn apart<'a>(marks: impl Iterator<Item = &'a Mark>, plot: &Plot) -> Vec<Piece> {
    let piece = |m: &Mark| {
        let (from, to) = (plot.x(m.start_s), plot.x(m.end_s));
        (from, if to - from > 3.0 { to - 0.6 } else { to })
    };
    marks.map(piece).collect()
}

/// Neighboring columns that hold the same.
fn runs(cells: &[Slice], plot: &Plot, end_s: f64, holds: impl Fn(&Slice) -> bool) -> Vec<Piece> {
    #[allow(clippy::cast_precision_loss)]
    let x = |i: usize| plot.x(end_s * i as f64 / cells.len() as f64);
    let mut out: Vec<(usize, usize)> = Vec::new();
    for (i, _) in cells.iter().enumerate().filter(|(_, c)| holds(c)) {
        match out.last_mut() {
            Some((_, end)) if *end == i => *end = i + 1,
            _ => out.push((i, i + 1)),
        }
    }
    out.into_iter().map(|(from, to)| (x(from), x(to))).collect()
}

/// Boxes as one path.
fn outline(pieces: &[Piece], y: f64, height: f64) -> String {
    let mut out = String::new();
    for (from, to) in pieces {
        let width = to - from;
        let _ = write!(out, "M{from:.1} {y:.1}h{width:.1}v{height:.0}h-{width:.1}z");
    }
    out
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

fn caption(chart: &Tracks, rows: &Rows<'_>) -> Vec<String> {
    let critical = chart.tracks().any(|(_, marks)| marks.iter().any(|m| m.critical));
    let outlined = critical.then(|| "Outlined: the critical path, which decides when the step ends.".to_string());
    let columns = "Some bars are narrower than a column: their rows show in each column what takes most of it.";
    let columns = rows.joined.then(|| columns.to_string());
    let hidden = (!rows.hidden.is_empty()).then(|| format!("Too short to be seen on some stages: {}.", rows.hidden.join(", ")));
    outlined.into_iter().chain(columns).chain(hidden).collect()
}

fn describe(chart: &Tracks) -> String {
    let row = |(label, marks): (&str, &[Mark])| {
        let works = chart.used().map(|(i, work)| (work.name, Tracks::seconds(marks, i)));
        let parts = works
            .filter(|(_, s)| *s > 0.0)
            .map(|(name, s)| format!("{name} {}", Kind::Percent.human(s / chart.end_s)));
        format!("{label}: {}", parts.collect::<Vec<_>>().join(", "))
    };
    let list: Vec<String> = chart.tracks().take(20).map(row).collect();
    let more = chart.tracks().count().saturating_sub(20);
    let more = if more > 0 {
        format!("; and {more} more rows")
    } else {
        String::new()
    };
    format!("Bars over {}. {}{more}.", Kind::Duration.human(chart.end_s), list.join("; "))
}
