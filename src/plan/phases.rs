//! Phases of a run: ramps of the batch, other lengths of the sequence, each with a layout of its own.

use super::Scenario;
use crate::error::{Error, Result};
use crate::layout::{Choice, Layout};
use crate::run::{Saving, Stretch};
use crate::search::{Options, search};
use crate::step::{Parts, Step, simulate};

/// A phase as the scenario states it.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Its tokens.
    pub total_tokens: f64,
    /// Tokens of one sequence.
    pub seq_len_tokens: f64,
    /// Sequences of one step.
    pub global_batch_seqs: f64,
    /// What of its layout is fixed.
    pub choice: Choice,
}

impl Phase {
    /// The phase as a scenario without phases.
    #[must_use]
    pub fn scenario(&self, whole: &Scenario) -> Scenario {
        let mut one = whole.clone();
        one.phases = Vec::new();
        one.choice = self.choice;
        one.workload.total_tokens = self.total_tokens;
        one.workload.seq_len_tokens = self.seq_len_tokens;
        one.workload.global_batch_seqs = self.global_batch_seqs;
        one
    }
}

/// A phase with its layout and step.
#[derive(Debug, Clone, PartialEq)]
pub struct PhasePlan {
    /// What was asked.
    pub phase: Phase,
    /// The fastest layout that fits, or the fixed one.
    pub layout: Layout,
    /// One step of it.
    pub step: Step,
}

impl PhasePlan {
    /// Steps that its tokens take.
    #[must_use]
    pub fn n_steps(&self) -> f64 {
        self.stretch().n_steps()
    }

    /// Their time, nothing lost.
    #[must_use]
    pub fn ideal_s(&self) -> f64 {
        self.n_steps() * self.step.time_s
    }

    /// It as a stretch of the run.
    #[must_use]
    pub fn stretch(&self) -> Stretch<'_> {
        Stretch {
            step: &self.step,
            total_tokens: self.phase.total_tokens,
        }
    }
}

/// Plan every phase.
///
/// # Errors
/// [`Error::NoFeasibleLayout`] when nothing fits a phase; the nearest miss names it.
pub fn phase_plans(scenario: &Scenario) -> Result<Vec<PhasePlan>> {
    let one = |phase: &Phase| {
        let alone = phase.scenario(scenario);
        let found = search(&alone, &Options::default());
        let Some(best) = found.best.first() else {
            let why = found.nearest.unwrap_or_default();
            return Err(Error::NoFeasibleLayout {
                rejected: found.rejected,
                nearest: Some(format!("phase `{}`: {why}", phase.name)),
            });
        };
        Ok(PhasePlan {
            phase: phase.clone(),
            layout: best.layout,
            step: simulate(&alone.workload, &alone.machine(), &best.layout),
        })
    };
    scenario.phases.iter().map(one).collect()
}

/// The stretches of a run: its phases, or the one step on all tokens.
#[must_use]
pub fn stretches<'a>(step: &'a Step, total_tokens: f64, phases: &'a [PhasePlan]) -> Vec<Stretch<'a>> {
    if phases.is_empty() {
        return vec![Stretch { step, total_tokens }];
    }
    phases.iter().map(PhasePlan::stretch).collect()
}

/// The mean step of a run, part by part: times the number of steps it is the time of all of them.
#[must_use]
pub fn mean_step(stretches: &[Stretch<'_>], step: &Step) -> Step {
    let n: f64 = stretches.iter().map(Stretch::n_steps).sum();
    if stretches.len() < 2 || n <= 0.0 {
        return stretches.first().map_or(step, |s| s.step).clone();
    }
    let mut parts = Parts::default();
    let mut tokens = 0.0;
    let (mut causal, mut full, mut hardware) = (0.0, 0.0, 0.0);
    for s in stretches {
        let share = s.n_steps() / n;
        parts = parts.plus(&s.step.parts.times(share));
        tokens += s.step.tokens * share;
        causal += s.step.model_flop * share;
        full += s.step.model_flop_full_attention * share;
        hardware += s.step.hardware_flop * share;
    }
    let time_s = parts.total_s();
    let rate = |flop: f64| flop / step.model_flop * step.time_s / time_s * step.mfu;
    Step {
        time_s,
        tokens,
        model_flop: causal,
        model_flop_full_attention: full,
        hardware_flop: hardware,
        mfu: rate(causal),
        hfu: rate(hardware),
        parts,
        ..step.clone()
    }
}

/// How a run takes its checkpoints and stops for evaluations, as the scenario says.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Course {
    /// Checkpoints.
    pub saving: Saving,
    /// Evaluations.
    pub evaluation: Option<crate::run::Evaluation>,
}
