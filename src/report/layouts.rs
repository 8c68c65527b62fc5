//! Published layouts beside the best ones of the search.

use super::{Block, Cell, Column, Document, KeyValue, Kind, Table, plan};
use crate::study::layouts::{BEST_SHARE, Judged, MOST_GAIN, Verdict};
use serde_json::{Value, json as object};

fn verdicts(list: &[Judged]) -> Vec<&Verdict> {
    list.iter().filter_map(|j| j.outcome.as_ref().ok()).collect()
}

/// For people.
#[must_use]
pub fn document(list: &[Judged], provenance: &str) -> Document {
    let judged = verdicts(list);
    let fine = judged.iter().filter(|v| v.credible()).count();
    #[allow(clippy::cast_precision_loss)]
    let count = |n: usize| Cell::Count(n as f64);
    let mut gains: Vec<f64> = judged.iter().map(|v| v.gain()).collect();
    gains.sort_by(f64::total_cmp);
    let mut summary = vec![
        KeyValue::new("Credible", count(fine))
            .note(format!(
                "of {} published layouts: ours is at most {:.0} % faster, theirs among the best {:.0} % that fit",
                judged.len(),
                100.0 * (MOST_GAIN - 1.0),
                100.0 * BEST_SHARE
            ))
            .answer(),
    ];
    if let Some(median) = gains.get(gains.len() / 2) {
        summary
            .push(KeyValue::new("Median gain", Cell::quantity(median - 1.0, Kind::Percent)).note("of our best over the published layout"));
    }
    Document {
        title: "Published layouts and the best of the search".to_string(),
        subtitle: format!("{} configurations that say how the model was cut", list.len()),
        blocks: vec![Block::KeyValues(summary), Block::Table(table(list)), Block::Table(exceptions(list))],
        provenance: provenance.to_string(),
    }
}

/// One row per configuration.
#[must_use]
pub fn table(list: &[Judged]) -> Table {
    let columns = vec![
        Column::words("Run"),
        Column::numbers("Devices"),
        Column::words("Published"),
        Column::numbers("Gain"),
        Column::numbers("Rank"),
        Column::numbers("Of"),
        Column::words(""),
    ];
    let mut table = Table::new("Gain of the best layout, and rank of the published one", columns);
    for j in list {
        let Ok(v) = &j.outcome else { continue };
        #[allow(clippy::cast_precision_loss)]
        let count = |n: u64| Cell::Count(n as f64);
        table.rows.push(vec![
            Cell::Text(j.id.clone()),
            count(u64::from(j.n_devices)),
            Cell::Text(v.own.to_string()),
            Cell::quantity(v.gain() - 1.0, Kind::Percent),
            count(v.rank),
            count(v.n_fit),
            if v.credible() { "" } else { "!" }.into(),
        ]);
    }
    table
}

/// Those that are not, with our best beside them, and those that could not be judged.
fn exceptions(list: &[Judged]) -> Table {
    let mut table = Table::new(
        "Exceptions",
        vec![Column::words("Run"), Column::words("Our best, or why there is none")],
    );
    for j in list {
        let why = match &j.outcome {
            Ok(v) if v.credible() => continue,
            Ok(v) if v.gain() < 1.0 => format!(
                "{}; theirs is outside what the search tries (micro-batch above 16, or ZeRO-2)",
                v.best
            ),
            Ok(v) => v.best.to_string(),
            Err(why) => why.clone(),
        };
        table.rows.push(vec![Cell::Text(j.id.clone()), Cell::Text(why)]);
    }
    table
}

/// For programs.
#[must_use]
pub fn json(list: &[Judged], provenance: &str) -> Value {
    let rows: Vec<Value> = list
        .iter()
        .map(|j| {
            let verdict = j.outcome.as_ref().ok();
            object!({
                "id": j.id,
                "source": j.source,
                "model": j.model,
                "accelerator": j.accelerator,
                "n_devices": j.n_devices,
                "skipped": j.outcome.as_ref().err(),
                "published": verdict.map(|v| object!({
                    "layout": plan::json::layout(&v.own),
                    "tokens_per_s_per_device": v.own_tokens_per_s_per_device,
                    "rank": v.rank,
                })),
                "best": verdict.map(|v| object!({
                    "layout": plan::json::layout(&v.best),
                    "tokens_per_s_per_device": v.best_tokens_per_s_per_device,
                })),
                "n_fit": verdict.map(|v| v.n_fit),
                "credible": verdict.map(Verdict::credible),
            })
        })
        .collect();
    let judged = verdicts(list);
    object!({
        "schema": "exaplan.layouts/1",
        "rows": rows,
        "summary": {
            "n": judged.len(),
            "n_credible": judged.iter().filter(|v| v.credible()).count(),
        },
        "provenance": provenance,
    })
}
