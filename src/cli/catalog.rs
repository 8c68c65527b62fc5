//! `exaplan catalog`.

mod diff;

use super::output::{Console, Replace, emit_json, show};
use super::{DONE, Done, Layers, layers};
use crate::catalog::plausible::implausible;
use crate::catalog::show::{export, facts, find, unsourced};
use crate::catalog::{Catalog, Entry, Kind, Layer, source};
use crate::error::{Diagnostic, Error, Result, nearest};
use crate::report::{self, Block, Cell, Column, Document, KeyValue, Table};
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  exaplan catalog list accelerator
  exaplan catalog show h100-sxm-80gb";

/// List, show, check and export hardware, models, prices and grids.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum CatalogCommand {
    /// List entries, of one kind or all
    List(ListArgs),
    /// Show an entry: each value with its source and the line it was read from
    Show(ShowArgs),
    /// Check catalog files: names, values, units, sources, and whether values can be true
    Check(CheckArgs),
    /// Show what catalog files change against the built-in catalog
    Diff(diff::DiffArgs),
    /// Write the built-in catalog into a directory, to edit and use with --catalog
    Export(ExportArgs),
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// accelerator, fabric, node, cluster, grid, region, offer, finance, reliability, model, profile or stack
    kind: Option<String>,
    /// Show where each entry was read from
    #[arg(long)]
    origin: bool,
    #[command(flatten)]
    layers: Layers,
}

#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Id or alias of an entry
    name: String,
    /// Look among entries of this kind only
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    #[command(flatten)]
    layers: Layers,
}

#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Directory of catalog files; without it everything is checked
    #[arg(value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    layers: Layers,
}

#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Directory to write into
    dir: PathBuf,
    #[command(flatten)]
    replace: Replace,
}

/// Do it.
pub fn run(command: &CatalogCommand, console: &Console) -> Done {
    match command {
        CatalogCommand::List(args) => list(args, console),
        CatalogCommand::Show(args) => show_entry(args, console),
        CatalogCommand::Check(args) => check(args, console),
        CatalogCommand::Diff(args) => diff::run(args, console),
        CatalogCommand::Export(args) => write_out(args, console),
    }
}

fn kind(name: &str) -> Result<Kind> {
    Kind::from_name(name).ok_or_else(|| {
        let names = Kind::ALL.map(|(n, _, _)| n);
        let guess = nearest(name, names).map_or(String::new(), |n| format!("did you mean `{n}`? "));
        Diagnostic::new(format!("the catalog has no kind `{name}`"))
            .help(format!("{guess}kinds are {}", names.join(", ")))
            .into()
    })
}

fn list(args: &ListArgs, console: &Console) -> Done {
    let kinds = match &args.kind {
        Some(name) => vec![kind(name)?],
        None => Kind::ALL.map(|(_, k, _)| k).to_vec(),
    };
    let catalog = layers::catalog(&args.layers, console)?;
    let entries: Vec<(Kind, &Entry)> = kinds
        .iter()
        .flat_map(|k| catalog.entries(*k).entries.values().map(|e| (*k, e)))
        .collect();
    if console.json {
        let list: Vec<_> = entries.iter().map(|(kind, e)| head(*kind, e)).collect();
        emit_json(&json!({ "schema": "exaplan.catalog/1", "entries": list }))?;
        return Ok(DONE);
    }
    let mut columns = vec![Column::words("Name"), Column::words("Title"), Column::words("Also called")];
    if args.origin {
        columns.extend([Column::words("Layer"), Column::words("File")]);
    }
    let tables = kinds.iter().map(|k| {
        let mut table = Table::new(k.name(), columns.clone());
        table.rows = entries
            .iter()
            .filter(|(kind, _)| kind == k)
            .map(|(_, e)| row(e, args.origin))
            .collect();
        Block::Table(table)
    });
    let document = Document {
        title: format!("{} entries", entries.len()),
        subtitle: String::new(),
        blocks: tables.collect(),
        provenance: provenance(&catalog),
    };
    show(console, &document)
}

fn provenance(catalog: &Catalog) -> String {
    format!("exaplan {}, catalog {}", env!("CARGO_PKG_VERSION"), catalog.digest())
}

fn title(e: &Entry) -> String {
    e.tree.text("title").unwrap_or("").to_string()
}

fn origin(e: &Entry) -> String {
    format!("{}:{}", e.at.origin.name, e.at.line())
}

fn row(e: &Entry, with_origin: bool) -> Vec<Cell> {
    let mut row = vec![Cell::Text(e.name.clone()), Cell::Text(title(e)), Cell::Text(e.aliases.join(", "))];
    if with_origin {
        row.extend([e.layer.name().into(), Cell::Text(origin(e))]);
    }
    row
}

fn head(kind: Kind, e: &Entry) -> serde_json::Value {
    json!({
        "kind": kind.name(),
        "name": e.name,
        "title": title(e),
        "aliases": e.aliases,
        "extends": e.extends,
        "layer": e.layer.name(),
        "shadows": e.shadows.map(Layer::name),
        "origin": origin(e),
    })
}

fn show_entry(args: &ShowArgs, console: &Console) -> Done {
    let wanted = args.kind.as_deref().map(kind).transpose()?;
    let catalog = layers::catalog(&args.layers, console)?;
    let (kind, entry) = match wanted {
        Some(kind) => (kind, catalog.entry(kind, &args.name)?),
        None => find(&catalog, &args.name)?,
    };
    if wanted.is_none() {
        let others: Vec<&str> = Kind::ALL
            .iter()
            .filter(|(_, k, _)| *k != kind && catalog.entries(*k).get(&args.name).is_some())
            .map(|(n, _, _)| *n)
            .collect();
        if !others.is_empty() {
            console.note(&format!(
                "`{}` is also a {}: --kind {}",
                args.name,
                others.join(" and a "),
                others[0]
            ));
        }
    }
    let facts = facts(entry);
    if console.json {
        let values: Vec<_> = facts
            .iter()
            .map(|f| {
                let unit = report::names::kind_of(&f.key).map(report::Kind::suffix).filter(|u| !u.is_empty());
                json!({ "key": f.key, "value": f.value, "number": f.number, "unit": unit, "source": f.source, "origin": f.origin })
            })
            .collect();
        let mut whole = json!({ "schema": "exaplan.catalog-entry/1" });
        if let (Some(out), Some(head)) = (whole.as_object_mut(), head(kind, entry).as_object()) {
            out.extend(head.clone());
            out.insert("values".to_string(), json!(values));
        }
        emit_json(&whole)?;
        return Ok(DONE);
    }
    let mut about = Vec::new();
    let mut add = |key: &str, text: String| {
        if !text.is_empty() {
            // As notes they wrap.
            about.push(KeyValue::new(key, "".into()).note(text));
        }
    };
    add("Kind", kind.name().to_string());
    add("Read from", format!("{} ({})", origin(entry), entry.layer.name()));
    add("Also called", entry.aliases.join(", "));
    add("Extends", entry.extends.clone().unwrap_or_default());
    add(
        "Replaces",
        entry
            .shadows
            .map_or(String::new(), |l| format!("the {} entry of this name", l.name())),
    );
    add("Confidence", entry.tree.text("confidence").unwrap_or("").to_string());
    add("As of", entry.tree.text("as_of").unwrap_or("").to_string());
    add("Note", entry.tree.text("note").unwrap_or("").to_string());
    let document = Document {
        title: entry.name.clone(),
        subtitle: title(entry),
        blocks: std::iter::once(Block::KeyValues(about)).chain(values(&facts)).collect(),
        provenance: provenance(&catalog),
    };
    show(console, &document)
}

/// The values with numbered sources, and the sources in full below.
fn values(facts: &[crate::catalog::show::Fact]) -> [Block; 2] {
    let mut sources: Vec<&str> = Vec::new();
    let mut table = Table::new(
        "",
        vec![
            Column::words("Value of"),
            Column::numbers(""),
            Column::words("As written"),
            Column::numbers("Source"),
            Column::words("Line"),
        ],
    );
    for f in facts {
        let source = f.source.as_deref().unwrap_or("no source");
        let position = sources.iter().position(|s| *s == source).unwrap_or_else(|| {
            sources.push(source);
            sources.len() - 1
        });
        let human = f.number.map(|n| report::names::cell(&f.key, n).human());
        table.rows.push(vec![
            Cell::Text(f.key.clone()),
            human.map_or_else(|| Cell::Text(String::new()), Cell::Text),
            Cell::Text(f.value.clone()),
            Cell::Text(format!("[{}]", position + 1)),
            Cell::Text(f.origin.rsplit('/').next().unwrap_or(&f.origin).to_string()),
        ]);
    }
    let list = sources
        .iter()
        .enumerate()
        .map(|(i, s)| KeyValue::new(format!("[{}]", i + 1), Cell::Text(String::new())).note(*s));
    [Block::Table(table), Block::KeyValues(list.collect())]
}

fn check(args: &CheckArgs, console: &Console) -> Done {
    let mut catalog = layers::catalog(&args.layers, console)?;
    if let Some(dir) = &args.dir {
        catalog = catalog.overlay_dir(dir, Layer::Project)?;
    }
    let from = if args.dir.is_some() { Layer::Project } else { Layer::Builtin };
    let problems = catalog.check(from);
    if !problems.is_empty() {
        return Err(Error::Invalid(problems));
    }
    let own = |e: &Entry| e.layer >= from;
    let n = Kind::ALL
        .iter()
        .map(|(_, k, _)| catalog.entries(*k).entries.values().filter(|e| own(e)).count())
        .sum::<usize>();
    let named = |d: &Diagnostic| {
        args.dir
            .as_deref()
            .is_none_or(|dir| d.at.as_ref().is_some_and(|at| Path::new(&at.origin.name).starts_with(dir)))
    };
    let bare: Vec<String> = unsourced(&catalog).iter().filter(|d| named(d)).map(ToString::to_string).collect();
    for line in &bare {
        console.note(line);
    }
    let doubts: Vec<Diagnostic> = implausible(&catalog, from).into_iter().filter(named).collect();
    console.warn(&doubts);
    if console.json {
        let doubts: Vec<_> = doubts.iter().map(doubt).collect();
        emit_json(&json!({ "schema": "exaplan.catalog-check/1", "n_entries": n, "unsourced": bare, "implausible": doubts }))?;
    } else {
        let plural = if doubts.len() == 1 { "" } else { "s" };
        let warned = match doubts.len() {
            0 => String::new(),
            k => format!(", {k} value{plural} to look at"),
        };
        super::output::emit(&format!("{n} entries, no problems{warned}\n"))?;
    }
    Ok(DONE)
}

fn doubt(d: &Diagnostic) -> serde_json::Value {
    let origin = d.at.as_ref().map(|at| format!("{}:{}", at.origin.name, at.line()));
    json!({ "message": d.message, "origin": origin, "help": d.help })
}

fn write_out(args: &ExportArgs, console: &Console) -> Done {
    let files: Vec<(PathBuf, &str)> = export().map(|(path, text)| (args.dir.join(path), text)).collect();
    args.replace.writable(files.iter().map(|(path, _)| path))?;
    for (path, text) in &files {
        source::write_whole(path, text.as_bytes())?;
    }
    console.note(&format!(
        "wrote {} files; use them with --catalog {}",
        files.len(),
        args.dir.display()
    ));
    Ok(DONE)
}
