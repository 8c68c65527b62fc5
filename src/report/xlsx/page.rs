//! One sheet, written from top to bottom.

use super::expr::Expr;
use rust_xlsxwriter::{Color, Format, FormatAlign, FormatBorder, Formula, Worksheet, XlsxError};

/// What a writer of sheets returns.
pub(super) type Written<T> = Result<T, XlsxError>;

/// Longest text of a cell; the format allows 32,767 characters.
const MAX_CHARS: usize = 32_000;

/// Characters of a line of prose.
const PROSE: usize = 150;
/// Height of a line in points, most lines of a row, and width of a column that has none of its own.
const LINE: f64 = 16.0;
const MOST_LINES: f64 = 20.0;
const WIDTH: f64 = 8.43;

/// Looks of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Title,
    Text,
    /// Words of several lines.
    Wrapped,
    Strong,
    Value(&'static str),
    /// A value that the reader may change.
    Input(&'static str),
    /// A result that matters.
    Answer(&'static str),
    /// The sum of what stands above it.
    Total(&'static str),
}

/// A heading of a column: it stands as what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head<'a> {
    Words(&'a str),
    Number(&'a str),
}

fn number_format(unit: &str) -> &'static str {
    match unit {
        "USD" => "#,##0.00",
        "fraction" | "fraction/year" => "0.00%",
        "devices" | "nodes" | "checkpoints" | "tokens" | "W" => "#,##0",
        "h" | "days" | "kWh" | "kW" | "kg CO2e" | "L" | "GB" | "GiB" | "device-hours" => "#,##0.0",
        "s" | "MW" | "USD/Mtoken" => "#,##0.000",
        _ => "#,##0.00####",
    }
}

/// The format of headings.
pub(super) fn head_format(number: bool) -> Format {
    let format = Format::new().set_bold().set_text_wrap();
    let format = if number {
        format.set_align(FormatAlign::Right)
    } else {
        format.set_align(FormatAlign::Left).set_indent(1)
    };
    format
        .set_align(FormatAlign::Bottom)
        .set_background_color(Color::RGB(0x00DC_E6F1))
        .set_border_bottom(FormatBorder::Thin)
}

impl Look {
    pub(super) fn format(self) -> Format {
        let plain = Format::new().set_align(FormatAlign::VerticalCenter);
        match self {
            Look::Title => plain.set_bold().set_font_size(16),
            // Words beside a number keep a distance.
            Look::Text => plain.set_indent(1),
            Look::Wrapped => plain
                .set_text_wrap()
                .set_align(FormatAlign::Top)
                .set_align(FormatAlign::Left)
                .set_indent(1),
            Look::Strong => plain.set_bold(),
            Look::Value(unit) => plain.set_num_format(number_format(unit)),
            Look::Input(unit) => plain
                .set_num_format(number_format(unit))
                .set_background_color(Color::RGB(0x00FF_F2CC))
                .set_font_color(Color::RGB(0x001F_3F9F)),
            Look::Answer(unit) => plain.set_num_format(number_format(unit)).set_bold(),
            Look::Total(unit) => plain
                .set_num_format(number_format(unit))
                .set_bold()
                .set_border_top(FormatBorder::Thin),
        }
    }
}

/// A sheet and the row that is written next.
pub(super) struct Page {
    pub(super) sheet: Worksheet,
    pub(super) name: String,
    pub(super) row: u32,
    /// Of the columns, in characters.
    widths: Vec<f64>,
    /// The last row that was made higher, and its lines.
    tallest: (u32, f64),
    /// Names of cells, with what they refer to.
    pub(super) names: Vec<(&'static str, String)>,
    /// Cells that should say `ok`, and whether they do.
    pub(super) checks: Vec<(String, bool)>,
}

impl Page {
    pub(super) fn new(name: &str, widths: &[f64]) -> Written<Page> {
        let mut page = Page::untitled(name, widths)?;
        page.line(name, Look::Title)?;
        page.row += 1;
        Ok(page)
    }

    /// The same without its name on top.
    pub(super) fn untitled(name: &str, widths: &[f64]) -> Written<Page> {
        let mut sheet = Worksheet::new();
        sheet.set_name(name)?.set_landscape().set_print_fit_to_pages(1, 0);
        for (column, width) in (0u16..).zip(widths) {
            sheet.set_column_width(column, *width)?;
        }
        Ok(Page {
            sheet,
            name: name.to_string(),
            row: 0,
            widths: widths.to_vec(),
            tallest: (0, 1.0),
            names: Vec::new(),
            checks: Vec::new(),
        })
    }

    /// Words, whoever wrote them: always a string cell, never a formula. What starts like a formula
    /// is marked as quoted, so that editing the cell does not make it one.
    pub(super) fn text(&mut self, column: u16, text: &str, look: Look) -> Written<()> {
        if look == Look::Wrapped {
            self.grow(column, text)?;
        }
        self.words(column, text, look.format())
    }

    /// Make the row high enough for a text: not every program does so by itself.
    fn grow(&mut self, column: u16, text: &str) -> Written<()> {
        let width = self.widths.get(usize::from(column)).copied().unwrap_or(WIDTH) - 2.0;
        #[allow(clippy::cast_precision_loss)]
        let lines = (1.1 * text.chars().count() as f64 / width).ceil().clamp(1.0, MOST_LINES);
        if self.tallest.0 != self.row {
            self.tallest = (self.row, 1.0);
        }
        if lines > self.tallest.1 {
            self.tallest.1 = lines;
            self.sheet.set_row_height(self.row, LINE * lines)?;
        }
        Ok(())
    }

    fn words(&mut self, column: u16, text: &str, mut format: Format) -> Written<()> {
        let cut: String = text.chars().take(MAX_CHARS).collect();
        if cut.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
            format = format.set_quote_prefix();
        }
        self.sheet.write_string_with_format(self.row, column, cut, &format)?;
        Ok(())
    }

    pub(super) fn number(&mut self, column: u16, value: f64, look: Look) -> Written<Expr> {
        self.formatted(column, value, &look.format())
    }

    /// A number in a format of its own.
    pub(super) fn formatted(&mut self, column: u16, value: f64, format: &Format) -> Written<Expr> {
        if value.is_finite() {
            self.sheet.write_number_with_format(self.row, column, value, format)?;
        }
        Ok(Expr::atom(self.at(column), value))
    }

    /// A formula with its value beside it; returns the reference to its cell.
    pub(super) fn formula(&mut self, column: u16, expr: &Expr, look: Look) -> Written<Expr> {
        let formula = Formula::new(format!("={}", expr.formula)).set_result(format!("{}", expr.value));
        self.sheet.write_formula_with_format(self.row, column, formula, &look.format())?;
        Ok(Expr::atom(self.at(column), expr.value))
    }

    /// The same, with a name.
    pub(super) fn named(&mut self, column: u16, name: &'static str, expr: &Expr, look: Look) -> Written<Expr> {
        self.formula(column, expr, look)?;
        self.names.push((name, format!("={}", self.at(column))));
        Ok(Expr::atom(name, expr.value))
    }

    /// The cell of this row, from anywhere in the book.
    pub(super) fn at(&self, column: u16) -> String {
        format!("'{}'!${}${}", self.name, letters(column), self.row + 1)
    }

    /// Cells of a column, from anywhere in the book.
    pub(super) fn span(&self, column: u16, first: u32, last: u32) -> String {
        let l = letters(column);
        format!("'{}'!${l}${}:${l}${}", self.name, first + 1, last + 1)
    }

    pub(super) fn head(&mut self, columns: &[Head<'_>]) -> Written<()> {
        let mut lines: f64 = 1.0;
        for (head, width) in columns.iter().zip(&self.widths) {
            let (Head::Words(name) | Head::Number(name)) = head;
            #[allow(clippy::cast_precision_loss)]
            let wanted = name.chars().count() as f64 / width;
            // A word does not break where a line would.
            lines = lines.max(if wanted > 1.0 { (wanted + 0.25).ceil() } else { 1.0 });
        }
        self.sheet.set_row_height(self.row, LINE * lines)?;
        for (column, head) in (0u16..).zip(columns) {
            match head {
                Head::Words(name) => self.words(column, name, head_format(false))?,
                Head::Number(name) => self.words(column, name, head_format(true))?,
            }
        }
        self.row += 1;
        Ok(())
    }

    pub(super) fn line(&mut self, text: &str, look: Look) -> Written<()> {
        self.text(0, text, look)?;
        self.row += 1;
        Ok(())
    }

    /// Words over as many rows as they need: a line that is not cut makes a print too small to read.
    pub(super) fn prose(&mut self, text: &str, look: Look) -> Written<()> {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && line.chars().count() + word.chars().count() >= PROSE {
                self.line(&std::mem::take(&mut line), look)?;
            }
            line += if line.is_empty() { "" } else { " " };
            line += word;
        }
        self.line(&line, look)
    }

    /// `ok` as long as two values are within a cent, or a millionth for large sums.
    pub(super) fn check(&mut self, what: &str, a: &Expr, b: &Expr) -> Written<()> {
        let (f, g) = (&a.formula, &b.formula);
        let ok = (a.value - b.value).abs() <= 0.01_f64.max(1e-9 * b.value.abs());
        let formula = Formula::new(format!("=IF(ABS({f}-{g})<=MAX(0.01,0.000000001*ABS({g})),\"ok\",\"CHECK\")"));
        self.text(0, &format!("Check: {what}"), Look::Text)?;
        let result = formula.set_result(if ok { "ok" } else { "CHECK" });
        self.sheet.write_formula_with_format(self.row, 1, result, &Look::Strong.format())?;
        let cell = self.at(1);
        self.checks.push((cell, ok));
        self.row += 1;
        Ok(())
    }
}

/// `A`, `Z`, `AA`: the name of a column.
fn letters(column: u16) -> String {
    let last = char::from(b'A' + u8::try_from(column % 26).unwrap_or(0));
    match column / 26 {
        0 => last.to_string(),
        n => format!("{}{last}", letters(n - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::letters;

    #[test]
    fn columns_are_named_as_sheets_name_them() {
        for (column, name) in [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(letters(column), name);
        }
    }
}
