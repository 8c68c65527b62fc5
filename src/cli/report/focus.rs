//! A plan as a bill in FOCUS, with its manifest; and the check of such a file.

use crate::catalog::source;
use crate::cli::output::{Console, Format, Target, emit, emit_json, epoch_s};
use crate::cli::plan::Made;
use crate::cli::{DONE, Done, NO};
use crate::error::{Diagnostic, Result};
use crate::report::focus::check::{check as checked, document, json};
use crate::report::focus::{Asked, Month, Scope, Version, export};
use crate::report::text;
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What to bill.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FocusArgs {
    /// Version of FOCUS
    #[arg(long = "focus-version", value_enum, value_name = "VERSION", default_value_t = Which::Old, help_heading = "FOCUS")]
    version: Which,
    /// Bill the run, or the life of a cluster that is owned
    #[arg(long = "focus-scope", value_enum, value_name = "WHAT", default_value_t = What::Run, help_heading = "FOCUS")]
    scope: What,
    /// Month in which the run begins [default: the next month, or the next one that carbon.start names]
    #[arg(long, value_name = "YYYY-MM", value_parser = month, help_heading = "FOCUS")]
    starting: Option<Month>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Which {
    /// What the public validator checks
    #[default]
    #[value(name = "1.2")]
    Old,
    /// Of June 2026
    #[value(name = "1.4")]
    New,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum What {
    /// The run: what the plan's total is
    #[default]
    Run,
    /// The cluster from purchase to sale: cash and accrual come to the same
    Life,
}

fn month(text: &str) -> std::result::Result<Month, String> {
    Month::parse(text).ok_or_else(|| "write year and month, as in 2027-03".to_string())
}

/// The file beside a bill that says what it is.
fn manifest(path: &Path) -> PathBuf {
    path.with_extension("manifest.json")
}

impl FocusArgs {
    /// Whether the file beside the bill may be written too.
    pub fn before(&self, format: Format, target: &Target) -> Result<()> {
        let beside = target.file().filter(|_| format == Format::Focus).map(manifest);
        target.replace.writable(&beside)
    }

    fn asked(&self, made: &Made<'_>) -> Result<Asked> {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let made_s = match epoch_s()? {
            Some(s) => s,
            None => i64::try_from(now()).unwrap_or(0),
        };
        let mut first = Month::of(made_s).next();
        if let Some(start_s) = made.plan.scenario.terms.start_s {
            // Of a year without a leap day: the month is what matters.
            #[allow(clippy::cast_possible_truncation)]
            let month = Month::of(start_s as i64).month;
            while first.month != month {
                first = first.next();
            }
        }
        if let Some(starting) = self.starting {
            if starting.start_s() < made_s {
                return Err(Diagnostic::new("--starting names a month that has begun")
                    .help("an estimate is of the future: name a later month, or set SOURCE_DATE_EPOCH to when it was made")
                    .into());
            }
            first = starting;
        }
        Ok(Asked {
            version: match self.version {
                Which::Old => Version::V1_2,
                Which::New => Version::V1_4,
            },
            scope: match self.scope {
                What::Run => Scope::Run,
                What::Life => Scope::Life,
            },
            first,
            made_s,
        })
    }
}

/// Write the bill of a plan and, beside a file, what it is.
pub fn write(made: &Made<'_>, target: &Target, args: &FocusArgs, console: &Console) -> Done {
    args.before(Format::Focus, target)?;
    let out = export(made.plan, made.catalog, &args.asked(made)?)?;
    let Some(path) = target.file() else {
        emit(&out.csv)?;
        return Ok(DONE);
    };
    let mut told = out.manifest;
    told["file"] = path.file_name().and_then(|n| n.to_str()).into();
    let (beside, told) = (manifest(path), format!("{told:#}\n"));
    source::write_all_whole(&[(path, out.csv.as_bytes()), (&beside, told.as_bytes())])?;
    console.detail(&format!("wrote {} beside it", beside.display()));
    Ok(DONE)
}

/// Check a file.
pub fn check(path: &Path, console: &Console) -> Done {
    let name = path.display().to_string();
    let file = source::read_as(path, "a FOCUS file in CSV")?;
    let beside = manifest(path);
    let told = if source::is_file(&beside) {
        Some(source::read_as(&beside, "the manifest of a FOCUS file")?)
    } else {
        None
    };
    let found = checked(&file.text, told.as_ref().map(|t| t.text.as_str()))?;
    if console.json {
        emit_json(&json(&name, &found))?;
    } else {
        emit(&text::document(&document(&name, &found), console.text()))?;
    }
    Ok(if found.findings.is_empty() { DONE } else { NO })
}
