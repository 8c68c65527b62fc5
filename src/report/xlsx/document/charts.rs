//! Numbers of charts with native charts beside them.

use super::{digits, least, number, written};
use crate::report::Chart;
use crate::report::svg::{Axis, Bars, Heat, Lines, Scatter};
use crate::report::xlsx::page::Head::{Number, Words};
use crate::report::xlsx::page::{Look, Page, Written, head_format};
use crate::report::xlsx::picture::{Span, numbered};
use rust_xlsxwriter as xlsx;
use rust_xlsxwriter::{ChartFont, ChartMarker, ChartType, ConditionalFormat2ColorScale};

/// Rows that a chart covers.
const CHART_ROWS: u32 = 19;

/// A chart with its numbers to the left.
pub(super) fn drawn(page: &mut Page, chart: &Chart) -> Written<()> {
    page.line(chart.title(), Look::Strong)?;
    let top = page.row;
    match chart {
        Chart::Bars(bars) => bar_chart(page, bars)?,
        Chart::Lines(lines) => line_chart(page, lines)?,
        Chart::Scatter(scatter) => scatter_chart(page, scatter)?,
        Chart::Heat(heat) => return heat_map(page, heat),
        Chart::Tracks(_) => return written(page, &chart.table()),
    }
    page.row = page.row.max(top + CHART_ROWS) + 1;
    Ok(())
}

fn titled(kind: ChartType, title: &str, series: usize) -> xlsx::Chart {
    let mut chart = xlsx::Chart::new(kind);
    chart.title().set_name(title).set_font(ChartFont::new().set_size(12).set_bold());
    chart.set_alt_text(title).set_width(640).set_height(360);
    if series < 2 {
        chart.legend().set_hidden();
    }
    chart
}

/// Column of the `i`-th of something after the first column.
fn after(i: usize) -> u16 {
    u16::try_from(i + 1).unwrap_or(u16::MAX)
}

fn bar_chart(page: &mut Page, bars: &Bars) -> Written<()> {
    let largest = bars.bars.iter().flat_map(|b| &b.values).fold(0.0, |a: f64, v| a.max(v.abs()));
    let scale = bars.kind.scale(largest);
    let top = page.row;
    let heads: Vec<String> = bars.parts.iter().map(|p| format!("{p}, {}", scale.unit)).collect();
    page.head(
        &std::iter::once(Words(""))
            .chain(heads.iter().map(|h| Number(h)))
            .collect::<Vec<_>>(),
    )?;
    let first = page.row;
    let format = number(digits(least(bars.bars.iter().flat_map(|b| b.values.iter().copied())) / scale.value));
    for bar in &bars.bars {
        page.text(0, &bar.label, Look::Text)?;
        for (i, value) in bar.values.iter().enumerate() {
            page.formatted(after(i), value / scale.value, &format)?;
        }
        page.row += 1;
    }
    let last = page.row.saturating_sub(1).max(first);
    let mut chart = titled(ChartType::BarStacked, &bars.title, bars.parts.len());
    for (i, part) in bars.parts.iter().enumerate() {
        chart
            .add_series()
            .set_name(part.as_str())
            .set_categories((page.name.as_str(), first, 0, last, 0))
            .set_values((page.name.as_str(), first, after(i), last, after(i)));
    }
    chart.y_axis().set_reverse().set_label_position(xlsx::ChartAxisLabelPosition::Low);
    chart.x_axis().set_name(scale.unit.as_str());
    page.sheet.insert_chart(top, after(bars.parts.len()) + 1, &chart)?;
    Ok(())
}

fn line_chart(page: &mut Page, lines: &Lines) -> Written<()> {
    let all = |of: fn(&(f64, f64)) -> f64| lines.series.iter().flat_map(move |(_, points)| points.iter().map(of));
    let (most_x, most_y) = (all(|p| p.0).fold(0.0, f64::max), all(|p| p.1.abs()).fold(0.0, f64::max));
    let (x, y) = (lines.x.kind.scale(most_x), lines.y.kind.scale(most_y));
    let label = |axis: &Axis, unit: &str| {
        if unit.is_empty() {
            axis.label.clone()
        } else {
            format!("{}, {unit}", axis.label)
        }
    };
    let (across, up) = (label(&lines.x, &x.unit), label(&lines.y, &y.unit));
    let top = page.row;
    let mut chart = titled(ChartType::ScatterStraightWithMarkers, &lines.title, lines.series.len());
    let mut bottom = top;
    for (i, (name, points)) in lines.series.iter().enumerate() {
        page.row = top;
        let (left, right) = (after(2 * i) - 1, after(2 * i));
        let own = format!("{name}: {up}");
        column(
            page,
            left,
            &across,
            points.iter().map(|p| p.0 / x.value),
            digits(least(points.iter().map(|p| p.0)) / x.value),
        )?;
        page.row = top;
        column(
            page,
            right,
            &own,
            points.iter().map(|p| p.1 / y.value),
            digits(least(points.iter().map(|p| p.1)) / y.value),
        )?;
        let last = page.row.saturating_sub(1).max(top + 1);
        bottom = bottom.max(page.row);
        chart
            .add_series()
            .set_name(name.as_str())
            .set_categories((page.name.as_str(), top + 1, left, last, left))
            .set_values((page.name.as_str(), top + 1, right, last, right));
    }
    axes(&mut chart, [(&across, lines.x.log), (&up, lines.y.log)]);
    numbered(chart.x_axis(), Span::of([most_x / x.value]));
    numbered(chart.y_axis(), Span::of([most_y / y.value]));
    page.row = bottom;
    page.sheet.insert_chart(top, after(2 * lines.series.len()), &chart)?;
    Ok(())
}

fn axes(chart: &mut xlsx::Chart, of: [(&str, bool); 2]) {
    let font = || {
        let mut font = ChartFont::new();
        font.set_size(9);
        font
    };
    for (across, (name, log)) in [true, false].into_iter().zip(of) {
        let axis = if across { chart.x_axis() } else { chart.y_axis() };
        axis.set_name(name).set_name_font(&font());
        if log {
            axis.set_log_base(10);
        }
    }
}

/// A column of numbers below its head.
fn column(page: &mut Page, at: u16, name: &str, values: impl Iterator<Item = f64>, format: &str) -> Written<()> {
    page.sheet.write_string_with_format(page.row, at, name, &head_format(true))?;
    page.row += 1;
    for value in values {
        page.formatted(at, value, &number(format))?;
        page.row += 1;
    }
    Ok(())
}

fn scatter_chart(page: &mut Page, scatter: &Scatter) -> Written<()> {
    let top = page.row;
    let n = scatter.groups.len();
    let mut chart = titled(ChartType::Scatter, &scatter.title, n);
    let unit = scatter.kind.scale(0.0).unit;
    let (across, up) = (format!("{}, {unit}", scatter.x), format!("{}, {unit}", scatter.y));
    let mut bottom = top;
    for (i, (name, dots)) in scatter.drawable().enumerate() {
        let (left, right) = (after(2 * i) - 1, after(2 * i));
        page.row = top;
        column(page, left, &across, dots.iter().map(|d| d.x), "#,##0.0")?;
        page.row = top;
        column(page, right, &format!("{name}: {up}"), dots.iter().map(|d| d.y), "#,##0.0")?;
        let last = page.row.saturating_sub(1).max(top + 1);
        bottom = bottom.max(page.row);
        chart
            .add_series()
            .set_name(name)
            .set_categories((page.name.as_str(), top + 1, left, last, left))
            .set_values((page.name.as_str(), top + 1, right, last, right))
            .set_marker(ChartMarker::new().set_size(4));
    }
    axes(&mut chart, [(&across, true), (&up, true)]);
    page.row = bottom;
    page.sheet.insert_chart(top, after(2 * n), &chart)?;
    Ok(())
}

/// A grid of numbers whose cells are colored by their value.
fn heat_map(page: &mut Page, heat: &Heat) -> Written<()> {
    let largest = heat
        .values
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .fold(0.0, |a: f64, v| a.max(v.abs()));
    let scale = heat.kind.scale(largest);
    page.line(&format!("right: {}; down: {}; in {}", heat.x, heat.y, scale.unit), Look::Text)?;
    let heads = heat.columns.iter().map(|c| Number(c));
    page.head(&std::iter::once(Words(&heat.y)).chain(heads).collect::<Vec<_>>())?;
    let first = page.row;
    let format = number(digits(least(heat.values.iter().copied()) / scale.value));
    for (row, name) in heat.rows.iter().enumerate() {
        page.text(0, name, Look::Text)?;
        for (i, value) in heat.row(row).iter().enumerate() {
            page.formatted(after(i), value / scale.value, &format)?;
        }
        page.row += 1;
    }
    if page.row > first && !heat.columns.is_empty() {
        let colors = ConditionalFormat2ColorScale::new()
            .set_minimum_color(xlsx::Color::RGB(0x0063_BE7B))
            .set_maximum_color(xlsx::Color::RGB(0x00FF_EF9C));
        page.sheet
            .add_conditional_format(first, 1, page.row - 1, after(heat.columns.len()) - 1, &colors)?;
    }
    page.row += 1;
    Ok(())
}
