//! How often nodes fail, how long that takes, and what else stops a job.

use super::ranges::{MTBF, PAUSE};
use super::read::{Entity, common, title};
use super::reader::{Bounds, Reader};
use super::{Catalog, Kind};
use crate::units::Unit;
use Bounds::Within;

/// Why a job stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A device, its on-chip memory or its processor.
    Gpu,
    /// The device's high-bandwidth memory.
    Hbm,
    /// A network card, cable or switch.
    Link,
    /// Everything else of a host: board, disk, power, fans, operating system.
    Host,
    /// The program, its libraries and the collectives' timeouts.
    Software,
    /// Wrong numbers without an error.
    Silent,
    /// The provider takes the nodes back.
    Preemption,
    /// The loss jumps and the run goes back.
    LossSpike,
}

impl Cause {
    /// Every cause with the name of its key, failures first.
    pub const ALL: [(&'static str, Cause); 8] = [
        ("gpu", Cause::Gpu),
        ("hbm", Cause::Hbm),
        ("link", Cause::Link),
        ("host", Cause::Host),
        ("software", Cause::Software),
        ("silent", Cause::Silent),
        ("preemption", Cause::Preemption),
        ("loss_spike", Cause::LossSpike),
    ];
    /// How many of them, from the first, are failures.
    pub const N_FAILURES: usize = 6;

    /// Its place in [`Cause::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        Cause::ALL.iter().position(|(_, c)| *c == self).unwrap_or(0)
    }

    /// Hardware fails in proportion to its age and may need another node; programs do not.
    #[must_use]
    pub fn is_hardware(self) -> bool {
        matches!(self, Cause::Gpu | Cause::Hbm | Cause::Link | Cause::Host | Cause::Silent)
    }
}

/// Share of each cause in the failures; they sum to one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Causes {
    /// By [`Cause::index`].
    pub shares: [f64; Cause::N_FAILURES],
}

/// What is known of the nodes of a job before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screening {
    /// Nobody says: jobs of many nodes are taken to have looked, small ones not.
    BySize,
    /// Nodes were tested and weak ones taken out.
    Screened,
    /// Nodes are as they come.
    Unscreened,
}

impl Screening {
    /// Names of scenario and catalog.
    pub const ALL: [(&'static str, Screening); 3] = [
        ("by-size", Screening::BySize),
        ("screened", Screening::Screened),
        ("unscreened", Screening::Unscreened),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Screening::ALL.iter().find(|(_, s)| *s == self).map_or("", |(n, _)| n)
    }
}

/// Failures, what they cost, and other things that stop or slow a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    /// Catalog id.
    pub name: String,
    /// Mean time between failures of one screened node of eight devices.
    pub node_mtbf_s: f64,
    /// How many times as often a node fails that nobody screened.
    pub unscreened_factor: f64,
    /// What is known of the nodes.
    pub screening: Screening,
    /// Nodes of eight devices of the job that is taken to be half screened where nobody says.
    pub half_screened_nodes: u32,
    /// How many times as often hardware fails at the start of the run.
    pub burn_in_factor: f64,
    /// Time in which that excess falls to 1/e.
    pub burn_in_s: f64,
    /// What fails.
    pub causes: Causes,
    /// Share of failed links, and of failed programs, that leave a collective waiting instead of an error.
    pub link_hang_fraction: f64,
    /// The same of failed programs.
    pub software_hang_fraction: f64,
    /// From a crash to noticing.
    pub detect_s: f64,
    /// From a hang to noticing: the timeout of the collectives.
    pub hang_detect_s: f64,
    /// From the first wrong number to noticing.
    pub silent_detect_s: f64,
    /// From noticing to loading the checkpoint: diagnosis, other nodes, start of the processes.
    pub restart_s: f64,
    /// From the loaded checkpoint to full speed: communicators and first slow steps.
    pub warm_up_s: f64,
    /// Compiling again after a restart.
    pub compile_s: f64,
    /// Spare nodes; none where the provider replaces a node within the restart.
    pub spares: Option<u32>,
    /// The job goes on with fewer nodes when spares are out.
    pub elastic: bool,
    /// Share of hardware failures after which the node is out until it is repaired.
    pub replace_fraction: f64,
    /// How long a repair takes.
    pub repair_s: f64,
    /// Mean time until a node of eight devices turns slow.
    pub slow_node_mtbf_s: f64,
    /// How many times as long a step takes while a slow node is in the job.
    pub slow_factor: f64,
    /// From turning slow to being found and taken out.
    pub slow_found_s: f64,
    /// Planned pauses per day of run.
    pub planned_s_per_day: f64,
    /// Time between maintenance windows.
    pub maintenance_every_s: f64,
    /// Length of a maintenance window; the restart after it comes on top.
    pub maintenance_s: f64,
    /// Rollbacks by loss spikes per million million tokens.
    pub spikes_per_trillion_tokens: f64,
    /// Steps that are done again after a spike.
    pub rollback_steps: f64,
    /// Preemptions of the job per day.
    pub preemptions_per_day: f64,
    /// From a preemption to having the nodes again.
    pub preemption_wait_s: f64,
    /// Share of the storage's stated rate that checkpoints get.
    pub delivered_fraction: f64,
    /// Share of failures that destroy the copies of a checkpoint in memory.
    pub copies_lost_fraction: f64,
}

/// Longer than anything runs, and a number.
const NEVER_S: f64 = 1e18;

impl Reliability {
    /// Nothing but crashes, which an entry starts from.
    #[must_use]
    pub fn plain(name: &str) -> Reliability {
        Reliability {
            name: name.to_string(),
            node_mtbf_s: 1.0,
            unscreened_factor: 1.0,
            screening: Screening::BySize,
            half_screened_nodes: 1,
            burn_in_factor: 1.0,
            burn_in_s: 1.0,
            causes: Causes {
                shares: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            },
            link_hang_fraction: 0.0,
            software_hang_fraction: 0.0,
            detect_s: 0.0,
            hang_detect_s: 0.0,
            silent_detect_s: 0.0,
            restart_s: 0.0,
            warm_up_s: 0.0,
            compile_s: 0.0,
            spares: None,
            elastic: false,
            replace_fraction: 0.0,
            repair_s: 0.0,
            slow_node_mtbf_s: NEVER_S,
            slow_factor: 1.0,
            slow_found_s: 0.0,
            planned_s_per_day: 0.0,
            maintenance_every_s: NEVER_S,
            maintenance_s: 0.0,
            spikes_per_trillion_tokens: 0.0,
            rollback_steps: 0.0,
            preemptions_per_day: 0.0,
            preemption_wait_s: 0.0,
            delivered_fraction: 1.0,
            copies_lost_fraction: 0.0,
        }
    }

    /// From noticing a failure to full speed, the loading of the checkpoint apart.
    #[must_use]
    pub fn back_s(&self) -> f64 {
        self.restart_s + self.warm_up_s + self.compile_s
    }
}

/// A number of an entry: its key in the catalog, its key in a scenario where the unit is written, what it may be.
struct Field {
    key: &'static str,
    said: &'static str,
    unit: Unit,
    bounds: Bounds,
    of: fn(&mut Reliability) -> &mut f64,
}

const fn field(key: &'static str, said: &'static str, unit: Unit, bounds: Bounds, of: fn(&mut Reliability) -> &mut f64) -> Field {
    Field {
        key,
        said,
        unit,
        bounds,
        of,
    }
}

const SHARE: Bounds = Within(0.0, 1.0);
/// More than nine times would make the job fail less often with more nodes (see `run::failure`).
const UNSCREENED: Bounds = Within(1.0, 9.0);

/// All of them; the first three every entry must state.
const FIELDS: [Field; 26] = [
    field("node_mtbf_s", "node_mtbf", Unit::S, MTBF, |r| &mut r.node_mtbf_s),
    field("detect_s", "detect", Unit::S, PAUSE, |r| &mut r.detect_s),
    field("restart_s", "restart", Unit::S, PAUSE, |r| &mut r.restart_s),
    field("unscreened_factor", "unscreened_factor", Unit::One, UNSCREENED, |r| {
        &mut r.unscreened_factor
    }),
    field("burn_in_factor", "burn_in_factor", Unit::One, Within(1.0, 100.0), |r| {
        &mut r.burn_in_factor
    }),
    field("burn_in_s", "burn_in", Unit::S, MTBF, |r| &mut r.burn_in_s),
    field("link_hang_fraction", "link_hang_fraction", Unit::Fraction, SHARE, |r| {
        &mut r.link_hang_fraction
    }),
    field("software_hang_fraction", "software_hang_fraction", Unit::Fraction, SHARE, |r| {
        &mut r.software_hang_fraction
    }),
    field("hang_detect_s", "hang_detect", Unit::S, PAUSE, |r| &mut r.hang_detect_s),
    field("silent_detect_s", "silent_detect", Unit::S, PAUSE, |r| &mut r.silent_detect_s),
    field("warm_up_s", "warm_up", Unit::S, PAUSE, |r| &mut r.warm_up_s),
    field("compile_s", "compile", Unit::S, PAUSE, |r| &mut r.compile_s),
    field("replace_fraction", "replace_fraction", Unit::Fraction, SHARE, |r| {
        &mut r.replace_fraction
    }),
    field("repair_s", "repair", Unit::S, PAUSE, |r| &mut r.repair_s),
    field("slow_node_mtbf_s", "slow_node_mtbf", Unit::S, MTBF, |r| &mut r.slow_node_mtbf_s),
    field("slow_factor", "slow_factor", Unit::One, Within(1.0, 100.0), |r| &mut r.slow_factor),
    field("slow_found_s", "slow_found", Unit::S, PAUSE, |r| &mut r.slow_found_s),
    field("planned_s_per_day", "planned_per_day", Unit::S, Within(0.0, 80_000.0), |r| {
        &mut r.planned_s_per_day
    }),
    field("maintenance_every_s", "maintenance_every", Unit::S, Within(3600.0, 1e18), |r| {
        &mut r.maintenance_every_s
    }),
    field("maintenance_s", "maintenance", Unit::S, PAUSE, |r| &mut r.maintenance_s),
    field(
        "spikes_per_trillion_tokens",
        "spikes_per_trillion_tokens",
        Unit::One,
        Within(0.0, 1e6),
        |r| &mut r.spikes_per_trillion_tokens,
    ),
    field("rollback_steps", "rollback_steps", Unit::One, Within(0.0, 1e9), |r| {
        &mut r.rollback_steps
    }),
    field("preemptions_per_day", "preemptions_per_day", Unit::One, Within(0.0, 1e5), |r| {
        &mut r.preemptions_per_day
    }),
    field("preemption_wait_s", "preemption_wait", Unit::S, PAUSE, |r| &mut r.preemption_wait_s),
    field("delivered_fraction", "delivered_fraction", Unit::Fraction, Within(1e-6, 1.0), |r| {
        &mut r.delivered_fraction
    }),
    field("copies_lost_fraction", "copies_lost_fraction", Unit::Fraction, SHARE, |r| {
        &mut r.copies_lost_fraction
    }),
];
const N_NEEDED: usize = 3;

/// Most spare nodes that are counted one by one.
const MAX_SPARES: u64 = 1_000_000;

impl Entity for Reliability {
    const KIND: Kind = Kind::Reliability;

    fn read(name: &str, r: &Reader<'_>, _: &Catalog) -> Self {
        let _ = title(name, r);
        let mut out = Reliability::plain(name);
        for (i, f) in FIELDS.iter().enumerate() {
            if i < N_NEEDED {
                *(f.of)(&mut out) = r.need(f.key, f.unit, f.bounds);
            } else if let Some(value) = r.number(f.key, f.unit, f.bounds) {
                *(f.of)(&mut out) = value;
            }
        }
        rest(r, &mut out);
        out
    }
}

/// What is no number with a unit.
fn rest(r: &Reader<'_>, out: &mut Reliability) {
    if let Some(screening) = r.choice("screening", &Screening::ALL) {
        out.screening = screening;
    }
    if let Some(n) = r.count32("half_screened_nodes", 1) {
        out.half_screened_nodes = n;
    }
    if let Some(n) = r.count("spares", 0, MAX_SPARES).and_then(|n| u32::try_from(n).ok()) {
        out.spares = Some(n);
    }
    if let Some(elastic) = r.flag("elastic") {
        out.elastic = elastic;
    }
    if let Some(causes) = r.item("causes").and_then(|_| r.table("causes")).and_then(|c| shares(&c)) {
        out.causes = causes;
    }
}

/// Shares by cause: those of a table that sum to one.
fn shares(c: &Reader<'_>) -> Option<Causes> {
    common(c);
    let mut shares = [0.0; Cause::N_FAILURES];
    for (share, (name, _)) in shares.iter_mut().zip(Cause::ALL) {
        *share = c.number(name, Unit::Fraction, SHARE).unwrap_or(0.0);
    }
    c.finish();
    let sum: f64 = shares.iter().sum();
    if (sum - 1.0).abs() > 0.005 {
        let first = c.keys().next().unwrap_or("gpu").to_string();
        c.problem(
            &first,
            format!("the shares of the causes sum to {sum:.3}"),
            "make them sum to 1: gpu, hbm, link, host, software, silent",
        );
        return None;
    }
    Some(Causes {
        shares: shares.map(|s| s / sum),
    })
}

/// The same with what a scenario's `[reliability]` changes. A rate of one's own holds for nodes as they are, whatever the size of the job.
pub(crate) fn changed(base: Reliability, r: &Reader<'_>) -> Reliability {
    let mut out = base;
    for f in &FIELDS {
        let value = match f.unit {
            Unit::S => r.written(f.said, f.unit, f.bounds),
            _ => r.number(f.said, f.unit, f.bounds),
        };
        if let Some(value) = value {
            *(f.of)(&mut out) = value;
        }
    }
    if r.item("node_mtbf").is_some() && r.item("unscreened_factor").is_none() {
        out.unscreened_factor = 1.0;
    }
    rest(r, &mut out);
    out
}

/// Each number's key in a scenario with its value as people write it, for those that say what was assumed.
#[must_use]
pub fn values(reliability: &Reliability) -> Vec<(&'static str, &'static str, String)> {
    let mut copy = reliability.clone();
    let said = |unit: Unit, value: f64| match unit {
        _ if value >= NEVER_S => "never".to_string(),
        Unit::S if value == 0.0 => "0 s".to_string(),
        Unit::S => crate::units::duration(value),
        Unit::Fraction => format!("{} %", crate::units::significant(100.0 * value)),
        _ => crate::units::significant(value),
    };
    let mut out: Vec<_> = FIELDS
        .iter()
        .map(|f| {
            let value = *(f.of)(&mut copy);
            (f.said, f.key, said(f.unit, value))
        })
        .collect();
    let shares = Cause::ALL.iter().zip(reliability.causes.shares);
    let shares: Vec<String> = shares.map(|((name, _), s)| format!("{name} {:.1} %", 100.0 * s)).collect();
    out.push(("causes", "causes", shares.join(", ")));
    out.push(("screening", "screening", reliability.screening.name().to_string()));
    let spares = reliability.spares.map_or("as many as fail".to_string(), |n| n.to_string());
    out.push(("spares", "spares", spares));
    out
}
