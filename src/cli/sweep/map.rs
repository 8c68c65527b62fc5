//! `exaplan sweep map`.

use super::place;
use crate::cli::Done;
use crate::cli::output::{Console, Forms, Target, no_form};
use crate::error::{Diagnostic, Error, Result};
use crate::report::sweep::map::{Mapper, Question};
use crate::report::{Block, Chart, Document, Table, json, svg};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct MapArgs {
    /// A study whose results are whole, or a file of results
    #[arg(value_name = "STUDY|RESULTS", value_hint = clap::ValueHint::FilePath)]
    study: PathBuf,
    /// Draw this column
    #[arg(long, value_name = "COLUMN", default_value = "cost_usd")]
    metric: String,
    /// The axis to the right [default: the first that varies]
    #[arg(long, value_name = "PATH")]
    x: Option<String>,
    /// The axis down [default: the next that varies]
    #[arg(long, value_name = "PATH")]
    y: Option<String>,
    /// Take only the cases with this value of an axis; may be repeated
    #[arg(long = "where", value_name = "PATH=VALUE")]
    held: Vec<String>,
    #[command(flatten)]
    target: Target,
}

/// Draw.
pub fn run(args: &MapArgs, console: &Console) -> Done {
    args.target.format(console)?;
    let document = draw(args)?;
    let table = || first_table(&document);
    let forms = Forms {
        screen: &|| document.clone(),
        page: &|| document.clone(),
        rows: &table,
        json: &|| json::document(&document),
        trace: &|| no_form("a trace shows one step, not a sweep", "write .html, .svg, .md, .csv, .json or .txt"),
        svg: &|| Ok(chart(&document).map_or_else(String::new, svg::render)),
        xlsx: None,
    };
    args.target.write(console, &forms)
}

fn chart(document: &Document) -> Option<&Chart> {
    document
        .blocks
        .iter()
        .find_map(|b| if let Block::Chart(chart) = b { Some(chart) } else { None })
}

fn first_table(document: &Document) -> Table {
    chart(document).map_or_else(|| Table::new("", Vec::new()), Chart::table)
}

fn draw(args: &MapArgs) -> Result<Document> {
    let pair = |text: &String| {
        let (path, value) = text.split_once('=')?;
        Some((path.trim().to_string(), value.trim().trim_matches('"').to_string()))
    };
    let held = args.held.iter().map(|text| {
        pair(text).ok_or_else(|| {
            Diagnostic::new(format!("--where: `{text}` is no PATH=VALUE")).help("write for example --where cluster.nodes=512")
        })
    });
    let question = Question {
        metric: args.metric.clone(),
        x: args.x.clone(),
        y: args.y.clone(),
        held: held.collect::<std::result::Result<_, _>>()?,
    };
    let path = if args.study.extension().is_some_and(|e| e == "parquet") {
        args.study.clone()
    } else {
        args.study.with_extension("parquet")
    };
    if !path.is_file() {
        let text = format!("there are no results in `{}`", path.display());
        let help = "run the study with `exaplan sweep run`, or merge its shards; or give the file that -o wrote";
        return Err(Error::invalid(Diagnostic::new(text).help(help)));
    }
    let mut reader = place::reader(&path)?;
    let mut mapper = Mapper::new(reader.names(), question)?;
    while let Some(cells) = reader.row()? {
        mapper.see(&cells);
    }
    mapper.finish()
}
