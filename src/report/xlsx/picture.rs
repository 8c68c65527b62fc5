//! Native charts over rows of a sheet.

use super::page::{Page, Written};
use rust_xlsxwriter::{Chart, ChartAxis, ChartAxisLabelPosition, ChartFont, ChartLegendPosition, ChartType};

/// The usual size in pixels.
const SIZE: (u32, u32) = (640, 340);

/// Height of a long legend.
const LEGEND: u32 = 120;

/// What is drawn.
pub(super) struct Picture<'a> {
    pub(super) kind: ChartType,
    pub(super) title: &'a str,
    /// What those read who do not see it.
    pub(super) alternative: &'a str,
    /// First and last row.
    pub(super) rows: (u32, u32),
    /// Column of the names or of the horizontal values.
    pub(super) categories: u16,
    /// Name and column of each series.
    pub(super) series: &'a [(&'a str, u16)],
    /// The values as they are written.
    pub(super) values: Span,
}

/// The least and the largest of some values, which decide how an axis is numbered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    least: f64,
    largest: f64,
}

impl Span {
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Span {
        let start = Span { least: 0.0, largest: 0.0 };
        values.into_iter().filter(|v| v.is_finite()).fold(start, |s, v| Span {
            least: s.least.min(v),
            largest: s.largest.max(v),
        })
    }

    fn format(self) -> &'static str {
        match self.largest.max(-self.least) {
            a if a >= 2e9 => "#,##0.0,,,\"G\"",
            a if a >= 1e7 => "#,##0,,\"M\"",
            a if a >= 1e6 => "#,##0.0,,\"M\"",
            a if a >= 1e4 => "#,##0,\"k\"",
            a if a >= 10.0 => "#,##0",
            _ => "0.0##",
        }
    }
}

/// Number an axis as values of this size read best.
pub(super) fn numbered(axis: &mut ChartAxis, span: Span) {
    axis.set_num_format(span.format());
}

impl Page {
    /// Draw with the upper left corner in this row and column.
    pub(super) fn picture(&mut self, (row, column): (u32, u16), p: &Picture<'_>) -> Written<()> {
        let mut chart = Chart::new(p.kind);
        let (first, last) = p.rows;
        for (name, values) in p.series {
            chart
                .add_series()
                .set_name(*name)
                .set_categories((self.name.as_str(), first, p.categories, last, p.categories))
                .set_values((self.name.as_str(), first, *values, last, *values));
        }
        chart.title().set_name(p.title).set_font(ChartFont::new().set_size(12).set_bold());
        if p.series.len() < 2 {
            chart.legend().set_hidden();
        }
        // Many names beside a chart would leave no room for it.
        let below = p.series.len() > 3;
        if below {
            chart.legend().set_position(ChartLegendPosition::Bottom);
        }
        let height = SIZE.1 + if below { LEGEND } else { 0 };
        chart.set_alt_text(p.alternative).set_width(SIZE.0).set_height(height);
        // The library turns the axes of horizontal bars: their names stand on y.
        if matches!(p.kind, ChartType::Bar | ChartType::BarStacked) {
            chart.y_axis().set_reverse().set_label_position(ChartAxisLabelPosition::Low);
            numbered(chart.x_axis(), p.values);
        } else {
            chart.x_axis().set_label_position(ChartAxisLabelPosition::Low);
            numbered(chart.y_axis(), p.values);
        }
        // Bars that do not begin at nothing exaggerate.
        if p.values.least >= 0.0 {
            match p.kind {
                ChartType::Column | ChartType::ColumnStacked => chart.y_axis().set_min(0.0),
                _ => chart.x_axis().set_min(0.0),
            };
        }
        self.sheet.insert_chart(row, column, &chart)?;
        Ok(())
    }
}
