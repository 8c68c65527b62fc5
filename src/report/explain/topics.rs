//! What can be explained: formula in words, where it is from, which numbers go in.

mod run;
mod step;

use crate::catalog::Kind;

/// A number that goes into a formula.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// Where the plan's JSON has it.
    pub path: &'static str,
    /// The catalog entry and key it was read from, if it was.
    pub from: Option<(Kind, &'static str)>,
}

/// A number of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Topic {
    /// Where the plan's JSON has it; everything below it is explained by the same words.
    pub path: &'static str,
    /// The formula in words.
    pub formula: &'static str,
    /// Where the formula is published; empty for definitions.
    pub source: &'static str,
    /// What goes in.
    pub inputs: &'static [Input],
    /// Which operations of a step it consists of.
    pub ops: Ops,
}

/// Which operations to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ops {
    /// None.
    No,
    /// All.
    All,
    /// Kernels, not communication.
    Math,
    /// Communication of tensor ranks.
    Tensor,
    /// Communication of context ranks.
    Context,
    /// Communication of expert ranks.
    Expert,
}

const fn of(path: &'static str) -> Input {
    Input { path, from: None }
}

const fn from(path: &'static str, kind: Kind, key: &'static str) -> Input {
    Input {
        path,
        from: Some((kind, key)),
    }
}

const fn topic(path: &'static str, formula: &'static str, source: &'static str, inputs: &'static [Input]) -> Topic {
    Topic {
        path,
        formula,
        source,
        inputs,
        ops: Ops::No,
    }
}

const fn part(path: &'static str, formula: &'static str, source: &'static str, ops: Ops) -> Topic {
    Topic {
        path,
        formula,
        source,
        inputs: step::STEP_TIME,
        ops,
    }
}

const TIME: Input = of("step.time_s");
const DEVICES: Input = of("scenario.n_devices");

/// Every topic, in the order of a plan.
pub fn all() -> impl Iterator<Item = &'static Topic> {
    step::TOPICS.iter().chain(run::TOPICS)
}
