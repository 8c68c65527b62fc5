//! A table as people see it: one unit per column where the values allow it.

use super::cell::{Cell, Kind, Scale};
use super::{Align, Table};

/// Values that differ by more than this keep their own units: 3 ms beside 60 days.
const SHARED_RANGE: f64 = 1e3;

/// A column whose smallest value is less than this in the unit of its largest takes a smaller unit.
const SMALLEST_SHOWN: f64 = 0.1;

/// The texts of a table. User text in it is not escaped yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Name and unit of each column.
    pub headers: Vec<(String, String)>,
    /// Where the text of each column stands.
    pub aligns: Vec<Align>,
    /// The texts.
    pub rows: Vec<Vec<String>>,
}

impl Shown {
    /// The texts of `table`, every row as long as the header.
    #[must_use]
    pub fn new(table: &Table) -> Self {
        let shared: Vec<_> = (0..table.columns.len()).map(|column| shared_scale(table, column)).collect();
        let headers = table
            .columns
            .iter()
            .zip(&shared)
            .map(|(c, scale)| (c.name.clone(), header_unit(c.unit.as_deref(), scale.as_ref())));
        let row = |row| {
            shared
                .iter()
                .enumerate()
                .map(|(column, scale)| body(table.cell(row, column), scale.as_ref()))
                .collect()
        };
        Shown {
            headers: headers.collect(),
            aligns: table.columns.iter().map(|c| c.align).collect(),
            rows: (0..table.rows.len()).map(row).collect(),
        }
    }

    /// The header of `column` in one text: `Step time, s`.
    #[must_use]
    pub fn header(&self, column: usize) -> String {
        match self.headers.get(column) {
            Some((name, unit)) if unit.is_empty() => name.clone(),
            Some((name, unit)) if name.is_empty() => unit.clone(),
            Some((name, unit)) => format!("{name}, {unit}"),
            None => String::new(),
        }
    }
}

/// The unit that all quantities of a column are written in, if they are of one kind and similar size.
pub(super) fn shared_scale(table: &Table, column: usize) -> Option<(Kind, Scale)> {
    let kind = table.kind(column)?;
    let cells = || (0..table.rows.len()).map(move |row| table.cell(row, column));
    if cells().any(|cell| cell.kind().is_some_and(|k| k != kind)) {
        return None;
    }
    if let Some(scale) = table.columns[column].unit.as_deref().and_then(|unit| kind.scale_named(unit)) {
        return Some((kind, scale));
    }
    let sizes = || cells().filter_map(Cell::raw).map(f64::abs).filter(|v| *v > 0.0);
    let largest = sizes().fold(0.0, f64::max);
    let smallest = sizes().fold(f64::INFINITY, f64::min);
    let scale = kind.scale(largest);
    // 42.5 to 1,250 MUSD, not 0.0425 to 1.25 GUSD; parts of a second stay parts of the second.
    let small = kind != Kind::Duration && smallest < SMALLEST_SHOWN * scale.value;
    let scale = if small { kind.scale((largest * smallest).sqrt()) } else { scale };
    // What has one unit only is told once.
    let one = matches!(kind, Kind::Percent | Kind::Rate(_));
    (one || largest == 0.0 || largest / smallest <= SHARED_RANGE).then_some((kind, scale))
}

fn header_unit(label: Option<&str>, shared: Option<&(Kind, Scale)>) -> String {
    match shared {
        // A label over quantities of mixed size would contradict their own units.
        Some((_, scale)) if !scale.unit.is_empty() => scale.unit.clone(),
        Some(_) | None => label.unwrap_or("").to_string(),
    }
}

fn body(cell: &Cell, shared: Option<&(Kind, Scale)>) -> String {
    match (cell, shared) {
        (Cell::Quantity { value, .. }, Some((kind, scale))) => kind.number(*value, scale),
        _ => cell.human(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Column;
    use super::*;

    fn one(column: Column, values: &[f64], kind: Kind) -> Shown {
        let mut table = Table::new("t", vec![column]);
        table.rows = values.iter().map(|v| vec![Cell::quantity(*v, kind)]).collect();
        Shown::new(&table)
    }

    #[test]
    fn a_column_has_one_unit_where_it_can() {
        let shown = one(Column::numbers("Time"), &[0.812, 6.412], Kind::Duration);
        assert_eq!(shown.header(0), "Time, s");
        assert_eq!(shown.rows, [["0.812"], ["6.41"]]);

        let shown = one(Column::numbers("Time"), &[0.812, 78.4 * 86_400.0], Kind::Duration);
        assert_eq!(shown.header(0), "Time");
        assert_eq!(shown.rows, [["812 ms"], ["78.4 days"]]);

        let shown = one(Column::numbers("Cost"), &[42.5e6, 1.25e9], Kind::Usd);
        assert_eq!((shown.header(0).as_str(), shown.rows[1][0].as_str()), ("Cost, MUSD", "1,250"));

        let shown = one(Column::numbers("Time").unit("h"), &[60.0, 86_400.0], Kind::Duration);
        assert_eq!(shown.header(0), "Time, h");
        assert_eq!(shown.rows, [["0.0167"], ["24.0"]]);

        let shown = one(Column::numbers("Time"), &[f64::NAN, 0.0], Kind::Duration);
        assert_eq!(shown.rows, [["-"], ["0"]]);
    }
}
