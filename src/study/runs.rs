//! Published run rows and what they mean: the machine, the software and the layout behind a row.

pub use super::rows::{Row, Rows, read_csv, read_rows};

use super::machine;
use super::software;
use crate::catalog::{Accelerator, Catalog, DType, Entity, Model, Stack, UsualRecompute};
use crate::layout::{Choice, Recompute, Sharding};
use crate::plan::{Scenario, StepCase};
use crate::workload::{Adapter, Optimizer, Precision, Targets, Workload};

/// The scenario of a row: what it says is fixed, what it leaves out is free.
///
/// # Errors
/// A reason, when the model or the accelerator is not known or a needed cell is empty.
pub fn scenario(row: &Row, catalog: &Catalog) -> std::result::Result<Scenario, String> {
    if let Some(fault) = row.fault() {
        return Err(fault.to_string());
    }
    let model: Model = named(row, "model", catalog)?;
    let accelerator: Accelerator = named(row, "accelerator", catalog)?;
    let stack = software::stack(row, catalog)?;
    let devices = row.degree("devices").ok_or("no number of devices")?;
    if let Some(why) = contradiction(row, devices) {
        return Err(why);
    }
    let seq_len_tokens = row.number("seq_len").ok_or("no sequence length")?;
    let mut choice = choice(row, devices, model.moe.is_some());
    if stack.usually_interleaves && row.text("vpp").is_none() {
        choice.virtual_stages = None;
    }
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
        document_tokens: software::document_tokens(row, catalog).filter(|d| *d < seq_len_tokens),
    };
    let cluster = machine::cluster(row, &accelerator, devices, catalog)?;
    Scenario::of_step(
        StepCase {
            name: row.id.clone(),
            workload,
            cluster,
            stack,
            choice,
            profile: software::ran(row).profile.map(str::to_string),
        },
        catalog,
    )
    .map_err(|e| e.to_string())
}

/// What nobody says of a row that its prediction rests on, in the order of the columns.
#[must_use]
pub fn assumed(row: &Row, catalog: &Catalog) -> Vec<String> {
    let mut out = Vec::new();
    let known = software::ran(row);
    if !known.known {
        out.push(format!("stack {}", known.stack));
    }
    let Some(devices) = row.degree("devices") else { return out };
    let mut missing = |column: &str, what: &str| {
        if row.text(column).is_none() {
            out.push(what.to_string());
        }
    };
    missing("precision", &format!("precision {}", usual_precision(row)));
    // Whether it is a mixture does not change what is left open.
    let choice = choice(row, devices, false);
    if let Some(seq_len_tokens) = row.number("seq_len") {
        let usual = usual_batch(&choice, devices, seq_len_tokens);
        missing("global_batch_seqs", &format!("global batch {usual}"));
    }
    missing("micro_batch_seqs", "micro-batch searched");
    if let Some(pipeline) = implied_pipeline(row, devices) {
        missing("pp", &format!("pipeline {pipeline}"));
    }
    let open = [
        (choice.tensor.is_none(), "tensor"),
        (choice.pipeline.is_none(), "pipeline"),
        (choice.context.is_none(), "context"),
        (choice.sharding.is_none(), "sharding"),
    ];
    out.extend(open.iter().filter(|o| o.0).map(|(_, name)| format!("{name} searched")));
    if let Ok(stack) = software::stack(row, catalog) {
        out.extend(habits(row, &choice, &stack));
    }
    out
}

/// What is taken as its program usually has it.
fn habits(row: &Row, choice: &Choice, stack: &Stack) -> Vec<String> {
    let mut out = Vec::new();
    if choice.recompute.is_none() {
        out.push(match stack.usual_recompute {
            UsualRecompute::None => "recompute none if that nearly fits",
            UsualRecompute::Full => "recompute full",
            UsualRecompute::Open => "recompute searched",
        });
    }
    if stack.usually_interleaves && row.text("vpp").is_none() {
        out.push("virtual stages searched");
    }
    if adapter(row).is_some() {
        out.push(if software::ran(row).adapts_all {
            "adapters of rank 16 beside every linear"
        } else {
            "adapters of rank 16 beside attention"
        });
    }
    out.into_iter().map(str::to_string).collect()
}

/// Format of a row that states none: what its program usually computes in, or that of nearly all
/// training since 2021.
fn usual_precision(row: &Row) -> &'static str {
    software::ran(row).usual_precision.unwrap_or("bf16")
}

/// Rows of adapters name them in the model or the notes; their rank is 16 where the source is silent,
/// the default of NeMo's and `PyTorch`'s recipes.
fn adapter(row: &Row) -> Option<Adapter> {
    let named = ["model", "software", "recompute"]
        .iter()
        .any(|c| row.text(c).is_some_and(|t| t.to_lowercase().contains("lora")));
    named.then_some(Adapter {
        rank: 16,
        targets: if software::ran(row).adapts_all {
            Targets::AllLinear
        } else {
            Targets::Attention
        },
    })
}

fn named<T: Entity>(row: &Row, column: &str, catalog: &Catalog) -> std::result::Result<T, String> {
    let name = row.text(column).ok_or_else(|| format!("no {column}"))?;
    catalog.get(name).map_err(|_| format!("{column} `{name}` is not in the catalog"))
}

fn dtype(row: &Row) -> std::result::Result<DType, String> {
    let text = row.text("precision").unwrap_or_else(|| usual_precision(row));
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

/// Devices of several cores that some programs count one by one.
const OF_CORES: [&str; 4] = ["trn", "inf", "tpu", "mi250x"];

/// What the degrees of a row multiply to.
fn product(row: &Row) -> u64 {
    let degree = |c: &&str| u64::from(row.degree(c).unwrap_or(1));
    ["tp", "pp", "cp", "dp"].iter().map(degree).fold(1, u64::saturating_mul)
}

/// Cores of a device, where the degrees of a row count cores: two on a Trainium chip.
fn cores_per_device(row: &Row, devices: u32) -> u32 {
    let (product, devices) = (product(row), u64::from(devices.max(1)));
    let cores = |d: &str| OF_CORES.iter().any(|c| d.starts_with(c));
    match product / devices {
        n @ 2..=8 if product.is_multiple_of(devices) && row.text("accelerator").is_some_and(cores) => u32::try_from(n).unwrap_or(1),
        _ => 1,
    }
}

/// The pipeline that a row does not state and its other degrees leave over.
fn implied_pipeline(row: &Row, devices: u32) -> Option<u32> {
    let open = row.text("pp").is_none() && row.text("tp").is_some() && !shards_weights(row);
    let (product, devices) = (product(row), u64::from(devices));
    let left = devices / product.max(1);
    let pipeline = u32::try_from(left).ok().filter(|_| devices.is_multiple_of(product.max(1)))?;
    (open && row.text("dp").is_some() && pipeline > 1).then_some(pipeline)
}

fn shards_weights(row: &Row) -> bool {
    sharding(row) == Some(Sharding::Zero3)
}

fn sharding(row: &Row) -> Option<Sharding> {
    let name = row.text("sharding")?;
    Sharding::NAMES.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
}

/// Degrees that do not multiply to the devices. With sharded weights the data degree counts copies,
/// and some count the expert degree apart.
fn contradiction(row: &Row, devices: u32) -> Option<String> {
    let whole = ["tp", "pp", "dp"].iter().all(|c| row.text(c).is_some());
    let product = product(row);
    let apart = product.saturating_mul(u64::from(row.degree("ep").unwrap_or(1)));
    let agrees = [product, apart].contains(&u64::from(devices)) || cores_per_device(row, devices) > 1;
    if !whole || agrees || shards_weights(row) {
        return None;
    }
    let stated = ["tp", "pp", "cp", "dp"]
        .iter()
        .filter_map(|c| Some(format!("{c} {}", row.text(c)?)));
    let stated: Vec<String> = stated.collect();
    Some(format!("{} multiply to {product}, not to {devices} devices", stated.join(" × ")))
}

fn choice(row: &Row, devices: u32, mixture: bool) -> Choice {
    let or_one = |column: &str| Some(row.degree(column).unwrap_or(1));
    let sharding = sharding(row);
    let sharded = sharding == Some(Sharding::Zero3);
    // With sharded weights, or as many data ranks as devices, nothing else is cut.
    let stated = row.text("tp").is_some() || sharded || row.degree("dp") == Some(devices);
    let layout = |column: &str| if stated { or_one(column) } else { row.degree(column) };
    let cores = cores_per_device(row, devices);
    Choice {
        tensor: layout("tp").map(|t| if t.is_multiple_of(cores) { t / cores } else { t }),
        pipeline: implied_pipeline(row, devices).or(layout("pp")),
        context: layout("cp"),
        virtual_stages: layout("vpp"),
        expert: layout("ep"),
        expert_tensor: row.degree("etp"),
        data: row.degree("dp").filter(|_| !stated),
        micro_batch_seqs: row.degree("micro_batch_seqs"),
        sequence_parallel: row.text("seq_parallel").map_or_else(|| sequence_parallel(row), |t| t.parse().ok()),
        sharding,
        replicas: replicas(row, devices, sharding),
        recompute: row.text("recompute").and_then(|text| recompute(text, mixture)),
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
/// next to nothing to compute again count as nothing, as the plain feed-forward of a mixture's few dense
/// layers; what lies between is left open.
fn recompute(text: &str, mixture: bool) -> Option<Recompute> {
    let text = text.trim().to_lowercase();
    if let Some(parts) = text.strip_prefix("selective:") {
        let cheap = ["moe_act", "layernorm", "mla_up_proj"];
        let is_cheap = |p: &str| cheap.contains(&p) || (mixture && p == "mlp");
        let all_cheap = parts.split(['+', ',']).all(|p| is_cheap(p.trim()));
        return Some(if all_cheap { Recompute::None } else { Recompute::Selective });
    }
    // MaxText: `minimal` keeps every projection and runs attention again; with the context it keeps all.
    if text.contains("'minimal_with_context'") {
        return Some(Recompute::None);
    }
    if text.contains("'minimal'") {
        return Some(Recompute::Selective);
    }
    if let Some(n) = layers_of_a_block(&text) {
        return Some(Recompute::Layers(n));
    }
    let word = text.split([':', ' ']).next().unwrap_or(&text);
    Recompute::NAMES.iter().find(|(n, _)| *n == word).map(|(_, v)| *v)
}

/// Megatron-LM's `recompute_method = block`: so many layers of every chunk whole.
fn layers_of_a_block(text: &str) -> Option<u32> {
    let (before, _) = text.split_once("layer").filter(|_| text.contains("block"))?;
    before.trim_end().rsplit([' ', ',', '(']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::rows::row;

    #[test]
    fn what_is_computed_again() {
        for (text, wanted) in [
            ("full", Some(Recompute::Full)),
            ("selective: core attention", Some(Recompute::Selective)),
            ("selective: layernorm+moe_act", Some(Recompute::None)),
            ("MaxText 'minimal' (save all matmul outputs)", Some(Recompute::Selective)),
            ("full, 4 layer(s) per stage (block)", Some(Recompute::Layers(4))),
            ("full, block", None),
            ("MaxText 'custom'", None),
        ] {
            assert_eq!(recompute(text, false), wanted, "{text}");
        }
        assert_eq!(recompute("selective: mlp+moe_act", true), Some(Recompute::None));
        assert_eq!(recompute("selective: mlp+core_attn", true), Some(Recompute::Selective));
    }

    #[test]
    fn degrees_may_count_cores_or_copies() {
        let trainium = row(&[("accelerator", "trn1"), ("tp", "8"), ("pp", "4"), ("dp", "2")]);
        assert_eq!(choice(&trainium, 32, false).tensor, Some(4));
        assert_eq!(choice(&trainium, 64, false).tensor, Some(8));
        let slices = row(&[("sharding", "fsdp"), ("dp", "2")]);
        assert_eq!(choice(&slices, 512, false).replicas, Some(2));
        assert_eq!(choice(&slices, 2, false).replicas, None);
    }

    #[test]
    fn degrees_that_do_not_multiply_to_the_devices_are_told() {
        let said = |cells: &[(&str, &str)], devices| contradiction(&row(cells), devices);
        let three = [("tp", "8"), ("pp", "4"), ("dp", "2"), ("ep", "2")];
        assert_eq!(said(&three, 64), None);
        // An expert degree that is counted apart, and a data degree that is left open.
        assert_eq!(said(&three, 128), None);
        assert_eq!(said(&three[..2], 512), None);
        assert_eq!(said(&three, 96).unwrap(), "tp 8 × pp 4 × dp 2 multiply to 64, not to 96 devices");
        let cores = [&three[..3], &[("accelerator", "trn1")]].concat();
        assert_eq!((said(&cores, 32), said(&cores, 256).is_some()), (None, true));
        assert!(said(&[&three[..3], &[("accelerator", "h100-sxm-80gb")]].concat(), 32).is_some());
        assert_eq!(said(&[&three[..3], &[("sharding", "fsdp")]].concat(), 512), None);
    }

    #[test]
    fn what_nobody_says_is_named() {
        let bare = row(&[
            ("software", "torchtitan"),
            ("devices", "64"),
            ("seq_len", "4096"),
            ("tp", "8"),
            ("dp", "2"),
        ]);
        let catalog = Catalog::builtin();
        let told = assumed(&bare, &catalog);
        let wanted = [
            "precision bf16",
            "global batch 1024",
            "micro-batch searched",
            "pipeline 4",
            "sharding searched",
            "recompute searched",
        ];
        assert_eq!(told, wanted);
        assert_eq!(choice(&bare, 64, false).pipeline, Some(4));
        assert_eq!(assumed(&row(&[("software", "our own")]), &catalog), ["stack megatron-core"]);
    }

    #[test]
    fn a_batch_that_nobody_states_is_the_usual_one() {
        let choice = choice(&row(&[("tp", "8"), ("micro_batch_seqs", "2")]), 1024, false);
        assert_eq!(usual_batch(&choice, 1024, 2048.0), 2048.0);
        assert_eq!(usual_batch(&choice, 1024, 4e6), 256.0);
    }
}
