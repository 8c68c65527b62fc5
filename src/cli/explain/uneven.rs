//! `exaplan explain --slow … --jitter … --failures …`.

use super::super::output::{Console, emit_json, show};
use super::super::plan::refused;
use super::super::{DONE, Done};
use crate::error::{Result, nearest};
use crate::plan::Plan;
use crate::report::explain::failures::Drawn;
use crate::report::explain::slow::Uneven;
use crate::step::gantt;
use crate::study::noise::{self, Jitter, Slow};
use crate::study::renewal::{self, Draws};

/// A larger slowdown is a failure, not a slow device.
const MOST_FACTOR: f64 = 1000.0;

/// Devices that differ.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Uneven devices")]
pub struct UnevenArgs {
    /// Show the step with one stage slower, stages from 0; may be repeated: --slow stage=3,factor=1.1
    #[arg(long, value_name = "stage=N,factor=F", value_parser = slow)]
    slow: Vec<Slow>,
    /// Show step times with random differences between slots; 0.02 is 2 %
    #[arg(long, value_name = "FRACTION", value_parser = sigma, group = "random")]
    jitter: Option<f64>,
    /// Draw the whole run this many times, failure by failure: P10, P50, P90 of days and goodput
    #[arg(long, value_name = "N", group = "random", conflicts_with = "slow", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    failures: Option<u32>,
    /// Seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 1, requires = "random")]
    seed: u64,
    /// Steps to draw with jitter
    #[arg(long, value_name = "N", default_value_t = 200, requires = "jitter", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    draws: u32,
}

impl UnevenArgs {
    /// Whether anything was asked.
    pub fn any(&self) -> bool {
        !self.slow.is_empty() || self.jitter.is_some() || self.failures.is_some()
    }
}

/// Simulate and show.
pub fn run(args: &UnevenArgs, plan: &Plan, console: &Console) -> Done {
    if let Some(n) = args.failures {
        return failures(&Draws { n, seed: args.seed }, plan, console);
    }
    noise::check(plan, &args.slow)?;
    let told = |why| refused(plan, Some(why));
    let even_s = noise::slowed(plan, &[]).map_err(told)?.time_s;
    let slow = noise::slowed(plan, &args.slow).map_err(told)?;
    let drawn = gantt(&plan.scenario.workload, &plan.scenario.machine(), &plan.layout, &slow);
    let jitter = args.jitter.map(|sigma_fraction| Jitter {
        sigma_fraction,
        seed: args.seed,
        n_draws: args.draws,
    });
    let spread = |jitter: Jitter| -> Result<_> { Ok((jitter, noise::jittered(plan, &args.slow, &jitter).map_err(told)?)) };
    let uneven = Uneven {
        even_s,
        slow: &args.slow,
        gantt: &drawn,
        jitter: jitter.map(spread).transpose()?,
    };
    if console.json {
        emit_json(&uneven.json(plan))?;
        return Ok(DONE);
    }
    show(console, &uneven.document(plan))
}

fn failures(draws: &Draws, plan: &Plan, console: &Console) -> Done {
    let renewal = renewal::of_plan(plan, draws);
    let drawn = Drawn {
        draws: *draws,
        renewal: &renewal,
    };
    if console.json {
        emit_json(&drawn.json(plan))?;
        return Ok(DONE);
    }
    show(console, &drawn.document(plan))
}

/// `stage=3,factor=1.1`.
fn slow(text: &str) -> std::result::Result<Slow, String> {
    let (mut stage, mut factor) = (None, None);
    for pair in text.split(',') {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("`{pair}` is no key=value; write stage=3,factor=1.1"))?;
        match key.trim() {
            "stage" => {
                let number = value.trim().parse::<usize>();
                stage = Some(number.map_err(|_| format!("stage is a number from 0, not `{value}`"))?);
            }
            "factor" => factor = Some(slowdown(value.trim())?),
            other => {
                let guess = nearest(other, ["stage", "factor"]).map_or(String::new(), |n| format!("did you mean `{n}`? "));
                return Err(format!("unknown key `{other}`; {guess}the keys are stage and factor"));
            }
        }
    }
    match (stage, factor) {
        (Some(stage), Some(slowdown_factor)) => Ok(Slow { stage, slowdown_factor }),
        (None, _) => Err("stage is missing; write stage=3,factor=1.1".to_string()),
        (_, None) => Err("factor is missing; write stage=3,factor=1.1".to_string()),
    }
}

fn slowdown(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|f| (1.0..=MOST_FACTOR).contains(f));
    number.ok_or_else(|| format!("factor is a number from 1 (not slow) to {MOST_FACTOR}, not `{text}`; 1.1 takes 10 % longer"))
}

fn sigma(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|f| (0.0..=1.0).contains(f));
    number.ok_or_else(|| "jitter is a fraction from 0 to 1; 0.02 is 2 %".to_string())
}
