//! Prices, grids, regions and finance: what electricity and machines cost.

use super::accelerator::Money3;

/// How a rented device is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Commitment {
    /// Pay by the hour.
    OnDemand,
    /// Reserved for one year.
    OneYear,
    /// Reserved for three years.
    ThreeYears,
    /// Interruptible.
    Spot,
    /// Reserved ahead for days or weeks.
    CapacityBlock,
}

impl Commitment {
    /// Every commitment with the name used in files.
    pub const ALL: [(&'static str, Commitment); 5] = [
        ("on-demand", Commitment::OnDemand),
        ("1-year", Commitment::OneYear),
        ("3-year", Commitment::ThreeYears),
        ("spot", Commitment::Spot),
        ("capacity-block", Commitment::CapacityBlock),
    ];

    /// The name used in files and output.
    #[must_use]
    pub fn name(self) -> &'static str {
        Commitment::ALL.iter().find(|(_, c)| *c == self).map_or("", |(n, _)| n)
    }
}

/// A price per device-hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Catalog id.
    pub name: String,
    /// Provider, lower case; `market` for a default over many providers.
    pub provider: String,
    /// Accelerator id.
    pub accelerator: String,
    /// Region id of the provider, if the price is regional.
    pub region: Option<String>,
    /// Commitment.
    pub commitment: Commitment,
    /// Price per device-hour.
    pub usd_per_device_hour: Money3,
    /// Date of the price, `YYYY-MM` or `YYYY-MM-DD`.
    pub as_of: String,
    /// Mean time between preemptions of one node, if it is known of an interruptible offer.
    pub preempted_every_s: Option<f64>,
}

/// Carbon and water of a kilowatt-hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Catalog id.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Average factor of the grid the meter is on.
    pub location_kg_co2e_per_kwh: f64,
    /// Short-run marginal factor, where published.
    pub marginal_kg_co2e_per_kwh: Option<f64>,
    /// Average factor hour by hour, where given: 24 values of a day or 8,760 of a year, local time.
    pub hourly_kg_co2e_per_kwh: Option<Vec<f64>>,
    /// Water used off site to generate a kilowatt-hour.
    pub water_l_per_kwh: f64,
    /// Year of the factors.
    pub year: u32,
}

/// A place: its grid, its building, its tariff.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// Catalog id.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Operator, lower case.
    pub provider: String,
    /// Its grid.
    pub grid: Grid,
    /// Power usage effectiveness of a year.
    pub pue: f64,
    /// The same month by month from January, where given.
    pub pue_by_month: Option<[f64; 12]>,
    /// On-site water per kWh of IT energy.
    pub wue_l_per_kwh: f64,
    /// Factor after contracts and certificates, where the operator states one.
    pub market_kg_co2e_per_kwh: Option<f64>,
    /// Electricity tariff.
    pub electricity_usd_per_kwh: f64,
}

/// Assumptions of owning hardware.
#[derive(Debug, Clone, PartialEq)]
pub struct Finance {
    /// Catalog id.
    pub name: String,
    /// Depreciation life.
    pub life_s: f64,
    /// Network, storage and installation on top of server price, as a fraction of it.
    pub network_fraction: f64,
    /// Value left at the end, as a fraction of the purchase.
    pub residual_fraction: f64,
    /// Yearly cost of capital, as a fraction.
    pub capital_rate_fraction: f64,
    /// Yearly operation and maintenance, as a fraction of capital.
    pub maintenance_fraction: f64,
    /// Colocation per kW of IT power and month, without electricity.
    pub colocation_usd_per_kw_month: f64,
    /// Share of owned hours that earn.
    pub utilization_fraction: f64,
    /// Object storage per GB and month.
    pub storage_usd_per_gb_month: f64,
    /// Network power as a fraction of node power.
    pub network_power_fraction: f64,
    /// Power of storage per TB stored.
    pub storage_w_per_tb: f64,
    /// People who run the machine, per device and year.
    pub staff_usd_per_device_year: f64,
    /// Support of the provider over rent, or of the vendor over the purchase and year.
    pub support_fraction: f64,
    /// Data transfer out.
    pub egress_usd_per_gb: f64,
    /// Building an own facility, per watt of IT power to provide for.
    pub facility_usd_per_w: f64,
    /// Its depreciation life.
    pub facility_life_s: f64,
}
