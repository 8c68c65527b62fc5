//! One sample: the scenario as its unknowns fall out, its step, its run and bill.

use super::Reread;
use super::inverse::Inverse;
use super::lens::{Follows, follows, knobs, numbers, rest};
use crate::error::{Diagnostic, Error, Result};
use crate::layout::Layout;
use crate::layout::check::{memory_violation, shape_violations};
use crate::plan::{PhasePlan, Plan, Scenario, Unknown, phase_plans, run_and_bill, slowed, slower_phase};
use crate::step::{Step, simulate};
use crate::study::metric::Metric;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Keys of `[limits]` in the order of [`Outcome::met`].
pub const LIMITS: [&str; 4] = ["deadline", "budget", "power", "carbon"];
/// Steps that are kept when unknowns take few values.
const MOST_STEPS: usize = 64;
/// Samples that are worked out both ways before the short one is trusted.
const N_PROBES: u32 = 3;
/// How far the two ways may be apart: rounding.
const SAME: f64 = 1e-9;

/// How samples follow an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reused {
    /// The step is scaled.
    Scaled,
    /// The step stays; run and bill are worked out again.
    Step,
    /// The scenario is read and the step worked out again.
    Nothing,
}

/// What one sample draws.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// Step time over its prediction.
    pub step_ratio: f64,
    /// One value per unknown.
    pub values: Vec<f64>,
}

/// What comes of a draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    values: [Option<f64>; 5],
    /// Whether each limit is met; nothing where there is none, or nothing to hold against it.
    pub met: [Option<bool>; 4],
}

impl Outcome {
    /// A headline number.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        let place = Metric::ALL.iter().position(|m| *m == metric)?;
        self.values[place]
    }

    fn of(scenario: &Scenario, layout: &Layout, step: &Step, phases: &[PhasePlan]) -> Outcome {
        let (run, bill) = run_and_bill(scenario, layout, step, phases);
        let limits = &scenario.limits;
        let below = |limit: Option<f64>, value: Option<f64>| Some(value? <= limit?);
        Outcome {
            values: Metric::ALL.map(|m| m.value(step, &run, &bill)),
            met: [
                below(limits.wall_s, Some(run.wall_s)),
                below(limits.cost_usd, bill.cost.total_usd),
                below(limits.facility_w, Some(bill.energy.mean_w)),
                below(limits.carbon_kg_co2e, Some(bill.carbon.total_location_kg_co2e)),
            ],
        }
    }

    fn is_near(&self, other: &Outcome) -> bool {
        let near = |(a, b): (&Option<f64>, &Option<f64>)| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= SAME * a.abs().max(b.abs()),
            (a, b) => a.is_none() && b.is_none(),
        };
        self.values.iter().zip(&other.values).all(near)
    }
}

/// An unknown, ready to be drawn.
pub struct Drawable {
    /// Its path.
    pub path: String,
    /// Name of its distribution.
    pub shape: &'static str,
    /// What its numbers are in.
    pub unit: String,
    unknown: Unknown,
    inverse: Inverse,
    /// Its values are rounded: the key takes whole numbers only.
    whole: bool,
    /// Knobs that follow it; nothing when the scenario must be read for every value.
    follows: Option<Vec<Follows>>,
}

impl Drawable {
    /// The value that the share `u` of all draws lies below.
    pub fn at(&self, u: f64) -> f64 {
        let value = self.inverse.at(u);
        if self.whole { value.round() } else { value }
    }

    /// How samples follow it.
    pub fn reused(&self) -> Reused {
        if self.follows.is_some() { Reused::Step } else { Reused::Nothing }
    }
}

/// A plan and its unknowns.
pub struct Case<'a> {
    layout: Layout,
    read: &'a Reread<'a>,
    /// Tenth and ninetieth percentile of step time over prediction.
    pub band: Option<(f64, f64)>,
    /// The unknowns in the order of the scenario.
    pub unknowns: Vec<Drawable>,
    /// With every unknown at its median.
    base: Scenario,
    step: Step,
    phases: Vec<PhasePlan>,
    middle: Outcome,
}

/// A scenario with its step and its phases.
type Stepped = (Scenario, Step, Vec<PhasePlan>);

impl<'a> Case<'a> {
    /// Look at what each unknown does.
    pub fn new(plan: &Plan, read: &'a Reread<'a>) -> Result<Case<'a>> {
        let list = plan.scenario.unknowns.iter();
        let unknowns = list.map(|u| drawable(u, read)).collect::<Result<Vec<_>>>()?;
        let mut case = Case {
            layout: plan.layout,
            read,
            band: plan.scenario.band.as_ref().map(|b| (b.low_ratio, b.high_ratio)),
            unknowns,
            base: plan.scenario.clone(),
            step: plan.step.clone(),
            phases: plan.phases.clone(),
            middle: Outcome::of(&plan.scenario, &plan.layout, &plan.step, &plan.phases),
        };
        if !case.unknowns.is_empty() {
            (case.base, case.step, case.phases) = case.stepped(&case.medians().values)?;
            case.middle = Outcome::of(&case.base, &case.layout, &case.step, &case.phases);
            case.find_followers()?;
            case.probe()?;
        }
        Ok(case)
    }

    /// Everything at its median.
    pub fn medians(&self) -> Draw {
        Draw {
            step_ratio: 1.0,
            values: self.unknowns.iter().map(|u| u.at(0.5)).collect(),
        }
    }

    /// What comes of the medians.
    pub fn middle(&self) -> Outcome {
        self.middle
    }

    /// No sample needs a scenario read or a step worked out.
    pub fn is_quick(&self) -> bool {
        self.unknowns.iter().all(|u| u.follows.is_some())
    }

    /// The scenario with values of the unknowns.
    fn scenario(&self, values: &[f64]) -> Result<Scenario> {
        let sets: Vec<String> = self.unknowns.iter().zip(values).map(|(u, v)| u.unknown.assignment(*v)).collect();
        (self.read)(&sets)
    }

    /// The same with its step on the layout, if it still fits.
    fn stepped(&self, values: &[f64]) -> Result<Stepped> {
        let scenario = self.scenario(values)?;
        let legal = shape_violations(&scenario.workload, &self.layout, scenario.n_devices());
        let step = legal
            .is_empty()
            .then(|| simulate(&scenario.workload, &scenario.machine(), &self.layout));
        let memory = step.as_ref().and_then(|s| memory_violation(&s.memory));
        match (step, legal.into_iter().next().or(memory)) {
            (Some(step), None) => {
                let phases = phase_plans(&scenario)?;
                Ok((scenario, step, phases))
            }
            (_, violation) => Err(self.unfit(values, violation.map_or_else(String::new, |v| format!(": {v}")))),
        }
    }

    fn unfit(&self, values: &[f64], why: String) -> Error {
        let named: Vec<String> = self.unknowns.iter().zip(values).map(|(u, v)| u.unknown.assignment(*v)).collect();
        let text = format!("the layout {} does not fit a sample with {}{why}", self.layout, named.join(", "));
        let help =
            "the layout stays fixed over samples: narrow the distribution, or look at single values with `exaplan compare --what-if`";
        let problem = Diagnostic::new(text).help(help);
        match self.unknowns.first() {
            Some(u) => problem.at(&u.unknown.at).into(),
            None => problem.into(),
        }
    }

    /// Which knobs follow which unknown.
    fn find_followers(&mut self) -> Result<()> {
        let (middle, frame) = (numbers(&self.base), rest(&self.base));
        let medians = self.medians().values;
        for i in 0..self.unknowns.len() {
            let u = &self.unknowns[i];
            // Far out: what changes at the ends only must not pass for what never changes.
            let (low, high) = (u.at(0.01), u.at(0.99));
            let at = |value: f64| -> Result<Scenario> {
                let mut values = medians.clone();
                values[i] = value;
                self.scenario(&values).map_err(|e| refused(&u.unknown, value, e))
            };
            let ends = [at(low)?, at(high)?];
            if ends.iter().any(|s| s.choice != self.base.choice) {
                let text = format!("`unknowns`: `{}` changes the layout", u.path);
                let help = "the layout stays fixed over samples: compare single values with `exaplan compare --what-if`";
                return Err(Diagnostic::new(text).at(&u.unknown.at).help(help).into());
            }
            if ends.iter().all(|s| rest(s) == frame) {
                let [from, to] = ends.map(|s| numbers(&s));
                let found = follows([(low, &from), (medians[i], &middle), (high, &to)]);
                self.unknowns[i].follows = found;
            }
        }
        Ok(())
    }

    /// Trust the short way only where it agrees with the long one with all unknowns moved at once.
    fn probe(&mut self) -> Result<()> {
        for i in 0..N_PROBES {
            // Values far apart, in another order for each unknown.
            let place = |j: usize| {
                let turn = u32::try_from(j % 97).unwrap_or(0) * 5 + i * 3;
                (f64::from(turn % 11) + 0.5) / 11.0
            };
            let values: Vec<f64> = self.unknowns.iter().enumerate().map(|(j, u)| u.at(place(j))).collect();
            let draw = Draw { step_ratio: 1.0, values };
            let (scenario, step, phases) = self.stepped(&draw.values)?;
            if !self.outcome(&draw)?.is_near(&Outcome::of(&scenario, &self.layout, &step, &phases)) {
                self.unknowns.iter_mut().for_each(|u| u.follows = None);
                return Ok(());
            }
        }
        Ok(())
    }

    /// The least and the greatest value of each unknown must be ones that it may have.
    pub fn check(&self, columns: &[Vec<f64>]) -> Result<()> {
        for (u, column) in self.unknowns.iter().zip(columns) {
            let ends = [
                column.iter().copied().fold(f64::INFINITY, f64::min),
                column.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            ];
            for value in ends {
                (self.read)(&[u.unknown.assignment(value)]).map_err(|e| refused(&u.unknown, value, e))?;
            }
        }
        Ok(())
    }

    /// What comes of one draw.
    pub fn outcome(&self, draw: &Draw) -> Result<Outcome> {
        if self.is_quick() {
            return Ok(self.quick(draw, &mut self.base.clone(), &self.step, &self.phases));
        }
        let (mut scenario, step, phases) = self.stepped(&self.held(draw))?;
        Ok(self.quick(draw, &mut scenario, &step, &phases))
    }

    /// A draw with the unknowns that knobs follow at their medians.
    fn held(&self, draw: &Draw) -> Vec<f64> {
        let medians = self.medians().values;
        let each = self.unknowns.iter().zip(draw.values.iter().zip(medians));
        each.map(|(u, (value, median))| if u.follows.is_some() { median } else { *value })
            .collect()
    }

    /// Run and bill with the knobs set and the step scaled.
    fn quick(&self, draw: &Draw, scenario: &mut Scenario, step: &Step, phases: &[PhasePlan]) -> Outcome {
        let mut all = knobs(scenario);
        for (u, value) in self.unknowns.iter().zip(&draw.values) {
            for one in u.follows.iter().flatten() {
                one.set(&mut all, *value);
            }
        }
        if draw.step_ratio == 1.0 {
            return Outcome::of(scenario, &self.layout, step, phases);
        }
        let phases: Vec<PhasePlan> = phases.iter().map(|p| slower_phase(p, draw.step_ratio)).collect();
        Outcome::of(scenario, &self.layout, &slowed(step, draw.step_ratio), &phases)
    }

    /// What comes of every sample, in order.
    pub fn all(&self, n: u32, draw: &(dyn Fn(u32) -> Draw + Sync), told: &(dyn Fn() + Sync)) -> Result<Vec<Outcome>> {
        let samples = (0..n).into_par_iter();
        if self.is_quick() {
            let one = |scratch: &mut Scenario, i: u32| {
                let outcome = self.quick(&draw(i), scratch, &self.step, &self.phases);
                told();
                outcome
            };
            return Ok(samples.map_init(|| self.base.clone(), one).collect());
        }
        let kept = self.steps(n, draw)?;
        let one = |i: u32| {
            let draw = draw(i);
            let outcome = match kept.get(&bits(&self.held(&draw))) {
                Some((scenario, step, phases)) => self.quick(&draw, &mut scenario.clone(), step, phases),
                None => self.outcome(&draw)?,
            };
            told();
            Ok(outcome)
        };
        samples.map(one).collect()
    }

    /// Steps of all samples where they are few: lists and whole numbers repeat.
    fn steps(&self, n: u32, draw: &(dyn Fn(u32) -> Draw + Sync)) -> Result<BTreeMap<Vec<u64>, Stepped>> {
        let mut wanted = BTreeSet::new();
        for i in 0..n {
            wanted.insert(bits(&self.held(&draw(i))));
            if wanted.len() > MOST_STEPS {
                return Ok(BTreeMap::new());
            }
        }
        let one = |key: Vec<u64>| {
            let values: Vec<f64> = key.iter().map(|b| f64::from_bits(*b)).collect();
            Ok((key, self.stepped(&values)?))
        };
        wanted.into_par_iter().map(one).collect()
    }
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Try an unknown: does the scenario have such a key, and must its values be whole?
fn drawable(unknown: &Unknown, read: &Reread<'_>) -> Result<Drawable> {
    let inverse = Inverse::of(unknown).ok_or_else(|| {
        Diagnostic::new(format!(
            "`unknowns`: next to nothing of `{}` lies between its `min` and `max`",
            unknown.path
        ))
        .at(&unknown.at)
        .help("widen them")
    })?;
    let whole = is_whole(unknown, &inverse, read)?;
    Ok(Drawable {
        path: unknown.path.clone(),
        shape: unknown.shape.name(),
        unit: unknown.unit.clone(),
        unknown: unknown.clone(),
        inverse,
        whole,
        follows: None,
    })
}

/// Whether the key takes whole numbers only.
fn is_whole(unknown: &Unknown, inverse: &Inverse, read: &Reread<'_>) -> Result<bool> {
    for u in [0.1, 0.37, 0.5, 0.9] {
        let value = inverse.at(u);
        let Err(error) = read(&[unknown.assignment(value)]) else { continue };
        let whole = error.to_string().contains("not a whole number");
        // What is wrong with the rounded value is worth more than that the first one was none.
        match read(&[unknown.assignment(value.round())]) {
            Ok(_) if whole => return Ok(true),
            Err(error) if whole => return Err(refused(unknown, value.round(), error)),
            _ => return Err(refused(unknown, value, error)),
        }
    }
    Ok(false)
}

/// A value that the scenario may not have, at the place of its distribution.
fn refused(unknown: &Unknown, value: f64, error: Error) -> Error {
    let (why, help) = match error {
        Error::Invalid(list) => {
            let first = list.into_iter().next();
            first.map_or_else(|| (String::new(), None), |d| (d.message, d.help))
        }
        other => return other,
    };
    let help = help.map_or_else(String::new, |h| format!("{h}; "));
    let text = format!("`unknowns`: `{}` cannot be {}: {why}", unknown.path, unknown.written(value));
    Diagnostic::new(text)
        .at(&unknown.at)
        .help(format!("{help}cut a distribution with min = … and max = …"))
        .into()
}
