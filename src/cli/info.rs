//! `exaplan info`.

use super::output::{Console, show};
use super::{Done, layers};
use crate::catalog::source;
use crate::report::{Block, Cell, Column, Document, KeyValue, Table};

/// Print what this program is and where it looks.
pub fn run(console: &Console) -> Done {
    let mut table = Table::new(
        "Catalog layers, the last wins",
        vec![Column::words("Layer"), Column::words("Path"), Column::words("")],
    );
    table.rows.push(vec!["built-in".into(), "in the program".into(), "".into()]);
    let rows = layers::site_dirs()
        .into_iter()
        .map(|d| ("site", d))
        .chain(layers::user_dir().map(|d| ("user", d)));
    table.rows.extend(rows.map(|(name, dir)| {
        let there = if dir.is_dir() { "exists" } else { "does not exist" };
        vec![name.into(), Cell::Text(dir.display().to_string()), there.into()]
    }));
    table.rows.push(vec!["project".into(), "--catalog DIR".into(), "".into()]);
    table
        .rows
        .push(vec!["scenario".into(), "its own entries and --set".into(), "".into()]);
    let facts = vec![
        KeyValue::new("Version", env!("CARGO_PKG_VERSION").into()),
        KeyValue::new("Features", Cell::Text(features().join(", "))),
        KeyValue::new(
            "Threads",
            Cell::Text(std::thread::available_parallelism().map_or_else(|_| "-".to_string(), |n| n.to_string())),
        ),
        KeyValue::new("Scenarios", Cell::Text(source::embedded_scenarios().join(", "))),
        KeyValue::new("Catalog", Cell::Text(crate::catalog::Catalog::builtin().digest())),
    ];
    let document = Document {
        title: "exaplan".to_string(),
        subtitle: String::new(),
        blocks: vec![Block::KeyValues(facts), Block::Table(table)],
        provenance: format!("exaplan {}", env!("CARGO_PKG_VERSION")),
    };
    show(console, &document)
}

fn features() -> Vec<&'static str> {
    let mut list = vec!["cli"];
    if cfg!(feature = "tui") {
        list.push("tui");
    }
    list
}
