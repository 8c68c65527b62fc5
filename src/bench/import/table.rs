//! Tools that write tables.

use super::{Imported, seconds, wrong};
use crate::bench::item::{Item, Operands, Pass};
use crate::catalog::{Collective, DType};
use crate::error::{Diagnostic, Error, Origin, Result};
use std::path::Path;
use std::sync::Arc;

/// One row: its line, and what a column says.
struct Row<'a> {
    line: usize,
    get: &'a dyn Fn(&str) -> Option<String>,
}

/// What is wrong with a row.
type Wrong = (String, &'static str);
type Read<T> = std::result::Result<T, Wrong>;

impl Row<'_> {
    fn text(&self, column: &str) -> Read<String> {
        (self.get)(column).ok_or_else(|| (format!("no column `{column}`"), "see the columns that the tool writes"))
    }

    fn count(&self, column: &str) -> Read<u64> {
        let cell = self.text(column)?;
        let fits = cell.trim().parse::<u64>().ok().filter(|n| *n > 0);
        fits.ok_or_else(|| {
            (
                format!("column `{column}`: `{cell}` is not a count"),
                "write a whole number of at least 1",
            )
        })
    }

    fn time(&self, column: &str, unit_s: f64) -> Read<f64> {
        let cell = self.text(column)?;
        seconds(&cell, unit_s).ok_or_else(|| {
            let text = format!("column `{column}`: `{cell}` is not a time");
            (text, "write a finite number greater than 0")
        })
    }
}

/// aiconfigurator: milliseconds; `message_size` of its NCCL tables counts elements of 16 bits, read so every
/// table stays below the rate of its links (profiles/ACCURACY.md).
const MS: f64 = 1e-3;

fn aiconfigurator_row(row: &Row<'_>) -> Read<Option<(Item, f64)>> {
    if let Some(dtype) = (row.get)("gemm_dtype") {
        let Some(dtype) = aiconfigurator_dtype(&dtype) else {
            return Ok(None);
        };
        let item = Item::Gemm {
            dtype,
            m: row.count("m")?,
            n: row.count("n")?,
            k: row.count("k")?,
            operands: Operands::Nn,
        };
        return Ok(Some((item, row.time("latency", MS)?)));
    }
    let name = row.text("op_name")?;
    let collective = match name.as_str() {
        "all_reduce" => Collective::AllReduce,
        "all_gather" => Collective::AllGather,
        "reduce_scatter" => Collective::ReduceScatter,
        "alltoall" => Collective::AllToAll,
        _ => return Ok(None),
    };
    let item = Item::Collective {
        collective,
        ranks: row.count("num_gpus")?,
        bytes: 2 * row.count("message_size")?,
    };
    Ok(Some((item, row.time("latency", MS)?)))
}

fn aiconfigurator_dtype(name: &str) -> Option<DType> {
    match name {
        "float16" | "bfloat16" => Some(DType::Bf16),
        "fp8" => Some(DType::Fp8),
        "fp8_block" => Some(DType::Mxfp8),
        "nvfp4" => Some(DType::Nvfp4),
        _ => None,
    }
}

/// Columns of a profile's own tables, whichever kind they are of.
fn generic_row(row: &Row<'_>) -> Read<Option<(Item, f64)>> {
    let time_s = row.time("time_s", 1.0)?;
    let dtype = || {
        let cell = row.text("dtype")?;
        let names: Vec<&str> = DType::ALL.iter().map(|d| d.name()).collect();
        DType::from_name(cell.trim()).ok_or_else(|| {
            let text = format!("column `dtype`: `{cell}` is no number format; there are {}", names.join(", "));
            (text, "write one of them")
        })
    };
    if (row.get)("m").is_some() {
        let item = Item::Gemm {
            dtype: dtype()?,
            m: row.count("m")?,
            n: row.count("n")?,
            k: row.count("k")?,
            operands: Operands::Nn,
        };
        return Ok(Some((item, time_s)));
    }
    if (row.get)("seq_tokens").is_some() {
        let pass = match row.text("pass")?.trim() {
            "forward" => Pass::Forward,
            "backward" => Pass::Backward,
            other => return Err((format!("column `pass`: `{other}`"), "write forward or backward")),
        };
        let item = Item::Attention {
            dtype: dtype()?,
            pass,
            causal: (row.get)("causal").is_none_or(|c| c.trim() != "0"),
            batch: row.count("batch")?,
            seq_tokens: row.count("seq_tokens")?,
            heads: row.count("heads")?,
            kv_heads: row.count("kv_heads")?,
            head_dim: row.count("head_dim")?,
        };
        return Ok(Some((item, time_s)));
    }
    let cell = row.text("op")?;
    let collective = Collective::from_name(cell.trim()).ok_or_else(|| {
        let text = format!("column `op`: `{cell}` is no collective");
        (text, "write all-reduce, all-gather, reduce-scatter or all-to-all")
    })?;
    let item = Item::Collective {
        collective,
        ranks: row.count("ranks")?,
        bytes: row.count("bytes")?,
    };
    Ok(Some((item, time_s)))
}

pub(super) fn aiconfigurator(origin: &Arc<Origin>) -> Result<Imported> {
    let mut out = csv_rows(origin, aiconfigurator_row)?;
    aiconfigurator_notes(&mut out);
    Ok(out)
}

fn aiconfigurator_notes(out: &mut Imported) {
    out.software = "aiconfigurator tables (Apache-2.0)".to_string();
    let note = "latencies in milliseconds; message sizes in elements of 16 bits; low precision with its quantization; \
                of its tables GEMM and NCCL are read";
    out.notes.push(note.to_string());
}

pub(super) fn generic(origin: &Arc<Origin>) -> Result<Imported> {
    let mut out = csv_rows(origin, generic_row)?;
    out.software = "a table of unknown origin".to_string();
    Ok(out)
}

/// Reads an item and its seconds from a row; none where the row is about something else.
type ReadRow = fn(&Row<'_>) -> Read<Option<(Item, f64)>>;

fn csv_rows(origin: &Arc<Origin>, read: ReadRow) -> Result<Imported> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(origin.text.as_bytes());
    let head = reader
        .headers()
        .map_err(|e| wrong(origin, 0, format!("not CSV: {e}"), "begin with the names of the columns"))?
        .clone();
    let mut out = Imported::default();
    for (i, record) in reader.records().enumerate() {
        let record = record.map_err(|e| wrong(origin, i + 1, format!("not CSV: {e}"), "see the lines before"))?;
        let line = record
            .position()
            .map_or(i + 1, |p| usize::try_from(p.line()).unwrap_or(1).saturating_sub(1));
        if record.len() != head.len() {
            let text = format!("{} fields, the header has {}", record.len(), head.len());
            return Err(wrong(origin, line, text, "write as many as the header has"));
        }
        let get = |column: &str| {
            let at = head.iter().position(|h| h.trim() == column)?;
            record.get(at).map(str::to_string)
        };
        let row = Row { line, get: &get };
        match read(&row) {
            Ok(Some((item, time_s))) => out.add(item, time_s),
            Ok(None) => {}
            Err((what, help)) => return Err(wrong(origin, row.line, what, help)),
        }
    }
    Ok(out)
}

#[cfg(feature = "parquet")]
pub(super) fn parquet(path: &Path) -> Result<Imported> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let broken = |e: &dyn std::fmt::Display| -> Error {
        Diagnostic::new(format!("{}: not a Parquet file: {e}", path.display()))
            .help("give a table of aiconfigurator, as Parquet or CSV")
            .into()
    };
    let file = SerializedFileReader::try_from(path).map_err(|e| broken(&e))?;
    let rows = file.get_row_iter(None).map_err(|e| broken(&e))?;
    let mut out = Imported::default();
    for (i, row) in rows.enumerate() {
        let row = row.map_err(|e| broken(&e))?;
        let get = |column: &str| {
            let (_, field) = row.get_column_iter().find(|(name, _)| *name == column)?;
            Some(match field {
                parquet::record::Field::Str(s) => s.clone(),
                other => other.to_string(),
            })
        };
        match aiconfigurator_row(&Row { line: i, get: &get }) {
            Ok(Some((item, time_s))) => out.add(item, time_s),
            Ok(None) => {}
            Err((what, help)) => {
                let text = format!("{}, row {}: {what}", path.display(), i + 1);
                return Err(Diagnostic::new(text).help(help).into());
            }
        }
    }
    aiconfigurator_notes(&mut out);
    Ok(out)
}

#[cfg(not(feature = "parquet"))]
pub(super) fn parquet(path: &Path) -> Result<Imported> {
    let text = format!("{}: this build reads no Parquet", path.display());
    Err(Diagnostic::new(text)
        .help("write the table as CSV, or build with --features parquet")
        .into())
}
