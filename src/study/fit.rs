//! Joint fit of stack parameters on measured runs, each stack drawn towards its parent.
//!
//! A parameter of a stack is its parent's times `e^δ`; all stacks below inherit it. The fit minimizes
//! `eᵀV⁻¹e + Σ (δ/s)²` over all `δ` with `e = ln predicted − ln measured` (ridge regression towards the
//! parent, as in partial pooling; Gelman and Hill 2007, §12), by Gauss–Newton on one stack after
//! the other. `V` gives every family of sources, and in it every kind of run, an offset of its own
//! (module `offsets`): hundreds of near-identical rows of one source are few independent facts.

use super::offsets::{Pull, normal_equations, robust};
use super::runs::Row;
use super::validate::resolve;
use crate::catalog::{Catalog, Kind, Stack};
use crate::error::{Diagnostic, Result};
use crate::layout::Layout;
use crate::plan::Scenario;
use crate::step::{Machine, closed_parts};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Fitted parameters of a stack.
pub const N_PARAMETERS: usize = 5;

/// Names of the fitted parameters, as keys of a stack.
pub const PARAMETERS: [&str; N_PARAMETERS] = ["sustained_factor", "passes", "launch_s", "sink_factor", "attention_factor"];

/// How far a stack's parameter is expected to lie from its parent's, in ln.
const PRIOR_SPREAD: [f64; N_PARAMETERS] = [0.12, 0.3, 0.5, 1.5, 0.3];

/// The same of the root from its catalog value: what every stack inherits must be what most show.
const ROOT_SPREAD: [f64; N_PARAMETERS] = [0.04, 0.15, 0.3, 1.5, 0.12];

/// Sources whose throughput includes start-up (whole-run averages, by the notes of the collection):
/// predicted, but not fitted.
const WHOLE_RUNS: [&str; 2] = [" hf-llama", " hf-mistral"];

/// Degrees of freedom.
const TAIL: f64 = 4.0;

/// Sweeps over all stacks and Gauss–Newton steps of one stack in each.
const SWEEPS: usize = 2;
const STEPS: usize = 3;

/// Factors on the parameters of a stack, in ln.
pub type Shift = [f64; N_PARAMETERS];

/// One measured run, ready to be predicted again and again.
#[derive(Debug, Clone)]
pub struct Case {
    /// Row of the input.
    pub row: usize,
    /// What it is.
    pub scenario: Scenario,
    /// What it ran on.
    machine: Machine,
    /// The layout, with what the source leaves open chosen once.
    pub layout: Layout,
    /// Stack and its ancestors, the stack first.
    pub line: Vec<String>,
    /// Source with its version numbers stripped.
    pub family: String,
    /// Model, device and format: what the rows of one have in common is an offset of their own.
    pub kind: String,
    /// What makes two rows the same configuration.
    pub twin: String,
    /// ln of measured tokens per second and device.
    pub ln_measured: f64,
    /// Weight in a fit.
    weight: f64,
}

/// Source with digits stripped: versions of one page are one family.
#[must_use]
pub fn family(source: &str) -> String {
    let letters: String = source
        .chars()
        .map(|c| if c.is_ascii_digit() || c == '.' { ' ' } else { c })
        .collect();
    letters.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Where a fit starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// From the parameters that stacks have: runs of one's own.
    Fitted,
    /// From those before any run was looked at: a fit to the published runs, or without some of them.
    Unfitted,
}

/// Steps with a throughput that can be predicted.
#[must_use]
pub fn cases(rows: &[Row], catalog: &Catalog, start: Start) -> Vec<Case> {
    let one = |(row, text): (usize, &Row)| {
        let measured = text.number("tokens_per_s_per_device")?;
        if text.text("kind").is_some_and(|k| k != "step") {
            return None;
        }
        let (mut scenario, layout, _) = resolve(text, catalog).ok()?;
        if start == Start::Unfitted {
            scenario.stack = unfitted(&scenario.stack);
        }
        let line = line(&scenario.stack.name, catalog);
        let kind = ["model", "accelerator", "precision"].map(|c| text.text(c).unwrap_or(""));
        Some(Case {
            kind: kind.join("|"),
            row,
            machine: scenario.machine(),
            scenario,
            layout,
            line,
            family: family(text.text("source").unwrap_or("")),
            twin: text.configuration(),
            ln_measured: measured.ln(),
            weight: 1.0,
        })
    };
    let mut out: Vec<Case> = rows.par_iter().enumerate().filter_map(one).collect();
    weigh(&mut out);
    out
}

/// Why nothing can be fitted, when there are no cases.
///
/// # Errors
/// When the list is empty.
pub fn some(cases: &[Case]) -> Result<()> {
    if cases.is_empty() {
        let text = "none of the rows is a step with a throughput that can be predicted";
        let help = "fill tokens_per_s_per_device, devices, seq_len and names of a known model and accelerator; `exaplan validate` says why rows are left out";
        return Err(Diagnostic::new(text).help(help).into());
    }
    Ok(())
}

/// A stack and the entries that it extends.
#[must_use]
pub fn line(name: &str, catalog: &Catalog) -> Vec<String> {
    let mut out = vec![name.to_string()];
    while let Some(parent) = out.last().and_then(|n| parent(n, catalog)) {
        if out.contains(&parent) {
            break;
        }
        out.push(parent);
    }
    out
}

/// The entry that a stack extends.
fn parent(name: &str, catalog: &Catalog) -> Option<String> {
    let entry = catalog.entry(Kind::Stack, name).ok()?;
    entry.tree.text("extends").map(str::to_string)
}

/// Weights of cases: rows of the same configuration in a family together count as one.
pub fn weigh(cases: &mut [Case]) {
    let mut twins: BTreeMap<(String, String), f64> = BTreeMap::new();
    for case in cases.iter() {
        *twins.entry((case.family.clone(), case.twin.clone())).or_default() += 1.0;
    }
    for case in cases.iter_mut() {
        if WHOLE_RUNS.iter().any(|s| case.family.contains(s)) {
            case.weight = 0.0;
            continue;
        }
        let same = twins.get(&(case.family.clone(), case.twin.clone())).copied().unwrap_or(1.0);
        case.weight = 1.0 / same;
    }
}

/// A stack with its parameters shifted.
#[must_use]
pub fn shifted(stack: &Stack, shift: &Shift) -> Stack {
    Stack {
        sustained_factor: stack.sustained_factor * shift[0].exp(),
        passes: stack.passes * shift[1].exp(),
        launch_s: stack.launch_s * shift[2].exp(),
        sink_factor: stack.sink_factor * shift[3].exp(),
        attention_factor: stack.attention_factor * shift[4].exp(),
        ..stack.clone()
    }
}

/// A stack as it was before any fit.
#[must_use]
pub fn unfitted(stack: &Stack) -> Stack {
    let [sustained_factor, passes, launch_s, sink_factor, attention_factor] = stack.unfitted;
    Stack {
        sustained_factor,
        passes,
        launch_s,
        sink_factor,
        attention_factor,
        ..stack.clone()
    }
}

/// Shifts by stack, relative to its parent's.
pub type Shifts = BTreeMap<String, Shift>;

/// The whole shift of a case: its stack's and those of the ancestors.
#[must_use]
pub fn total(shifts: &Shifts, line: &[String]) -> Shift {
    let mut out = Shift::default();
    for name in line {
        if let Some(shift) = shifts.get(name) {
            out.iter_mut().zip(shift).for_each(|(a, b)| *a += b);
        }
    }
    out
}

/// ln(predicted / measured) of a case.
#[must_use]
pub fn ln_error(case: &Case, shift: &Shift) -> f64 {
    let machine = Machine {
        stack: shifted(&case.machine.stack, shift),
        ..case.machine.clone()
    };
    let workload = &case.scenario.workload;
    let time_s = closed_parts(workload, &machine, &case.layout).total_s();
    #[allow(clippy::cast_precision_loss)]
    let n_devices = case.layout.n_devices() as f64;
    (workload.step_tokens() / time_s / n_devices).ln() - case.ln_measured
}

/// Fit every stack that has cases, or whose descendants have, starting from `start`.
#[must_use]
pub fn fit(cases: &[&Case], start: &Shifts) -> Shifts {
    let mut below: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        for name in &case.line {
            below.entry(name).or_default().push(case);
        }
    }
    let mut shifts: Shifts = below
        .keys()
        .map(|name| ((*name).to_string(), start.get(*name).copied().unwrap_or_default()))
        .collect();
    // Descendants first: an ancestor takes what is left in common, not what one of them lacks.
    let mut order: Vec<&str> = below.keys().copied().collect();
    order.sort_by_key(|name| below[name].len());
    for _ in 0..SWEEPS {
        for name in &order {
            for _ in 0..STEPS {
                if improve(name, &below[name], &mut shifts) < 1e-4 {
                    break;
                }
            }
        }
    }
    shifts
}

/// One damped Gauss–Newton step of one stack; how far it went.
fn improve(name: &str, cases: &[&Case], shifts: &mut Shifts) -> f64 {
    const STEP: f64 = 0.02;
    let own = shifts.get(name).copied().unwrap_or_default();
    let rows: Vec<Pull> = cases
        .par_iter()
        .map(|case| {
            let at = total(shifts, &case.line);
            let error = ln_error(case, &at);
            let mut slope = [0.0; N_PARAMETERS];
            for (i, slope) in slope.iter_mut().enumerate() {
                let mut moved = at;
                moved[i] += STEP;
                *slope = (ln_error(case, &moved) - error) / STEP;
            }
            (case.weight, error, slope)
        })
        .collect();
    let rows = robust(cases, rows);
    let (mut normal, mut right) = normal_equations(cases, &rows);
    let is_root = cases.iter().all(|c| c.line.last().is_some_and(|root| root == name));
    let spreads = if is_root { &ROOT_SPREAD } else { &PRIOR_SPREAD };
    for i in 0..N_PARAMETERS {
        // Student's t with two degrees of freedom (Lange et al. 1989): a stack that lies far off says
        // more of itself than of its parent.
        let far = own[i] / spreads[i];
        let prior = 1.0 / (spreads[i] * spreads[i] * (1.0 + far * far / TAIL));
        normal[i][i] += prior;
        right[i] -= prior * own[i];
    }
    let Some(step) = crate::fit::solve(normal, right) else { return 0.0 };
    let mut far: f64 = 0.0;
    let entry = shifts.entry(name.to_string()).or_default();
    for (value, step) in entry.iter_mut().zip(step) {
        // Slopes hold nearby only.
        let step = step.clamp(-0.3, 0.3);
        *value += step;
        far = far.max(step.abs());
    }
    far
}
