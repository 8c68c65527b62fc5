//! `exaplan plan`.

use super::output::{Console, Format, Forms, Target, no_form};
use super::report::focus;
use super::sampling::{Sampling, sampled};
use super::{DONE, Done, Input, NO, layers};
use crate::catalog::Catalog;
use crate::error::{Diagnostic, Error, Result};
use crate::lint;
use crate::plan::{Plan, plan, step_gantt};
use crate::report::plan::{Detail, document, json};
use crate::report::uncertain::{self, within};
use crate::report::{Document, opening, trace};
use crate::step::engine::Stuck;
use crate::step::event::Refused;
use crate::step::{Gantt, engine_step};
use crate::study::uncertain::Uncertain;
use serde_json::Value;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  exaplan plan
  exaplan plan --hf config.json
  exaplan plan --samples 10000 --set 'unknowns.cost.usd_per_device_hour={ triangular = [2, 2.5, 4] }'
  exaplan plan llama3-405b --set cluster.nodes=1024 -o plan.html";

/// Plan one training run: layout, step time, days, cost, energy, carbon.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PlanArgs {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    sampling: Sampling,
    /// Exit 1 when a limit of the scenario is not met
    #[arg(long)]
    check: bool,
}

impl PlanArgs {
    /// What is planned and how it is sampled.
    pub fn asked(&self) -> (&Input, &Sampling) {
        (&self.input, &self.sampling)
    }
}

/// Plan and write.
pub fn run(args: &PlanArgs, console: &Console) -> Done {
    args.target.format(console)?;
    let (mut plan, catalog) = load(&args.input, console)?;
    let study = sampled(&args.sampling, &args.input, &mut plan, console)?;
    let made = Made {
        plan: &plan,
        catalog: &catalog,
        study: study.as_ref(),
        again: &again(&args.input, &args.sampling),
    };
    write(&made, &args.target, &focus::FocusArgs::default(), console)?;
    Ok(if args.check && missed(&plan, console) { NO } else { DONE })
}

/// A plan and what goes with it.
pub struct Made<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The catalog it was made from.
    pub catalog: &'a Catalog,
    /// Samples of what is uncertain.
    pub study: Option<&'a Uncertain>,
    /// The words of the command that makes it again.
    pub again: &'a [String],
}

/// The words of the command that makes a plan again.
pub fn again(input: &Input, sampling: &Sampling) -> Vec<String> {
    let mut words = input.over.again(&input.scenario);
    words.extend(sampling.again());
    words
}

impl Made<'_> {
    fn document(&self, detail: Detail) -> Document {
        let whole = document(self.plan, detail);
        match self.study {
            Some(study) => within(whole, self.plan, study, detail),
            None => whole,
        }
    }

    /// Text: a screen, or a file that says at its beginning what it is.
    fn text(&self, in_file: bool) -> Document {
        let mut out = self.document(Detail::Screen);
        if in_file {
            out.blocks.splice(1..1, opening::blocks(self.plan));
        }
        out
    }

    fn json(&self) -> Value {
        let mut out = json::plan(self.plan);
        out["uncertainty"] = self.study.map_or(Value::Null, uncertain::json);
        out["again"] = serde_json::json!(self.again);
        out
    }
}

/// Write a plan in the form that was asked for.
pub fn write(made: &Made<'_>, target: &Target, focus: &focus::FocusArgs, console: &Console) -> Done {
    let plan = made.plan;
    if target.format(console)? == Format::Focus {
        return focus::write(made, target, focus, console);
    }
    let forms = Forms {
        screen: &|| made.text(target.file().is_some()),
        page: &|| made.document(Detail::Page),
        rows: &|| json::rows(plan),
        json: &|| made.json(),
        trace: &|| Ok(trace::text(plan, &drawn(plan)?)),
        svg: &|| {
            no_form(
                "a plan is more than one picture",
                "give a name in .html: its page holds the charts as SVG",
            )
        },
        xlsx: Some(&|| book(made)),
    };
    target.write(console, &forms)
}

/// The workbook; it says that it was made at `SOURCE_DATE_EPOCH`, or at a fixed time.
#[cfg(feature = "xlsx")]
fn book(made: &Made<'_>) -> Result<Vec<u8>> {
    use crate::report::xlsx::{FIXED_EPOCH_S, workbook};
    workbook(
        made.plan,
        made.catalog,
        made.study,
        super::output::epoch_s()?.unwrap_or(FIXED_EPOCH_S),
    )
}

#[cfg(not(feature = "xlsx"))]
fn book(_: &Made<'_>) -> Result<Vec<u8>> {
    super::output::no_book()
}

/// The step of a plan bar by bar, or why there are none.
pub fn drawn(plan: &Plan) -> Result<Gantt> {
    let why = || engine_step(&plan.scenario.workload, &plan.scenario.machine(), &plan.layout).err();
    step_gantt(plan).ok_or_else(|| refused(plan, why()))
}

/// Why a step has no bars, with a way out.
pub fn refused(plan: &Plan, why: Option<Refused>) -> Error {
    let change = match why {
        Some(Refused::Engine(Stuck::TooLarge)) => "layout.micro_batch or layout.data, or a smaller training.global_batch",
        _ => "layout.schedule, layout.pipeline or layout.virtual_stages",
    };
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    let help = format!("the layout is {}; set another {change}", plan.layout);
    Diagnostic::new(format!("the step cannot be simulated slot by slot{why}"))
        .help(help)
        .into()
}

/// The plan of a scenario, and the catalog it was made from.
pub fn load(input: &Input, console: &Console) -> Result<(Plan, Catalog)> {
    let start = Instant::now();
    let (scenario, catalog) = input.over.load(&input.scenario, console)?;
    layers::tell_ignored(&scenario, console);
    let plan = plan(&scenario, &catalog)?;
    console.detail(&format!(
        "planned `{}` in {}",
        scenario.name,
        crate::units::duration(start.elapsed().as_secs_f64())
    ));
    Ok((plan, catalog))
}

/// Whether a limit is missed, or cannot be told; says which on stderr.
fn missed(plan: &Plan, console: &Console) -> bool {
    const LIMITS: [&str; 5] = ["deadline", "budget", "power", "envelope", "carbon"];
    let mut reasons: Vec<String> = lint::warnings(plan)
        .into_iter()
        .filter(|w| LIMITS.contains(&w.code))
        .map(|w| w.message)
        .collect();
    if plan.scenario.limits.cost_usd.is_some() && plan.bill.cost.total_usd.is_none() {
        reasons.push("there is a budget but no price to hold against it".to_string());
    }
    for reason in &reasons {
        console.say(&format!("limit missed: {reason}"));
    }
    !reasons.is_empty()
}
