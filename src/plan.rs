//! One scenario, walked from model to money: the only function that knows all rooms.

mod cost;
pub mod hf;
mod layers;
mod market;
mod per;
pub mod phases;
pub mod power;
mod ranges;
pub mod scenario;
mod sibling;

pub use market::{Market, run_and_bill_at};
pub use per::MTOKEN;
pub use phases::{Course, Phase, PhasePlan, phase_plans};
pub use ranges::{Drawn, Quantiles, Ranges, ranges, slowed, slower_phase};
pub use scenario::{Shape, Unknown};

use crate::bill::{Bill, Terms};
use crate::catalog::{Accelerator, Band, Catalog, Class, Cluster, Fabric, Finance, Offer, Profile, Region, Stack, Topology};
use crate::error::{Error, Result};
use crate::kernel::{Network, ScaleOut, ScaleUp};
use crate::layout::memory::device_params;
use crate::layout::{Choice, Layout, stages};
use crate::run::{Run, RunInput, Stretch, run};
use crate::search::Totals;
use crate::step::{Gantt, Machine, Parts, Step, engine_step, gantt, simulate};
use crate::workload::{Counts, Workload, count};

/// A value that the scenario left to us, or where one it names comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumption {
    /// Dotted key.
    pub key: String,
    /// The value, as people write it.
    pub value: String,
    /// Its source, or `default`.
    pub source: String,
}

/// Bounds that the plan is held against.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Longest wall time.
    pub wall_s: Option<f64>,
    /// Largest cost.
    pub cost_usd: Option<f64>,
    /// Largest mean facility power.
    pub facility_w: Option<f64>,
    /// Largest location-based carbon, embodied included.
    pub carbon_kg_co2e: Option<f64>,
    /// Power that the facility can provide at the meter.
    pub peak_w: Option<f64>,
}

/// Everything a plan starts from, checked.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Name for people.
    pub name: String,
    /// What is trained.
    pub workload: Workload,
    /// The device.
    pub accelerator: Accelerator,
    /// Its measured kernels.
    pub profile: Option<Profile>,
    /// Links inside a domain.
    pub scale_up: Fabric,
    /// Links between domains.
    pub scale_out: Fabric,
    /// The machine.
    pub cluster: Cluster,
    /// The place.
    pub region: Region,
    /// The software.
    pub stack: Stack,
    /// How far predictions of left-out runs of its class were off.
    pub band: Option<Band>,
    /// What of the layout is fixed.
    pub choice: Choice,
    /// How checkpoints are taken and when evaluations stop training.
    pub course: Course,
    /// Phases of the run; none where all tokens are trained alike.
    pub phases: Vec<Phase>,
    /// The price, if one is known.
    pub offer: Option<Offer>,
    /// Assumptions of owning.
    pub finance: Finance,
    /// The hardware is bought.
    pub owned: bool,
    /// What else the bill holds.
    pub terms: Terms,
    /// Bounds.
    pub limits: Limits,
    /// Values that are known by their distribution only.
    pub unknowns: Vec<Unknown>,
    /// What was assumed.
    pub assumptions: Vec<Assumption>,
    /// `--set` values, as given.
    pub overrides: Vec<String>,
    /// Digest of the text and the overrides.
    pub digest: String,
}

/// What a step needs and no more: the rest of a scenario takes its defaults.
#[derive(Debug, Clone)]
pub struct StepCase {
    /// Name for people.
    pub name: String,
    /// What is trained.
    pub workload: Workload,
    /// The machine.
    pub cluster: Cluster,
    /// The software.
    pub stack: Stack,
    /// What of the layout is fixed.
    pub choice: Choice,
    /// Profile of the machine's kernels; the accelerator's own if none.
    pub profile: Option<String>,
}

impl Scenario {
    /// A scenario that asks for a step only: no price, default finance.
    ///
    /// # Errors
    /// When the cluster names something that the catalog lacks.
    pub fn of_step(case: StepCase, catalog: &Catalog) -> Result<Scenario> {
        let accelerator: Accelerator = catalog.get(&case.cluster.node.accelerator)?;
        let named = case.profile.as_deref().or(accelerator.profile.as_deref());
        let measured: Option<Profile> = named.map(|name| catalog.get(name)).transpose()?;
        let measured = measured.or_else(|| sibling::profile(&accelerator, catalog));
        let profile = measured.map(|p| p.on(&accelerator, &case.cluster.node.scale_up));
        let class = Class {
            known_stack: catalog.knows_stack(&case.stack.name),
            experts: case.workload.model.moe.is_some(),
            tried_device: profile.is_some() && catalog.knows_device(&accelerator.name),
        };
        Ok(Scenario {
            band: catalog.band_of(&case.stack, class),
            scale_up: catalog.get(&case.cluster.node.scale_up)?,
            scale_out: catalog.get(&case.cluster.node.scale_out)?,
            region: catalog.get(&case.cluster.region)?,
            finance: catalog.get("default")?,
            name: case.name,
            workload: case.workload,
            accelerator,
            profile,
            cluster: case.cluster,
            stack: case.stack,
            choice: case.choice,
            course: Course::default(),
            phases: Vec::new(),
            offer: None,
            owned: false,
            terms: Terms::default(),
            limits: Limits::default(),
            unknowns: Vec::new(),
            assumptions: Vec::new(),
            overrides: Vec::new(),
            digest: String::new(),
        })
    }

    /// The class of its errors, given whether runs of its stack and on its device were fitted.
    #[must_use]
    pub fn class(&self, known_stack: bool, known_device: bool) -> Class {
        Class {
            known_stack,
            experts: self.workload.model.moe.is_some(),
            tried_device: known_device && self.profile.is_some(),
        }
    }

    /// The same on devices with another amount of memory.
    #[must_use]
    pub fn with_memory(&self, memory_bytes: f64) -> Scenario {
        let mut other = self.clone();
        other.accelerator.memory_bytes = memory_bytes;
        other
    }

    /// Devices in all.
    #[must_use]
    pub fn n_devices(&self) -> u64 {
        u64::from(self.cluster.n_nodes) * u64::from(self.cluster.node.n_devices)
    }

    /// Devices of one scale-up domain, as far as the cluster reaches.
    #[must_use]
    pub fn domain(&self) -> u32 {
        let domain = match self.scale_up.topology {
            // A torus joins hosts: its domain is the slice, not the host.
            Topology::Torus { .. } => self.scale_up.max_domain.max(self.cluster.node.scale_up_domain),
            _ => self.cluster.node.scale_up_domain,
        };
        u32::try_from(self.n_devices()).unwrap_or(u32::MAX).min(domain).max(1)
    }

    fn network(&self, oversubscription: f64) -> Network {
        let up = &self.scale_up;
        Network {
            scale_up: ScaleUp {
                topology: up.topology,
                bytes_per_s: up.bytes_per_s,
                latency_s: up.latency_s,
                ring_efficiency: up.ring_efficiency,
                in_network_efficiency: up.in_network_efficiency,
                domain: f64::from(self.domain()),
            },
            scale_out: ScaleOut {
                nic_bytes_per_s: self.cluster.node.nic_bytes_per_s,
                latency_s: self.scale_out.latency_s,
                efficiency: self.scale_out.ring_efficiency,
                oversubscription,
            },
        }
    }

    /// What the step runs on.
    #[must_use]
    pub fn machine(&self) -> Machine {
        // The tightest level that the job crosses limits what leaves a domain.
        #[allow(clippy::cast_precision_loss)]
        let crossed = self.cluster.levels.iter().filter(|l| u64::from(l.n_devices) < self.n_devices());
        let oversubscription = crossed.map(|l| l.oversubscription).fold(1.0, f64::max);
        Machine {
            network: self.network(oversubscription),
            accelerator: self.accelerator.clone(),
            profile: self.profile.clone(),
            domain: self.domain(),
            n_devices: self.n_devices(),
            node_devices: self.cluster.node.n_devices,
            stack: self.stack.clone(),
            host_link_bytes_per_s: self.accelerator.host_bytes_per_s,
            host_bytes_per_device: self.cluster.node.host_memory_bytes / f64::from(self.cluster.node.n_devices.max(1)),
        }
    }
}

/// What makes a plan reproducible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Program and version.
    pub program: String,
    /// Digest of the catalog.
    pub catalog_digest: String,
    /// Digest of the scenario and its overrides.
    pub scenario_digest: String,
    /// Overrides, as given.
    pub overrides: Vec<String>,
}

impl Provenance {
    /// What a result of this scenario over this catalog rests on.
    #[must_use]
    pub fn of(scenario: &Scenario, catalog: &Catalog) -> Provenance {
        Provenance {
            program: format!("exaplan {}", env!("CARGO_PKG_VERSION")),
            catalog_digest: catalog.digest(),
            scenario_digest: scenario.digest.clone(),
            overrides: scenario.overrides.clone(),
        }
    }
}

/// A scenario with its answer.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What was asked.
    pub scenario: Scenario,
    /// The layout that answers it.
    pub layout: Layout,
    /// Other layouts whose step time cannot be told from the best.
    pub ties: Vec<Layout>,
    /// Parameters and FLOPs.
    pub counts: Counts,
    /// One step.
    pub step: Step,
    /// Layouts and steps of the phases, where there are any.
    pub phases: Vec<PhasePlan>,
    /// The mean step of the run; `step` where there are no phases.
    pub mean_step: Step,
    /// The whole run.
    pub run: Run,
    /// What it takes.
    pub bill: Bill,
    /// Bytes of one checkpoint.
    pub checkpoint_bytes: f64,
    /// Ranges that were drawn from distributions of its inputs.
    pub drawn: Option<Drawn>,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// Weights in 16 bits and the optimizer's state of every stage, each kept once: 14 bytes per
/// parameter with `AdamW` (published checkpoints hold 9 to 14).
#[must_use]
pub fn checkpoint_bytes(workload: &Workload, counts: &Counts) -> f64 {
    // An adapter is saved alone: the frozen base does not change.
    let params = workload.adapter.map_or(counts.params_total, |a| a.params(&workload.model));
    params * (workload.precision.weight_bytes + workload.precision.optimizer_bytes)
}

/// Plan a scenario with a layout that has passed its checks, all tokens of it alike: phases are left out.
#[must_use]
pub fn evaluate(scenario: &Scenario, catalog: &Catalog, layout: Layout) -> Plan {
    complete(scenario, catalog, layout, Vec::new())
}

/// What a step makes of a run.
struct Outcome {
    checkpoint_bytes: f64,
    mean_step: Step,
    run: Run,
    bill: Bill,
}

fn complete(scenario: &Scenario, catalog: &Catalog, layout: Layout, phases: Vec<PhasePlan>) -> Plan {
    let step = simulate(&scenario.workload, &scenario.machine(), &layout);
    let counts = count(&scenario.workload.model, scenario.workload.seq_len_tokens);
    let Outcome {
        checkpoint_bytes,
        mean_step,
        run,
        bill,
    } = outcome(scenario, &layout, &step, &phases, &counts);
    Plan {
        provenance: Provenance::of(scenario, catalog),
        scenario: scenario.clone(),
        layout,
        ties: Vec::new(),
        counts,
        step,
        phases,
        mean_step,
        run,
        bill,
        checkpoint_bytes,
        drawn: None,
    }
}

/// What the whole run takes with a step of these parts.
#[must_use]
pub fn totals(scenario: &Scenario, layout: &Layout, parts: &Parts) -> Totals {
    #[allow(clippy::cast_precision_loss)]
    let step = Step::of_parts(*parts, scenario.workload.step_tokens(), layout.n_devices() as f64);
    let counts = count(&scenario.workload.model, scenario.workload.seq_len_tokens);
    let bill = outcome(scenario, layout, &step, &[], &counts).bill;
    Totals {
        cost_usd: bill.cost.total_usd,
        energy_j: bill.energy.facility_j,
        carbon_kg_co2e: bill.carbon.total_location_kg_co2e,
    }
}

/// What the wall time of a plan's run depends on.
#[must_use]
pub fn process_of(plan: &Plan) -> crate::run::Process {
    let stretches = phases::stretches(&plan.step, plan.scenario.workload.total_tokens, &plan.phases);
    crate::run::process(&run_input(&plan.scenario, &plan.layout, &stretches, plan.checkpoint_bytes))
}

fn run_input<'a>(scenario: &'a Scenario, layout: &Layout, stretches: &'a [Stretch<'a>], checkpoint_bytes: f64) -> RunInput<'a> {
    let cluster = &scenario.cluster;
    let node_devices = f64::from(cluster.node.n_devices);
    #[allow(clippy::cast_precision_loss)]
    let replica_devices = layout.n_devices() as f64 / f64::from(layout.data.max(1));
    RunInput {
        stretches,
        n_nodes: f64::from(cluster.n_nodes),
        node_devices,
        replica_nodes: (replica_devices / node_devices).max(1.0),
        reliability: &cluster.reliability,
        storage_bytes_per_s: cluster.storage_bytes_per_s,
        node_bytes_per_s: cluster.node.nic_bytes_per_s * node_devices,
        checkpoint_bytes,
        saving: scenario.course.saving,
        evaluation: scenario.course.evaluation,
        preemptions_per_day: cluster.reliability.preemptions_per_day,
    }
}

fn outcome(scenario: &Scenario, layout: &Layout, step: &Step, phases: &[PhasePlan], counts: &Counts) -> Outcome {
    let workload = &scenario.workload;
    let checkpoint_bytes = checkpoint_bytes(workload, counts);
    let stretches = phases::stretches(step, workload.total_tokens, phases);
    let mean_step = phases::mean_step(&stretches, step);
    let run = run(&run_input(scenario, layout, &stretches, checkpoint_bytes));
    let bill = Market::of(scenario).bill(scenario, &mean_step, &run, checkpoint_bytes);
    Outcome {
        checkpoint_bytes,
        mean_step,
        run,
        bill,
    }
}

/// Plan a scenario: the fastest layout that fits, or the fixed one.
///
/// # Errors
/// [`Error::NoFeasibleLayout`] when nothing fits, or nothing a phase, with the reasons.
pub fn plan(scenario: &Scenario, catalog: &Catalog) -> Result<Plan> {
    let found = crate::search::search(scenario, &crate::search::Options::default());
    let Some(best) = found.best.first() else {
        return Err(Error::NoFeasibleLayout {
            rejected: found.rejected,
            nearest: found.nearest,
        });
    };
    let mut plan = complete(scenario, catalog, best.layout, phases::phase_plans(scenario)?);
    plan.ties = found.best.iter().skip(1).filter(|c| c.tie).map(|c| c.layout).collect();
    Ok(plan)
}

/// The same plan on another number of tokens, all alike: the step stays, run and bill are worked out again.
#[must_use]
pub fn with_tokens(plan: &Plan, total_tokens: f64) -> Plan {
    let mut next = plan.clone();
    next.scenario.workload.total_tokens = total_tokens;
    (next.phases, next.scenario.phases) = (Vec::new(), Vec::new());
    let out = outcome(&next.scenario, &next.layout, &next.step, &[], &next.counts);
    (next.mean_step, next.run, next.bill) = (out.mean_step, out.run, out.bill);
    next.drawn = None;
    next
}

/// What a step makes of the run of a scenario, and what that takes.
#[must_use]
pub fn run_and_bill(scenario: &Scenario, layout: &Layout, step: &Step, phases: &[PhasePlan]) -> (Run, Bill) {
    let counts = count(&scenario.workload.model, scenario.workload.seq_len_tokens);
    let out = outcome(scenario, layout, step, phases, &counts);
    (out.run, out.bill)
}

/// The same step under a scenario that differs in nothing a step depends on ([`same_step`]): run and
/// bill are worked out again.
pub fn with_scenario(plan: &mut Plan, scenario: Scenario) {
    plan.scenario = scenario;
    let out = outcome(&plan.scenario, &plan.layout, &plan.step, &plan.phases, &plan.counts);
    (plan.checkpoint_bytes, plan.mean_step, plan.run, plan.bill) = (out.checkpoint_bytes, out.mean_step, out.run, out.bill);
}

/// Whether two scenarios have the same layouts and steps: they differ in tokens, failures, prices,
/// place and the like, or in nothing.
#[must_use]
pub fn same_step(a: &Scenario, b: &Scenario) -> bool {
    let same_work = Workload {
        total_tokens: b.workload.total_tokens,
        ..a.workload.clone()
    } == b.workload;
    same_work && a.phases == b.phases && a.choice == b.choice && a.machine() == b.machine()
}

/// The step of a plan bar by bar; nothing when the event engine cannot run it.
#[must_use]
pub fn step_gantt(plan: &Plan) -> Option<Gantt> {
    let (workload, machine) = (&plan.scenario.workload, plan.scenario.machine());
    let step = engine_step(workload, &machine, &plan.layout).ok()?;
    Some(gantt(workload, &machine, &plan.layout, &step))
}

/// Parameters that one device of each stage holds.
#[must_use]
pub fn params_by_stage(plan: &Plan) -> Vec<f64> {
    let workload = &plan.scenario.workload;
    let shapes = stages(&workload.model, &plan.layout);
    shapes.iter().map(|s| device_params(workload, &plan.layout, s).total()).collect()
}
