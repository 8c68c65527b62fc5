//! The whole run and its bill.

use super::{DEVICES, Input, TIME, Topic, from, of, topic};
use crate::catalog::Kind;

const NODES: Input = of("scenario.n_nodes");
const WALL: Input = of("run.wall_s");
const ENERGY: Input = of("bill.energy_j.total");
const IT: Input = of("bill.energy_j.it");
const PUE: Input = from("inputs.pue", Kind::Region, "pue");
const MTBF: Input = of("run.job_mtbf_s");

/// In the order of a plan.
pub(super) const TOPICS: &[Topic] = &[
    topic(
        "run.n_steps",
        "tokens of the run / tokens per step, rounded up",
        "",
        &[of("scenario.tokens"), of("step.tokens")],
    ),
    topic("run.ideal_s", "steps × step time, phase by phase", "", &[of("run.n_steps"), TIME]),
    topic(
        "run.wall_s",
        "ideal time + checkpoints + work done again + restarts + detection + pauses + rollbacks + waiting + slow and missing nodes",
        "Daly 2006, doi:10.1016/j.future.2004.11.016, with several kinds of stop: M/s·(e^((τ+δ)/M) − 1)·T/τ, s = Σ p·e^(−R/M), split without remainder",
        &[
            of("run.ideal_s"),
            of("run.lost.checkpoint_s"),
            of("run.lost.rework_s"),
            of("run.lost.restart_s"),
            of("run.lost.detect_s"),
            of("run.lost.planned_s"),
            of("run.lost.evaluation_s"),
            of("run.lost.rollback_s"),
            of("run.lost.wait_s"),
            of("run.lost.slow_s"),
            of("run.lost.degraded_s"),
        ],
    ),
    topic("run.goodput", "ideal time / wall time", "", &[of("run.ideal_s"), WALL]),
    topic(
        "run.expected_failures",
        "wall time without planned pauses / mean time between failures of the job",
        "Wald's identity on a Poisson process",
        &[WALL, MTBF],
    ),
    topic(
        "run.job_mtbf_s",
        "mean time between failures of a screened node of eight devices / (such nodes in the job × (1 + (factor − 1) × unscreened share))",
        "failure rates: Kokolis et al., arXiv 2410.21680, and the other fleets of the catalog entry",
        &[
            from("inputs.node_mtbf_s", Kind::Reliability, "node_mtbf_s"),
            from("inputs.unscreened_factor", Kind::Reliability, "unscreened_factor"),
            of("run.unscreened_fraction"),
            DEVICES,
        ],
    ),
    topic(
        "run.unscreened_fraction",
        "1 / (1 + (nodes / 274)²) where nobody says whether nodes were tested; screening = \"screened\" is 0, \"unscreened\" 1",
        "between jobs of up to 128 nodes and runs from 588 nodes: arXiv 2410.21680, 2403.07648, 2602.00277",
        &[DEVICES],
    ),
    topic(
        "run.stops",
        "time at work / mean time between stops × share of the cause; preemptions and loss spikes are no failures",
        "causes: Llama 3 table 5, arXiv 2407.21783, and the FT-HSDP reference job, arXiv 2602.00277",
        &[WALL, MTBF, from("run.stops.gpu", Kind::Reliability, "causes.gpu")],
    ),
    topic(
        "run.checkpoint_every_s",
        "the interval with the least expected wall time, unless the scenario fixes one",
        "Young 1974; Daly 2006, doi:10.1016/j.future.2004.11.016, solved exactly",
        &[of("run.checkpoint_stall_s"), MTBF],
    ),
    topic(
        "run.checkpoint_write_s",
        "bytes of a checkpoint / delivered storage bandwidth",
        "",
        &[of("run.checkpoint_bytes"), of("inputs.storage_bytes_per_s")],
    ),
    topic(
        "run.checkpoint_stall_s",
        "the time to write; the copy to host memory when asynchronous; a node's share over its network when copies stay in memory",
        "PyTorch distributed checkpoint, 2024-06-12; GEMINI, SOSP 2023",
        &[of("run.checkpoint_write_s")],
    ),
    topic(
        "run.checkpoint_load_s",
        "bytes of a checkpoint / delivered storage bandwidth, or a node's share over its network when copies stay in memory",
        "",
        &[of("run.checkpoint_bytes"), of("inputs.storage_bytes_per_s")],
    ),
    topic(
        "run.lost.slow_s",
        "ideal time × (slow factor − 1) × share of the time with a slow node, 1 − e^(−nodes × time to find / time until slow)",
        "M/G/∞ queue, Takács 1962; rates: arXiv 2605.09370, MegaScale arXiv 2402.15627",
        &[
            of("run.ideal_s"),
            from("inputs.slow_node_mtbf_s", Kind::Reliability, "slow_node_mtbf_s"),
            from("inputs.slow_factor", Kind::Reliability, "slow_factor"),
            from("inputs.slow_found_s", Kind::Reliability, "slow_found_s"),
            DEVICES,
        ],
    ),
    topic(
        "run.lost.wait_s",
        "preemptions × their wait + share of the time that more nodes are out than there are spares (Erlang's B)",
        "Erlang 1917",
        &[
            of("run.stops.preemption"),
            from("inputs.repair_s", Kind::Reliability, "repair_s"),
            MTBF,
        ],
    ),
    topic(
        "run.lost.degraded_s",
        "mean number of nodes out beyond the spares × the copy of the model that each takes along",
        "M/G/∞ queue",
        &[from("inputs.repair_s", Kind::Reliability, "repair_s"), MTBF],
    ),
    topic(
        "run.checkpoint_bytes",
        "parameters × (bytes of a weight + bytes of optimizer state)",
        "",
        &[of("model.params_total")],
    ),
    topic(
        "run.lost",
        "expected losses of a Poisson process of failures over segments of work and checkpoint, with recovery that may fail too",
        "Daly 2006, doi:10.1016/j.future.2004.11.016",
        &[
            MTBF,
            of("run.checkpoint_every_s"),
            of("run.checkpoint_stall_s"),
            of("run.checkpoint_load_s"),
            from("inputs.detect_s", Kind::Reliability, "detect_s"),
            from("inputs.hang_detect_s", Kind::Reliability, "hang_detect_s"),
            from("inputs.silent_detect_s", Kind::Reliability, "silent_detect_s"),
            from("inputs.restart_s", Kind::Reliability, "restart_s"),
            from("inputs.warm_up_s", Kind::Reliability, "warm_up_s"),
            from("inputs.planned_s_per_day", Kind::Reliability, "planned_s_per_day"),
        ],
    ),
    topic(
        "bill.energy_j",
        "nodes × time in each phase × (idle + busy share × (active − idle)), plus idle spares, network and storage, times PUE",
        "busy shares: fitted to MLPerf Training power logs v4.0 to v5.0, each left out met within 10 %; PUE: The Green Grid",
        &[
            NODES,
            from("inputs.node_idle_w", Kind::Node, "idle_w"),
            from("inputs.node_active_w", Kind::Node, "active_w"),
            from("inputs.network_power_fraction", Kind::Finance, "network_power_fraction"),
            PUE,
            of("bill.energy_j.math"),
            of("bill.energy_j.communication"),
            of("bill.energy_j.bubble"),
            of("bill.energy_j.lost"),
            of("bill.energy_j.idle"),
            of("bill.energy_j.network"),
            of("bill.energy_j.storage"),
            of("bill.energy_j.cooling"),
        ],
    ),
    topic(
        "bill.power_w",
        "mean: energy at the meter / wall time; peak: what nodes and network may draw together × PUE; swing: all nodes from math to waiting",
        "",
        &[ENERGY, WALL, PUE],
    ),
    topic(
        "bill.carbon_kg_co2e",
        "energy at the meter × factor of the grid + making the servers × wall time / life; the methods stand side by side and are never netted",
        "GHG Protocol Scope 2 Guidance; ISO/IEC 21031:2024 (SCI) for the servers",
        &[
            ENERGY,
            from("inputs.grid_kg_co2e_per_kwh", Kind::Grid, "location_kg_co2e_per_kwh"),
            of("bill.carbon_kg_co2e.operational_location"),
            from("inputs.node_embodied_kg_co2e", Kind::Node, "embodied_kg_co2e"),
            NODES,
            WALL,
            from("inputs.life_s", Kind::Finance, "life_s"),
            of("bill.carbon_kg_co2e.embodied"),
        ],
    ),
    topic(
        "bill.pue",
        "power usage effectiveness of the region: over the months of the run where it states them and carbon.start is given, else of the year",
        "The Green Grid",
        &[PUE],
    ),
    topic(
        "bill.grid_kg_co2e_per_kwh",
        "average factor of the grid: over the hours of the run where it states them and carbon.start is given, else of the year",
        "GHG Protocol Scope 2 Guidance (location-based)",
        &[from("inputs.grid_kg_co2e_per_kwh", Kind::Grid, "location_kg_co2e_per_kwh")],
    ),
    topic(
        "bill.sci_kg_co2e",
        "(electricity by location + servers amortized) per run, billion tokens or 10^18 model FLOPs",
        "ISO/IEC 21031:2024 (SCI); market-based measures cannot reduce it",
        &[of("bill.carbon_kg_co2e.total"), of("scenario.tokens")],
    ),
    topic(
        "bill.water_l",
        "IT energy × (water on site + PUE × water of the power plants)",
        "P. Li et al., arXiv 2304.03271",
        &[
            IT,
            from("inputs.wue_l_per_kwh", Kind::Region, "wue_l_per_kwh"),
            PUE,
            from("inputs.grid_water_l_per_kwh", Kind::Grid, "water_l_per_kwh"),
        ],
    ),
    topic(
        "bill.water_onsite_l",
        "IT energy × water on site",
        "",
        &[IT, from("inputs.wue_l_per_kwh", Kind::Region, "wue_l_per_kwh")],
    ),
    topic(
        "bill.offer",
        "the price that the scenario names, else that of its region's provider, else of the market",
        "exaplan catalog show NAME has the source of each price",
        &[from("bill.offer.usd_per_device_hour", Kind::Offer, "base_usd_per_device_hour")],
    ),
    topic(
        "bill.cost_usd",
        "rented: devices × wall time × price, support, storage; owned: share of capital, financing, electricity, colocation or building, maintenance, staff, support, storage; both: what [cost] declares on top",
        "",
        &[
            DEVICES,
            WALL,
            from("bill.offer.usd_per_device_hour", Kind::Offer, "base_usd_per_device_hour"),
            of("bill.cost_usd.cloud.total"),
            of("bill.cost_usd.owned.total"),
        ],
    ),
    topic(
        "bill.cost_usd.owned",
        "depreciation over the life, capital tied up, electricity, space and maintenance; hours that earn nothing are spread over those that do",
        "",
        &[
            from("inputs.node_price_usd", Kind::Node, "price.base_usd"),
            from("inputs.network_fraction", Kind::Finance, "network_fraction"),
            from("inputs.life_s", Kind::Finance, "life_s"),
            from("inputs.utilization_fraction", Kind::Finance, "utilization_fraction"),
            from("inputs.capital_rate_fraction", Kind::Finance, "capital_rate_fraction"),
            from("inputs.electricity_usd_per_kwh", Kind::Region, "electricity_usd_per_kwh"),
            WALL,
        ],
    ),
    topic(
        "bill.per_unit",
        "devices with idle spares × wall time; devices × time of the steps; cost over millions of tokens and over device-hours that train; energy over tokens",
        "",
        &[
            DEVICES,
            WALL,
            of("run.ideal_s"),
            of("scenario.tokens"),
            of("bill.cost_usd.total"),
            of("bill.energy_j.total"),
        ],
    ),
    topic(
        "bill.break_even_utilization",
        "fixed cost of owning at full utilization / (rent − electricity): above it owning is cheaper",
        "",
        &[
            of("bill.cost_usd.owned.total"),
            of("bill.cost_usd.cloud.compute"),
            of("bill.cost_usd.owned.electricity"),
        ],
    ),
];
