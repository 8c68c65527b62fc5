//! Published run rows and what they mean: the machine, the software and the layout behind a row.

use crate::catalog::reader::Problems;
use crate::catalog::{Accelerator, Catalog, Cluster, DType, Entity, Kind, Model, Node, Reliability, Stack};
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

    fn degree(&self, column: &str) -> Option<u32> {
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

/// Words in the `software` column that tell the stack, first match wins.
const STACKS: [(&str, &str); 12] = [
    ("megatron-lm 2020", "megatron-2022"),
    ("megatron-lm 2021", "megatron-2022"),
    ("megatron-lm 2022", "megatron-2022"),
    ("megatron-deepspeed", "megatron-2022"),
    ("megatron", "megatron-core"),
    ("nemo", "megatron-core"),
    ("torchtitan", "pytorch-fsdp"),
    ("maxtext", "maxtext"),
    ("jax", "maxtext"),
    ("composer", "pytorch-eager"),
    ("hugging", "pytorch-eager"),
    ("pytorch", "pytorch-eager"),
];

/// The stack that runs a row.
#[must_use]
pub fn stack_name(row: &Row) -> &'static str {
    let software = row.text("software").unwrap_or("").to_lowercase();
    STACKS
        .iter()
        .find(|(word, _)| software.contains(word))
        .map_or("megatron-core", |(_, stack)| stack)
}

/// The scenario of a row: what it says is fixed, what it leaves out is free.
///
/// # Errors
/// A reason, when the model or the accelerator is not known or a needed cell is empty.
pub fn scenario(row: &Row, catalog: &Catalog) -> std::result::Result<Scenario, String> {
    let model: Model = named(row, "model", catalog)?;
    let accelerator: Accelerator = named(row, "accelerator", catalog)?;
    let stack: Stack = catalog.get(stack_name(row)).map_err(|e| e.to_string())?;
    let devices = row.degree("devices").ok_or("no number of devices")?;
    let seq_len_tokens = row.number("seq_len").ok_or("no sequence length")?;
    let global_batch_seqs = row.number("global_batch_seqs").ok_or("no global batch")?;
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
    let cluster = cluster(row, &accelerator, devices, catalog)?;
    Scenario::of_step(
        StepCase {
            name: row.id.clone(),
            workload,
            cluster,
            stack,
            choice: choice(row),
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

/// A server of this accelerator with the row's number of devices, else the usual one.
fn cluster(row: &Row, accelerator: &Accelerator, devices: u32, catalog: &Catalog) -> std::result::Result<Cluster, String> {
    let wanted = row.degree("devices_per_node");
    let nodes = catalog
        .entries(Kind::Node)
        .entries
        .values()
        .filter_map(|e| catalog.get::<Node>(&e.name).ok());
    let mut fitting: Vec<Node> = nodes.filter(|n| n.accelerator == accelerator.name).collect();
    // Reference designs first, then by name: the choice must not depend on the order of files.
    fitting.sort_by_key(|n| {
        (
            wanted.is_some_and(|w| w != n.n_devices),
            !n.name.starts_with("dgx"),
            !n.name.starts_with("hgx"),
            n.name.clone(),
        )
    });
    let mut node = fitting
        .into_iter()
        .next()
        .ok_or_else(|| format!("no node holds `{}`", accelerator.name))?;
    // A job smaller than a node uses a part of it.
    node.n_devices = node.n_devices.min(devices).max(1);
    let n_nodes = devices.div_ceil(node.n_devices);
    let problems = Problems::default();
    let at = At {
        origin: Arc::new(Origin {
            name: String::new(),
            text: String::new(),
        }),
        span: 0..0,
    };
    let reliability = catalog
        .get_at::<Reliability>("default", &at, &problems)
        .ok_or("no default reliability")?;
    Ok(Cluster {
        name: row.id.clone(),
        title: row.id.clone(),
        node,
        n_nodes,
        levels: Vec::new(),
        rails: None,
        pod_devices: None,
        known_for: Vec::new(),
        storage_bytes_per_s: crate::catalog::default_storage(f64::from(n_nodes)),
        reliability,
        region: "us-average".to_string(),
    })
}

fn choice(row: &Row) -> Choice {
    let or_one = |column: &str| Some(row.degree(column).unwrap_or(1));
    let stated = row.text("tp").is_some() || row.text("sharding").is_some();
    let layout = |column: &str| if stated { or_one(column) } else { row.degree(column) };
    let recompute = row.text("recompute").and_then(|r| {
        let word = r.split([':', ' ']).next().unwrap_or(r);
        Recompute::NAMES.iter().find(|(n, _)| *n == word).map(|(_, v)| *v)
    });
    let sharding = row
        .text("sharding")
        .and_then(|s| Sharding::NAMES.iter().find(|(n, _)| *n == s).map(|(_, v)| *v));
    Choice {
        tensor: layout("tp"),
        pipeline: layout("pp"),
        context: layout("cp"),
        virtual_stages: layout("vpp"),
        expert: layout("ep"),
        expert_tensor: row.degree("etp"),
        data: None,
        micro_batch_seqs: row.degree("micro_batch_seqs"),
        sequence_parallel: row.text("seq_parallel").and_then(|t| t.parse().ok()),
        sharding,
        recompute,
        ..Choice::default()
    }
}
