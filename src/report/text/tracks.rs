//! Rows of bars over time as letters: each cell shows what takes most of its time.

use super::super::svg::{self, Row, Slice, Tracks};
use super::super::{Align, Kind};
use super::{Options, Style, grid};
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Where nothing runs.
const IDLE: char = '.';
/// Narrowest row of cells.
const NARROWEST: usize = 8;
/// Colors of works by their place, as SGR codes; further ones start again.
const COLORS: [&str; 8] = ["34", "33", "31", "32", "35", "36", "37", "90"];

/// `chart` as text; ends with a line end.
pub(super) fn write(chart: &Tracks, options: Options) -> String {
    let labels: Vec<String> = chart.rows.iter().map(label).collect();
    let widest = labels.iter().map(|l| l.width()).max().unwrap_or(0);
    let label_width = widest.min(options.columns() / 3);
    let cells = options.columns().saturating_sub(label_width + 1).max(NARROWEST);
    let mut out = super::styled(&chart.title, Style::Answer, options);
    if chart.end_s > 0.0 {
        out += &scale(chart, label_width + 1, cells);
    }
    let mut hidden = Vec::new();
    for (row, name) in chart.rows.iter().zip(&labels) {
        match row {
            Row::Track { label, minor, marks } => {
                let slices = chart.slices(marks, cells);
                if *minor && svg::empty(&slices) {
                    svg::note_hidden(&mut hidden, label);
                    continue;
                }
                out += &grid::pad(&grid::cut(name, label_width), label_width, Align::Left);
                out.push(' ');
                out += &line(chart, &slices, options.color);
                out.push('\n');
            }
            Row::LeftOut(text) => out += &super::styled(text, Style::Provenance, options),
        }
    }
    out += &legend(chart, options);
    if !hidden.is_empty() {
        let text = format!("Too short to be seen on some stages: {}.", hidden.join(", "));
        out += &super::styled(&text, Style::Provenance, options);
    }
    out
}

fn label(row: &Row) -> String {
    match row {
        Row::Track { label, minor: false, .. } => label.clone(),
        Row::Track { label, minor: true, .. } => format!("  {label}"),
        Row::LeftOut(_) => String::new(),
    }
}

/// Start and end of time above the first and the last cell.
fn scale(chart: &Tracks, indent: usize, cells: usize) -> String {
    let end = Kind::Duration.human(chart.end_s);
    let fill = cells.saturating_sub(end.width() + 1);
    format!("{}0{}{end}\n", " ".repeat(indent), " ".repeat(fill))
}

fn line(chart: &Tracks, slices: &[Slice], color: bool) -> String {
    let mut out = String::new();
    let mut before = None;
    for cell in slices.iter().copied() {
        if color && before != Some(cell) {
            let code = cell.work.map_or("2", |work| COLORS[work % COLORS.len()]);
            let critical = if cell.critical { ";1;4" } else { "" };
            let _ = write!(out, "\x1b[0;{code}{critical}m");
        }
        before = Some(cell);
        out.push(cell.work.and_then(|work| chart.works.get(work)).map_or(IDLE, |w| w.letter));
    }
    if color {
        out += "\x1b[0m";
    }
    out
}

fn legend(chart: &Tracks, options: Options) -> String {
    let idle = format!("{IDLE}=idle");
    let works = chart.used().map(|(_, work)| format!("{}={}", work.letter, work.name));
    let mut words: Vec<String> = works.chain([idle]).collect();
    if options.color {
        words.push("underlined: critical path".to_string());
    }
    super::styled(&words.join(", "), Style::Provenance, options)
}

#[cfg(test)]
mod tests {
    use super::super::super::svg::{Mark, Work};
    use super::*;

    fn chart() -> Tracks {
        let mark = |start_s: f64, end_s: f64, work, critical| Mark {
            start_s,
            end_s,
            work,
            critical,
        };
        let track = |label: &str, minor, marks| Row::Track {
            label: label.to_string(),
            minor,
            marks,
        };
        Tracks {
            title: "One step".to_string(),
            end_s: 8.0,
            works: vec![
                Work {
                    name: "forward",
                    letter: 'F',
                },
                Work {
                    name: "backward",
                    letter: 'B',
                },
            ],
            rows: vec![
                track("stage 0", false, vec![mark(0.0, 1.0, 0, true), mark(5.0, 8.0, 1, true)]),
                track("send", true, vec![mark(1.0, 1.1, 0, false)]),
                Row::LeftOut("… 2 stages are left out".to_string()),
                track("stage 3", false, vec![mark(1.0, 2.0, 0, true), mark(2.0, 5.0, 1, true)]),
            ],
        }
    }

    #[test]
    fn a_cell_shows_what_takes_most_of_it() {
        insta::assert_snapshot!(write(&chart(), Options { width: 40, color: false }), @r"
        One step
                0                         8.00 s
        stage 0 FFFF................BBBBBBBBBBBB
        … 2 stages are left out
        stage 3 ....FFFFBBBBBBBBBBBB............
        F=forward, B=backward, .=idle
        Too short to be seen on some stages:
        send.
        ");
    }

    #[test]
    fn the_critical_path_is_underlined_in_color() {
        let text = write(&chart(), Options { width: 40, color: true });
        assert!(text.contains("\x1b[0;34;1;4mFF") && text.contains("underlined"), "{text:?}");
    }

    #[test]
    fn lines_keep_within_the_width() {
        for width in [20, 33, 60, 140] {
            let text = write(&chart(), Options { width, color: false });
            assert!(text.lines().all(|l| l.width() <= width), "{width}: {text}");
        }
    }
}
