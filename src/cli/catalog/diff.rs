//! `exaplan catalog diff`.

use super::provenance;
use crate::catalog::diff::{Difference, KeyChange, differences};
use crate::catalog::show::Fact;
use crate::catalog::{Catalog, Entry, Layer};
use crate::cli::output::{Console, emit_json, show};
use crate::cli::{DONE, Done, Layers, layers};
use crate::report::{Block, Cell, Column, Document, Table};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// Directory of catalog files; without it every layer above the built-in one
    #[arg(value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    layers: Layers,
}

/// Compare and show.
pub fn run(args: &DiffArgs, console: &Console) -> Done {
    let mut catalog = layers::catalog(&args.layers, console)?;
    if let Some(dir) = &args.dir {
        catalog = catalog.overlay_dir(dir, Layer::Project)?;
    }
    let named = |e: &Entry| args.dir.as_deref().is_none_or(|dir| Path::new(&e.at.origin.name).starts_with(dir));
    let list = differences(&Catalog::builtin(), &catalog, &named);
    if console.json {
        let entries: Vec<Value> = list.iter().map(to_json).collect();
        emit_json(&json!({ "schema": "exaplan.catalog-diff/1", "entries": entries, "provenance": provenance(&catalog) }))?;
        return Ok(DONE);
    }
    let same = list.iter().filter(|d| d.keys.is_empty()).count();
    let subtitle = match (list.len(), same) {
        (0, _) => "nothing lies over the built-in catalog".to_string(),
        (n, 0) => format!("{n} entries over the built-in catalog"),
        (n, same) => format!("{n} entries over the built-in catalog, {same} of them as they were"),
    };
    let document = Document {
        title: "What the layers change".to_string(),
        subtitle,
        blocks: list.iter().filter(|d| !d.keys.is_empty()).map(|d| Block::Table(table(d))).collect(),
        provenance: provenance(&catalog),
    };
    show(console, &document)
}

fn title(d: &Difference) -> String {
    let from = match &d.base {
        Some(base) if *base != d.name => format!(" from `{base}`"),
        _ => String::new(),
    };
    format!("{} {}: {}{from}, {}", d.kind.name(), d.name, d.change.name(), d.origin)
}

fn table(d: &Difference) -> Table {
    let words = ["Value of", "Was", "Is", "Source"];
    let mut table = Table::new(title(d), words.map(Column::words).to_vec());
    let text = |fact: Option<&Fact>| fact.map_or(Cell::Missing, |f| Cell::Text(f.value.clone()));
    table.rows = d
        .keys
        .iter()
        .map(|KeyChange { key, old, new }| {
            let source = new.as_ref().map_or("", |f| f.source.as_deref().unwrap_or("no source"));
            vec![Cell::Text(key.clone()), text(old.as_ref()), text(new.as_ref()), source.into()]
        })
        .collect();
    table
}

fn to_json(d: &Difference) -> Value {
    let side = |fact: &Option<Fact>| {
        fact.as_ref()
            .map(|f| json!({ "value": f.value, "number": f.number, "source": f.source, "origin": f.origin }))
    };
    let keys: Vec<Value> = d
        .keys
        .iter()
        .map(|k| json!({ "key": k.key, "old": side(&k.old), "new": side(&k.new) }))
        .collect();
    json!({
        "kind": d.kind.name(),
        "name": d.name,
        "change": d.change.name(),
        "base": d.base,
        "layer": d.layer.name(),
        "origin": d.origin,
        "keys": keys,
    })
}
