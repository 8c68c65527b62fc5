//! `[power]`: caps, conventions and the envelope of the facility; `[carbon]`: when the run takes place.

use super::scenario::Builder;
use crate::bill::energy::DEVICE_FRACTION;
use crate::catalog::reader::{Bounds, Reader};
use crate::catalog::{Accelerator, Cluster, Finance, Region};
use crate::units::{self, DAY_S, HOUR_S, Unit};
use Bounds::Positive;

/// How the energy of a run is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Convention {
    /// Nodes by phase, from measured idle and active power.
    #[default]
    Measured,
    /// Board power limit of the devices times hours times PUE, as model cards print it.
    Tdp,
}

impl Convention {
    /// Every convention with its name in files.
    pub const ALL: [(&'static str, Convention); 2] = [("measured", Convention::Measured), ("tdp", Convention::Tdp)];
}

/// `[power]` and `[carbon]` as read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PowerChoice {
    pub(super) convention: Convention,
    pub(super) envelope_w: Option<f64>,
    pub(super) start_s: Option<f64>,
}

impl Builder<'_> {
    /// Lower the limit of the devices, and say what else `[power]` says.
    pub(super) fn power(&mut self, root: &Reader<'_>, accelerator: &mut Accelerator, cluster: &mut Cluster) -> PowerChoice {
        let start_s = self.start(root);
        let Some(p) = self.section(root, "power") else {
            return PowerChoice {
                start_s,
                ..PowerChoice::default()
            };
        };
        let cap_w = p.written("device_cap", Unit::W, Positive);
        let out = PowerChoice {
            convention: p.choice("convention", &Convention::ALL).unwrap_or_default(),
            envelope_w: p.written("envelope", Unit::W, Positive),
            start_s,
        };
        if let Some(cap_w) = cap_w {
            self.cap(&p, cap_w, accelerator, cluster);
        }
        p.finish();
        out
    }

    /// Devices under a cap below their limit. Their clock falls with the cube root of the power that may
    /// switch ([`crate::catalog::Profile::on`]); a device without measured kernels gets its peaks lowered alike.
    fn cap(&mut self, p: &Reader<'_>, cap_w: f64, accelerator: &mut Accelerator, cluster: &mut Cluster) {
        let (limit_w, idle_w) = (accelerator.tdp_w, accelerator.idle_w);
        if cap_w > limit_w || cap_w <= idle_w {
            let text = format!("`power.device_cap` is {}", units::si(cap_w, "W"));
            let help = format!(
                "write a power above {} (idle) and up to {} (the board's limit)",
                units::si(idle_w, "W"),
                units::si(limit_w, "W")
            );
            p.problem("device_cap", text, help);
            return;
        }
        let n = f64::from(cluster.node.n_devices);
        let saved_w = n * (limit_w - cap_w);
        accelerator.tdp_w = cap_w;
        if accelerator.profile.is_none() && super::sibling::profile(accelerator, self.catalog).is_none() {
            let slower = ((cap_w - idle_w) / (limit_w - idle_w)).cbrt();
            for rate in accelerator.peak.dense_flop_per_s.values_mut() {
                *rate *= slower;
            }
        }
        let node = &mut cluster.node;
        node.active_w = (node.active_w - DEVICE_FRACTION * saved_w).max(node.idle_w);
        node.max_w = (node.max_w - saved_w).max(node.active_w);
        let text = "clock ∝ cube root of the power above idle (Mudge 2001, IEEE Computer 34(4)); memory and network as before";
        self.assume(
            "power.clock_under_cap",
            format!("{} of {}", units::si(cap_w, "W"), units::si(limit_w, "W")),
            text,
        );
    }

    /// The date of the run, as time since the start of its year.
    fn start(&self, root: &Reader<'_>) -> Option<f64> {
        let c = self.section(root, "carbon")?;
        let text = c.text("start");
        let start_s = text.as_deref().and_then(since_new_year);
        if let (Some(text), None) = (&text, start_s) {
            c.problem(
                "start",
                format!("`carbon.start` is {text}, not a date"),
                "write start = 2027-01-15, or 2027-01-15T08:00:00",
            );
        }
        c.finish();
        start_s
    }

    /// What a convention other than our own charges: the boards and nothing else, all the time.
    pub(super) fn follow(&mut self, choice: PowerChoice, accelerator: &Accelerator, cluster: &mut Cluster, finance: &mut Finance) {
        if choice.convention == Convention::Measured {
            return;
        }
        let w = f64::from(cluster.node.n_devices) * accelerator.tdp_w;
        (cluster.node.idle_w, cluster.node.active_w, cluster.node.max_w) = (w, w, w);
        (finance.network_power_fraction, finance.storage_w_per_tb) = (0.0, 0.0);
        self.assume(
            "power.convention",
            format!("TDP × device-hours × PUE, {} per device", units::si(accelerator.tdp_w, "W")),
            "convention of model cards (LLaMA, https://arxiv.org/abs/2302.13971 §6); 18 to 28 % below measured H100 nodes",
        );
    }

    /// Say that a profile of the year is used as its mean where nobody said when the run is.
    pub(super) fn note_season(&mut self, region: &Region, choice: PowerChoice) {
        if choice.start_s.is_some() {
            return;
        }
        if region.pue_by_month.is_some() {
            self.assume("carbon.start", "not given: PUE is the mean of the months", "default");
        }
        if region.grid.hourly_kg_co2e_per_kwh.is_some() {
            self.assume("carbon.start", "not given: the grid's factor is the mean of its hours", "default");
        }
    }
}

/// Days before each month, and of the year.
const DAYS: [u32; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

/// Seconds from new year to `2027-01-15` or `2027-01-15T08:30:00`; leap days count as the day before.
fn since_new_year(text: &str) -> Option<f64> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, ""));
    let mut parts = date.split('-').map(str::parse::<u32>);
    let (Some(Ok(_)), Some(Ok(month)), Some(Ok(day)), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let month = usize::try_from(month).ok().filter(|m| (1..=12).contains(m))?;
    let length = DAYS[month] - DAYS[month - 1];
    if day == 0 || day > length + u32::from(month == 2) {
        return None;
    }
    let mut seconds = f64::from(DAYS[month - 1] + day.min(length) - 1) * DAY_S;
    if !time.is_empty() {
        let mut clock = time.trim_end_matches('Z').split(':').map(str::parse::<f64>);
        let (Some(Ok(hours)), Some(Ok(minutes))) = (clock.next(), clock.next()) else {
            return None;
        };
        if !(0.0..24.0).contains(&hours) || !(0.0..60.0).contains(&minutes) {
            return None;
        }
        seconds += hours * HOUR_S + minutes * 60.0;
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use super::since_new_year;

    #[test]
    fn dates_are_read() {
        for (text, days) in [
            ("2027-01-01", Some(0.0)),
            ("2027-03-01", Some(59.0)),
            ("2027-12-31T12:00:00", Some(364.5)),
            ("2028-02-29", Some(58.0)),
            ("2027-01-02T06:00:00Z", Some(1.25)),
            ("2027-02-30", None),
            ("2027-13-01", None),
            ("15.1.2027", None),
            ("2027-01-15T25:00:00", None),
            ("soon", None),
        ] {
            assert_eq!(since_new_year(text).map(|s| s / 86_400.0), days, "{text}");
        }
    }
}
