//! Inputs that can be turned, each by the path that `--set` takes.

use crate::layout::{Layout, Recompute, Sharding};
use crate::plan::{Plan, Scenario};
use crate::report::Kind;
use crate::units::{DAY_S, GIB_BYTES};

/// An input.
pub struct Knob {
    /// Its name for people.
    pub name: &'static str,
    /// How it is turned.
    pub kind: KnobKind,
}

/// How an input is turned.
pub enum KnobKind {
    /// A number.
    Number(Number),
    /// One of several words.
    Choice {
        /// Where it is.
        path: &'static str,
        /// What it can be.
        options: &'static [&'static str],
        /// What it is.
        of: fn(&Plan) -> String,
    },
}

/// A number that can be turned.
pub struct Number {
    /// Where it is.
    pub path: fn(&Scenario) -> String,
    /// What it is, in the base unit of its kind.
    pub of: fn(&Plan) -> Option<f64>,
    /// As `--set` takes it.
    pub write: fn(f64) -> String,
    /// How people see it.
    pub show: Kind,
    /// A small step multiplies by this, a large one by 2.
    pub small_factor: f64,
    /// The ends of the track over what the scenario says.
    pub track: (f64, f64),
}

const fn number(
    name: &'static str,
    path: fn(&Scenario) -> String,
    of: fn(&Plan) -> Option<f64>,
    write: fn(f64) -> String,
    show: Kind,
    small: f64,
) -> Knob {
    tracked(name, path, of, write, show, (small, (0.25, 4.0)))
}

const fn tracked(
    name: &'static str,
    path: fn(&Scenario) -> String,
    of: fn(&Plan) -> Option<f64>,
    write: fn(f64) -> String,
    show: Kind,
    (small, track): (f64, (f64, f64)),
) -> Knob {
    Knob {
        name,
        kind: KnobKind::Number(Number {
            path,
            of,
            write,
            show,
            small_factor: small,
            track,
        }),
    }
}

/// Three significant digits: what people choose.
#[must_use]
pub fn round(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// The shortest text that reads back as the same number.
fn plain(value: f64) -> String {
    let text = format!("{value:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_string)
}

/// Numbers and words that can be turned, in the order of the screen.
pub const KNOBS: [Knob; 17] = [
    number(
        "nodes",
        |_| "cluster.nodes".to_string(),
        |p| Some(f64::from(p.scenario.cluster.n_nodes)),
        |v| format!("{}", v.round()),
        Kind::Plain(0),
        2.0,
    ),
    number(
        "tokens",
        |_| "training.tokens".to_string(),
        |p| Some(p.scenario.workload.total_tokens),
        |v| format!("{}T", plain(round(v / 1e12))),
        Kind::Si("tokens"),
        1.1,
    ),
    number(
        "batch, sequences",
        |_| "training.global_batch".to_string(),
        |p| Some(p.scenario.workload.global_batch_seqs),
        |v| format!("{} sequences", v.round()),
        Kind::Plain(0),
        2.0,
    ),
    number(
        "memory of a device",
        |s| format!("accelerator.{}.memory_bytes", s.accelerator.name),
        |p| Some(p.scenario.accelerator.memory_bytes),
        |v| plain((round(v / GIB_BYTES) * GIB_BYTES).round()),
        Kind::Bytes,
        1.1,
    ),
    number(
        "math peak, BF16",
        |s| format!("accelerator.{}.peak.bf16_flop_per_s", s.accelerator.name),
        |p| p.scenario.accelerator.peak.matrix_flop_per_s(crate::catalog::DType::Bf16),
        |v| format!("{:e}", round(v)),
        Kind::Si("FLOP/s"),
        1.1,
    ),
    number(
        "inter-node, per device",
        |_| "cluster.nic".to_string(),
        |p| Some(p.scenario.cluster.node.nic_bytes_per_s),
        |v| format!("{} GB/s", plain(round(v / 1e9))),
        Kind::Si("B/s"),
        1.1,
    ),
    number(
        "storage",
        |_| "cluster.storage".to_string(),
        |p| Some(p.scenario.cluster.storage_bytes_per_s),
        |v| format!("{} GB/s", plain(round(v / 1e9))),
        Kind::Si("B/s"),
        1.1,
    ),
    number(
        "node MTBF",
        |_| "reliability.node_mtbf".to_string(),
        |p| Some(p.scenario.cluster.reliability.node_mtbf_s),
        |v| format!("{} d", plain(round(v / DAY_S))),
        Kind::Duration,
        1.1,
    ),
    number(
        "restart",
        |_| "reliability.restart".to_string(),
        |p| Some(p.scenario.cluster.reliability.restart_s),
        |v| format!("{} s", plain(round(v))),
        Kind::Duration,
        1.1,
    ),
    number(
        "price",
        |_| "cost.usd_per_device_hour".to_string(),
        |p| p.scenario.offer.as_ref().map(|o| o.usd_per_device_hour.base_usd),
        |v| format!("{} USD/h", plain(round(v))),
        Kind::Rate("USD/h"),
        1.1,
    ),
    tracked(
        "PUE",
        |s| format!("region.{}.pue", s.region.name),
        |p| Some(p.scenario.region.pue),
        |v| plain(round(v.max(1.0))),
        Kind::Plain(2),
        (1.05, (0.8, 2.0)),
    ),
    number(
        "grid, kg CO2e/kWh",
        |s| format!("grid.{}.location_kg_co2e_per_kwh", s.region.grid.name),
        |p| Some(p.scenario.region.grid.location_kg_co2e_per_kwh),
        |v| plain(round(v)),
        Kind::Plain(3),
        1.1,
    ),
    Knob {
        name: "recompute",
        kind: KnobKind::Choice {
            path: "layout.recompute",
            options: &["none", "selective", "full"],
            of: |p| p.layout.recompute.name().to_string(),
        },
    },
    Knob {
        name: "sharding",
        kind: KnobKind::Choice {
            path: "layout.sharding",
            options: &["none", "zero1", "zero2", "zero3"],
            of: |p| p.layout.sharding.name().to_string(),
        },
    },
    Knob {
        name: "micro-batch",
        kind: KnobKind::Choice {
            path: "layout.micro_batch",
            options: &["1", "2", "4", "8"],
            of: |p| p.layout.micro_batch_seqs.to_string(),
        },
    },
    Knob {
        name: "precision",
        kind: KnobKind::Choice {
            path: "training.precision",
            options: &["bf16", "fp8"],
            of: |p| p.scenario.workload.precision.compute.name().to_string(),
        },
    },
    Knob {
        name: "bought, not rented",
        kind: KnobKind::Choice {
            path: "cost.owned",
            options: &["false", "true"],
            of: |p| p.scenario.owned.to_string(),
        },
    },
];

/// Numbers among the knobs: name and how it is turned.
pub fn numbers() -> impl Iterator<Item = (&'static str, &'static Number)> {
    KNOBS.iter().filter_map(|k| match &k.kind {
        KnobKind::Number(n) => Some((k.name, n)),
        KnobKind::Choice { .. } => None,
    })
}

impl Number {
    /// What people read, as short as it can be.
    #[must_use]
    pub fn human(&self, value: f64) -> String {
        self.show.human(value).replace(" tokens", "")
    }
}

impl Knob {
    /// The path of it.
    #[must_use]
    pub fn path(&self, scenario: &Scenario) -> String {
        match &self.kind {
            KnobKind::Number(n) => (n.path)(scenario),
            KnobKind::Choice { path, .. } => (*path).to_string(),
        }
    }

    /// What it says.
    #[must_use]
    pub fn human(&self, plan: &Plan) -> String {
        match &self.kind {
            KnobKind::Number(n) => (n.of)(plan).map_or_else(|| "-".to_string(), |v| n.human(v)),
            KnobKind::Choice { of, .. } => of(plan),
        }
    }

    /// The changes that turn it by so many small steps, or large ones.
    ///
    /// # Errors
    /// Why it cannot be turned.
    pub fn turned(&self, plan: &Plan, free: bool, (up, large): (bool, bool)) -> Result<Vec<(String, String)>, String> {
        match &self.kind {
            KnobKind::Choice { path, options, of } => {
                let now = of(plan);
                let at = options.iter().position(|o| *o == now).unwrap_or(0);
                let to = match (up, large) {
                    (true, true) => options.len() - 1,
                    (false, true) => 0,
                    (true, false) => (at + 1).min(options.len() - 1),
                    (false, false) => at.saturating_sub(1),
                };
                if options[to] == now {
                    return Err(format!("{} is {now}: there is nothing further", self.name));
                }
                Ok(vec![((*path).to_string(), options[to].to_string())])
            }
            KnobKind::Number(n) => {
                let now = (n.of)(plan).ok_or_else(|| format!("{} is not known; enter types a value", self.name))?;
                let factor = if large { 2.0 } else { n.small_factor };
                let to = if up { now * factor } else { now / factor };
                changes(&(n.path)(&plan.scenario), &(n.write)(to), plan, free)
            }
        }
    }
}

/// The changes that set a path: nodes take the data degree with them where the scenario fixes it, so that
/// the layout still has as many devices as there are. `free` where the layout is searched anyway.
///
/// # Errors
/// When that degree would not be whole.
pub fn changes(path: &str, value: &str, plan: &Plan, free: bool) -> Result<Vec<(String, String)>, String> {
    let mut out = vec![(path.to_string(), value.to_string())];
    let nodes = value.trim().parse::<f64>().ok().filter(|_| path == "cluster.nodes" && !free);
    let (Some(nodes), Some(_)) = (nodes, plan.scenario.choice.data) else {
        return Ok(out);
    };
    let data = f64::from(plan.layout.data) * nodes / f64::from(plan.scenario.cluster.n_nodes);
    if data < 1.0 || data.fract() != 0.0 {
        return Err(format!(
            "with {nodes} nodes layout.data would be {data}: press a to search the layout again"
        ));
    }
    out.push(("layout.data".to_string(), format!("{data}")));
    Ok(out)
}

/// Changes that trade memory for time, each with its name.
#[must_use]
pub fn memory_tries(plan: &Plan) -> Vec<(String, Vec<String>)> {
    let l = &plan.layout;
    let mut out: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |name: String, sets: &[String]| out.push((name, sets.to_vec()));
    for (name, way) in [
        ("none", Recompute::None),
        ("selective", Recompute::Selective),
        ("full", Recompute::Full),
    ] {
        if l.recompute != way {
            add(format!("recompute {name}"), &[format!("layout.recompute={name}")]);
        }
    }
    for (name, way) in [("zero1", Sharding::Zero1), ("zero3", Sharding::Zero3)] {
        if l.sharding != way {
            add(format!("sharding {name}"), &[format!("layout.sharding={name}")]);
        }
    }
    for mb in [l.micro_batch_seqs / 2, l.micro_batch_seqs * 2] {
        if mb >= 1 {
            add(format!("micro-batch {mb}"), &[format!("layout.micro_batch={mb}")]);
        }
    }
    if l.data.is_multiple_of(2) {
        let data = format!("layout.data={}", l.data / 2);
        add(
            format!("context parallel {}", l.context * 2),
            &[format!("layout.context={}", l.context * 2), data.clone()],
        );
        add(
            format!("pipeline {}", l.pipeline * 2),
            &[format!("layout.pipeline={}", l.pipeline * 2), data],
        );
    }
    add("offload activations".to_string(), &["layout.offload=activations".to_string()]);
    out.truncate(8);
    out
}

/// The changes that make exactly this layout.
#[must_use]
pub fn layout_edits(l: &Layout) -> Vec<(String, String)> {
    let mut out: Vec<(&str, String)> = vec![
        ("tensor", l.tensor.to_string()),
        ("context", l.context.to_string()),
        ("pipeline", l.pipeline.to_string()),
        ("virtual_stages", l.virtual_stages.to_string()),
        ("expert", l.expert.to_string()),
        ("expert_tensor", l.expert_tensor.to_string()),
        ("data", l.data.to_string()),
        ("sharding", l.sharding.name().to_string()),
        ("micro_batch", l.micro_batch_seqs.to_string()),
        ("schedule", l.schedule.name().to_string()),
        ("sequence_parallel", l.sequence_parallel.to_string()),
        ("offload", l.offload.name().to_string()),
    ];
    match l.recompute {
        Recompute::Layers(n) => out.push(("recompute_layers", n.to_string())),
        other => out.push(("recompute", other.name().to_string())),
    }
    if l.replicas > 1 {
        out.push(("replicas", l.replicas.to_string()));
    }
    for (name, on) in l.overlap.list() {
        if !on {
            out.push(match name {
                "tensor" => ("overlap_tensor", on.to_string()),
                "data" => ("overlap_data", on.to_string()),
                "pipeline" => ("overlap_pipeline", on.to_string()),
                _ => ("overlap_expert", on.to_string()),
            });
        }
    }
    out.into_iter().map(|(key, value)| (format!("layout.{key}"), value)).collect()
}
