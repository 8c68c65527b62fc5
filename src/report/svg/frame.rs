//! What all charts share: the element around them, title, legend, colors, text.

use super::super::html::escape;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Width of every chart in its own units.
pub(super) const WIDTH: f64 = 720.0;
/// From the left edge to titles and legends.
pub(super) const EDGE: f64 = 0.0;
/// Height of a line of text.
pub(super) const LINE: f64 = 20.0;

/// Series that have a color of their own; further ones begin again.
pub(in crate::report) const N_COLORS: usize = 12;

/// Okabe and Ito, "Color Universal Design" (2008), then four of P. Tol's muted scheme (SRON/EPS/TN/09-002), in
/// an order whose neighbors differ in lightness. The page gives lighter ones for dark screens.
const PALETTE: [&str; N_COLORS] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b3a600", "#555555", "#882255", "#44aa99", "#ddcc77", "#332288",
];

/// The color of a series by number, as class and attribute of a filled shape.
pub(super) fn fill(index: usize) -> String {
    let color = index % PALETTE.len();
    format!(r#"class="c{color}" fill="{}""#, PALETTE[color])
}

/// The color of a series by number, as class and attribute of a line.
pub(super) fn stroke(index: usize) -> String {
    let color = index % PALETTE.len();
    format!(r#"class="s{color}" stroke="{}""#, PALETTE[color])
}

/// Estimated width of a text of `size`: there is no font to measure with, so rather too wide.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    f64::from(u32::try_from(text.width()).unwrap_or(u32::MAX)) * size * 0.58
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Small text in the color of marks.
pub(super) fn small(x: f64, y: f64, anchor: Anchor, text: &str) -> String {
    label("dim", "#5b6470", (x, y), anchor, text)
}

/// Text in the color of words.
pub(super) fn words(x: f64, y: f64, anchor: Anchor, text: &str) -> String {
    label("ink", "#1b2330", (x, y), anchor, text)
}

fn label(class: &str, color: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) -> String {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    format!(
        r#"<text class="{class}" fill="{color}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#,
        escape(text)
    ) + "\n"
}

/// A thin line behind the data.
pub(super) fn grid_line(from: (f64, f64), to: (f64, f64), strong: bool) -> String {
    let (class, color) = if strong { ("rim", "#8a94a3") } else { ("grid", "#e1e5eb") };
    format!(
        r#"<line class="{class}" stroke="{color}" x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}"/>"#,
        from.0, from.1, to.0, to.1
    ) + "\n"
}

/// The ground of a row of bars, where nothing happens.
pub(super) fn rest((x, y): (f64, f64), (width, height): (f64, f64)) -> String {
    format!(r##"<rect class="rest" fill="#e1e5eb" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"##) + "\n"
}

/// The names of the series with their colors, and the height they take.
pub(super) fn legend<'a>(names: impl IntoIterator<Item = &'a str>, top: f64) -> (String, f64) {
    legend_of(names.into_iter().enumerate(), top)
}

/// The same with the number of each color.
pub(super) fn legend_of<'a>(names: impl IntoIterator<Item = (usize, &'a str)>, top: f64) -> (String, f64) {
    let (mut out, mut x, mut y) = (String::new(), EDGE, top);
    for (index, name) in names {
        let name = short(name, 32);
        let width = 18.0 + text_width(&name, 12.0) + 16.0;
        if x > EDGE && x + width > WIDTH {
            (x, y) = (EDGE, y + LINE);
        }
        let _ = writeln!(
            out,
            r#"<rect {} x="{x:.1}" y="{:.1}" width="12" height="12" rx="2"/>"#,
            fill(index),
            y + 3.0
        );
        out += &words(x + 18.0, y + 13.0, Anchor::Start, &name);
        x += width;
    }
    (out, y + LINE - top)
}

/// `text` in at most `columns` columns.
pub(super) fn short(text: &str, columns: usize) -> String {
    super::super::text::shorten(text, columns)
}

/// The element around `body`, with the alternatives for those who cannot see it.
pub(super) fn wrap(title: &str, description: &str, height: f64, body: &str) -> String {
    let (title, description) = (escape(title), escape(description));
    let heading = format!(r##"<text class="ink" fill="#1b2330" x="{EDGE:.1}" y="18" font-size="14" font-weight="600">{title}</text>"##);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH:.0} {height:.0}" font-family="system-ui, sans-serif" font-size="12">
<title>{title}</title>
<desc>{description}</desc>
{heading}
{body}</svg>
"#
    )
}

/// What stands where there is nothing to draw.
pub(super) fn empty(title: &str) -> String {
    let body = small(WIDTH / 2.0, 60.0, Anchor::Middle, "no data");
    wrap(title, "No data.", 90.0, &body)
}
