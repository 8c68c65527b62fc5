//! What was measured, as a table and as JSON.

use crate::bench::{End, Environment, Measured};
use crate::cli::output::{Console, emit_json, show};
use crate::error::Result;
use crate::report::{Block, Cell, Column, Document, Table};
use crate::units;
use serde_json::{Value, json};

/// All of it.
pub fn all(console: &Console, (done, environment): (&[Measured], &Environment), end: End) -> Result<()> {
    if console.json {
        let list: Vec<Value> = done.iter().map(to_json).collect();
        let n_left = match end {
            End::Complete => 0,
            End::Budget(n) | End::Interrupted(n) => n,
        };
        emit_json(&json!({
            "schema": "exaplan.bench/1",
            "complete": !matches!(end, End::Interrupted(_)),
            "n_left": n_left,
            "environment": environment,
            "measurements": list,
        }))?;
    } else if !done.is_empty() {
        show(console, &document(done, environment, end))?;
    }
    Ok(())
}

/// One line while it runs.
pub fn line(m: &Measured) -> String {
    format!("{} {}{}: {}", m.item.op(), m.item.shape(), threads(m), rate(m, m.rate_per_s()))
}

fn threads(m: &Measured) -> String {
    match m.n_threads {
        0 => String::new(),
        1 => ", 1 thread".to_string(),
        n => format!(", {n} threads"),
    }
}

fn rate(m: &Measured, value: f64) -> String {
    units::si(value, m.item.work().rate_unit())
}

fn to_json(m: &Measured) -> Value {
    let (low, high) = m.rate_interval_per_s();
    let unit = m.item.work().rate_unit();
    let per_s = unit.replace("/s", "_per_s").replace('B', "bytes").to_lowercase();
    let mut out = json!({
        "op": m.item.op(),
        "shape": m.item.shape(),
        "n_threads": m.n_threads,
        "kernel": m.kernel,
        "median_s": m.sample.median_s,
        "low_s": m.sample.low_s,
        "high_s": m.sample.high_s,
        "confidence_fraction": m.sample.confidence_fraction,
        "n": m.sample.n,
        "n_outliers": m.sample.n_outliers,
        "throttled": m.sample.is_throttled(),
        "max_error_fraction": m.check.max_error_fraction,
        "n_checked": m.check.n_checked,
        "energy_j": m.energy_j,
    });
    if let Some(object) = out.as_object_mut() {
        object.insert(per_s.clone(), json!(m.rate_per_s()));
        object.insert(format!("{per_s}_low"), json!(low));
        object.insert(format!("{per_s}_high"), json!(high));
    }
    out
}

fn document(list: &[Measured], environment: &Environment, end: End) -> Document {
    let columns = vec![
        Column::words("Operation"),
        Column::numbers("Threads"),
        Column::numbers("Rate"),
        Column::words("Interval of the median"),
        Column::numbers("Runs"),
        Column::numbers("Error"),
    ];
    let mut table = Table::new("", columns);
    for m in list {
        let (low, high) = m.rate_interval_per_s();
        #[allow(clippy::cast_precision_loss)]
        table.rows.push(vec![
            Cell::Text(m.item.to_string()),
            // A framework does not tell.
            if m.n_threads == 0 {
                Cell::Text(String::new())
            } else {
                Cell::Count(m.n_threads as f64)
            },
            Cell::Text(rate(m, m.rate_per_s())),
            Cell::Text(format!("{} to {}", rate(m, low), rate(m, high))),
            Cell::Count(m.sample.n as f64),
            Cell::Text(small(m.check.max_error_fraction)),
        ]);
    }
    let mut kernels: Vec<&str> = Vec::new();
    for m in list {
        if !kernels.contains(&m.kernel.as_str()) {
            kernels.push(&m.kernel);
        }
    }
    table.notes.extend(kernels.iter().map(|k| format!("Kernel: {k}")));
    table
        .notes
        .push("Error: the largest found when the result was checked, relative to its terms.".to_string());
    let hot = list.iter().filter(|m| m.sample.is_throttled()).count();
    if hot > 0 {
        let text = format!("{hot} grew slower while they were timed: the clock fell, or others used the machine.");
        table.notes.push(text);
    }
    if list.iter().all(|m| m.energy_j.is_none()) {
        table.notes.push("Energy: not measured, no counter is readable.".to_string());
    }
    table
        .notes
        .push(format!("Machine: {}; clocks: {}", environment.device, environment.clocks));
    Document {
        title: "This machine, measured".to_string(),
        subtitle: match end {
            End::Complete => String::new(),
            End::Budget(n) => format!("the budget ended with {n} kernels left"),
            End::Interrupted(_) => "interrupted: not all".to_string(),
        },
        blocks: vec![Block::Table(table)],
        provenance: format!("exaplan {}; nothing here is predicted", env!("CARGO_PKG_VERSION")),
    }
}

fn small(fraction: f64) -> String {
    if fraction > 0.0 {
        format!("{fraction:.0e}")
    } else {
        "0".to_string()
    }
}
