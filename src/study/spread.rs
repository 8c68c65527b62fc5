//! How much errors scatter within a source: what a better structure of the model narrows, while a
//! constant factor of a source's software or machine leaves it as it is.

use super::statistics::{quantile, sorted};
use super::validate::Prediction;
use std::collections::BTreeMap;

/// Rows of a source below this number have no spread worth the name.
const LEAST_ROWS: usize = 3;
/// Standard deviation over median absolute deviation of a normal distribution (Rousseeuw and Croux 1993).
const NORMAL: f64 = 1.4826;

/// Scatter of ln(predicted / measured) about the median of its source, as a robust standard deviation.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Source, or nothing for all of them together.
    pub source: Option<String>,
    /// Rows.
    pub n_rows: usize,
    /// By the event engine: what the plan says.
    pub engine_fraction: f64,
    /// By the closed form that the search ranks by.
    pub closed_fraction: f64,
    /// By the usual formula: equal stages, bubble `(p − 1)/(v·m)` of the work (arXiv 2104.04473 §2.2),
    /// sends and collectives as the closed form has them.
    pub textbook_fraction: f64,
}

/// Spreads of the rows with a pipeline, by source and for all; sources with few rows are left out.
#[must_use]
pub fn of_pipelines(predictions: &[Prediction]) -> Vec<Spread> {
    let mut sources: BTreeMap<&str, Vec<[f64; 3]>> = BTreeMap::new();
    for p in predictions {
        let piped = p.layout.is_some_and(|l| l.pipeline > 1);
        if let (true, Some(errors)) = (piped, log_errors(p)) {
            sources.entry(&p.source).or_default().push(errors);
        }
    }
    sources.retain(|_, rows| rows.len() >= LEAST_ROWS);
    let mut all: [Vec<f64>; 3] = Default::default();
    let mut out = Vec::new();
    for (source, rows) in sources {
        let mut spread = [0.0; 3];
        for (way, (spread, all)) in spread.iter_mut().zip(&mut all).enumerate() {
            let list: Vec<f64> = rows.iter().map(|r| r[way]).collect();
            let middle = median(list.clone());
            let deviations: Vec<f64> = list.iter().map(|e| (e - middle).abs()).collect();
            *spread = NORMAL * median(deviations.clone());
            all.extend(deviations);
        }
        out.push(row(Some(source.to_string()), rows.len(), spread));
    }
    let n_rows = all[0].len();
    if n_rows > 0 {
        out.push(row(None, n_rows, all.map(|deviations| NORMAL * median(deviations))));
    }
    out
}

fn row(source: Option<String>, n_rows: usize, [engine_fraction, closed_fraction, textbook_fraction]: [f64; 3]) -> Spread {
    Spread {
        source,
        n_rows,
        engine_fraction,
        closed_fraction,
        textbook_fraction,
    }
}

fn log_errors(p: &Prediction) -> Option<[f64; 3]> {
    let measured = p.measured_tokens_per_s_per_device?;
    let ways = [
        p.predicted_tokens_per_s_per_device?,
        p.closed_tokens_per_s_per_device?,
        p.textbook_tokens_per_s_per_device?,
    ];
    Some(ways.map(|predicted| (predicted / measured).ln()))
}

fn median(list: Vec<f64>) -> f64 {
    quantile(&sorted(list), 0.5)
}
