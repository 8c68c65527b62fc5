//! The whole cluster over its life, year by year: what is paid and what is booked.
//!
//! Cash is paid when it is due: the purchase at the start, the rest in its year, and what is left of the
//! hardware comes back at the end. Accrual books the purchase as depreciation, straight line over the life.
//! Over the whole life both come to the same. Cost of capital is in neither: it is the rate that the cash
//! is discounted with.

use super::cost::{capital, utilization};
use super::{BillInput, Capital, Energy};
use crate::units::{HOUR_S, KWH_J, MONTH_S, YEAR_S};

/// Years that are told apart; whatever is later falls into the last one.
const MOST_YEARS: u32 = 240;

/// A year of a cluster; year 0 is its purchase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Year {
    /// Its number.
    pub number: u32,
    /// Paid: purchase, running cost, less what is sold.
    pub cash_usd: f64,
    /// Booked: depreciation and running cost.
    pub accrual_usd: f64,
    /// Rent that the same hours would have cost, where there is an offer.
    pub rent_usd: Option<f64>,
}

/// What a cluster costs to run for a year of its life, whatever it earns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Running {
    /// Electricity of the hours that earn.
    pub electricity_usd: f64,
    /// Space in another's building, or the upkeep of an own one.
    pub place_usd: f64,
    /// Operation and maintenance of the machine.
    pub maintenance_usd: f64,
    /// Support of the vendor.
    pub support_usd: f64,
    /// People who run it.
    pub staff_usd: f64,
}

impl Running {
    /// All of it.
    #[must_use]
    pub fn total_usd(&self) -> f64 {
        self.electricity_usd + self.place_usd + self.maintenance_usd + self.support_usd + self.staff_usd
    }
}

/// A cluster over its life.
#[derive(Debug, Clone, PartialEq)]
pub struct Books {
    /// From the purchase on.
    pub years: Vec<Year>,
    /// How long it lives.
    pub life_s: f64,
    /// What it costs to buy.
    pub capital: Capital,
    /// What is left of it at the end, and sold.
    pub left_usd: f64,
    /// What a year of it costs beside that.
    pub running: Running,
}

impl Books {
    /// Everything paid.
    #[must_use]
    pub fn cash_usd(&self) -> f64 {
        self.years.iter().map(|y| y.cash_usd).sum()
    }

    /// Everything booked.
    #[must_use]
    pub fn accrual_usd(&self) -> f64 {
        self.years.iter().map(|y| y.accrual_usd).sum()
    }

    /// Present value of the rent saved less the cash paid, each at the end of its year; nothing without
    /// an offer to compare with.
    #[must_use]
    pub fn npv_of_buying_usd(&self, rate_fraction: f64) -> Option<f64> {
        let flow = |y: &Year| Some((y.rent_usd? - y.cash_usd) / (1.0 + rate_fraction).powf(f64::from(y.number)));
        self.years.iter().map(flow).sum()
    }
}

/// Present value of a cost that is spread evenly over a run and paid at the end of each month.
#[must_use]
pub fn present_value_usd(total_usd: f64, wall_s: f64, rate_fraction: f64) -> f64 {
    if wall_s <= 0.0 {
        return total_usd;
    }
    let n = (wall_s / MONTH_S).ceil().min(f64::from(MOST_YEARS) * 12.0);
    let mut month = 1.0;
    let mut sum = 0.0;
    while month <= n {
        let left_s = wall_s - (month - 1.0) * MONTH_S;
        let this_s = if month >= n { left_s } else { left_s.min(MONTH_S) };
        sum += total_usd * this_s / wall_s / (1.0 + rate_fraction).powf(month / 12.0);
        month += 1.0;
    }
    sum
}

/// The books of the cluster of a plan; nothing where the node has no price. It earns for the share of
/// its hours that the finance entry states, drawing the mean power of the run, and is sold in the year
/// in which its life ends. A building is sold with it, at its book value.
#[must_use]
pub fn books(input: &BillInput, energy: &Energy) -> Option<Books> {
    let finance = input.finance;
    let capital = capital(input, energy)?;
    let machine_usd = capital.machine_usd();
    let life_years = finance.life_s / YEAR_S;
    let building_share = (finance.life_s / finance.facility_life_s).min(1.0);
    let (machine_left_usd, building_left_usd) = (
        machine_usd * finance.residual_fraction,
        capital.facility_usd * (1.0 - building_share),
    );
    let depreciation_usd = (capital.total_usd() - machine_left_usd - building_left_usd) / life_years;
    let used_h = YEAR_S / HOUR_S * utilization(input);
    let place_usd = if input.terms.own_facility {
        capital.facility_usd * finance.maintenance_fraction
    } else {
        energy.peak_it_w / 1e3 * finance.colocation_usd_per_kw_month * YEAR_S / MONTH_S
    };
    let running = Running {
        electricity_usd: energy.mean_w * used_h * HOUR_S / KWH_J * input.region.electricity_usd_per_kwh,
        place_usd,
        maintenance_usd: machine_usd * finance.maintenance_fraction,
        support_usd: machine_usd * finance.support_fraction,
        staff_usd: finance.staff_usd_per_device_year * input.n_devices(),
    };
    let running_usd = running.total_usd();
    let rent_usd = input
        .offer
        .map(|o| input.n_devices() * used_h * o.usd_per_device_hour.base_usd * (1.0 + finance.support_fraction));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let n = life_years.ceil().clamp(1.0, f64::from(MOST_YEARS)) as u32;
    let mut years = vec![Year {
        number: 0,
        cash_usd: capital.total_usd(),
        accrual_usd: 0.0,
        rent_usd: rent_usd.map(|_| 0.0),
    }];
    years.extend((1..=n).map(|number| {
        let left = (life_years - f64::from(number - 1)).max(0.0);
        let share = if number == n { left } else { left.min(1.0) };
        let sold_usd = if number == n { machine_left_usd + building_left_usd } else { 0.0 };
        Year {
            number,
            cash_usd: running_usd * share - sold_usd,
            accrual_usd: (running_usd + depreciation_usd) * share,
            rent_usd: rent_usd.map(|usd| usd * share),
        }
    }));
    Some(Books {
        years,
        life_s: finance.life_s,
        capital,
        left_usd: machine_left_usd + building_left_usd,
        running,
    })
}
