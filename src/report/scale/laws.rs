//! The laws that are shipped.

use super::super::{Block, Cell, Column, Document, KeyValue, Span, Table};
use crate::scale::law::{Bounds, Formula, Law, Range};
use serde_json::{Map, Value, json};

/// What a law tells, in a few words.
#[must_use]
pub fn tells(law: &Law) -> String {
    match &law.formula {
        Formula::Chinchilla(_) | Formula::Kaplan(_) => "loss from size and data".to_string(),
        Formula::Repeated(_) => "loss from size, data and unique data".to_string(),
        Formula::Power(_) => law.quantity.clone(),
        Formula::Routed(_) | Formula::Granular(_) | Formula::Sparse(_) => "loss of mixtures".to_string(),
        Formula::Precise(_) => "loss in few bits".to_string(),
        Formula::Task(_) => "task from loss".to_string(),
        Formula::Doubling { .. } => "effective compute over time".to_string(),
    }
}

/// The list for people.
#[must_use]
pub fn list(laws: &[Law]) -> Document {
    let columns = ["Law", "What", "Tells", "Corpus", "Evidence", "Source"].map(Column::words);
    let mut table = Table::new("Laws", columns.to_vec());
    for law in laws {
        table.rows.push(vec![
            Cell::Text(law.name.clone()),
            Cell::Text(law.title.clone()),
            Cell::Text(tells(law)),
            Cell::Text(law.corpus.clone()),
            law.evidence.name().into(),
            Cell::Text(law.source.clone()),
        ]);
    }
    table.notes.push("refitted: from the authors' own points, or recomputed; full-text: read in paper, code or data; secondary: a third party's account.".to_string());
    super::document("Scaling laws", vec![Block::Table(table)], None)
}

/// One law for people.
#[must_use]
pub fn one(law: &Law) -> Document {
    let mut table = Table::new(
        "Constants",
        vec![
            Column::words("Constant"),
            Column::numbers("Value"),
            Column::numbers("Low"),
            Column::numbers("High"),
        ],
    );
    for (name, value) in &law.constants {
        let exact = |v: f64| Cell::Text(format!("{v}"));
        let interval = law.intervals.iter().find(|(k, _)| k == name).map(|(_, r)| *r);
        table.rows.push(vec![
            Cell::Text(name.clone()),
            exact(*value),
            interval.map_or(Cell::Missing, |r| exact(r.0)),
            interval.map_or(Cell::Missing, |r| exact(r.1)),
        ]);
    }
    let mut blocks = vec![Block::Paragraph(vec![Span::plain(super::convention(law))]), Block::Table(table)];
    let bounds: Vec<KeyValue> = ranges(&law.bounds)
        .into_iter()
        .map(|(name, (low, high))| KeyValue::new(name, Cell::Text(format!("{low:e} to {high:e}"))))
        .collect();
    if !bounds.is_empty() {
        blocks.push(Block::Heading("Fitted over".to_string()));
        blocks.push(Block::KeyValues(bounds));
    }
    if !law.note.is_empty() {
        blocks.push(Block::Paragraph(vec![Span::plain(law.note.clone())]));
    }
    let source = format!("{} {}", law.source, law.url);
    blocks.push(Block::Paragraph(vec![Span::strong("Source: "), Span::plain(source)]));
    super::document(law.title.clone(), blocks, Some(law))
}

fn ranges(bounds: &Bounds) -> Vec<(&'static str, Range)> {
    let list = [
        ("Parameters", bounds.params),
        ("Tokens", bounds.tokens),
        ("Training FLOP", bounds.flop),
        ("Tokens per parameter", bounds.tokens_per_param),
    ];
    list.into_iter().filter_map(|(n, r)| Some((n, r?))).collect()
}

/// Laws for programs.
#[must_use]
pub fn json(laws: &[Law]) -> Value {
    let one = |law: &Law| {
        let mut value = super::law_json(law);
        let pairs = |list: &[(String, f64)]| list.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<Map<_, _>>();
        value["constants"] = Value::Object(pairs(&law.constants));
        value["intervals"] = law
            .intervals
            .iter()
            .map(|(k, r)| (k.clone(), json!([r.0, r.1])))
            .collect::<Map<_, _>>()
            .into();
        value["box"] = ranges(&law.bounds)
            .into_iter()
            .map(|(k, r)| (k.to_lowercase().replace(' ', "_"), json!([r.0, r.1])))
            .collect::<Map<_, _>>()
            .into();
        value["tells"] = json!(tells(law));
        value["n_draws"] = json!(law.draws.len());
        value["note"] = json!(law.note);
        value
    };
    json!({ "schema": "exaplan.scale-laws/1", "laws": laws.iter().map(one).collect::<Vec<_>>() })
}
