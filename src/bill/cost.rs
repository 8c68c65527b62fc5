//! Money: renting against owning. There is no default price; what has none has no total.

use super::{BillInput, Energy};
use crate::units::{HOUR_S, KWH_J, MONTH_S, YEAR_S};

/// Checkpoints in storage at a time: the newest two and a few milestones (estimate).
pub const N_CHECKPOINTS_KEPT: f64 = 5.0;
/// Stored bytes of a tokenized token: a 32-bit id (estimate; smaller vocabularies fit in 16 bits).
pub const STORED_BYTES_PER_TOKEN: f64 = 4.0;
/// Least utilization of owned hardware that fixed costs are spread over; a smaller input saturates here.
pub const MIN_UTILIZATION_FRACTION: f64 = 0.01;
const GB_BYTES: f64 = 1e9;

/// How the machine is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Rented by the device-hour.
    Cloud,
    /// Bought.
    Owned,
}

/// The run on rented devices.
#[derive(Debug, Clone, PartialEq)]
pub struct Cloud {
    /// Name of the offer.
    pub offer: String,
    /// Its price.
    pub usd_per_device_hour: f64,
    /// Devices held for the wall time.
    pub compute_usd: f64,
    /// Checkpoints and data.
    pub storage_usd: f64,
    /// All of it.
    pub total_usd: f64,
    /// Total at the low end of the offer's price range (a range of prices, not an uncertainty band).
    pub price_low_total_usd: f64,
    /// Total at the high end of the offer's price range.
    pub price_high_total_usd: f64,
}

/// The run on a bought cluster: its share of what owning costs. Hours that earn nothing are
/// spread over those that do, so capital, financing, maintenance and colocation are divided by utilization.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Owned {
    /// Straight-line depreciation of servers and network.
    pub capital_usd: f64,
    /// Cost of the capital tied up: rate × mean book value.
    pub financing_usd: f64,
    /// Electricity at the meter.
    pub electricity_usd: f64,
    /// Space and cooling plant, by provisioned IT power.
    pub colocation_usd: f64,
    /// Operation and maintenance.
    pub maintenance_usd: f64,
    /// Checkpoints and data.
    pub storage_usd: f64,
    /// All of it.
    pub total_usd: f64,
    /// Price of the whole cluster with its network: the cash to have, not part of the total.
    pub purchase_usd: f64,
}

impl Owned {
    /// What is spent whether or not the machine computes.
    #[must_use]
    pub fn fixed_usd(&self) -> f64 {
        self.capital_usd + self.financing_usd + self.colocation_usd + self.maintenance_usd
    }
}

/// Money for a run, both ways where prices are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Money {
    /// The way of `total_usd`: cloud if there is an offer and the machine is not owned, else owned;
    /// `None` when that way has no price.
    pub way: Option<Way>,
    /// Total of the chosen way; `None` when it has no price.
    pub total_usd: Option<f64>,
    /// The share of the total that lost time takes, `total × (1 − goodput)`; not to be added to it.
    pub goodput_loss_usd: Option<f64>,
    /// Rented, if there is an offer.
    pub cloud: Option<Cloud>,
    /// Bought, if the node has a price.
    pub owned: Option<Owned>,
    /// Utilization above which owning is cheaper than the offer. Above 1: never at these prices.
    pub break_even_utilization_fraction: Option<f64>,
}

/// What a run costs.
#[must_use]
pub fn money(input: &BillInput, energy: &Energy) -> Money {
    let cloud = cloud(input);
    let owned = owned(input, energy);
    let chosen = match (&cloud, &owned) {
        (Some(c), _) if !input.owned => Some((Way::Cloud, c.total_usd)),
        (_, Some(o)) => Some((Way::Owned, o.total_usd)),
        _ => None,
    };
    let break_even_utilization_fraction = cloud.as_ref().zip(owned.as_ref()).and_then(|(c, o)| break_even(input, c, o));
    Money {
        way: chosen.map(|(way, _)| way),
        total_usd: chosen.map(|(_, usd)| usd),
        goodput_loss_usd: chosen.map(|(_, usd)| usd * (1.0 - input.run.goodput)),
        cloud,
        owned,
        break_even_utilization_fraction,
    }
}

fn storage_usd(input: &BillInput) -> f64 {
    let bytes = N_CHECKPOINTS_KEPT * input.checkpoint_bytes + STORED_BYTES_PER_TOKEN * input.total_tokens;
    bytes / GB_BYTES * input.finance.storage_usd_per_gb_month * input.run.wall_s / MONTH_S
}

fn cloud(input: &BillInput) -> Option<Cloud> {
    let offer = input.offer?;
    let device_hours = input.n_devices() * input.run.wall_s / HOUR_S;
    let price = offer.usd_per_device_hour;
    let storage_usd = storage_usd(input);
    let compute_usd = device_hours * price.base_usd;
    Some(Cloud {
        offer: offer.name.clone(),
        usd_per_device_hour: price.base_usd,
        compute_usd,
        storage_usd,
        total_usd: compute_usd + storage_usd,
        price_low_total_usd: device_hours * price.low_usd + storage_usd,
        price_high_total_usd: device_hours * price.high_usd + storage_usd,
    })
}

fn utilization(input: &BillInput) -> f64 {
    input.finance.utilization_fraction.clamp(MIN_UTILIZATION_FRACTION, 1.0)
}

fn owned(input: &BillInput, energy: &Energy) -> Option<Owned> {
    let finance = input.finance;
    let purchase_usd = input.node.price?.base_usd * (1.0 + finance.network_fraction) * input.n_nodes;
    let held_s = input.run.wall_s / utilization(input);
    let capital_usd = purchase_usd * (1.0 - finance.residual_fraction) * held_s / finance.life_s;
    let book_usd = purchase_usd * (1.0 + finance.residual_fraction) / 2.0;
    let financing_usd = book_usd * finance.capital_rate_fraction * held_s / YEAR_S;
    let maintenance_usd = purchase_usd * finance.maintenance_fraction * held_s / YEAR_S;
    let colocation_usd = energy.peak_it_w / 1e3 * finance.colocation_usd_per_kw_month * held_s / MONTH_S;
    let electricity_usd = energy.facility_j / KWH_J * input.region.electricity_usd_per_kwh;
    let storage_usd = storage_usd(input);
    Some(Owned {
        capital_usd,
        financing_usd,
        electricity_usd,
        colocation_usd,
        maintenance_usd,
        storage_usd,
        total_usd: capital_usd + financing_usd + electricity_usd + colocation_usd + maintenance_usd + storage_usd,
        purchase_usd,
    })
}

/// Where both totals are equal: fixed cost at full utilization over what the cloud costs beyond electricity
/// (storage is the same both ways). `None` if electricity alone costs more than the cloud, or nothing costs anything.
fn break_even(input: &BillInput, cloud: &Cloud, owned: &Owned) -> Option<f64> {
    let margin_usd = cloud.compute_usd - owned.electricity_usd;
    (margin_usd > 0.0).then(|| owned.fixed_usd() * utilization(input) / margin_usd)
}
