//! Measures what a machine does. It reads no prediction, so that no calibration can feed on itself.
//!
//! A [`Backend`] times one [`Item`] after another: the host ([`cpu`]), NVIDIA devices (`cuda`), or what a framework
//! makes of the devices that it drives ([`python`]). [`run`] picks the order, keeps the budget and what is done;
//! [`profile`] writes what was measured for the planner, [`journal`] for a later run that goes on.

pub mod clock;
pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod derive;
pub mod grid;
pub mod host;
pub mod import;
pub mod item;
pub mod journal;
pub mod order;
pub mod profile;
pub mod python;
pub mod ranks;

pub use clock::{Clock, Monotonic, Protocol, Sample};
pub use item::{Fused, Item, Operands, Pass, Stream, Way, Work};

use crate::catalog::DType;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// What was compared before timing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// Largest error found, relative to the size of the terms.
    pub max_error_fraction: f64,
    /// Elements of the result that were checked against a higher precision.
    pub n_checked: usize,
}

/// Begins the name of a kernel that is ours where training runs another: such a time is shown and kept, but is no
/// entry of a profile.
pub const FLOOR: &str = "floor,";

/// One timed item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What.
    pub item: Item,
    /// Threads that worked on it; 0 where the backend does not say.
    pub n_threads: usize,
    /// The code that was timed: a rate without its kernel says nothing about the machine.
    pub kernel: String,
    /// How long one run takes.
    pub sample: Sample,
    /// That it is right.
    pub check: Checked,
    /// Energy of one run by the device's counter; none where it was not measured.
    pub energy_j: Option<f64>,
}

impl Measured {
    /// Median rate in [`Work::rate_unit`].
    #[must_use]
    pub fn rate_per_s(&self) -> f64 {
        self.item.work().amount() / self.sample.median_s
    }

    /// Interval of the median rate, lower end first.
    #[must_use]
    pub fn rate_interval_per_s(&self) -> (f64, f64) {
        let amount = self.item.work().amount();
        (amount / self.sample.high_s, amount / self.sample.low_s)
    }
}

/// Rates by format.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates(#[serde(with = "by_name")] pub BTreeMap<DType, f64>);

mod by_name {
    use super::{BTreeMap, DType};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(rates: &BTreeMap<DType, f64>, s: S) -> Result<S::Ok, S::Error> {
        let named: BTreeMap<&str, f64> = rates.iter().map(|(d, r)| (d.name(), *r)).collect();
        named.serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<DType, f64>, D::Error> {
        let named: BTreeMap<String, f64> = BTreeMap::deserialize(d)?;
        Ok(named.into_iter().filter_map(|(n, r)| Some((DType::from_name(&n)?, r))).collect())
    }
}

/// What is known of the machine beside its times. Nothing where it cannot be told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The device, in words.
    pub device: String,
    /// Versions of driver, libraries and frameworks.
    pub software: Vec<String>,
    /// Clocks, power limit, throttling, as far as they are readable.
    pub clocks: String,
    /// Compute units of one device.
    pub n_units: usize,
    /// Devices that ran side by side.
    pub n_devices: usize,
    /// Memory of one device.
    pub memory_bytes: Option<f64>,
    /// Dense peaks, nominal.
    pub peak: Rates,
    /// The device is the host itself: the catalog has no entry of it, so the profile brings one.
    pub is_host: bool,
    /// Fixed time of a call besides its kernel, already taken off the times.
    pub call_s: Option<f64>,
}

/// What times items.
pub trait Backend {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// What the machine is.
    ///
    /// # Errors
    /// [`Error::Device`] when it cannot be used.
    fn environment(&mut self, clock: &dyn Clock) -> Result<Environment>;

    /// Whether it has a kernel for this.
    fn supports(&self, item: &Item) -> bool;

    /// Check an item against a higher precision, then time it.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when `cancel` is set; [`Error::Device`] when memory is refused or the result wrong.
    fn measure(&mut self, item: &Item, protocol: &Protocol, clock: &dyn Clock, cancel: &AtomicBool) -> Result<Measured>;
}

/// What happens while items are measured.
#[derive(Debug)]
pub enum Event<'a> {
    /// One is done.
    Done(&'a Measured),
    /// One is left out, and why.
    Failed(&'a Item, &'a str),
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything was measured.
    Complete,
    /// The budget ended first; so many are left.
    Budget(usize),
    /// Somebody asked to stop; so many are left.
    Interrupted(usize),
}

/// Share of the time left that one item may take: short ones leave more for the others.
const MOST_OF_REST: f64 = 0.25;

/// Measure `items` in their order until the budget ends. Those in `known` are not measured again.
///
/// # Errors
/// [`Error::Device`] when nothing at all could be measured.
pub fn run(
    backend: &mut dyn Backend,
    (items, known): (&[Item], &[Item]),
    (protocol, budget_s): (&Protocol, f64),
    (clock, cancel): (&dyn Clock, &AtomicBool),
    tell: &mut dyn FnMut(Event) -> Result<()>,
) -> Result<End> {
    let start = clock.now_s();
    let todo: Vec<&Item> = items.iter().filter(|i| !known.contains(i) && backend.supports(i)).collect();
    let (mut n_done, mut last_failure) = (0, None);
    for (at, item) in todo.iter().enumerate() {
        let rest_s = budget_s - (clock.now_s() - start);
        if cancel.load(Ordering::Relaxed) {
            return Ok(End::Interrupted(todo.len() - at));
        }
        if rest_s <= 0.0 {
            return Ok(End::Budget(todo.len() - at));
        }
        let share = order::share(item) / todo[at..].iter().map(|i| order::share(i)).sum::<f64>();
        let fair_s = (rest_s * share).max(MIN_ITEM_S);
        let protocol = Protocol {
            budget_s: protocol.budget_s.min(fair_s).min(MOST_OF_REST * rest_s),
            ..*protocol
        };
        match backend.measure(item, &protocol, clock, cancel) {
            Ok(m) if m.sample.low_s > 0.0 => {
                n_done += 1;
                tell(Event::Done(&m))?;
            }
            Ok(_) => tell(Event::Failed(item, "was over before the clock moved"))?,
            Err(Error::Interrupted) => return Ok(End::Interrupted(todo.len() - at)),
            Err(Error::Device { what }) => {
                tell(Event::Failed(item, &what))?;
                last_failure = Some(what);
            }
            Err(other) => return Err(other),
        }
    }
    match last_failure {
        Some(what) if n_done == 0 && known.is_empty() => Err(Error::Device { what }),
        _ => Ok(End::Complete),
    }
}

/// Below this an item is not worth its preparation.
const MIN_ITEM_S: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Mock(Mutex<f64>);

    impl Clock for Mock {
        fn now_s(&self) -> f64 {
            *self.0.lock().unwrap()
        }
    }

    /// Every item takes a second of the mock clock for each byte; odd sizes fail.
    struct Slow<'a>(&'a Mock, Vec<u64>);

    impl Backend for Slow<'_> {
        fn name(&self) -> &'static str {
            "slow"
        }
        fn environment(&mut self, _: &dyn Clock) -> Result<Environment> {
            Ok(Environment::default())
        }
        fn supports(&self, item: &Item) -> bool {
            matches!(item, Item::Stream { .. })
        }
        fn measure(&mut self, item: &Item, protocol: &Protocol, clock: &dyn Clock, cancel: &AtomicBool) -> Result<Measured> {
            let Item::Stream { bytes, .. } = *item else { unreachable!() };
            self.1.push(bytes);
            if bytes % 2 == 1 {
                return Err(Error::Device { what: "odd".into() });
            }
            let sample = clock::measure(clock, protocol, cancel, &mut || {
                *self.0.0.lock().unwrap() += bytes as f64;
                Ok(())
            })?;
            Ok(Measured {
                item: *item,
                n_threads: 1,
                kernel: String::new(),
                sample,
                check: Checked {
                    max_error_fraction: 0.0,
                    n_checked: 1,
                },
                energy_j: None,
            })
        }
    }

    fn item(bytes: u64) -> Item {
        Item::Stream {
            stream: Stream::Copy,
            bytes,
        }
    }

    fn go(items: &[Item], known: &[Item], budget_s: f64, cancel: bool) -> (Result<End>, Vec<u64>, usize) {
        let clock = Mock::default();
        let mut slow = Slow(&clock, Vec::new());
        let mut n_failed = 0;
        let mut tell = |event: Event| {
            n_failed += usize::from(matches!(event, Event::Failed(..)));
            Ok(())
        };
        let cancel = AtomicBool::new(cancel);
        let protocol = Protocol::default();
        let end = run(&mut slow, (items, known), (&protocol, budget_s), (&clock, &cancel), &mut tell);
        (end, slow.1, n_failed)
    }

    #[test]
    fn the_budget_ends_a_run_and_what_fails_is_left_out() {
        let items = [item(2), item(3), item(4), item(6)];
        let (end, seen, n_failed) = go(&items, &[], 1e4, false);
        assert_eq!((end.unwrap(), seen.len(), n_failed), (End::Complete, 4, 1));
        // 10 s each for the first: nothing is left for the last.
        let (end, seen, _) = go(&items, &[], 9.0, false);
        assert!(matches!(end.unwrap(), End::Budget(n) if n > 0 && n + seen.len() == 4), "{seen:?}");
        let (end, ..) = go(&[item(3)], &[], 9.0, false);
        assert!(end.is_err());
    }

    #[test]
    fn what_is_known_is_not_measured_again() {
        let (end, seen, _) = go(&[item(2), item(4), item(3)], &[item(2)], 1e4, false);
        assert_eq!((end.unwrap(), seen), (End::Complete, vec![4, 3]));
        assert_eq!(go(&[item(2)], &[], 1e4, true).0.unwrap(), End::Interrupted(1));
    }

    #[test]
    fn a_clock_that_stands_gives_no_result() {
        let (end, _, n_failed) = go(&[item(0)], &[], 1e4, false);
        assert_eq!((end.unwrap(), n_failed), (End::Complete, 1));
    }
}
