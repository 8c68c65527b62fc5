//! `validate --json`: schema `exaplan.validate/1`, a contract. Fields are added, never renamed.

use super::reasons::Others;
use super::{Validated, largest_parts, worst_rows};
use crate::study::spread::{Spread, of_pipelines};
use crate::study::validate::{By, Prediction, Summary, summary};
use serde_json::{Map, Value, json};

/// The whole validation as one object.
#[must_use]
pub fn json(shown: &Validated<'_>) -> Value {
    let group = |by: By| {
        let all = by.summaries(shown.predictions);
        let groups = all.iter().map(|(name, s)| (name.clone(), summary_json(s))).collect();
        (by.name().to_string(), Value::Object(groups))
    };
    let others = Others::new(shown.predictions);
    let of = |wanted: &dyn Fn(&Prediction) -> bool| {
        let list: Vec<&Prediction> = shown.predictions.iter().filter(|p| wanted(p)).collect();
        summary_json(&summary(list.iter().copied()))
    };
    json!({
        "schema": "exaplan.validate/1",
        "rows": shown.predictions.iter().map(|p| row(p, &others)).collect::<Vec<_>>(),
        "summary": of(&Prediction::is_step),
        "summary_fitted": of(&|p| p.is_step() && p.fitted),
        "summary_not_fitted": of(&|p| p.is_step() && !p.fitted),
        "summary_end_to_end": of(&|p| !p.is_step()),
        "by": By::ALL.into_iter().map(group).collect::<Map<_, _>>(),
        "worst": worst_rows(shown).iter().map(|p| &p.id).collect::<Vec<_>>(),
        "pipeline_spread": of_pipelines(shown.predictions).iter().map(spread).collect::<Vec<_>>(),
        "provenance": shown.provenance,
    })
}

fn spread(s: &Spread) -> Value {
    json!({
        "source": s.source,
        "n": s.n_rows,
        "engine": s.engine_fraction,
        "closed_form": s.closed_fraction,
        "textbook": s.textbook_fraction,
    })
}

fn row(p: &Prediction, others: &Others<'_>) -> Value {
    let evidence: Map<_, _> = p
        .evidence
        .iter()
        .map(|(grade, share)| (grade.name().to_string(), json!(share)))
        .collect();
    let predicted = p.skipped.is_none();
    let parts: Vec<Value> = largest_parts(p)
        .into_iter()
        .map(|(name, share)| json!({ "part": name, "share": share }))
        .collect();
    let reasons: Vec<Value> = others
        .reasons(p)
        .into_iter()
        .map(|r| json!({ "code": r.code, "text": r.text }))
        .collect();
    let utilization = |rate: Option<f64>| {
        let list = p.flop?.utilization(rate?);
        Some(Value::Object(
            list.into_iter().map(|(name, v)| (name.to_string(), json!(v))).collect(),
        ))
    };
    json!({
        "id": p.id,
        "predicted_tokens_per_s_per_device": p.predicted_tokens_per_s_per_device,
        "closed_form_tokens_per_s_per_device": p.closed_tokens_per_s_per_device,
        "measured_tokens_per_s_per_device": p.measured_tokens_per_s_per_device,
        "relative_error": p.relative_error(),
        "p10": p.band_tokens_per_s_per_device.map(|(low, _)| low),
        "p90": p.band_tokens_per_s_per_device.map(|(_, high)| high),
        "inside_band": p.inside_band(),
        "band_class": p.class.map(crate::catalog::Class::name),
        "fits_memory": predicted.then_some(p.fits_memory),
        "stack": p.stack,
        "known_stack": p.known_stack,
        "fitted": p.fitted,
        "features": p.features,
        "assumed": p.assumed,
        "evidence": predicted.then_some(evidence),
        "skipped": p.skipped,
        "source": p.source,
        "kind": p.kind,
        "accelerator": p.accelerator,
        "devices": p.n_devices,
        "model": p.model,
        "precision": p.precision,
        "layout": p.layout.as_ref().map(super::super::plan::json::layout),
        "largest_parts": predicted.then_some(parts),
        "predicted_utilization": utilization(p.predicted_tokens_per_s_per_device),
        "measured_utilization": utilization(p.measured_tokens_per_s_per_device),
        "likely_reasons": reasons,
        "peak_allocated_bytes": p.peak_allocated_bytes,
        "measured_peak_allocated_bytes": p.measured_peak_allocated_bytes,
        "memory_relative_error": p.memory_error(),
    })
}

/// Quantities of no rows are absent, not 0.
fn summary_json(s: &Summary) -> Value {
    let of = |n: u64, value: f64| (n > 0).then_some(value);
    json!({
        "n": s.n,
        "n_skipped": s.n_skipped,
        "n_unmeasured": s.n_unmeasured,
        "n_over_memory": s.n_over_memory,
        "median_ape": of(s.n, s.median_ape),
        "mean_ape": of(s.n, s.mean_ape),
        "p90_ape": of(s.n, s.p90_ape),
        "bias": of(s.n, s.bias),
        "n_banded": s.n_banded,
        "coverage_80": of(s.n_banded, s.coverage_fraction),
        "n_memory": s.n_memory,
        "memory_median_ape": of(s.n_memory, s.memory_median_ape),
        "memory_bias": of(s.n_memory, s.memory_bias),
    })
}
