//! One self-contained page: nothing loaded, readable on screen, in the dark and on paper.
//!
//! One small script sorts tables; without it the page is the same and its tables stay as they are. The page
//! allows no other: its hash is in the policy of the page.

use super::{Align, Block, Cell, Document, KeyValue, Shown, Span, Table, Warning, cell, svg};
use crate::catalog::sha256;
use std::fmt::Write;

const STYLE: &str = include_str!("html.css");
const SCRIPT: &str = include_str!("html.js");
/// Fewer rows than this are not sorted: a total stands last.
const SORTABLE: usize = 4;
/// Columns of a table that is printed on a page of its own, turned.
const WIDE: usize = 10;
/// Characters of a text that is long.
const LONG: usize = 24;

/// `document` as a page.
#[must_use]
pub fn document(document: &Document) -> String {
    let title = escape(&document.title);
    let subtitle = if document.subtitle.is_empty() {
        String::new()
    } else {
        format!("<p class=\"subtitle\">{}</p>\n", escape(&document.subtitle))
    };
    let provenance = escape(&document.provenance);
    let body = sections(&document.blocks);
    let hash = script_hash();
    format!(
        "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'\">
<meta name=\"generator\" content=\"exaplan\">
<title>{title}</title>
<style>
{STYLE}</style>
</head>
<body>
<main>
<header>
<h1>{title}</h1>
{subtitle}</header>
{body}<footer>
<p>{provenance}</p>
</footer>
</main>
<script>{SCRIPT}</script>
</body>
</html>
"
    )
}

/// The blocks, each heading with what follows it in one section.
fn sections(blocks: &[Block]) -> String {
    let mut out = String::from("<section>\n");
    let mut summary = true;
    for block in blocks {
        match block {
            Block::Heading(text) => {
                summary = false;
                let _ = write!(out, "</section>\n<section>\n<h2>{}</h2>\n", escape(text));
            }
            Block::Paragraph(spans) => {
                let _ = writeln!(out, "<p>{}</p>", spans.iter().map(span).collect::<String>());
            }
            Block::KeyValues(list) => out += &key_values(list, summary),
            Block::Table(t) => out += &table(t),
            Block::Chart(chart) => {
                let title = escape(chart.title());
                let _ = write!(
                    out,
                    "<figure tabindex=\"0\" aria-label=\"{title}\">\n{}</figure>\n",
                    svg::render(chart)
                );
            }
            Block::Warnings(list) => out += &list.iter().map(warning).collect::<String>(),
        }
    }
    out + "</section>\n"
}

/// `table` as an element.
#[must_use]
pub fn table(table: &Table) -> String {
    let shown = Shown::new(table);
    let align = |column: usize| if shown.aligns[column] == Align::Right { " class=\"n\"" } else { "" };
    let name = if table.title.is_empty() {
        table.columns.first().map_or("", |c| &c.name)
    } else {
        &table.title
    };
    let name = if name.is_empty() { "table" } else { name };
    let wide = if table.columns.len() > WIDE { " wide" } else { "" };
    // What is scrolled must be reached by keyboard, and say what it is.
    let mut out = format!(
        "<div class=\"scroll{wide}\" tabindex=\"0\" role=\"group\" aria-label=\"{}\">\n",
        escape(name)
    );
    out += if table.rows.len() < SORTABLE {
        "<table>\n"
    } else {
        "<table data-sort>\n"
    };
    if !table.title.is_empty() {
        let _ = writeln!(out, "<caption>{}</caption>", escape(&table.title));
    }
    out += "<thead><tr>";
    for (column, (name, unit)) in shown.headers.iter().enumerate() {
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(" <small>{}</small>", escape(unit))
        };
        // Long words need room beside many numbers.
        let long = shown
            .rows
            .iter()
            .filter_map(|row| row.get(column))
            .any(|text| text.chars().count() > LONG);
        let class = match shown.aligns[column] {
            Align::Left if long => " class=\"w\"",
            _ => align(column),
        };
        let _ = write!(out, "<th scope=\"col\"{class}>{}{unit}</th>", escape(name));
    }
    out += "</tr></thead>\n<tbody>\n";
    for (number, row) in shown.rows.iter().enumerate() {
        out += "<tr>";
        for (column, text) in row.iter().enumerate() {
            let (start, end) = cell_tags(table.cell(number, column), column);
            let sorted = table.cell(number, column).raw().filter(|_| table.rows.len() >= SORTABLE);
            let value = sorted.map_or_else(String::new, |v| format!(" data-v=\"{v:e}\""));
            let _ = write!(out, "<{start}{}{value}>{}</{end}>", align(column), escape(text));
        }
        out += "</tr>\n";
    }
    out += "</tbody>\n</table>\n</div>\n";
    for note in &table.notes {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escape(note));
    }
    out
}

/// SHA-256 of the script in base 64, as a policy names it.
fn script_hash() -> String {
    let hex = sha256(SCRIPT);
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .filter_map(|i| u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok())
        .collect();
    base64(&bytes)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |w, b| (w << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let sign = SIGNS[((word >> (18 - 6 * i)) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(sign) } else { '=' });
        }
    }
    out
}

/// Words in the first column name their row.
fn cell_tags(cell: &Cell, column: usize) -> (&'static str, &'static str) {
    if column == 0 && matches!(cell, Cell::Text(_)) {
        ("th scope=\"row\"", "th")
    } else {
        ("td", "td")
    }
}

fn span(span: &Span) -> String {
    let text = escape(&span.text);
    if span.strong { format!("<strong>{text}</strong>") } else { text }
}

/// Cards in the summary, a list of facts elsewhere.
fn key_values(list: &[KeyValue], summary: bool) -> String {
    let mut out = format!("<dl class=\"{}\">\n", if summary { "cards" } else { "facts" });
    for item in list {
        let class = if item.answer { " class=\"answer\"" } else { "" };
        let note = item
            .note
            .as_ref()
            .map_or_else(String::new, |note| format!(" <small>{}</small>", escape(note)));
        let value = value(&item.value);
        let words = if matches!(item.value, Cell::Text(_)) { " words" } else { "" };
        let _ = writeln!(
            out,
            "<div{class}><dt>{}</dt><dd><span class=\"value{words}\">{value}</span>{note}</dd></div>",
            escape(&item.key)
        );
    }
    out + "</dl>\n"
}

/// Number and unit; the unit is set smaller.
fn value(cell: &Cell) -> String {
    let text = cell.human();
    match (cell, text.split_once(' ')) {
        (Cell::Quantity { .. }, Some((number, unit))) => format!("{} <span class=\"unit\">{}</span>", escape(number), escape(unit)),
        _ => escape(&text),
    }
}

fn warning(warning: &Warning) -> String {
    let help = warning
        .help
        .as_ref()
        .map_or_else(String::new, |help| format!("<br>{}", escape(help)));
    format!(
        "<p class=\"warning\" role=\"note\"><strong>Warning</strong> {}{help}</p>\n",
        escape(&warning.message)
    )
}

/// User text as it is: nothing in it is markup, in elements and in quoted attributes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in cell::clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn user_text_is_no_markup() {
        assert_eq!(
            escape("<a href=\"x\" id='y'>&\n\x1b"),
            "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp; \u{fffd}"
        );
        let page = document(&sample::document());
        assert!(page.matches("<script").count() == 1 && !page.contains('\x1b') && !page.contains('\u{202e}'));
    }

    #[test]
    fn base_64_is_that_of_the_standard() {
        // RFC 4648, section 10.
        for (text, want) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(text.as_bytes()), want);
        }
        assert_eq!(script_hash().len(), 44);
        // A closing tag or a line of another system would change what is run and not what is hashed.
        assert!(!SCRIPT.contains("</") && !SCRIPT.contains('\r'));
    }

    #[test]
    fn the_page_loads_nothing() {
        let page = document(&sample::document()).replace("http://www.w3.org/2000/svg", "");
        for outside in ["http:", "https:", "src=", "url(", "@import", "<link"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn a_small_table() {
        let mut small = sample::layouts();
        small.rows.truncate(1);
        small.columns.truncate(3);
        insta::assert_snapshot!(table(&small), @r##"
        <div class="scroll" tabindex="0" role="group" aria-label="Layouts that fit">
        <table>
        <caption>Layouts that fit</caption>
        <thead><tr><th scope="col">Layout</th><th scope="col" class="n">Devices</th><th scope="col" class="n">Step time <small>s</small></th></tr></thead>
        <tbody>
        <tr><th scope="row">t8 p4 d32</th><td class="n">1,024</td><td class="n">6.41</td></tr>
        </tbody>
        </table>
        </div>
        <p class="note">Peak memory is that of the fullest stage.</p>
        "##);
    }

    #[test]
    fn the_page_can_be_looked_at() {
        // Set the variable to see the page in a browser; the test writes nothing otherwise.
        if let Some(path) = std::env::var_os("EXAPLAN_TEST_PAGE") {
            std::fs::write(path, document(&sample::document())).unwrap();
        }
    }
}
