//! Schedules of sequence length and batch: steps, FLOP and time, with and without.

use crate::catalog::{Catalog, Model};
use crate::error::{Diagnostic, Error, Result};
use crate::layout::Choice;
use crate::plan::{Scenario, plan};
use crate::workload::count;

/// Most that published methods together save (DeepSpeed Data Efficiency, arXiv 2212.03597: both of its
/// methods on GPT-3 1.3B); nobody has shown more, or any above 1.3B.
pub const MOST_SAVED: f64 = 2.0;

/// A part of training with one sequence length and batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phase {
    /// Tokens of the phase.
    pub tokens: f64,
    /// Tokens of a sequence.
    pub seq_len_tokens: f64,
    /// Tokens of a step.
    pub batch_tokens: f64,
}

impl Phase {
    /// Optimizer steps, not rounded.
    #[must_use]
    pub fn n_steps(&self) -> f64 {
        self.tokens / self.batch_tokens
    }
}

/// What a schedule takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    /// Steps.
    pub n_steps: f64,
    /// Training FLOP, attention by its real length.
    pub train_flop: f64,
    /// Time of the steps, where a machine was asked.
    pub time_s: Option<f64>,
}

/// Steps and FLOP, each phase's attention at its own length (causal count).
#[must_use]
pub fn totals(model: &Model, phases: &[Phase]) -> Totals {
    let flop = |p: &Phase| count(model, p.seq_len_tokens).train_flop_per_token * p.tokens;
    Totals {
        n_steps: phases.iter().map(Phase::n_steps).sum(),
        train_flop: phases.iter().map(flop).sum(),
        time_s: None,
    }
}

/// Read `1M@168B,2M@503B,4M`: values up to tokens, the last one to the end.
///
/// # Errors
/// When a part is not written so, or the tokens do not rise.
pub fn schedule(flag: &str, text: &str, total: f64) -> Result<Vec<(f64, f64)>> {
    let wrong = |part: &str| -> Error {
        Diagnostic::new(format!("--{flag}: `{part}` is no VALUE@TOKENS"))
            .help(format!(
                "write for example --{flag} 4M@168B,8M@503B,16M; the last value holds to the end"
            ))
            .into()
    };
    let number = |t: &str| crate::units::parse(t, crate::units::Unit::Tokens).ok().filter(|v| *v > 0.0);
    let (mut out, mut from) = (Vec::new(), 0.0);
    for part in text.split(',') {
        let (value, until) = part.split_once('@').map_or((part, None), |(v, u)| (v, Some(u)));
        let value = number(value.trim()).ok_or_else(|| wrong(part))?;
        let until = match until {
            Some(u) => number(u.trim()).ok_or_else(|| wrong(part))?.min(total),
            None => total,
        };
        if until < from {
            return Err(wrong(part));
        }
        if until > from {
            out.push((value, until - from));
        }
        from = until;
    }
    if from < total {
        let text = format!(
            "--{flag} ends at {} of {} tokens",
            crate::units::si(from, ""),
            crate::units::si(total, "")
        );
        return Err(Diagnostic::new(text).help("leave the tokens of the last value out").into());
    }
    Ok(out)
}

/// Two schedules cut at each other's edges.
#[must_use]
pub fn merged(lengths: &[(f64, f64)], batches: &[(f64, f64)]) -> Vec<Phase> {
    let (mut out, mut i, mut j) = (Vec::new(), 0, 0);
    let (mut length_left, mut batch_left) = (lengths.first().map_or(0.0, |l| l.1), batches.first().map_or(0.0, |b| b.1));
    while i < lengths.len() && j < batches.len() {
        let tokens = length_left.min(batch_left);
        out.push(Phase {
            tokens,
            seq_len_tokens: lengths[i].0,
            batch_tokens: batches[j].0,
        });
        (length_left, batch_left) = (length_left - tokens, batch_left - tokens);
        if length_left <= 0.0 {
            i += 1;
            length_left = lengths.get(i).map_or(0.0, |l| l.1);
        }
        if batch_left <= 0.0 {
            j += 1;
            batch_left = batches.get(j).map_or(0.0, |b| b.1);
        }
    }
    out
}

/// The same with the time of every phase on a machine, each in its own best layout.
///
/// # Errors
/// When a phase has no layout that fits.
pub fn timed(base: &Scenario, catalog: &Catalog, phases: &[Phase], told: &dyn Fn()) -> Result<Totals> {
    let mut time_s = 0.0;
    for phase in phases {
        let mut scenario = base.clone();
        scenario.workload.seq_len_tokens = phase.seq_len_tokens;
        scenario.workload.global_batch_seqs = (phase.batch_tokens / phase.seq_len_tokens).round().max(1.0);
        scenario.choice = Choice::default();
        let plan = plan(&scenario, catalog)?;
        time_s += plan.step.time_s * phase.tokens / scenario.workload.step_tokens();
        told();
    }
    Ok(Totals {
        time_s: Some(time_s),
        ..totals(&base.workload.model, phases)
    })
}

/// Tokens over those needed with methods that each save by a factor, capped at what was shown.
#[must_use]
pub fn tokens_with(factors: &[f64]) -> f64 {
    1.0 / factors.iter().product::<f64>().clamp(1.0, MOST_SAVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Merrill et al. 2025 (arXiv 2505.23971): 1,024, 2,048, 4,096 documents of 4,096 tokens, doubled at 168B and 503B tokens.
    fn saved(total: f64) -> f64 {
        let document = 4096.0;
        let text = format!("{}@168B,{}@503B,{}", 1024.0 * document, 2048.0 * document, 4096.0 * document);
        let batches = schedule("batch", &text, total).unwrap();
        let phases = merged(&[(document, total)], &batches);
        let steps: f64 = phases.iter().map(Phase::n_steps).sum();
        1.0 - steps / (total / (1024.0 * document))
    }

    #[test]
    fn a_growing_batch_takes_43_percent_fewer_steps() {
        for (total, want) in [(503e9, 0.33), (655e9, 0.43), (1e12, 0.54)] {
            assert!((saved(total) - want).abs() < 0.005, "{total}: {}", saved(total));
        }
    }

    #[test]
    fn short_sequences_first_save_attention_only() {
        let model: Model = Catalog::builtin().get("llama3-8b").unwrap();
        let at = |text: &str| totals(&model, &merged(&schedule("length", text, 1e12).unwrap(), &[(4e6, 1e12)]));
        let (short, long) = (at("2048@500B,8192"), at("8192"));
        assert!(short.train_flop < long.train_flop && short.n_steps == long.n_steps);
        let linear = count(&model, 1.0).train_flop_per_token;
        // Half the tokens at a quarter of the length: 5/8 of the attention.
        let attention = |t: &Totals| t.train_flop - linear * 1e12;
        let ratio = attention(&short) / attention(&long);
        assert!((ratio - 0.625).abs() < 1e-3, "{ratio}");
    }

    #[test]
    fn published_savings_are_capped_and_bad_schedules_named() {
        assert_eq!(tokens_with(&[1.5, 1.5]), 0.5);
        assert_eq!(tokens_with(&[]), 1.0);
        for text in ["4M@503B,8M@168B,16M", "x", "4M@1B", "4M@,8M", "0"] {
            let error = schedule("batch", text, 1e12).unwrap_err().to_string();
            assert!(error.contains("--batch"), "{text}: {error}");
        }
    }
}
