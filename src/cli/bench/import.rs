//! `exaplan bench import`.

use super::keep::{profile_name, store};
use crate::bench::import::{Told, Tool, read};
use crate::bench::profile::{Record, profile};
use crate::bench::{Environment, Rates};
use crate::catalog::{Accelerator, Catalog, Collective, DType, Fabric};
use crate::cli::output::Console;
use crate::cli::{DONE, Done, Layers, layers};
use crate::error::{Diagnostic, Result, nearest};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// nccl-tests, osu, mamf-finder, cookbook, aiconfigurator or csv
    tool: String,
    /// Its output; several are put together
    #[arg(required = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// The device that was measured, as the catalog names it: its peaks and bandwidth
    #[arg(long, value_name = "ID")]
    accelerator: String,
    /// The links that collectives ran over, as the catalog names them
    #[arg(long, value_name = "ID")]
    fabric: Option<String>,
    /// Members of the collectives, where the file does not say
    #[arg(long, value_name = "N")]
    ranks: Option<u64>,
    /// all-reduce, all-gather, reduce-scatter or all-to-all, where the file does not say
    #[arg(long, value_name = "NAME")]
    collective: Option<String>,
    /// Format of the operands, where the file does not say
    #[arg(long, value_name = "NAME")]
    dtype: Option<String>,
    /// Where the results come from: written into the profile
    #[arg(long, value_name = "TEXT", default_value = "a file given to `exaplan bench import`")]
    source: String,
    /// The profile to write
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: PathBuf,
    #[command(flatten)]
    layers: Layers,
}

fn choice<T: Copy>(flag: &str, given: Option<&str>, names: &[(&str, T)]) -> Result<Option<T>> {
    let Some(given) = given else { return Ok(None) };
    if let Some((_, value)) = names.iter().find(|(n, _)| *n == given) {
        return Ok(Some(*value));
    }
    let list: Vec<&str> = names.iter().map(|(n, _)| *n).collect();
    let guess = nearest(given, list.iter().copied()).map_or(String::new(), |n| format!("did you mean `{n}`? "));
    let text = format!("--{flag}: no `{given}`");
    Err(Diagnostic::new(text).help(format!("{guess}there are {}", list.join(", "))).into())
}

/// Do it.
pub fn run(args: &ImportArgs, console: &Console) -> Done {
    let tool = Tool::from_name(&args.tool)?;
    let name = profile_name(&args.output)?;
    let told = Told {
        ranks: args.ranks,
        collective: choice("collective", args.collective.as_deref(), &Collective::ALL)?,
        dtype: choice("dtype", args.dtype.as_deref(), &DType::ALL.map(|d| (d.name(), d)))?,
    };
    let catalog: Catalog = layers::catalog(&args.layers, console)?;
    let accelerator: Accelerator = catalog.get(&args.accelerator)?;
    let fabric: Option<Fabric> = args.fabric.as_deref().map(|f| catalog.get(f)).transpose()?;
    let mut list = Vec::new();
    let mut software: Vec<String> = Vec::new();
    for file in &args.files {
        let found = read(tool, file, &told)?;
        for note in &found.notes {
            console.note(&format!("{}: {note}", file.display()));
        }
        if !software.contains(&found.software) {
            software.push(found.software.clone());
        }
        list.extend(found.measured());
    }
    let environment = Environment {
        device: accelerator.title.clone(),
        software,
        clocks: "not stated".to_string(),
        n_units: accelerator.n_compute_units as usize,
        n_devices: 1,
        peak: Rates(accelerator.peak.dense_flop_per_s.clone()),
        ..Environment::default()
    };
    let written = profile(&Record {
        name: &name,
        backend: &format!("imported from {}", args.tool),
        environment: &environment,
        list: &list,
        weights: &[],
        complete: true,
        source: &args.source,
        bandwidth_bytes_per_s: Some(accelerator.memory_bytes_per_s),
        scale_up: fabric.as_ref().map(|f| f.name.as_str()),
    })?;
    let files = store(&args.output, &name, &written)?;
    // What the catalog would refuse is told now, with file and line.
    let read_back = catalog.overlay_file(&args.output, crate::catalog::Kind::Profile, crate::catalog::Layer::Project);
    if let Err(error) = read_back {
        let _ = std::fs::remove_file(&args.output);
        for (table, _) in &written.tables {
            let _ = std::fs::remove_file(args.output.with_file_name(table));
        }
        return Err(error);
    }
    console.say(&format!("wrote {files}: {} points", list.len()));
    Ok(DONE)
}
