//! Money: renting against owning. There is no default price; what has none has no total.

use super::{BillInput, Books, Currency, Energy, books};
use crate::catalog::Commitment;
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

/// What comes on top of the machine, whichever way it is had; all zero unless the scenario says so.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Extra {
    /// Data transferred out.
    pub egress_usd: f64,
    /// Licences of data.
    pub licences_usd: f64,
    /// Experiments beside the run, as declared.
    pub experiments_usd: f64,
    /// Runs that failed and were started over, as declared.
    pub failed_runs_usd: f64,
    /// Taxes on everything else.
    pub tax_usd: f64,
}

impl Extra {
    /// Name and dollars of each line, in display order.
    #[must_use]
    pub fn list(&self) -> [(&'static str, f64); 5] {
        [
            ("egress", self.egress_usd),
            ("licences", self.licences_usd),
            ("experiments", self.experiments_usd),
            ("failed runs", self.failed_runs_usd),
            ("tax", self.tax_usd),
        ]
    }

    /// All of it.
    #[must_use]
    pub fn total_usd(&self) -> f64 {
        self.list().iter().map(|(_, usd)| usd).sum()
    }

    /// On top of a machine that costs this much.
    fn on(input: &BillInput, machine_usd: f64) -> Extra {
        let terms = input.terms;
        let mut out = Extra {
            egress_usd: terms.egress_bytes / GB_BYTES * input.finance.egress_usd_per_gb,
            licences_usd: terms.licences_usd,
            experiments_usd: machine_usd * terms.experiments_fraction,
            failed_runs_usd: machine_usd * terms.failed_runs_fraction,
            tax_usd: 0.0,
        };
        out.tax_usd = (machine_usd + out.total_usd()) * terms.tax_fraction;
        out
    }
}

/// The run on rented devices.
#[derive(Debug, Clone, PartialEq)]
pub struct Cloud {
    /// Name of the offer.
    pub offer: String,
    /// Its price.
    pub usd_per_device_hour: f64,
    /// Devices held for the wall time; of an interruptible offer, while they are there.
    pub compute_usd: f64,
    /// Support of the provider.
    pub support_usd: f64,
    /// Checkpoints and data.
    pub storage_usd: f64,
    /// What comes on top.
    pub extra: Extra,
    /// All of it.
    pub total_usd: f64,
    /// Total at the low end of the offer's price range (a range of prices, not an uncertainty band).
    pub price_low_total_usd: f64,
    /// Total at the high end of the offer's price range.
    pub price_high_total_usd: f64,
    /// What a commitment of one or three years binds to pay, run or no run. Not part of the total.
    pub commitment_usd: Option<f64>,
    /// Device time that is paid for.
    pub device_s: f64,
}

impl Cloud {
    /// Name and dollars of the lines that sum to `total_usd`, in display order.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, f64)> {
        let own = [
            ("compute", self.compute_usd),
            ("support", self.support_usd),
            ("storage", self.storage_usd),
        ];
        own.into_iter().chain(self.extra.list()).collect()
    }

    /// Device-hours that are paid for.
    #[must_use]
    pub fn device_hours(&self) -> f64 {
        self.device_s / HOUR_S
    }
}

/// What a cluster costs to buy, by item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capital {
    /// Servers with their devices.
    pub servers_usd: f64,
    /// Network, storage and installation.
    pub network_usd: f64,
    /// The building, if it is the owner's.
    pub facility_usd: f64,
}

impl Capital {
    /// Everything that is depreciated with the servers.
    #[must_use]
    pub fn machine_usd(&self) -> f64 {
        self.servers_usd + self.network_usd
    }

    /// All of it.
    #[must_use]
    pub fn total_usd(&self) -> f64 {
        self.machine_usd() + self.facility_usd
    }
}

/// The run on a bought cluster: its share of what owning costs. Hours that earn nothing are
/// spread over those that do, so all but electricity and storage is divided by utilization.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Owned {
    /// Straight-line depreciation of servers and network.
    pub capital_usd: f64,
    /// Cost of the capital tied up: rate × mean book value.
    pub financing_usd: f64,
    /// Electricity at the meter.
    pub electricity_usd: f64,
    /// Space and cooling plant, by provisioned IT power; nothing in an own facility.
    pub colocation_usd: f64,
    /// An own facility: depreciation, cost of capital, upkeep; nothing in colocation.
    pub facility_usd: f64,
    /// Operation and maintenance.
    pub maintenance_usd: f64,
    /// People who run the machine.
    pub staff_usd: f64,
    /// Support of the vendor.
    pub support_usd: f64,
    /// Checkpoints and data.
    pub storage_usd: f64,
    /// What comes on top.
    pub extra: Extra,
    /// All of it.
    pub total_usd: f64,
    /// Price of the whole cluster with its network: the cash to have, not part of the total.
    pub purchase_usd: f64,
    /// The same by item.
    pub capital: Capital,
}

impl Owned {
    /// Name and dollars of the lines that sum to `total_usd`, in display order.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, f64)> {
        let own = [
            ("capital", self.capital_usd),
            ("financing", self.financing_usd),
            ("electricity", self.electricity_usd),
            ("colocation", self.colocation_usd),
            ("facility", self.facility_usd),
            ("maintenance", self.maintenance_usd),
            ("staff", self.staff_usd),
            ("support", self.support_usd),
            ("storage", self.storage_usd),
        ];
        own.into_iter().chain(self.extra.list()).collect()
    }

    /// What is spent whether or not the machine computes.
    #[must_use]
    pub fn fixed_usd(&self) -> f64 {
        self.capital_usd
            + self.financing_usd
            + self.colocation_usd
            + self.facility_usd
            + self.maintenance_usd
            + self.staff_usd
            + self.support_usd
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
    /// The share of the machine's cost that lost time takes, `(1 − goodput)` of it; not to be added to it.
    pub goodput_loss_usd: Option<f64>,
    /// Rented, if there is an offer.
    pub cloud: Option<Cloud>,
    /// Bought, if the node has a price.
    pub owned: Option<Owned>,
    /// Utilization above which owning is cheaper than the offer. Above 1: never at these prices.
    pub break_even_utilization_fraction: Option<f64>,
    /// The total discounted to the start of the run, paid month by month.
    pub present_value_usd: Option<f64>,
    /// The whole cluster over its life, paid and booked, if the node has a price.
    pub books: Option<Books>,
    /// Net present value of buying the cluster for its life instead of renting it for the hours that earn.
    pub npv_of_buying_usd: Option<f64>,
    /// The rate of both.
    pub discount_rate_fraction: f64,
}

impl Money {
    /// The total in another currency.
    #[must_use]
    pub fn total_in(&self, currency: &Currency) -> Option<f64> {
        self.total_usd.map(|usd| usd / currency.unit_usd)
    }
}

/// What a run costs.
#[must_use]
pub fn money(input: &BillInput, energy: &Energy) -> Money {
    let cloud = cloud(input);
    let owned = owned(input, energy);
    let chosen = match (&cloud, &owned) {
        (Some(c), _) if !input.owned => Some((Way::Cloud, c.total_usd, c.extra)),
        (_, Some(o)) => Some((Way::Owned, o.total_usd, o.extra)),
        _ => None,
    };
    let break_even_utilization_fraction = cloud.as_ref().zip(owned.as_ref()).and_then(|(c, o)| break_even(input, c, o));
    let total_usd = chosen.map(|(_, usd, _)| usd);
    let books = books::books(input, energy);
    let rate = input.terms.discount_rate_fraction.unwrap_or(input.finance.capital_rate_fraction);
    Money {
        way: chosen.map(|(way, ..)| way),
        total_usd,
        goodput_loss_usd: chosen.map(|(_, usd, extra)| (usd - extra.total_usd()) * (1.0 - input.run.goodput)),
        break_even_utilization_fraction,
        present_value_usd: total_usd.map(|usd| books::present_value_usd(usd, input.run.wall_s, rate)),
        npv_of_buying_usd: books.as_ref().and_then(|b| b.npv_of_buying_usd(rate)),
        books,
        discount_rate_fraction: rate,
        cloud,
        owned,
    }
}

fn stored_bytes(input: &BillInput) -> f64 {
    N_CHECKPOINTS_KEPT * input.checkpoint_bytes + STORED_BYTES_PER_TOKEN * input.total_tokens
}

/// What is kept in storage during the run.
#[must_use]
pub fn stored_tb(input: &BillInput) -> f64 {
    stored_bytes(input) / 1e12
}

fn storage_usd(input: &BillInput) -> f64 {
    stored_bytes(input) / GB_BYTES * input.finance.storage_usd_per_gb_month * input.run.wall_s / MONTH_S
}

/// Rent by the device-hour: the convention of published costs, "hours × price" and nothing else.
#[must_use]
pub fn rent_usd(device_hours: f64, usd_per_device_hour: f64) -> f64 {
    device_hours * usd_per_device_hour
}

fn cloud(input: &BillInput) -> Option<Cloud> {
    let offer = input.offer?;
    // Interruptible devices cost nothing while they are gone.
    let gone_s = if input.waits_for_nothing() { input.run.lost.wait_s } else { 0.0 };
    let device_s = input.n_devices() * (input.run.wall_s - gone_s);
    let device_hours = device_s / HOUR_S;
    let price = offer.usd_per_device_hour;
    let storage_usd = storage_usd(input);
    let at = |usd_per_device_hour: f64| {
        let compute_usd = rent_usd(device_hours, usd_per_device_hour);
        let support_usd = compute_usd * input.finance.support_fraction;
        let machine_usd = compute_usd + support_usd + storage_usd;
        let extra = Extra::on(input, machine_usd);
        (compute_usd, support_usd, extra, machine_usd + extra.total_usd())
    };
    let (compute_usd, support_usd, extra, total_usd) = at(price.base_usd);
    let years = match offer.commitment {
        Commitment::OneYear => Some(1.0),
        Commitment::ThreeYears => Some(3.0),
        _ => None,
    };
    let bound = |years: f64| rent_usd(input.n_devices() * (years * YEAR_S).max(input.run.wall_s) / HOUR_S, price.base_usd);
    Some(Cloud {
        offer: offer.name.clone(),
        usd_per_device_hour: price.base_usd,
        compute_usd,
        support_usd,
        storage_usd,
        extra,
        total_usd,
        price_low_total_usd: at(price.low_usd).3,
        price_high_total_usd: at(price.high_usd).3,
        commitment_usd: years.map(bound),
        device_s,
    })
}

/// Share of owned hours that earn, within its bounds.
pub(super) fn utilization(input: &BillInput) -> f64 {
    input.finance.utilization_fraction.clamp(MIN_UTILIZATION_FRACTION, 1.0)
}

/// What the cluster costs to buy; nothing where the node has no price.
#[must_use]
pub fn capital(input: &BillInput, energy: &Energy) -> Option<Capital> {
    let servers_usd = input.node.price?.base_usd * input.held_nodes();
    let building = if input.terms.own_facility { 1.0 } else { 0.0 };
    Some(Capital {
        servers_usd,
        network_usd: servers_usd * input.finance.network_fraction,
        facility_usd: building * energy.peak_it_w * input.finance.facility_usd_per_w,
    })
}

fn owned(input: &BillInput, energy: &Energy) -> Option<Owned> {
    let finance = input.finance;
    let capital = capital(input, energy)?;
    let machine_usd = capital.machine_usd();
    let held_s = input.run.wall_s / utilization(input);
    let years = held_s / YEAR_S;
    let capital_usd = machine_usd * (1.0 - finance.residual_fraction) * held_s / finance.life_s;
    let book_usd = machine_usd * (1.0 + finance.residual_fraction) / 2.0;
    let financing_usd = book_usd * finance.capital_rate_fraction * years;
    let maintenance_usd = machine_usd * finance.maintenance_fraction * years;
    let support_usd = machine_usd * finance.support_fraction * years;
    let staff_usd = finance.staff_usd_per_device_year * input.n_devices() * years;
    let colocation_usd = if input.terms.own_facility {
        0.0
    } else {
        energy.peak_it_w / 1e3 * finance.colocation_usd_per_kw_month * held_s / MONTH_S
    };
    // A building has no residual value here; its mean book value is half of what it cost.
    let yearly = YEAR_S / finance.facility_life_s + finance.capital_rate_fraction / 2.0 + finance.maintenance_fraction;
    let facility_usd = capital.facility_usd * yearly * years;
    let electricity_usd = energy.facility_j / KWH_J * input.region.electricity_usd_per_kwh;
    let storage_usd = storage_usd(input);
    let mut out = Owned {
        capital_usd,
        financing_usd,
        electricity_usd,
        colocation_usd,
        facility_usd,
        maintenance_usd,
        staff_usd,
        support_usd,
        storage_usd,
        extra: Extra::default(),
        total_usd: 0.0,
        purchase_usd: capital.total_usd(),
        capital,
    };
    let all_usd = out.fixed_usd() + electricity_usd + storage_usd;
    out.extra = Extra::on(input, all_usd);
    out.total_usd = all_usd + out.extra.total_usd();
    Some(out)
}

/// Where both totals are equal: fixed cost at full utilization over what the cloud costs beyond electricity
/// (storage is the same both ways, and so is what comes on top at equal cost). `None` if electricity alone
/// costs more than the cloud, or nothing costs anything.
fn break_even(input: &BillInput, cloud: &Cloud, owned: &Owned) -> Option<f64> {
    let margin_usd = cloud.compute_usd + cloud.support_usd - owned.electricity_usd;
    (margin_usd > 0.0).then(|| owned.fixed_usd() * utilization(input) / margin_usd)
}
