//! How far predictions of runs that nobody fitted were off, by class of run.

use super::read::{Entity, common};
use super::reader::Bounds::Within;
use super::reader::Reader;
use super::{Catalog, Kind, OwnBand, Stack};
use crate::units::Unit;

/// Between which ratios of predicted to measured throughput eight of ten left-out runs lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// Class of runs.
    pub name: String,
    /// Tenth percentile of predicted over measured throughput.
    pub low_ratio: f64,
    /// Its ninetieth percentile.
    pub high_ratio: f64,
    /// Families of sources that it was told from.
    pub n_families: u32,
    /// Runs of them.
    pub n_runs: u32,
    /// Stacks that were fitted to measured runs; stated by the class of all runs.
    pub stacks: Vec<String>,
    /// Devices that they ran on; stated there too.
    pub accelerators: Vec<String>,
}

/// What tells how well a run can be predicted before it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Class {
    /// Runs of the same stack were fitted.
    pub known_stack: bool,
    /// Its model is a mixture of experts.
    pub experts: bool,
    /// Runs on its device were fitted, and its kernels are not timed by its data sheet.
    pub tried_device: bool,
}

impl Class {
    /// Every class.
    #[must_use]
    pub fn all() -> Vec<Class> {
        let bit = |number: u8, place: u8| number >> place & 1 == 1;
        let one = |number: u8| Class {
            known_stack: !bit(number, 2),
            experts: bit(number, 1),
            tried_device: !bit(number, 0),
        };
        (0..8).map(one).collect()
    }

    /// Names of the classes that it lies in, the widest first and itself last.
    #[must_use]
    pub fn line(self) -> [String; 4] {
        let known = if self.known_stack { "known" } else { "unknown" };
        let experts = format!("{known}-{}", if self.experts { "experts" } else { "dense" });
        let leaf = format!("{experts}-{}", if self.tried_device { "tried" } else { "new" });
        ["all".to_string(), known.to_string(), experts, leaf]
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> String {
        let [.., leaf] = self.line();
        leaf
    }
}

/// What a class is, for people, by its name.
#[must_use]
pub fn title(name: &str) -> String {
    let word = |part: &str| match part {
        "known" => "stack that other families of sources ran",
        "unknown" => "stack that no other family ran",
        "dense" => "dense model",
        "experts" => "mixture of experts",
        "tried" => "device that other families ran on",
        "new" => "device that no other family ran on, or timed by its data sheet",
        _ => "all runs",
    };
    name.split('-').map(word).collect::<Vec<_>>().join(", ")
}

impl Entity for Band {
    const KIND: Kind = Kind::Band;

    fn read(name: &str, r: &Reader<'_>, _: &Catalog) -> Self {
        common(r);
        r.skip(&["title"]);
        Band {
            name: name.to_string(),
            low_ratio: r.need("low_ratio", Unit::One, Within(0.01, 1.0)),
            high_ratio: r.need("high_ratio", Unit::One, Within(1.0, 100.0)),
            n_families: r.count32("n_families", 0).unwrap_or(0),
            n_runs: r.count32("n_runs", 0).unwrap_or(0),
            stacks: r.texts("stacks"),
            accelerators: r.texts("accelerators"),
        }
    }
}

impl Catalog {
    /// The band of a class, or the nearest wider one that the catalog has.
    #[must_use]
    pub fn band(&self, class: Class) -> Option<Band> {
        class.line().iter().rev().find_map(|name| self.get(name).ok())
    }

    /// The band of runs of a stack: its own where it states one, from runs on one's own machine.
    #[must_use]
    pub fn band_of(&self, stack: &Stack, class: Class) -> Option<Band> {
        let own = |own: OwnBand| Band {
            name: format!("own-{}", stack.name),
            low_ratio: own.low_ratio,
            high_ratio: own.high_ratio,
            n_families: 1,
            n_runs: own.n_runs,
            stacks: vec![stack.name.clone()],
            accelerators: Vec::new(),
        };
        stack.own.map(own).or_else(|| self.band(class))
    }

    /// Whether runs of a stack were fitted.
    #[must_use]
    pub fn knows_stack(&self, name: &str) -> bool {
        self.shared::<Band>("all").is_ok_and(|b| b.stacks.iter().any(|s| s == name))
    }

    /// Whether runs on a device were fitted.
    #[must_use]
    pub fn knows_device(&self, name: &str) -> bool {
        self.shared::<Band>("all").is_ok_and(|b| b.accelerators.iter().any(|a| a == name))
    }
}
