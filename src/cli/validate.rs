//! `exaplan validate`.

use super::output::{Console, Forms, Target, no_form};
use super::{BAD_INPUT, Done, Layers, layers};
use crate::catalog::{Band, Catalog, digest_text, source};
use crate::error::{Diagnostic, Error, Origin, Result};
use crate::report::cross as report;
use crate::report::layouts as shown_layouts;
use crate::report::svg::{self, Chart};
use crate::report::validate::{self as shown, Validated, document, json};
use crate::report::whole as shown_whole;
use crate::study::cross::cross;
use crate::study::fit::{Start, cases, some};
use crate::study::models;
use crate::study::runs::{Row, Rows, read_rows};
use crate::study::validate::{By, predict_telling};
use crate::study::{jobs, layouts, whole};
use std::path::PathBuf;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  exaplan validate
  exaplan validate --runs our-runs.csv --models our-models.toml --by stack
  exaplan validate --cross
  exaplan validate --whole-runs
  exaplan validate -o validation.html";

/// What `--runs` should be, for those who gave something else.
pub(super) const RUNS: &str = "a CSV file of measured runs, with a header line as in scenarios/published";
/// What `--models` should be.
pub(super) const MODELS: &str = "a TOML file with one table per model";

/// Compare predictions with measured runs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ValidateArgs {
    /// Read measured runs from a CSV file [default: the built-in published ones]
    #[arg(long, value_name = "CSV", value_hint = clap::ValueHint::FilePath)]
    runs: Option<PathBuf>,
    /// Read the architectures that the runs name from a TOML file, over the catalog
    #[arg(long, value_name = "TOML", value_hint = clap::ValueHint::FilePath)]
    models: Option<PathBuf>,
    /// Group by
    #[arg(long, value_enum, default_value_t = Group::Source, value_name = "WHAT")]
    by: Group,
    /// Fit the stacks with one family of sources left out after another, and predict that one
    #[arg(long)]
    cross: bool,
    /// Hold published layouts against the best ones of the search
    #[arg(long, conflicts_with_all = ["cross", "whole_runs"])]
    layouts: bool,
    /// Compare device-hours of whole published runs, and failures of published jobs, instead of steps
    #[arg(long, conflicts_with_all = ["runs", "models", "cross"])]
    whole_runs: bool,
    /// Explain this many rows with the largest errors
    #[arg(long, value_name = "N", default_value_t = 5)]
    top: usize,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    layers: Layers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    /// Publication
    Source,
    /// Device
    Accelerator,
    /// Software
    Stack,
    /// Number format
    Precision,
    /// Steady steps or runs from end to end
    Kind,
}

impl Group {
    fn by(self) -> By {
        match self {
            Group::Source => By::Source,
            Group::Accelerator => By::Accelerator,
            Group::Stack => By::Stack,
            Group::Precision => By::Precision,
            Group::Kind => By::Kind,
        }
    }
}

/// Predict and compare.
pub fn run(args: &ValidateArgs, console: &Console) -> Done {
    // A name that tells no format fails before minutes of work.
    args.target.format(console)?;
    let mut catalog = layers::catalog(&args.layers, console)?;
    if args.whole_runs {
        return whole_runs(&catalog, args, console);
    }
    let mut files = match &args.runs {
        Some(path) => vec![source::read_as(path, RUNS)?],
        None => source::published(),
    };
    let Rows { rows, problems } = rows(&files, console)?;
    if let Some(path) = &args.models {
        let origin = source::read_as(path, MODELS)?;
        catalog = with_models(&origin, catalog, console)?;
        files.push(origin);
    }
    let provenance = provenance(&files, &catalog);
    if args.layouts {
        return published_layouts(&rows, &catalog, args, &provenance, console);
    }
    if args.cross {
        return left_out(&rows, &catalog, args, &provenance, console);
    }
    let progress = console.progress(rows.len(), "rows");
    let predictions = predict_telling(&rows, &catalog, &|| progress.step());
    progress.end();
    let validated = Validated {
        predictions: &predictions,
        origin: &origin(args),
        by: args.by.by(),
        n_worst: args.top,
        band: catalog.get::<Band>("all").ok().map(|b| (b.low_ratio, b.high_ratio)),
        provenance: &provenance,
    };
    let done = write(&validated, &args.target, console)?;
    // Rows without a model are an answer; a file of which nothing could be used is not.
    let none_ran = predictions.iter().all(|p| p.skipped.is_some());
    Ok(if none_ran && !problems.is_empty() { BAD_INPUT } else { done })
}

fn write(validated: &Validated<'_>, target: &Target, console: &Console) -> Done {
    let picture = || match shown::scatter(validated) {
        Some(chart) => Ok(svg::render(&Chart::Scatter(chart))),
        None => Err(
            Diagnostic::new("there is nothing to draw: no row has a prediction and a measurement")
                .help("fill tokens_per_s_per_device; `exaplan validate` says why rows are left out")
                .into(),
        ),
    };
    let forms = Forms {
        screen: &|| document(validated),
        page: &|| document(validated),
        rows: &|| shown::rows(validated),
        json: &|| json(validated),
        trace: &|| no_form("a validation has no trace of a step", NO_TRACE),
        svg: &picture,
        xlsx: None,
    };
    target.write(console, &forms)
}

const NO_TRACE: &str = "give a name in .html, .xlsx, .md, .csv, .json, .svg or .txt";

/// All rows; what is wrong with the others is told.
pub(super) fn rows(files: &[Arc<Origin>], console: &Console) -> Result<Rows> {
    let mut all = Rows::default();
    for file in files {
        let read = read_rows(file)?;
        all.rows.extend(read.rows);
        all.problems.extend(read.problems);
    }
    if all.rows.is_empty() && !all.problems.is_empty() {
        return Err(Error::Invalid(all.problems));
    }
    console.warn(&all.problems);
    Ok(all)
}

fn left_out(rows: &[Row], catalog: &Catalog, args: &ValidateArgs, provenance: &str, console: &Console) -> Done {
    let cases = cases(rows, catalog, Start::Unfitted);
    some(&cases)?;
    let families = cases
        .iter()
        .map(|c| c.family.as_str())
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    let progress = console.progress(families, "families");
    let list = cross(&cases, &|| progress.step());
    progress.end();
    let id = |row: usize| rows.get(row).map_or_else(String::new, |r| r.id.clone());
    let page = || report::document(&list, &origin(args), provenance);
    let forms = Forms {
        screen: &page,
        page: &page,
        rows: &|| report::rows(&list, &id),
        json: &|| report::json(&list, &id, provenance),
        trace: &|| no_form("a validation has no trace of a step", NO_TRACE),
        svg: &|| {
            no_form(
                "left-out runs have no picture",
                "leave out --cross, or give a name in .html, .md, .csv or .json",
            )
        },
        xlsx: None,
    };
    args.target.write(console, &forms)
}

fn published_layouts(rows: &[Row], catalog: &Catalog, args: &ValidateArgs, provenance: &str, console: &Console) -> Done {
    let progress = console.progress(layouts::stated(rows).len(), "layouts");
    let list = layouts::judge(rows, catalog, &|| progress.step());
    progress.end();
    let page = || shown_layouts::document(&list, provenance);
    let forms = Forms {
        screen: &page,
        page: &page,
        rows: &|| shown_layouts::table(&list),
        json: &|| shown_layouts::json(&list, provenance),
        trace: &|| no_form("a validation has no trace of a step", NO_TRACE),
        svg: &|| {
            no_form(
                "layouts have no picture",
                "leave out --layouts, or give a name in .html, .md, .csv or .json",
            )
        },
        xlsx: None,
    };
    args.target.write(console, &forms)
}

fn whole_runs(catalog: &Catalog, args: &ValidateArgs, console: &Console) -> Done {
    let runs = whole::published()?;
    let progress = console.progress(runs.len(), "runs");
    let list = whole::predict(&runs, catalog, &|| progress.step());
    progress.end();
    let provenance = provenance(&[], catalog);
    let jobs = jobs::predict(catalog)?;
    let page = || shown_whole::document(&list, &jobs, &provenance);
    let forms = Forms {
        screen: &page,
        page: &page,
        rows: &|| shown_whole::table(&list),
        json: &|| shown_whole::json(&list, &jobs, &provenance),
        trace: &|| no_form("a validation has no trace of a step", NO_TRACE),
        svg: &|| {
            no_form(
                "whole runs have no picture",
                "leave out --whole-runs, or give a name in .html, .md, .csv or .json",
            )
        },
        xlsx: None,
    };
    args.target.write(console, &forms)
}

fn origin(args: &ValidateArgs) -> String {
    args.runs
        .as_ref()
        .map_or_else(|| "published runs".to_string(), |p| p.display().to_string())
}

pub(super) fn with_models(origin: &Arc<Origin>, catalog: Catalog, console: &Console) -> Result<Catalog> {
    let models = models::overlay(origin, catalog)?;
    console.detail(&format!("read {} models from {}", models.n_models, origin.name));
    if !models.ignored_keys.is_empty() {
        let keys: Vec<&str> = models.ignored_keys.iter().map(String::as_str).collect();
        console.note(&format!("{}: nothing here reads {}", origin.name, keys.join(", ")));
    }
    if !models.incomplete.is_empty() {
        let text = format!(
            "{}: {} models lack dimensions; the catalog's of their name is used, if there is one",
            origin.name,
            models.incomplete.len()
        );
        console.note(&text);
        console.detail(&format!("without dimensions: {}", models.incomplete.join(", ")));
    }
    Ok(models.catalog)
}

fn provenance(files: &[Arc<Origin>], catalog: &Catalog) -> String {
    let files: Vec<String> = files
        .iter()
        .map(|f| {
            let name = f.name.rsplit('/').next().unwrap_or(&f.name);
            format!("{name} {}", digest_text(&f.text))
        })
        .collect();
    let catalog = format!("exaplan {}, catalog {}", env!("CARGO_PKG_VERSION"), catalog.digest());
    std::iter::once(catalog).chain(files).collect::<Vec<_>>().join(", ")
}
