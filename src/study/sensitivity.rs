//! What to change next: how much shorter a step gets when one property of the machine is 10 % better.

use crate::catalog::{GemmWave, Profile};
use crate::layout::Layout;
use crate::plan::Plan;
use crate::step::{Machine, closed_parts, engine_step, event};
use crate::workload::Workload;
use rayon::prelude::*;

/// How much better each property gets.
pub const BETTER_FRACTION: f64 = 0.1;
/// Forwards of a step that are simulated for every property; more would take seconds.
const MOST_PASSES: u64 = 1 << 16;
/// A rate that is better.
const MORE: f64 = 1.0 + BETTER_FRACTION;
/// A time or an amount of work that is better.
const LESS: f64 = 1.0 - BETTER_FRACTION;

/// One property of a machine.
#[derive(Debug, Clone, Copy)]
pub struct Term {
    /// Its name for people.
    pub name: &'static str,
    /// What 10 % better means.
    pub change: &'static str,
    improve: fn(&mut Machine),
}

/// What an improvement does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// Name of the property.
    pub term: &'static str,
    /// What was changed.
    pub change: &'static str,
    /// Relative change of the step time; negative is faster.
    pub step_time_change_fraction: f64,
}

const fn term(name: &'static str, change: &'static str, improve: fn(&mut Machine)) -> Term {
    Term { name, change, improve }
}

/// Every property: a scale-up domain is what the device's own links join, NIC and network lie
/// between domains, imbalance counts above an even load. Measured profiles carry rates and latencies of their own, which scale along.
pub const TERMS: [Term; 12] = [
    term("device math rate", "10 % more FLOP/s", math_rate),
    term("device memory bandwidth", "10 % more bytes/s", memory_rate),
    term("scale-up bandwidth", "10 % more bytes/s", scale_up_rate),
    term("scale-up latency", "10 % shorter", scale_up_latency),
    term("NIC bandwidth", "10 % more bytes/s", nic_rate),
    term("network latency", "10 % shorter", network_latency),
    term("host launch time", "10 % shorter", |m| m.stack.launch_s *= LESS),
    term("kernel start-up time", "10 % shorter", kernel_start),
    term("host link bandwidth", "10 % more bytes/s", |m| {
        m.host_link_bytes_per_s = m.host_link_bytes_per_s.map(|rate| rate * MORE);
    }),
    term("memory-bound passes", "10 % fewer", |m| m.stack.passes *= LESS),
    term("expert imbalance", "10 % less", |m| {
        m.stack.expert_imbalance = 1.0 + (m.stack.expert_imbalance - 1.0) * LESS;
    }),
    term("spread of node speed", "10 % narrower", |m| m.stack.straggler_sigma *= LESS),
];

fn math_rate(m: &mut Machine) {
    let peak = &mut m.accelerator.peak;
    peak.vector_flop_per_s *= MORE;
    let sheet = peak.dense_flop_per_s.values_mut();
    let fitted = m.profile.iter_mut().flat_map(|p| p.peak_flop_per_s.values_mut());
    sheet.chain(fitted).for_each(|rate| *rate *= MORE);
}

fn memory_rate(m: &mut Machine) {
    m.accelerator.memory_bytes_per_s *= MORE;
    if let Some(p) = &mut m.profile {
        p.memory_bytes_per_s *= MORE;
    }
}

fn scale_up_rate(m: &mut Machine) {
    m.network.scale_up.bytes_per_s *= MORE;
    let Some(p) = &mut m.profile else { return };
    let pieces = p.collectives.values_mut().flat_map(|c| &mut c.bytes_per_s);
    pieces.chain(p.bus_bytes_per_s.values_mut()).for_each(|rate| *rate *= MORE);
}

fn scale_up_latency(m: &mut Machine) {
    m.network.scale_up.latency_s *= LESS;
    let measured = m.profile.iter_mut().flat_map(|p| p.collectives.values_mut());
    measured.flat_map(|c| &mut c.alpha_s).for_each(|alpha_s| *alpha_s *= LESS);
}

fn nic_rate(m: &mut Machine) {
    m.network.scale_out.nic_bytes_per_s *= MORE;
}

fn network_latency(m: &mut Machine) {
    m.network.scale_out.latency_s *= LESS;
}

fn kernel_start(m: &mut Machine) {
    m.stack.kernel_floor_s *= LESS;
    let Some(Profile { gemm, attention, .. }) = &mut m.profile else {
        return;
    };
    let multiplies = gemm.values_mut().map(|GemmWave { t0_s, .. }| t0_s);
    multiplies
        .chain(attention.values_mut().map(|a| &mut a.t0_s))
        .for_each(|t0_s| *t0_s *= LESS);
}

/// What each term buys for the step of a plan, the most first.
#[must_use]
pub fn what_next(plan: &Plan) -> Vec<Effect> {
    effects(&plan.scenario.workload, &plan.scenario.machine(), &plan.layout)
}

/// The same for a layout on a machine.
#[must_use]
pub fn effects(workload: &Workload, machine: &Machine, layout: &Layout) -> Vec<Effect> {
    let now_s = step_s(workload, machine, layout);
    let effect = |term: &Term| {
        let mut better = machine.clone();
        (term.improve)(&mut better);
        Effect {
            term: term.name,
            change: term.change,
            step_time_change_fraction: step_s(workload, &better, layout) / now_s - 1.0,
        }
    };
    let mut out: Vec<Effect> = TERMS.par_iter().map(effect).collect();
    out.sort_by(|a, b| a.step_time_change_fraction.total_cmp(&b.step_time_change_fraction));
    out
}

/// Slot by slot where that is quick, else in closed form.
fn step_s(workload: &Workload, machine: &Machine, layout: &Layout) -> f64 {
    let closed_s = || closed_parts(workload, machine, layout).total_s();
    let plan = event::plan(workload, layout);
    if u64::from(plan.stages) * u64::from(plan.chunks) * u64::from(plan.micro_batches) > MOST_PASSES {
        return closed_s();
    }
    engine_step(workload, machine, layout).map_or_else(|_| closed_s(), |step| step.time_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::layout::Choice;
    use crate::plan::{Scenario, plan};
    use crate::search::{Options, search};

    fn planned(overrides: &[&str]) -> Plan {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        let (scenario, catalog) = Scenario::load("llama3-405b", &overrides, Catalog::builtin()).unwrap();
        plan(&scenario, &catalog).unwrap()
    }

    #[test]
    fn measured_collectives_feel_their_fabric() {
        let plan = planned(&[]);
        assert!(plan.scenario.profile.as_ref().is_some_and(|p| !p.collectives.is_empty()));
        let effects = what_next(&plan);
        let of = |name: &str| effects.iter().find(|e| e.term == name).unwrap().step_time_change_fraction;
        assert!(of("scale-up bandwidth") < -0.005, "{effects:?}");
        assert!(of("device math rate") < -0.03, "{effects:?}");
        assert!(effects.is_sorted_by(|a, b| a.step_time_change_fraction <= b.step_time_change_fraction));
    }

    #[test]
    fn nothing_better_makes_a_step_slower_or_wins_more_than_it_is() {
        let machines: [&[&str]; 5] = [
            &["cluster.nodes=64"],
            &["cluster.nodes=4", "model.use=mixtral-8x7b"],
            &["cluster.nodes=64", "cluster.accelerator=h200-sxm", "training.precision=fp8"],
            &["cluster.nodes=64", "cluster.node=mi300x-8"],
            &["cluster.nodes=256", "training.sequence=131072"],
        ];
        for overrides in machines {
            let owned: Vec<String> = overrides.iter().map(ToString::to_string).collect();
            let (mut scenario, _) = Scenario::load("llama3-405b", &owned, Catalog::builtin()).unwrap();
            scenario.choice = Choice::default();
            let options = Options {
                n_best: 4,
                ..Options::default()
            };
            let machine = scenario.machine();
            let found = search(&scenario, &options);
            assert!(!found.best.is_empty(), "{overrides:?}");
            for candidate in found.best.iter().chain(found.pareto.iter().take(4)) {
                for e in effects(&scenario.workload, &machine, &candidate.layout) {
                    let change = e.step_time_change_fraction;
                    let layout = candidate.layout;
                    assert!((-BETTER_FRACTION - 1e-9..=1e-9).contains(&change), "{overrides:?}, {layout}: {e:?}");
                }
            }
        }
    }
}
