//! A grid of values: numbers where they have room, shades beside them or alone.

use super::super::svg::Heat;
use super::{Options, Style};
use unicode_width::UnicodeWidthStr;

/// From the least to the most.
const SHADES: [char; 5] = ['·', '░', '▒', '▓', '█'];
/// Where there is no value.
const NONE: char = '-';

/// `chart` as text; ends with a line end.
pub(super) fn write(chart: &Heat, options: Options) -> String {
    let mut out = super::styled(&chart.title, Style::Answer, options);
    let Some(scale) = chart.scale() else { return out + "no data\n" };
    let unit = chart.kind.scale(scale.high);
    let shade = |value: f64| {
        let place = scale.place(value)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let at = (place * SHADES.len() as f64) as usize;
        Some(SHADES[at.min(SHADES.len() - 1)])
    };
    let numbers = |value: f64| match shade(value) {
        Some(shade) => format!("{} {shade}", chart.kind.number(value, &unit)),
        None => NONE.to_string(),
    };
    let margin = chart.rows.iter().map(|r| r.width()).max().unwrap_or(0).min(options.columns() / 3);
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(1);
    let value_width = widest(&mut chart.values.iter().map(|v| numbers(*v).width()));
    let label_width = widest(&mut chart.columns.iter().map(|c| c.width()));
    let width = value_width.max(label_width) + 2;
    let roomy = margin + width * chart.columns.len() <= options.columns();
    if roomy {
        let heads: String = chart.columns.iter().map(|c| pad(c, width)).collect();
        out += format!("{:margin$}{heads}", "").trim_end();
        out.push('\n');
    }
    for (row, label) in chart.rows.iter().enumerate() {
        let label = super::shorten(label, margin.max(1));
        let cells: String = chart
            .row(row)
            .iter()
            .map(|v| {
                if roomy {
                    pad(&numbers(*v), width)
                } else {
                    shade(*v).unwrap_or(NONE).to_string()
                }
            })
            .collect();
        let fill = " ".repeat(margin.saturating_sub(label.width()));
        let gap = if roomy || margin == 0 { "" } else { " " };
        let line = format!("{label}{fill}{gap}{cells}");
        // A grid of shades that is still too wide is cut; the page has all of it.
        out += super::shorten(line.trim_end(), options.columns()).as_str();
        out.push('\n');
    }
    let legend = legend(chart, roomy);
    out + &super::wrap(&[(&legend, Style::Provenance)], ("", ""), options)
}

/// `text` at the right end of `width` columns.
fn pad(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

fn legend(chart: &Heat, roomy: bool) -> String {
    let Some(scale) = chart.scale() else { return String::new() };
    let unit = chart.kind.scale(scale.high).unit;
    let ends = match (chart.columns.first(), chart.columns.last()) {
        (Some(first), Some(last)) if !roomy => format!(" from {first} to {last}"),
        _ => String::new(),
    };
    let down = if chart.y.is_empty() {
        String::new()
    } else {
        format!("Down: {}. ", chart.y)
    };
    let numbers = if unit.is_empty() || !roomy {
        String::new()
    } else {
        format!("Numbers in {unit}. ")
    };
    let how = if scale.log { ", logarithmic" } else { "" };
    format!(
        "{down}Right: {}{ends}. {numbers}{} {} to {} {}{how}; {NONE} none fits.",
        chart.x,
        SHADES[0],
        chart.kind.human(scale.low),
        SHADES[SHADES.len() - 1],
        chart.kind.human(scale.high),
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::Kind;
    use super::*;

    fn chart() -> Heat {
        Heat {
            title: "cost_usd by cluster.nodes and training.tokens".to_string(),
            kind: Kind::Usd,
            x: "cluster.nodes".to_string(),
            y: "training.tokens".to_string(),
            columns: vec!["512".into(), "1024".into(), "2048".into()],
            rows: vec!["1T".into(), "16T".into()],
            values: vec![3e6, 3.2e6, f64::NAN, 48e6, 51e6, 57e6],
        }
    }

    #[test]
    fn numbers_have_shades_beside_them() {
        insta::assert_snapshot!(write(&chart(), Options { width: 60, color: false }), @r"
        cost_usd by cluster.nodes and training.tokens
                512    1024    2048
        1T   3.00 ·  3.20 ·       -
        16T  48.0 █  51.0 █  57.0 █
        Down: training.tokens. Right: cluster.nodes. Numbers in
        MUSD. · 3.00 MUSD to █ 57.0 MUSD, logarithmic; - none fits.
        ");
    }

    #[test]
    fn shades_alone_fit_any_width() {
        for width in [1, 20, 40, 80] {
            let text = write(&chart(), Options { width, color: false });
            assert!(text.lines().all(|l| l.width() <= width.max(20)), "{width}:\n{text}");
        }
        let none = Heat {
            values: vec![f64::NAN; 6],
            ..chart()
        };
        assert!(write(&none, Options::default()).ends_with("no data\n"));
    }
}
