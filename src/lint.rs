//! Warnings about a plan, each with a remedy.

use crate::kernel::Evidence;
use crate::plan::Plan;
use crate::units;

/// One warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Short stable name.
    pub code: &'static str,
    /// What is the matter.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// A change that does it, as `--set` takes it, where there is one.
    pub set: Option<String>,
}

impl Warning {
    fn with(mut self, set: impl Into<String>) -> Warning {
        self.set = Some(set.into());
        self
    }
}

/// Everything worth a second look, gravest first.
#[must_use]
pub fn warnings(plan: &Plan) -> Vec<Warning> {
    let checks = [limits, format, memory, bubble, communication, goodput, evidence, units_of_price];
    checks.iter().flat_map(|check| check(plan)).collect()
}

fn warn(code: &'static str, message: String, remedy: impl Into<String>) -> Warning {
    Warning {
        code,
        message,
        remedy: remedy.into(),
        set: None,
    }
}

fn limits(plan: &Plan) -> Vec<Warning> {
    let limits = &plan.scenario.limits;
    let mut out = Vec::new();
    if let Some(most) = limits.wall_s.filter(|l| plan.run.wall_s > *l) {
        let text = format!(
            "the run takes {}, the deadline is {}",
            units::duration(plan.run.wall_s),
            units::duration(most)
        );
        out.push(warn("deadline", text, "add devices, or free the layout: exaplan search").with("layout={}"));
    }
    let over = limits.cost_usd.zip(plan.bill.cost.total_usd).filter(|(most, cost)| cost > most);
    if let Some((most, cost)) = over {
        let text = format!("the run costs {}, the budget is {}", units::si(cost, "USD"), units::si(most, "USD"));
        out.push(
            warn(
                "budget",
                text,
                "look at another provider or commitment: --set cost.commitment=1-year",
            )
            .with("cost.commitment=1-year"),
        );
    }
    let mean_w = plan.bill.energy.mean_w;
    if let Some(most) = limits.facility_w.filter(|l| mean_w > *l) {
        out.push(warn(
            "power",
            format!(
                "the facility draws {} on average, the limit is {}",
                units::si(mean_w, "W"),
                units::si(most, "W")
            ),
            "use fewer devices",
        ));
    }
    let peak_w = plan.bill.energy.peak_w;
    if let Some(most) = limits.peak_w.filter(|l| peak_w > *l) {
        let text = format!(
            "the machine may draw {} at the meter, the facility provides {}",
            units::si(peak_w, "W"),
            units::si(most, "W")
        );
        out.push(
            warn(
                "envelope",
                text,
                "cap the devices, for example --set power.device_cap=\"600 W\", or use fewer",
            )
            .with("power.device_cap=\"600 W\""),
        );
    }
    let carbon = plan.bill.carbon.total_location_kg_co2e;
    if let Some(most) = limits.carbon_kg_co2e.filter(|l| carbon > *l) {
        let text = format!(
            "the run emits {} t CO2e, the limit is {} t",
            units::significant(carbon / 1e3),
            units::significant(most / 1e3)
        );
        out.push(warn(
            "carbon",
            text,
            "choose a region with a cleaner grid: --set cluster.region=...",
        ));
    }
    out
}

fn format(plan: &Plan) -> Vec<Warning> {
    let (wanted, accelerator) = (plan.scenario.workload.precision.compute, &plan.scenario.accelerator);
    if accelerator.peak.matrix_flop_per_s(wanted).is_some() {
        return Vec::new();
    }
    let text = format!(
        "{} has no {wanted} units: its math is timed in the next wider format",
        accelerator.title
    );
    vec![
        warn(
            "precision",
            text,
            "write precision = \"bf16\", or choose a device that has the format",
        )
        .with("training.precision=bf16"),
    ]
}

fn memory(plan: &Plan) -> Vec<Warning> {
    let tight = plan
        .step
        .memory
        .iter()
        .min_by(|a, b| a.headroom_bytes().total_cmp(&b.headroom_bytes()));
    tight
        .filter(|b| b.headroom_bytes() < 0.05 * b.capacity_bytes)
        .map(|b| {
            let text = format!(
                "stage {} leaves {} of {} free",
                b.stage,
                units::gib(b.headroom_bytes()),
                units::gib(b.capacity_bytes)
            );
            warn(
                "tight-memory",
                text,
                "a longer sequence or another allocator may not fit; leave headroom with a smaller micro-batch or recompute = \"full\"",
            )
            .with("layout.recompute=full")
        })
        .into_iter()
        .collect()
}

fn share(plan: &Plan, seconds: f64) -> f64 {
    100.0 * seconds / plan.step.time_s
}

fn bubble(plan: &Plan) -> Vec<Warning> {
    let percent = share(plan, plan.step.parts.bubble_s);
    if percent <= 15.0 {
        return Vec::new();
    }
    let m = plan.layout.n_micro_batches(plan.scenario.workload.global_batch_seqs);
    let text = format!(
        "{percent:.0} % of the step is pipeline bubble ({m} micro-batches on {} stages)",
        plan.layout.pipeline
    );
    vec![warn("bubble", text, "more virtual stages, fewer pipeline stages or a larger batch").with("layout={}")]
}

fn communication(plan: &Plan) -> Vec<Warning> {
    let parts = &plan.step.parts;
    let list = [
        ("tensor-parallel", parts.tensor_s, "a smaller tensor degree"),
        ("context-parallel", parts.context_s, "a smaller context degree"),
        ("expert", parts.expert_s, "expert ranks inside one scale-up domain"),
        ("data-parallel", parts.data_s, "a larger batch, a faster network or less sharding"),
    ];
    list.iter()
        .filter(|(_, s, _)| share(plan, *s) > 25.0)
        .map(|(name, s, remedy)| {
            warn(
                "communication",
                format!("{:.0} % of the step is exposed {name} communication", share(plan, *s)),
                *remedy,
            )
        })
        .collect()
}

fn goodput(plan: &Plan) -> Vec<Warning> {
    if plan.run.thrashing {
        let text = format!(
            "failures come faster than the job can recover (one each {})",
            units::duration(plan.run.job_mtbf_s)
        );
        return vec![
            warn(
                "thrashing",
                text,
                "spares, faster restarts (reliability.restart) or asynchronous checkpoints; the wall time is a floor",
            )
            .with("reliability.checkpoint=asynchronous"),
        ];
    }
    if plan.run.goodput >= 0.85 {
        return Vec::new();
    }
    let text = format!("only {:.0} % of the wall time trains", 100.0 * plan.run.goodput);
    vec![
        warn(
            "goodput",
            text,
            "faster storage (cluster.storage), asynchronous_checkpoint = true, or faster restarts",
        )
        .with("reliability.checkpoint=asynchronous"),
    ]
}

fn evidence(plan: &Plan) -> Vec<Warning> {
    let weak: f64 = [Evidence::Datasheet, Evidence::Extrapolated]
        .iter()
        .filter_map(|e| plan.step.evidence.get(e))
        .sum();
    let sheet = plan.step.evidence.get(&Evidence::Datasheet).copied().unwrap_or(0.0);
    if sheet > 0.2 {
        let text = format!(
            "{:.0} % of kernel time rests on data sheets: no kernels of {} were measured",
            100.0 * sheet,
            plan.scenario.accelerator.title
        );
        return vec![warn("datasheet", text, "expect errors of 20 to 30 %; measure the device")];
    }
    if weak > 0.5 {
        let text = format!("{:.0} % of kernel time lies outside the measured range", 100.0 * weak);
        return vec![warn("extrapolated", text, "see `exaplan explain step.time_s` for which operations")];
    }
    Vec::new()
}

fn units_of_price(plan: &Plan) -> Vec<Warning> {
    if plan.bill.cost.total_usd.is_some() {
        return Vec::new();
    }
    let text = format!("no price of {} is known", plan.scenario.accelerator.title);
    vec![warn("no-price", text, "give one: --set cost.usd_per_device_hour=2.5").with("cost.usd_per_device_hour=2.5")]
}
