//! Slow devices and jitter: what they cost a step. Draws are made here, from a seeded stream;
//! the step itself stays free of chance.

use super::statistics::quantile;
use crate::error::{Diagnostic, Result};
use crate::plan::Plan;
use crate::step::engine::Noise;
use crate::step::event::{self, Refused};
use crate::step::schedule;
use crate::step::{EngineStep, engine_step_as};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use rayon::prelude::*;

/// A stage whose devices are slow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slow {
    /// Stage, from 0.
    pub stage: usize,
    /// Its time over that of an even one.
    pub slowdown_factor: f64,
}

/// Random differences between slots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter {
    /// Standard deviation of the logarithm of a slot's time; the mean time stays.
    pub sigma_fraction: f64,
    /// Seed of the stream.
    pub seed: u64,
    /// Steps to draw.
    pub n_draws: u32,
}

/// Step times under jitter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// A tenth of the steps is faster.
    pub p10_s: f64,
    /// The median.
    pub p50_s: f64,
    /// A tenth of the steps is slower.
    pub p90_s: f64,
    /// The mean.
    pub mean_s: f64,
}

/// The schedule of a plan with slow stages, or why it cannot run.
///
/// # Errors
/// When the layout's schedule does not exist for its sizes.
pub fn slowed(plan: &Plan, slow: &[Slow]) -> std::result::Result<EngineStep, Refused> {
    let factors = factors(plan, slow);
    let noise = Noise {
        stage_factor: &factors,
        slot_factor: None,
    };
    step(plan, &noise)
}

/// Check stages and factors against the plan that they are meant for.
///
/// # Errors
/// A stage that does not exist, or a factor that is no slowdown.
pub fn check(plan: &Plan, slow: &[Slow]) -> Result<()> {
    let n = plan.layout.pipeline as usize;
    match slow.iter().find(|s| s.stage >= n) {
        Some(s) => {
            let help = match n {
                1 => "this layout has no pipeline: its one stage is 0".to_string(),
                n => format!("this layout has {n} stages, 0 to {}", n - 1),
            };
            Err(Diagnostic::new(format!("there is no stage {}", s.stage)).help(help).into())
        }
        None => Ok(()),
    }
}

/// Step times with jitter on every slot, on top of slow stages. The same seed gives the same
/// numbers whatever the number of threads: each draw has its own stream.
///
/// # Errors
/// When the layout's schedule does not exist for its sizes.
pub fn jittered(plan: &Plan, slow: &[Slow], jitter: &Jitter) -> std::result::Result<Spread, Refused> {
    let order = schedule::slots(&event::plan(&plan.scenario.workload, &plan.layout)).map_err(Refused::Schedule)?;
    let sizes: Vec<usize> = order.iter().map(Vec::len).collect();
    let stages = factors(plan, slow);
    let draw = |n: u32| {
        let slots = slot_factors(&sizes, jitter, n);
        let at = |stage: usize, slot: usize| slots.get(stage).and_then(|s| s.get(slot)).copied().unwrap_or(1.0);
        let noise = Noise {
            stage_factor: &stages,
            slot_factor: Some(&at),
        };
        step(plan, &noise).map(|step| step.time_s)
    };
    let draws: std::result::Result<Vec<f64>, Refused> = (0..jitter.n_draws).into_par_iter().map(draw).collect();
    Ok(Spread::of(draws?))
}

fn step(plan: &Plan, noise: &Noise<'_>) -> std::result::Result<EngineStep, Refused> {
    let workload = &plan.scenario.workload;
    let schedule = event::plan(workload, &plan.layout);
    engine_step_as(workload, &plan.scenario.machine(), &plan.layout, &schedule, noise)
}

/// One factor per stage; what is said of a stage twice multiplies.
fn factors(plan: &Plan, slow: &[Slow]) -> Vec<f64> {
    let mut out = vec![1.0; plan.layout.pipeline.max(1) as usize];
    for s in slow {
        if let Some(factor) = out.get_mut(s.stage) {
            *factor *= s.slowdown_factor;
        }
    }
    out
}

/// Log-normal factors of mean 1 for every slot of every stage.
fn slot_factors(sizes: &[usize], jitter: &Jitter, draw: u32) -> Vec<Vec<f64>> {
    let mut stream = Pcg64::new(u128::from(jitter.seed), u128::from(draw));
    let sigma = jitter.sigma_fraction;
    let mut one = || {
        let z: f64 = StandardNormal.sample(&mut stream);
        (sigma * z - sigma * sigma / 2.0).exp()
    };
    sizes.iter().map(|n| (0..*n).map(|_| one()).collect()).collect()
}

impl Spread {
    /// Of at least one time.
    fn of(mut times_s: Vec<f64>) -> Spread {
        // Summed in the order of the draws, so that the mean does not depend on ties.
        #[allow(clippy::cast_precision_loss)]
        let mean_s = times_s.iter().sum::<f64>() / times_s.len().max(1) as f64;
        times_s.sort_by(f64::total_cmp);
        let at = |share: f64| quantile(&times_s, share);
        Spread {
            p10_s: at(0.1),
            p50_s: at(0.5),
            p90_s: at(0.9),
            mean_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::plan::{Scenario, plan};

    fn small() -> Plan {
        let overrides = [
            "cluster.nodes=64",
            "layout.pipeline=8",
            "layout.virtual_stages=1",
            "layout.data=8",
            "training.global_batch=1M tokens",
        ];
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        let (scenario, catalog) = Scenario::load("llama3-405b", &overrides, Catalog::builtin()).unwrap();
        plan(&scenario, &catalog).unwrap()
    }

    fn jitter(sigma_fraction: f64, seed: u64) -> Jitter {
        Jitter {
            sigma_fraction,
            seed,
            n_draws: 40,
        }
    }

    #[test]
    fn a_slow_stage_costs_up_to_its_factor() {
        let plan = small();
        let even_s = slowed(&plan, &[]).unwrap().time_s;
        let slow = |stage| Slow {
            stage,
            slowdown_factor: 1.2,
        };
        for stage in 0..8 {
            let cost = slowed(&plan, &[slow(stage)]).unwrap().time_s / even_s;
            assert!((1.0..1.2).contains(&cost), "{stage}: {cost}");
        }
        assert!(check(&plan, &[slow(7)]).is_ok());
        assert!(check(&plan, &[slow(8)]).unwrap_err().to_string().contains("0 to 7"));
    }

    #[test]
    fn the_same_seed_gives_the_same_steps_on_any_number_of_threads() {
        let plan = small();
        let all = jittered(&plan, &[], &jitter(0.05, 7)).unwrap();
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let alone = one.install(|| jittered(&plan, &[], &jitter(0.05, 7)).unwrap());
        assert_eq!(all, alone);
        assert_ne!(all, jittered(&plan, &[], &jitter(0.05, 8)).unwrap());
    }

    #[test]
    fn jitter_slows_on_average_and_more_of_it_more() {
        let plan = small();
        let even_s = slowed(&plan, &[]).unwrap().time_s;
        let none = jittered(&plan, &[], &jitter(0.0, 1)).unwrap();
        assert!((none.p10_s - even_s).abs() < 1e-9 * even_s && (none.p90_s - even_s).abs() < 1e-9 * even_s);
        let (little, much) = (
            jittered(&plan, &[], &jitter(0.02, 1)).unwrap(),
            jittered(&plan, &[], &jitter(0.1, 1)).unwrap(),
        );
        assert!(even_s < little.mean_s && little.mean_s < much.mean_s);
        assert!(much.p10_s < much.p50_s && much.p50_s < much.p90_s);
    }
}
