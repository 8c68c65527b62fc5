//! Published run rows and what they mean: the machine, the software and the layout behind a row.

use super::machine;
use super::software::ran;
use crate::catalog::{Accelerator, Catalog, DType, Entity, Model, Stack};
use crate::error::{At, Diagnostic, Error, Origin, Result};
use crate::layout::{Choice, Recompute, Sharding};
use crate::plan::{Scenario, StepCase};
use crate::workload::{Adapter, Optimizer, Precision, Targets, Workload};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One measured configuration; empty cells are absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Unique id.
    pub id: String,
    cells: BTreeMap<String, String>,
}

impl Row {
    /// A cell that is not empty.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<&str> {
        self.cells.get(column).map(String::as_str).filter(|t| !t.is_empty())
    }

    /// A finite, positive number.
    #[must_use]
    pub fn number(&self, column: &str) -> Option<f64> {
        self.text(column)?.parse::<f64>().ok().filter(|v| v.is_finite() && *v > 0.0)
    }

    pub(super) fn degree(&self, column: &str) -> Option<u32> {
        let value = self.number(column)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (value.fract() == 0.0 && value < 1e9).then_some(value as u32)
    }
}

/// Rows of a CSV text with a header line. Columns that are not known are kept and ignored.
///
/// # Errors
/// When it is not CSV or has no `id` column.
pub fn read_csv(origin: &Arc<Origin>) -> Result<Vec<Row>> {
    let fail = |message: String, line: u64| {
        let start = origin
            .text
            .lines()
            .take(usize::try_from(line.saturating_sub(1)).unwrap_or(0))
            .map(|l| l.len() + 1)
            .sum::<usize>();
        let at = At {
            origin: origin.clone(),
            span: start.min(origin.text.len())..start.min(origin.text.len()),
        };
        Error::invalid(
            Diagnostic::new(message)
                .at(&at)
                .help("write CSV with a header line as in scenarios/published"),
        )
    };
    let mut reader = csv::Reader::from_reader(origin.text.as_bytes());
    let headers = reader.headers().map_err(|e| fail(format!("not CSV: {e}"), 1))?.clone();
    if !headers.iter().any(|h| h == "id") {
        return Err(fail("no column `id`".to_string(), 1));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| fail(format!("not CSV: {e}"), e.position().map_or(1, csv::Position::line)))?;
        let cells: BTreeMap<String, String> = headers
            .iter()
            .zip(&record)
            .map(|(h, c)| (h.to_string(), c.trim().to_string()))
            .collect();
        rows.push(Row {
            id: cells.get("id").cloned().unwrap_or_default(),
            cells,
        });
    }
    Ok(rows)
}

/// What a row says of its attention kernel; most say nothing.
fn flash(row: &Row) -> Option<bool> {
    let text = row.text("attention_impl")?.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if has(&["no flash", "dot_product"]) {
        return Some(false);
    }
    has(&["flash", "splash"]).then_some(true)
}

/// The scenario of a row: what it says is fixed, what it leaves out is free.
///
/// # Errors
/// A reason, when the model or the accelerator is not known or a needed cell is empty.
pub fn scenario(row: &Row, catalog: &Catalog) -> std::result::Result<Scenario, String> {
    let model: Model = named(row, "model", catalog)?;
    let accelerator: Accelerator = named(row, "accelerator", catalog)?;
    let mut stack: Stack = catalog.get(ran(row).stack).map_err(|e| e.to_string())?;
    stack.flash_attention = flash(row).unwrap_or(stack.flash_attention);
    let devices = row.degree("devices").ok_or("no number of devices")?;
    let seq_len_tokens = row.number("seq_len").ok_or("no sequence length")?;
    let choice = choice(row, devices);
    let global_batch_seqs = row
        .number("global_batch_seqs")
        .unwrap_or_else(|| usual_batch(&choice, devices, seq_len_tokens));
    let precision = Precision::recipe(dtype(row)?, Optimizer::AdamW, stack.fp32_gradients);
    let workload = Workload {
        model,
        seq_len_tokens,
        global_batch_seqs,
        total_tokens: 1e12,
        precision,
        optimizer: Optimizer::AdamW,
        adapter: adapter(row),
    };
    let cluster = machine::cluster(row, &accelerator, devices, catalog)?;
    Scenario::of_step(
        StepCase {
            name: row.id.clone(),
            workload,
            cluster,
            stack,
            choice,
        },
        catalog,
    )
    .map_err(|e| e.to_string())
}

/// Rows of adapters name them in the model or the notes; their rank is 16 where the source is silent,
/// the default of NeMo's and `PyTorch`'s recipes.
fn adapter(row: &Row) -> Option<Adapter> {
    let named = ["model", "software", "recompute"]
        .iter()
        .any(|c| row.text(c).is_some_and(|t| t.to_lowercase().contains("lora")));
    named.then_some(Adapter {
        rank: 16,
        targets: Targets::Attention,
    })
}

fn named<T: Entity>(row: &Row, column: &str, catalog: &Catalog) -> std::result::Result<T, String> {
    let name = row.text(column).ok_or_else(|| format!("no {column}"))?;
    catalog.get(name).map_err(|_| format!("{column} `{name}` is not in the catalog"))
}

fn dtype(row: &Row) -> std::result::Result<DType, String> {
    let text = row.text("precision").unwrap_or("bf16");
    let name = match text {
        "fp8-mx" => "mxfp8",
        other => other,
    };
    DType::from_name(name).ok_or_else(|| format!("precision `{text}` is not known"))
}

/// The usual batch, rounded to what the data ranks can share.
fn usual_batch(choice: &Choice, devices: u32, seq_len_tokens: f64) -> f64 {
    let degree = |d: Option<u32>| d.unwrap_or(1).max(1);
    let cut = degree(choice.tensor)
        .saturating_mul(degree(choice.pipeline))
        .saturating_mul(degree(choice.context));
    let micro = degree(choice.micro_batch_seqs);
    let unit = f64::from((devices / cut).max(1)) * f64::from(micro);
    let usual = crate::workload::default_global_batch_seqs(seq_len_tokens);
    (usual / unit).round().max(1.0) * unit
}

/// Cores of a device, where the degrees of a row count cores: two on a Trainium chip.
fn cores_per_device(row: &Row, devices: u32) -> u32 {
    let product = ["tp", "pp", "cp", "dp"]
        .iter()
        .map(|c| u64::from(row.degree(c).unwrap_or(1)))
        .product::<u64>();
    let devices = u64::from(devices.max(1));
    match product / devices {
        cores @ 2..=8 if product.is_multiple_of(devices) => u32::try_from(cores).unwrap_or(1),
        _ => 1,
    }
}

fn choice(row: &Row, devices: u32) -> Choice {
    let or_one = |column: &str| Some(row.degree(column).unwrap_or(1));
    let sharding = row
        .text("sharding")
        .and_then(|s| Sharding::NAMES.iter().find(|(n, _)| *n == s).map(|(_, v)| *v));
    let sharded = sharding == Some(Sharding::Zero3);
    // With sharded weights, or as many data ranks as devices, nothing else is cut.
    let stated = row.text("tp").is_some() || sharded || row.degree("dp") == Some(devices);
    let layout = |column: &str| if stated { or_one(column) } else { row.degree(column) };
    let cores = cores_per_device(row, devices);
    Choice {
        tensor: layout("tp").map(|t| if t.is_multiple_of(cores) { t / cores } else { t }),
        pipeline: layout("pp"),
        context: layout("cp"),
        virtual_stages: layout("vpp"),
        expert: layout("ep"),
        expert_tensor: row.degree("etp"),
        data: row.degree("dp").filter(|_| !stated),
        micro_batch_seqs: row.degree("micro_batch_seqs"),
        sequence_parallel: row.text("seq_parallel").map_or_else(|| sequence_parallel(row), |t| t.parse().ok()),
        sharding,
        replicas: replicas(row, devices, sharding),
        recompute: row.text("recompute").and_then(recompute),
        ..Choice::default()
    }
}

/// Megatron got sequence parallelism in 2022 (Korthikanti et al., arXiv 2205.05198); forks of before
/// and the DeepSpeed line do not have it.
fn sequence_parallel(row: &Row) -> Option<bool> {
    let software = row.text("software").unwrap_or("").to_lowercase();
    let without = [
        "megatron-deepspeed",
        "megatron-lm + deepspeed",
        "megatron-lm 2020",
        "megatron-lm 2021",
    ];
    without.iter().any(|w| software.contains(w)).then_some(false)
}

/// Sharded weights over fewer ranks than there are: the stated data degree counts the copies.
fn replicas(row: &Row, devices: u32, sharding: Option<Sharding>) -> Option<u32> {
    let copies = row.degree("dp").filter(|_| sharding == Some(Sharding::Zero3))?;
    let others = ["tp", "pp", "cp"]
        .iter()
        .map(|c| row.degree(c).unwrap_or(1))
        .fold(1, u32::saturating_mul);
    let ranks = devices / others.max(1);
    (copies > 1 && copies < ranks && ranks.is_multiple_of(copies)).then_some(copies)
}

/// What is computed again. `selective` alone means the attention core; parts of a layer that cost
/// next to nothing to compute again count as nothing; what lies between is left open.
fn recompute(text: &str) -> Option<Recompute> {
    let text = text.trim().to_lowercase();
    if let Some(parts) = text.strip_prefix("selective:") {
        let cheap = ["moe_act", "layernorm", "mla_up_proj"];
        let all_cheap = parts.split(['+', ',']).all(|p| cheap.contains(&p.trim()));
        return Some(if all_cheap { Recompute::None } else { Recompute::Selective });
    }
    // MaxText: `minimal` keeps every projection and runs attention again; with the context it keeps all.
    if text.contains("'minimal_with_context'") {
        return Some(Recompute::None);
    }
    if text.contains("'minimal'") {
        return Some(Recompute::Selective);
    }
    let word = text.split([':', ' ']).next().unwrap_or(&text);
    Recompute::NAMES.iter().find(|(n, _)| *n == word).map(|(_, v)| *v)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(&str, &str)]) -> Row {
        Row {
            id: "row".into(),
            cells: cells.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect(),
        }
    }

    #[test]
    fn software_tells_the_stack() {
        for (software, stack) in [
            ("Megatron-DeepSpeed", "megatron-deepspeed"),
            ("Megatron-LM 23e00ed + TransformerEngine 2.11.0", "megatron-lm-2025"),
            ("LLM Foundry + Composer, PyTorch FSDP", "llm-foundry"),
            ("Neuron SDK 2.15.0 nemo-megatron", "neuron"),
            ("PaXML (JAX)", "paxml"),
            ("torchtitan", "torchtitan"),
            ("Hugging Face (PyTorch FSDP/DDP)", "hugging-face"),
            ("NeMo 26.02 / Megatron-Bridge", "megatron-bridge"),
            ("NeMo (container of dgxc v25.02)", "nemo-2024"),
            ("something new", "megatron-core"),
        ] {
            let got = ran(&row(&[("software", software)]));
            assert_eq!((got.stack, got.told), (stack, software != "something new"), "{software}");
        }
        let on = |accelerator| ran(&row(&[("software", "MaxText"), ("accelerator", accelerator)])).stack;
        assert_eq!((on("h100-sxm-80gb"), on("tpu-v5p")), ("maxtext-gpu", "maxtext"));
        assert_eq!(ran(&row(&[("software", "PyTorch"), ("kind", "mlperf")])).stack, "mlperf-nvidia");
    }

    #[test]
    fn what_is_computed_again() {
        for (text, wanted) in [
            ("full", Some(Recompute::Full)),
            ("selective: core attention", Some(Recompute::Selective)),
            ("selective: layernorm+moe_act", Some(Recompute::None)),
            ("MaxText 'minimal' (save all matmul outputs)", Some(Recompute::Selective)),
            ("full, 4 layer(s) per stage (block)", None),
            ("MaxText 'custom'", None),
        ] {
            assert_eq!(recompute(text), wanted, "{text}");
        }
    }

    #[test]
    fn degrees_may_count_cores_or_copies() {
        let trainium = row(&[("tp", "8"), ("pp", "4"), ("dp", "2")]);
        assert_eq!(choice(&trainium, 32).tensor, Some(4));
        assert_eq!(choice(&trainium, 64).tensor, Some(8));
        let slices = row(&[("sharding", "fsdp"), ("dp", "2")]);
        assert_eq!(choice(&slices, 512).replicas, Some(2));
        assert_eq!(choice(&slices, 2).replicas, None);
    }

    #[test]
    fn a_batch_that_nobody_states_is_the_usual_one() {
        let choice = choice(&row(&[("tp", "8"), ("micro_batch_seqs", "2")]), 1024);
        assert_eq!(usual_batch(&choice, 1024, 2048.0), 2048.0);
        assert_eq!(usual_batch(&choice, 1024, 4e6), 256.0);
    }
}
