//! Points over two logarithmic axes as letters, in ASCII: any terminal and any log shows it.

use super::super::svg::Scatter;
use super::{Options, Style};
use unicode_width::UnicodeWidthStr;

/// Columns and lines of the plot at most, and the least that shows anything.
const WIDEST: usize = 72;
const NARROWEST: usize = 16;
/// Lines over columns: characters are about twice as high as wide.
const LINES_PER_COLUMN: f64 = 0.38;
/// Where prediction and measurement agree, and the ends of the band.
const DIAGONAL: char = '/';
const BAND: char = '.';

/// The grid of characters and what its axes span.
struct Plot {
    cells: Vec<Vec<char>>,
    low: f64,
    high: f64,
}

impl Plot {
    fn width(&self) -> usize {
        self.cells[0].len()
    }

    /// Column and line of a point; none outside.
    fn place(&self, x: f64, y: f64) -> Option<(usize, usize)> {
        let at = |value: f64, n: usize| {
            #[allow(clippy::cast_precision_loss)]
            let place = (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln()) * n as f64;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            (place.is_finite() && place >= 0.0).then_some(place as usize).filter(|p| *p < n)
        };
        let column = at(x, self.width())?;
        Some((column, self.cells.len() - 1 - at(y, self.cells.len())?))
    }

    fn set(&mut self, x: f64, y: f64, mark: char) {
        if let Some((column, line)) = self.place(x, y) {
            self.cells[line][column] = mark;
        }
    }
}

/// `chart` as text; ends with a line end.
pub(super) fn write(chart: &Scatter, options: Options) -> String {
    let mut out = super::styled(&chart.title, Style::Answer, options);
    let values = chart.dots().flat_map(|d| [d.x, d.y]);
    let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return out + "no data\n";
    }
    // A little more on both sides: the outermost points are inside.
    let (low, high) = (low / 1.1, high * 1.1);
    let label = |v: f64| chart.kind.human(v);
    let margin = label(low).width().max(label(high).width());
    let width = options.columns().saturating_sub(margin + 3).clamp(NARROWEST, WIDEST);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let height = (width as f64 * LINES_PER_COLUMN).round() as usize;
    let mut plot = Plot {
        cells: vec![vec![' '; width]; height],
        low,
        high,
    };
    guides(chart, &mut plot);
    points(chart, &mut plot);
    for (number, line) in plot.cells.iter().enumerate() {
        let mark = match number {
            0 => label(high),
            n if n + 1 == height => label(low),
            _ => String::new(),
        };
        let text: String = line.iter().collect();
        out += format!("{mark:>margin$} |{text}").trim_end();
        out.push('\n');
    }
    out += &format!("{:margin$} +{}\n", "", "-".repeat(width));
    // Both axes span the same; where the lower one has no room, the upper tells it.
    if let Some(gap) = width.checked_sub(label(low).width() + label(high).width() + 1) {
        out += &format!("{:margin$}  {}{} {}\n", "", label(low), " ".repeat(gap), label(high));
    }
    out += &super::styled(&legend(chart), Style::Provenance, options);
    out
}

fn guides(chart: &Scatter, plot: &mut Plot) {
    let steps = 4 * plot.width().max(plot.cells.len());
    for step in 0..=steps {
        #[allow(clippy::cast_precision_loss)]
        let x = plot.low * (plot.high / plot.low).powf(step as f64 / steps as f64);
        if let Some((low, high)) = chart.band {
            plot.set(x, x * low, BAND);
            plot.set(x, x * high, BAND);
        }
        plot.set(x, x, DIAGONAL);
    }
}

/// Each cell shows the group that has most points in it; the first on a tie.
fn points(chart: &Scatter, plot: &mut Plot) {
    let mut counts = vec![vec![vec![0_u32; chart.groups.len()]; plot.width()]; plot.cells.len()];
    for (group, (_, dots)) in chart.drawable().enumerate() {
        for (column, line) in dots.iter().filter_map(|d| plot.place(d.x, d.y)) {
            counts[line][column][group] += 1;
        }
    }
    for (line, row) in counts.iter().enumerate() {
        for (column, groups) in row.iter().enumerate() {
            let most = groups.iter().copied().max().unwrap_or(0);
            if let (Some(group), true) = (groups.iter().position(|n| *n == most), most > 0) {
                plot.cells[line][column] = letter(group);
            }
        }
    }
}

fn letter(group: usize) -> char {
    char::from(b'a' + u8::try_from(group % 26).unwrap_or(0))
}

fn legend(chart: &Scatter) -> String {
    let groups = chart.drawable().enumerate();
    let mut words: Vec<String> = groups
        .map(|(i, (name, dots))| format!("{} {name} ({})", letter(i), dots.len()))
        .collect();
    words.push(format!("{DIAGONAL} predicted as measured"));
    if chart.band.is_some() {
        words.push(format!("{BAND} eight of ten left-out runs lie between"));
    }
    format!("Up: {}. Right: {}. {}.", chart.y, chart.x, words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::super::svg::Dot;
    use super::super::super::{Chart, Kind};
    use super::*;

    fn chart() -> Scatter {
        let dot = |x: f64, y: f64| Dot {
            x,
            y,
            label: String::new(),
        };
        Scatter {
            title: "Predicted over measured".to_string(),
            kind: Kind::Rate("tokens/s"),
            x: "measured".to_string(),
            y: "predicted".to_string(),
            groups: vec![
                (
                    "hopper".to_string(),
                    vec![dot(100.0, 100.0), dot(1000.0, 1400.0), dot(10_000.0, 9000.0)],
                ),
                ("ampere".to_string(), vec![dot(300.0, 150.0), dot(f64::NAN, 1.0), dot(-1.0, 3.0)]),
            ],
            band: Some((0.7, 1.4)),
        }
    }

    #[test]
    fn points_stand_about_the_diagonal() {
        insta::assert_snapshot!(write(&chart(), Options { width: 60, color: false }), @r##"
        Predicted over measured
        11,000 tokens/s |                                    ...//a
                        |                                  ...///..
                        |                               ...///...
                        |                            ...///....
                        |                          ...///...
                        |                       ...///...
                        |                    .a.///....
                        |                  ...///...
                        |               ...///....
                        |             ..///....
                        |          ...///...
                        |       ...///....
                        |     ...//....
                        |  ...///...
                        |..///.... b
          90.9 tokens/s |a//...
                        +------------------------------------------
                         90.9 tokens/s              11,000 tokens/s
        Up: predicted. Right: measured. a hopper (3), b ampere (1),
        / predicted as measured, . eight of ten left-out runs lie
        between.
        "##);
    }

    #[test]
    fn any_width_holds_it_and_it_is_ascii() {
        for width in [1, 20, 40, 80, 300] {
            let text = write(&chart(), Options { width, color: false });
            assert!(text.is_ascii());
            assert!(text.lines().all(|l| l.len() <= width.max(40)), "{width}:\n{text}");
        }
        let none = Scatter {
            groups: Vec::new(),
            ..chart()
        };
        assert!(write(&none, Options::default()).ends_with("no data\n"));
        let one = Chart::Scatter(chart());
        assert_eq!(one.title(), "Predicted over measured");
    }
}
