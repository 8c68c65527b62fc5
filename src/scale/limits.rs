//! What more compute buys, what it costs, and what stops it first.

use super::formula::{Allocation, Chinchilla, TRAIN_FLOP};
use super::minimize::rising_root;
use super::question::BatchCost;
use super::stock::{Demand, Limit};

/// What one more step of loss takes at a budget spent optimally.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marginal {
    /// Budget.
    pub train_flop: f64,
    /// Its best size and data.
    pub at: Allocation,
    /// Loss there.
    pub loss: f64,
    /// Loss above the irreducible one.
    pub reducible_loss: f64,
    /// Change of loss with the natural logarithm of compute: `-gamma (L - E)`.
    pub slope_loss: f64,
    /// FLOP that lower the loss by the step; nothing where no compute does.
    pub next_flop: Option<f64>,
    /// What they cost.
    pub next_usd: Option<f64>,
}

/// The worth of more compute at a budget. Along the optimum the reducible loss is a power of compute
/// (Hoffmann et al. 2022, arXiv 2203.15556, equation 4), so `dL/d ln C = -gamma (L - E)`.
#[must_use]
pub fn marginal(law: &Chinchilla, train_flop: f64, step_loss: f64, usd_per_flop: Option<f64>) -> Marginal {
    let at = law.optimum(train_flop);
    let loss = law.loss(at);
    let next_flop = law.flop_for(loss - step_loss).map(|c| c - train_flop);
    Marginal {
        train_flop,
        at,
        loss,
        reducible_loss: loss - law.e,
        slope_loss: -law.gamma() * (loss - law.e),
        next_flop,
        next_usd: next_flop.zip(usd_per_flop).map(|(c, p)| c * p),
    }
}

/// Compute beyond which the next step of loss costs more than it is worth.
#[must_use]
pub fn worth_until(law: &Chinchilla, step_loss: f64, usd_per_flop: f64, worth_usd: f64) -> f64 {
    let over = |ln_c: f64| {
        let cost = marginal(law, ln_c.exp(), step_loss, Some(usd_per_flop)).next_usd;
        cost.map_or(1.0, |c| c / worth_usd - 1.0)
    };
    rising_root(over, 30.0, 90.0).exp()
}

/// Compute that is worth as much `months` later, over today's, when effective compute doubles every
/// so many months (Ho et al. 2024, arXiv 2403.05812).
#[must_use]
pub fn progress(months: f64, doubling_months: f64) -> f64 {
    2f64.powf(months / doubling_months)
}

/// The year in which demand that grows by a factor a year reaches some FLOP.
#[must_use]
pub fn crossing(demand: &Demand, growth_per_year: f64, flop: f64) -> f64 {
    demand.year + (flop / demand.flop).ln() / growth_per_year.ln()
}

/// When demand meets a published limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Meeting {
    /// The limit.
    pub limit: Limit,
    /// Year in which its low end is reached, by the middle of the growth.
    pub low_year: f64,
    /// Year in which its high end is.
    pub high_year: f64,
}

/// Published limits by the year in which demand reaches their low ends. Limits are held at what
/// they are estimated to be in their own year.
#[must_use]
pub fn meetings(demand: &Demand, limits: &[Limit]) -> Vec<Meeting> {
    let growth = demand.growth[1];
    let mut list: Vec<Meeting> = limits
        .iter()
        .map(|limit| Meeting {
            low_year: crossing(demand, growth, limit.low_flop),
            high_year: crossing(demand, growth, limit.high_flop),
            limit: limit.clone(),
        })
        .collect();
    list.sort_by(|a, b| a.low_year.total_cmp(&b.low_year));
    list
}

/// What somebody has for one run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Means {
    /// Length of the run.
    pub wall_s: f64,
    /// Delivered model FLOP of a device and second.
    pub rate_flop_per_s: f64,
    /// Power at the meter of a device.
    pub device_w: f64,
    /// Price of a device-second.
    pub device_usd: Option<f64>,
    /// Power at the meter.
    pub power_w: Option<f64>,
    /// Devices.
    pub n_devices: Option<f64>,
    /// Money.
    pub usd: Option<f64>,
    /// Effective tokens.
    pub tokens: Option<f64>,
    /// Least time of a layer, forward or backward, however many devices share it.
    pub layer_s: Option<f64>,
    /// Tokens for each parameter.
    pub tokens_per_param_ratio: f64,
}

/// The largest run that each constraint allows, smallest first: that one binds.
#[must_use]
pub fn ceilings(means: &Means, batch: &BatchCost) -> Vec<(&'static str, f64)> {
    let of_devices = |n: f64| n * means.rate_flop_per_s * means.wall_s;
    let money = means
        .usd
        .zip(means.device_usd)
        .map(|(usd, price)| usd / price * means.rate_flop_per_s);
    let list = [
        ("power", means.power_w.map(|w| of_devices(w / means.device_w))),
        ("chips", means.n_devices.map(of_devices)),
        ("money", money),
        ("data", means.tokens.map(|t| TRAIN_FLOP * t * t / means.tokens_per_param_ratio)),
        ("latency", means.layer_s.map(|s| latency_wall(means, s, batch))),
    ];
    let mut list: Vec<(&str, f64)> = list.into_iter().filter_map(|(n, c)| Some((n, c?))).collect();
    list.sort_by(|a, b| a.1.total_cmp(&b.1));
    list
}

/// The largest run that still ends in time when each layer takes its least time: one forward and two
/// backward passes a step, layers one after the other, batches at the critical size (the latency wall
/// of Erdil and Schneider-Joseph 2024, arXiv 2411.01137). Depth is that of a decoder 128 times as
/// wide as deep: `N = 12 L d²`, `d = 128 L`.
#[must_use]
pub fn latency_wall(means: &Means, layer_s: f64, batch: &BatchCost) -> f64 {
    let over = |ln_c: f64| {
        let n_params = (ln_c.exp() / (TRAIN_FLOP * means.tokens_per_param_ratio)).sqrt();
        let tokens = n_params * means.tokens_per_param_ratio;
        let depth = (n_params / (12.0 * 128.0 * 128.0)).cbrt();
        let steps = tokens / batch.critical_tokens(tokens);
        (steps * 3.0 * depth * layer_s / means.wall_s).ln()
    };
    rising_root(over, 30.0, 110.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::law::find;
    use crate::scale::stock::book;

    fn near(got: f64, want: f64, fraction: f64) {
        assert!((got / want - 1.0).abs() <= fraction, "{got} is not {want}");
    }

    #[test]
    fn each_tenfold_removes_a_third_of_what_can_be_removed() {
        let law = find("chinchilla").unwrap().dense().unwrap();
        let here = marginal(&law, 5.88e23, 0.01, Some(1e-18));
        near(here.loss, 1.974, 1e-3);
        near(here.reducible_loss, 0.157, 0.01);
        let tenfold = marginal(&law, 5.88e24, 0.01, None);
        near(tenfold.reducible_loss / here.reducible_loss, 0.66, 0.01);
        // The slope is the derivative.
        let ahead = marginal(&law, 5.88e23 * 1.001, 0.01, None);
        near((ahead.loss - here.loss) / 1.001f64.ln(), here.slope_loss, 1e-3);
        let next = law.loss(law.optimum(here.train_flop + here.next_flop.unwrap()));
        near(here.loss - next, 0.01, 1e-6);
        let stop = worth_until(&law, 0.01, 1e-18, here.next_usd.unwrap());
        near(stop, 5.88e23, 1e-6);
        assert_eq!(marginal(&law, 1e40, 0.01, None).next_flop, None);
    }

    #[test]
    fn published_data_ends_allow_the_published_runs() {
        let means = |tokens| Means {
            tokens: Some(tokens),
            tokens_per_param_ratio: 20.0,
            ..Means::default()
        };
        let batch = BatchCost::published().unwrap();
        let flop = |tokens| ceilings(&means(tokens), &batch)[0].1;
        near(flop(400e12), 4.8e28, 1e-6);
        near(flop(20e15), 1.2e32, 1e-6);
        let data = book().unwrap().limits.iter().find(|l| l.name == "data").unwrap();
        assert!(flop(400e12) < data.low_flop * 1.5 && flop(20e15) < data.high_flop);
    }

    #[test]
    fn the_smallest_ceiling_binds() {
        let means = Means {
            wall_s: 1e7,
            rate_flop_per_s: 4e14,
            device_w: 1400.0,
            device_usd: Some(2.0 / 3600.0),
            power_w: Some(1e9),
            n_devices: Some(1e5),
            usd: Some(1e12),
            tokens: Some(4e14),
            layer_s: Some(1e-4),
            tokens_per_param_ratio: 20.0,
        };
        let list = ceilings(&means, &BatchCost::published().unwrap());
        assert_eq!((list[0].0, list.len()), ("chips", 5));
        near(list[0].1, 4e26, 1e-9);
        // Latency twice as small allows a larger run.
        let batch = BatchCost::published().unwrap();
        assert!(latency_wall(&means, 5e-5, &batch) > latency_wall(&means, 1e-4, &batch));
    }

    #[test]
    fn progress_and_demand_follow_their_rates() {
        near(progress(12.0, 8.4), 2.69, 0.01);
        let book = book().unwrap();
        let list = meetings(&book.demand, &book.limits);
        assert_eq!(list[0].limit.name, "power-campus");
        assert!((2027.0..2030.0).contains(&list[0].low_year), "{}", list[0].low_year);
    }
}
