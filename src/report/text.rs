//! Text for terminals: aligned by display width, safe to print, color only when asked for.

mod grid;
mod heat;
mod scatter;
mod tracks;

use super::{Align, Block, Chart, Document, KeyValue, Shown, Span, Table, Warning, cell};
use unicode_width::UnicodeWidthStr;

/// How to write text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Columns of the terminal; narrower ones than 20 are taken for 20.
    pub width: usize,
    /// Whether to write ANSI colors.
    pub color: bool,
}

/// Notes are cut, not wrapped, where fewer columns are left for them.
const NARROWEST_NOTE: usize = 24;

impl Default for Options {
    fn default() -> Self {
        Options { width: 80, color: false }
    }
}

impl Options {
    fn columns(self) -> usize {
        self.width.max(20)
    }
}

/// What a piece of text means; its color follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Nothing special.
    Plain,
    /// What was asked for, and titles.
    Answer,
    /// Where numbers come from.
    Provenance,
    /// What the reader must know.
    Warning,
}

impl Style {
    /// `text` in this style, untouched without color.
    #[must_use]
    pub fn paint(self, text: &str, color: bool) -> String {
        let code = match self {
            Style::Plain => return text.to_string(),
            _ if !color || text.is_empty() => return text.to_string(),
            Style::Answer => "1",
            Style::Provenance => "2",
            Style::Warning => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// `document` as text; ends with a line end.
#[must_use]
pub fn document(document: &Document, options: Options) -> String {
    let mut parts = vec![styled(&document.title, Style::Answer, options)];
    if !document.subtitle.is_empty() {
        parts[0] += &styled(&document.subtitle, Style::Plain, options);
    }
    parts.extend(document.blocks.iter().map(|b| block(b, options)).filter(|part| !part.is_empty()));
    parts.push(styled(&document.provenance, Style::Provenance, options));
    parts.join("\n")
}

/// `table` as text; ends with a line end. Too wide a table loses the ends of its words, then becomes a list.
#[must_use]
pub fn table(table: &Table, options: Options) -> String {
    let mut out = if table.title.is_empty() {
        String::new()
    } else {
        styled(&table.title, Style::Answer, options)
    };
    out += &grid::write(&safe(Shown::new(table)), options.columns());
    for note in &table.notes {
        out += &styled(note, Style::Provenance, options);
    }
    out
}

/// `chart` as a picture of characters; none where its table says more.
#[must_use]
pub fn picture(chart: &Chart, options: Options) -> Option<String> {
    match chart {
        Chart::Scatter(chart) => Some(scatter::write(chart, options)),
        Chart::Tracks(chart) => Some(tracks::write(chart, options)),
        Chart::Heat(chart) => Some(heat::write(chart, options)),
        Chart::Bars(_) | Chart::Lines(_) => None,
    }
}

/// `text` on one line in at most `width` columns, with an ellipsis where it was cut.
#[must_use]
pub fn shorten(text: &str, width: usize) -> String {
    grid::cut(&cell::clean(text), width)
}

fn safe(mut shown: Shown) -> Shown {
    shown.headers = shown
        .headers
        .iter()
        .map(|(name, unit)| (cell::clean(name), cell::clean(unit)))
        .collect();
    shown.rows.iter_mut().flatten().for_each(|text| *text = cell::clean(text));
    shown
}

fn block(block: &Block, options: Options) -> String {
    match block {
        Block::Heading(text) => styled(text, Style::Answer, options),
        Block::Paragraph(spans) => paragraph(spans, options),
        Block::KeyValues(list) => key_values(list, options),
        Block::Table(t) => table(t, options),
        Block::Chart(chart) => picture(chart, options).unwrap_or_else(|| table(&chart.table(), options)),
        Block::Warnings(list) => list.iter().map(|w| warning(w, options)).collect(),
    }
}

fn styled(text: &str, style: Style, options: Options) -> String {
    wrap(&[(text, style)], ("", ""), options)
}

fn paragraph(spans: &[Span], options: Options) -> String {
    let pieces: Vec<_> = spans
        .iter()
        .map(|s| (s.text.as_str(), if s.strong { Style::Answer } else { Style::Plain }))
        .collect();
    wrap(&pieces, ("", ""), options)
}

fn warning(warning: &Warning, options: Options) -> String {
    let mut out = wrap(
        &[("warning: ", Style::Warning), (&warning.message, Style::Plain)],
        ("", "  "),
        options,
    );
    if let Some(help) = &warning.help {
        out += &wrap(&[("help: ", Style::Plain), (help, Style::Plain)], ("  ", "  "), options);
    }
    out
}

fn key_values(list: &[KeyValue], options: Options) -> String {
    let columns = options.columns();
    let keys: Vec<String> = list.iter().map(|item| cell::clean(&item.key)).collect();
    let values: Vec<String> = list.iter().map(|item| cell::clean(&item.value.human())).collect();
    let key_width = keys.iter().map(|t| t.width()).max().unwrap_or(0).min(columns / 3);
    // A long value would push all notes to the right: only its own note moves.
    let aligned = values.iter().map(|t| t.width()).filter(|w| *w <= columns / 4);
    let value_width = aligned.max().unwrap_or(0);
    let mut out = String::new();
    for ((item, key), value) in list.iter().zip(keys).zip(values) {
        let style = if item.answer { Style::Answer } else { Style::Plain };
        let mut line = grid::pad(&grid::cut(&key, key_width), key_width, Align::Left);
        line += "  ";
        // A value is never cut: it is the answer. What does not fit beside it is its note.
        line += &style.paint(&value, options.color);
        let mut used = key_width + 2 + value.width();
        let Some(note) = item.note.as_deref().map(cell::clean).filter(|n| !n.is_empty()) else {
            out += line.trim_end();
            out.push('\n');
            continue;
        };
        let column = key_width + 2 + value_width + 2;
        if used + 2 > column && used + 2 + note.width() > columns {
            out += line.trim_end();
            out.push('\n');
            (line, used) = (String::new(), 0);
        }
        let fill = column.saturating_sub(used).max(if used == 0 { 0 } else { 2 });
        line += &" ".repeat(fill);
        out += &hang(&line, used + fill, column, &note, options);
    }
    out
}

/// `note` after `line`, which is `used` columns wide; its further lines begin at `column`.
fn hang(line: &str, used: usize, column: usize, note: &str, options: Options) -> String {
    let room = options.columns().saturating_sub(column);
    if room < NARROWEST_NOTE {
        let room = options.columns().saturating_sub(used);
        let note = Style::Provenance.paint(&grid::cut(note, room), options.color);
        return format!("{}\n", format!("{line}{note}").trim_end());
    }
    let first = options.columns().saturating_sub(used);
    let mut lines = vec![String::new()];
    for word in note.split(' ').filter(|w| !w.is_empty()).flat_map(|w| grid::chunks(w, room)) {
        let limit = if lines.len() == 1 { first } else { room };
        match lines.last_mut() {
            Some(last) if last.is_empty() => *last = word,
            Some(last) if last.width() + 1 + word.width() <= limit => *last = format!("{last} {word}"),
            _ => lines.push(word),
        }
    }
    let painted: Vec<String> = lines.iter().map(|l| Style::Provenance.paint(l, options.color)).collect();
    format!("{line}{}\n", painted.join(&format!("\n{}", " ".repeat(column))))
}

/// Pieces of text broken between words; the first line begins with `first`, the others, not narrower, with `indent`.
fn wrap(pieces: &[(&str, Style)], (first, indent): (&str, &str), options: Options) -> String {
    let mut out = first.to_string();
    let mut used = first.width();
    for word in words(pieces, options.columns() - indent.width()) {
        let width = word_width(&word);
        if used > first.width() && used + 1 + width > options.columns() {
            out += "\n";
            out += indent;
            used = indent.width();
        } else if used > first.width() {
            out.push(' ');
            used += 1;
        }
        out.extend(word.iter().map(|(text, style)| style.paint(text, options.color)));
        used += width;
    }
    out + "\n"
}

/// A word: pieces of text without space between them.
type Word = Vec<(String, Style)>;

fn word_width(word: &Word) -> usize {
    word.iter().map(|(text, _)| text.width()).sum()
}

/// The words of `pieces`, those wider than `limit` broken.
fn words(pieces: &[(&str, Style)], limit: usize) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut glue = false;
    for (text, style) in pieces {
        let text = cell::clean(text);
        for (index, part) in text.split(' ').enumerate() {
            glue = glue && index == 0;
            if part.is_empty() {
                continue;
            }
            for piece in grid::chunks(part, limit) {
                match words.last_mut() {
                    Some(word) if glue && word_width(word) + piece.width() <= limit => word.push((piece, *style)),
                    _ => words.push(vec![(piece, *style)]),
                }
                glue = true;
            }
        }
        glue = glue && !text.ends_with(' ');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::{Cell, Column, sample};
    use super::*;

    #[test]
    fn a_table_is_aligned_by_display_width() {
        insta::assert_snapshot!(table(&sample::layouts(), Options { width: 120, color: false }), @r##"
        Layouts that fit
        Layout                                         Devices  Step time, s  MFU, %  Peak memory, GiB  Cost, MUSD  Evidence
        t8 p4 d32                                        1,024          6.41   41.2              70.2         3.91  measured
        t4 p8 d32 東京                                   1,024         12.1     8.75              6.50       14.2   interpolated
        =cmd()|<script>alert('1')</script>�[31m�"&`*…        8             -       -                 -           -  -
        Peak memory is that of the fullest stage.
        "##);
    }

    #[test]
    fn a_document_on_a_terminal() {
        insta::assert_snapshot!(document(&sample::document(), Options { width: 90, color: false }), @r##"
        Llama 3 70B on 1,024 H200
        Plan for 15.6 T tokens, offer of 2026-05

        Time to train  78.4 days  p05 .. p95: 74.1 .. 85.0 days
        Cost           3.91 MUSD  2.30 USD per device-hour
        Energy         1.29 GWh   PUE 1.21
        Carbon         444 tCO2e  location-based

        Training takes 78.4 days on 1,024 devices. The network between nodes is what limits it;
        twice the bandwidth would save 0.62 MUSD.

        warning: 70 of 141 GiB are used
          help: a micro-batch of 4 fits and is 3 % faster
        warning: =cmd()|<script>alert('1')</script>�[31m�"&`*_[x] # h

        One step

        Model        llama3-70b
        Step time    6.41 s
        Model FLOP   6.60e24 FLOP
        Spare nodes  -             not given

        Where a step goes
                   t8 p4 d32, s  t4 p8 d32, s  t8 p2 d64, s
        math              3.90          3.90          3.90
        recompute         0.400         0.900         0
        bubble            0.600         1.80          0.300
        tensor            0.700         0.400         0.800
        expert            0             0             0.200
        data              0.300         0.900         1.90
        optimizer         0.300         0.300         0.400
        other             0.210         0.400         0.300

        Choices

        Layouts that fit
        Layout           Devices  Step time, s  MFU, %  Peak memory, GiB  Cost, MUSD  Evidence
        t8 p4 d32          1,024          6.41   41.2              70.2         3.91  measured
        t4 p8 d32 東京     1,024         12.1     8.75              6.50       14.2   interpolated
        =cmd()|<script…        8             -       -                 -           -  -
        Peak memory is that of the fullest stage.

        What would change the cost
                                 change, kUSD
        inter-node bandwidth x2          -620
        device price +10 %                360
        node failures x2                  110

        Time to train over devices
              devices from  devices to  time at first, days  time at last, days
        H100            64       8,192                  906                13.4
        H200            64       8,192                  743                11.0
        A100            64       8,192                2,357                34.9

        Predicted loss
              from, G tokens  to, T tokens  loss at first  loss at last
        70 B             250          15.0           6.70          2.13
        7 B              250          15.0           6.90          2.33

        exaplan 0.1.0, catalog 3f9a12c0, scenario 77ab01de, seed 1, no overrides
        "##);
    }

    #[test]
    fn a_narrow_table_is_cut_and_then_a_list() {
        let mut t = Table::new("", vec![Column::words("Name"), Column::numbers("Devices")]);
        t.rows = vec![vec!["a very long name that does not fit".into(), Cell::Count(1024.0)]];
        insta::assert_snapshot!(table(&t, Options { width: 24, color: false }), @r##"
        Name             Devices
        a very long na…    1,024
        "##);
        t.columns
            .extend([Column::numbers("Another number"), Column::numbers("Yet another one")]);
        insta::assert_snapshot!(table(&t, Options { width: 24, color: false }), @r##"
        Name: a very long name …
        Devices: 1,024
        Another number: -
        Yet another one: -
        "##);
    }

    #[test]
    fn lines_keep_within_the_width() {
        for width in [20, 40, 72, 100, 200] {
            let text = document(&sample::document(), Options { width, color: false });
            let widest = text.lines().max_by_key(|l| l.width()).unwrap();
            assert!(widest.width() <= width, "{width}: {widest}");
        }
    }

    #[test]
    fn nothing_hostile_reaches_the_terminal() {
        let text = document(&sample::document(), Options::default());
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(!text.contains('\u{202e}'));
        let colored = document(&sample::document(), Options { width: 80, color: true });
        assert!(colored.contains("\x1b[1m3.91 MUSD\x1b[0m") && !colored.contains("\x1b[31m"));
    }

    #[test]
    fn spans_join_without_space() {
        assert_eq!(
            paragraph(&[Span::plain("("), Span::strong("a b"), Span::plain("), c")], Options::default()),
            "(a b), c\n"
        );
    }
}
