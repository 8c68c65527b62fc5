//! Answers and tables of one question, the same for people and programs.

use super::super::svg::Lines;
use super::super::{Block, Chart, Document, KeyValue, Span, Table, Warning, cell, json as generic};
use crate::scale::law::Law;
use serde_json::{Map, Value, json};

/// A result.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    /// Name of the JSON: `exaplan.scale-data/1`.
    pub schema: &'static str,
    /// Title for people.
    pub title: String,
    /// Named answers.
    pub answers: Vec<KeyValue>,
    /// Tables by their key.
    pub tables: Vec<(&'static str, Table)>,
    /// Pictures.
    pub charts: Vec<Lines>,
    /// What must be known.
    pub notes: Vec<String>,
    /// What must be known first.
    pub warnings: Vec<Warning>,
    /// The law it rests on.
    pub law: Option<Law>,
}

impl Sheet {
    /// For people.
    #[must_use]
    pub fn document(&self) -> Document {
        let mut blocks = Vec::new();
        if !self.answers.is_empty() {
            blocks.push(Block::KeyValues(self.answers.clone()));
        }
        blocks.extend(self.tables.iter().map(|(_, t)| Block::Table(t.clone())));
        blocks.extend(self.charts.iter().map(|c| Block::Chart(Chart::Lines(c.clone()))));
        if !self.warnings.is_empty() {
            blocks.push(Block::Warnings(self.warnings.clone()));
        }
        blocks.extend(self.notes.iter().map(|n| Block::Paragraph(vec![Span::plain(n.clone())])));
        super::document(self.title.clone(), blocks, self.law.as_ref())
    }

    /// For programs: answers under keys with units, rows under the keys of their columns.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut answers = Map::new();
        for answer in &self.answers {
            let suffix = answer.value.kind().map_or(String::new(), super::super::Kind::suffix);
            answers.insert(cell::key(&answer.key, &suffix), generic::value(&answer.value));
        }
        let tables: Map<String, Value> = self
            .tables
            .iter()
            .map(|(key, t)| ((*key).to_string(), generic::table(t)["rows"].clone()))
            .collect();
        json!({
            "schema": self.schema,
            "title": self.title,
            "answers": answers,
            "tables": tables,
            "notes": self.notes,
            "warnings": self.warnings.iter().map(|w| json!({ "message": w.message, "help": w.help })).collect::<Vec<_>>(),
            "law": self.law.as_ref().map(super::law_json),
            "provenance": super::provenance(self.law.as_ref()),
        })
    }
}
