//! GitHub Markdown: tables with aligned columns, user text that stays text.

use super::{Align, Block, Chart, Document, KeyValue, Shown, Span, Table, Warning, cell, text};
use std::fmt::Write;

/// Pictures of characters: as wide as pages show without scrolling.
const PICTURE: text::Options = text::Options { width: 96, color: false };

/// `document` as a Markdown page.
#[must_use]
pub fn document(document: &Document) -> String {
    let mut parts = vec![format!("# {}", escape(&document.title))];
    if !document.subtitle.is_empty() {
        parts.push(paragraph_start(escape(&document.subtitle)));
    }
    parts.extend(document.blocks.iter().map(block).filter(|part| !part.is_empty()));
    parts.push(format!("---\n\n<sub>{}</sub>", escape(&document.provenance)));
    parts.join("\n\n") + "\n"
}

/// `table` with its title above and its notes below.
#[must_use]
pub fn table(table: &Table) -> String {
    let shown = Shown::new(table);
    let mut out = String::new();
    if !table.title.is_empty() {
        let _ = write!(out, "**{}**\n\n", escape(&table.title));
    }
    if !table.columns.is_empty() {
        let headers = (0..table.columns.len()).map(|column| shown.header(column));
        out.push_str(&row(headers));
        let rules = shown.aligns.iter().map(|align| if *align == Align::Right { "---:" } else { "---" });
        let _ = writeln!(out, "| {} |", rules.collect::<Vec<_>>().join(" | "));
        shown.rows.into_iter().for_each(|cells| out.push_str(&row(cells)));
    }
    for note in &table.notes {
        let _ = write!(out, "\n{}\n", paragraph_start(escape(note)));
    }
    out.trim_end().to_string()
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|text| escape(&text)).collect();
    format!("| {} |\n", cells.join(" | "))
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(text) => format!("## {}", escape(text)),
        Block::Paragraph(spans) => paragraph_start(spans.iter().map(span).collect()),
        Block::KeyValues(list) => list.iter().map(key_value).collect::<Vec<_>>().join("\n"),
        Block::Table(t) => table(t),
        Block::Chart(chart) => picture(chart),
        Block::Warnings(list) => list.iter().map(warning).collect::<Vec<_>>().join("\n>\n"),
    }
}

/// A picture of characters in a fence, or the numbers of a chart that has none.
fn picture(chart: &Chart) -> String {
    let Some(drawn) = text::picture(chart, PICTURE) else {
        return table(&chart.table());
    };
    // Longer than any run of backticks inside, so that nothing in it ends it.
    let longest = drawn.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}text\n{drawn}{fence}")
}

/// Emphasis marks only work when no space stands inside them.
fn span(span: &Span) -> String {
    let text = escape(&span.text);
    let words = text.trim();
    if span.strong && !words.is_empty() {
        text.replacen(words, &format!("**{words}**"), 1)
    } else {
        text
    }
}

fn key_value(item: &KeyValue) -> String {
    let value = escape(&item.value.human());
    let value = if item.answer { format!("**{value}**") } else { value };
    let note = item.note.as_ref().map_or_else(String::new, |note| format!(" ({})", escape(note)));
    format!("- {}: {value}{note}", escape(&item.key))
}

fn warning(warning: &Warning) -> String {
    let help = warning.help.as_ref().map_or_else(String::new, |help| format!(": {}", escape(help)));
    format!("> **Warning:** {}{help}", escape(&warning.message))
}

/// User text as it is: nothing in it is markup, and it stays on one line.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in cell::clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

/// At the start of a line a sign or a number with a dot would begin a list or a rule, spaces a code block.
fn paragraph_start(text: String) -> String {
    let text = text.trim().to_string();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text.as_bytes().get(digits) {
        Some(b'-' | b'+' | b'=') if digits == 0 => format!("\\{text}"),
        Some(b'.' | b')') if digits > 0 && text.as_bytes().get(digits + 1).is_none_or(u8::is_ascii_whitespace) => {
            format!("{}\\{}", &text[..digits], &text[digits..])
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_table_for_github() {
        insta::assert_snapshot!(table(&sample::layouts()), @r##"
        **Layouts that fit**

        | Layout | Devices | Step time, s | MFU, % | Peak memory, GiB | Cost, MUSD | Evidence |
        | --- | ---: | ---: | ---: | ---: | ---: | --- |
        | t8 p4 d32 | 1,024 | 6.41 | 41.2 | 70.2 | 3.91 | measured |
        | t4 p8 d32 東京 | 1,024 | 12.1 | 8.75 | 6.50 | 14.2 | interpolated |
        | =cmd()\|&lt;script&gt;alert('1')&lt;/script&gt;�\[31m�"&amp;\`\*\_\[x\] \# h | 8 | - | - | - | - | - |

        Peak memory is that of the fullest stage.
        "##);
    }

    #[test]
    fn user_text_is_no_markup() {
        assert_eq!(escape("<b>|a\\`*_[x](y)&\n# z"), "&lt;b&gt;\\|a\\\\\\`\\*\\_\\[x\\](y)&amp; \\# z");
        assert_eq!(paragraph_start("- item".into()), "\\- item");
        assert_eq!(paragraph_start("1. item".into()), "1\\. item");
        assert_eq!(paragraph_start("1.5 days".into()), "1.5 days");
        let page = document(&sample::document());
        assert!(!page.contains("<script>") && !page.contains('\x1b') && !page.contains('\u{202e}'));
    }

    #[test]
    fn emphasis_hugs_its_words() {
        assert_eq!(span(&Span::strong(" 41 % ")), " **41 %** ");
        assert_eq!(span(&Span::strong(" ")), " ");
    }
}
