//! `[training]`: tokens, sequence, batch, precision, optimizer, adapter.

use super::Builder;
use crate::catalog::raw::Value;
use crate::catalog::reader::{Bounds::Within, Reader};
use crate::catalog::{Model, Stack};
use crate::units::Unit;
use crate::workload::{Adapter, Optimizer, Precision, Targets, Workload};

impl Builder<'_> {
    /// Say it when a batch in tokens became another number of sequences than it divides to.
    fn note_rounded_batch(&mut self, t: &Reader<'_>, sequences: Option<f64>) {
        let Some((Value::Text(text), sequences)) = t.item("global_batch").map(|i| &i.value).zip(sequences) else {
            return;
        };
        if text.contains("tok") {
            self.assume(
                "training.global_batch",
                format!("{} sequences", crate::units::count(sequences)),
                format!("`{text}` in sequences that machines divide"),
            );
        }
    }

    pub(super) fn training(&mut self, root: &Reader<'_>, model: Option<Model>, stack: Option<&Stack>) -> Option<Workload> {
        let Some(t) = self.section(root, "training") else {
            root.problem("training", "`[training]` is missing", "add [training] with tokens = \"15T\"");
            return None;
        };
        if t.item("tokens").is_none() {
            t.problem("tokens", "`training.tokens` is missing", "add tokens = \"15T\"");
        }
        let tokens = t.number("tokens", Unit::Tokens, Within(1.0, 1e18));
        let sequence = t.count("sequence", 1, 1 << 30);
        let precision = t.choice("precision", &crate::catalog::DType::ALL.map(|d| (d.name(), d)));
        let optimizer = t.choice("optimizer", &Optimizer::ALL);
        let sequence_tokens = sequence.unwrap_or(4096);
        let sequences = global_batch(&t, sequence_tokens);
        self.note_rounded_batch(&t, sequences);
        let adapter = adapter(&t);
        let document_tokens = t
            .number("document", Unit::Tokens, Within(1.0, 1e18))
            .filter(|d| *d < sequence_tokens as f64);
        t.finish();
        if sequence.is_none() {
            self.assume("training.sequence", "4096", "default");
        }
        if precision.is_none() {
            self.assume("training.precision", "bf16", "default");
        }
        if optimizer.is_none() {
            self.assume("training.optimizer", "adamw", "default");
        }
        #[allow(clippy::cast_precision_loss)]
        let seq_len_tokens = sequence_tokens as f64;
        let global_batch_seqs = sequences.unwrap_or_else(|| {
            let default = crate::workload::default_global_batch_seqs(seq_len_tokens);
            self.assume("training.global_batch", format!("{default} sequences"), "default: about 4M tokens");
            default
        });
        let optimizer = optimizer.unwrap_or(Optimizer::AdamW);
        let precision = Precision::recipe(
            precision.unwrap_or(crate::catalog::DType::Bf16),
            optimizer,
            stack.is_none_or(|s| s.fp32_gradients),
        );
        Some(Workload {
            model: model?,
            seq_len_tokens,
            global_batch_seqs,
            total_tokens: tokens?,
            precision,
            optimizer,
            adapter,
            document_tokens,
        })
    }
}

/// `adapter = "attention"` or `"all-linear"` with `adapter_rank`: the base is frozen.
fn adapter(t: &Reader<'_>) -> Option<Adapter> {
    let targets = t.choice("adapter", &[("attention", Targets::Attention), ("all-linear", Targets::AllLinear)]);
    let rank = t.count32("adapter_rank", 1);
    if rank.is_some() && targets.is_none() {
        t.problem(
            "adapter_rank",
            "`training.adapter_rank` without `training.adapter`",
            "add adapter = \"attention\" or \"all-linear\"",
        );
    }
    if let Some(high) = rank.filter(|r| *r > 65_536) {
        t.problem(
            "adapter_rank",
            format!("`training.adapter_rank` is {high}"),
            "write a rank up to 65536, usually 8 to 64",
        );
    }
    Some(Adapter {
        targets: targets?,
        rank: rank.unwrap_or(16),
    })
}

/// A batch given in tokens, in sequences. `16M tokens` of 8,192 are 1,953.1 sequences, which no
/// machine runs; published batches of that name are 2,048. So a batch that is not whole is moved by
/// at most a twentieth to the multiple of the greatest power of two, and the report says so.
fn round_batch(sequences: f64) -> f64 {
    if sequences.fract() == 0.0 || sequences < 1.0 {
        return sequences.max(1.0);
    }
    let near = |step: f64| (sequences / step).round() * step;
    (0..40)
        .rev()
        .map(|power| near(f64::powi(2.0, power)))
        .find(|rounded| *rounded >= 1.0 && (rounded / sequences - 1.0).abs() <= 0.05)
        .unwrap_or_else(|| sequences.round().max(1.0))
}

/// Sequences of a step from `"2048 sequences"` or `"16M tokens"`.
pub(super) fn global_batch(t: &Reader<'_>, sequence_tokens: u64) -> Option<f64> {
    let item = t.item("global_batch")?;
    let help = "write \"2048 sequences\" or \"16M tokens\"";
    let Value::Text(text) = &item.value else {
        t.problem("global_batch", "`training.global_batch` has no unit", help);
        return None;
    };
    #[allow(clippy::cast_precision_loss)]
    let per_sequence = sequence_tokens as f64;
    let is_tokens = text.contains("tok");
    let (unit, divide) = if is_tokens {
        (Unit::Tokens, per_sequence)
    } else {
        (Unit::Sequences, 1.0)
    };
    match crate::units::parse(text, unit) {
        Ok(value) if (1.0..1e15).contains(&value) => {
            let sequences = if is_tokens { round_batch(value / divide) } else { value };
            if sequences.fract() == 0.0 {
                return Some(sequences);
            }
            t.problem(
                "global_batch",
                format!("`training.global_batch` is {text}, not a whole number of sequences"),
                help,
            );
            None
        }
        Ok(_) => {
            t.problem("global_batch", format!("`training.global_batch` is {text}, out of range"), help);
            None
        }
        Err(why) => {
            t.problem("global_batch", format!("`training.global_batch`: {why}"), help);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::round_batch;

    #[test]
    fn a_batch_in_tokens_becomes_one_that_divides() {
        // 16e6 / 8192 = 1953.1 → 2048; 4e6 / 8192 = 488.3 → 512; 60e6 / 4096 = 14,648.4 → 14,336 = 7 · 2048.
        for (given, want) in [
            (16e6 / 8192.0, 2048.0),
            (4e6 / 8192.0, 512.0),
            (60e6 / 4096.0, 14_336.0),
            (1000.0, 1000.0),
            (0.3, 1.0),
            (1.4, 1.0),
        ] {
            assert!((round_batch(given) - want).abs() < 1e-9, "{given}: {}", round_batch(given));
        }
    }
}
