use super::*;
use crate::catalog::{Commitment, Grid, Money3, Peak};
use crate::run::Lost;
use crate::step::Parts;
use proptest::prelude::*;
use std::collections::BTreeMap;

struct Case {
    step: Step,
    run: Run,
    node: Node,
    accelerator: Accelerator,
    region: Region,
    finance: Finance,
    offer: Offer,
    terms: Terms,
    n_spare_nodes: f64,
}

/// Ten nodes of eight devices, 100 steps of 10 s, 500 s lost.
fn case() -> Case {
    let parts = Parts {
        math_s: 6.0,
        recompute_s: 1.0,
        optimizer_s: 1.0,
        tensor_s: 0.75,
        data_s: 0.25,
        bubble_s: 0.5,
        other_s: 0.5,
        ..Parts::default()
    };
    let lost = Lost {
        checkpoint_s: 50.0,
        rework_s: 100.0,
        restart_s: 60.0,
        detect_s: 40.0,
        planned_s: 200.0,
        evaluation_s: 50.0,
        ..Lost::default()
    };
    let price = |usd: f64| Money3 {
        low_usd: usd / 2.0,
        base_usd: usd,
        high_usd: usd * 1.5,
    };
    Case {
        step: Step {
            time_s: 10.0,
            tokens: 1e6,
            n_devices: 80.0,
            model_flop: 1e15,
            model_flop_full_attention: 0.0,
            hardware_flop: 0.0,
            mfu: 0.0,
            hfu: 0.0,
            parts,
            memory: Vec::new(),
            evidence: BTreeMap::new(),
        },
        run: Run {
            n_steps: 100,
            ideal_s: 1000.0,
            wall_s: 1500.0,
            goodput: 1.0 / 1.5,
            expected_failures: 1.0,
            job_mtbf_s: 1500.0,
            checkpoint_every_s: 500.0,
            checkpoint_write_s: 25.0,
            checkpoint_stall_s: 25.0,
            lost,
            ..Run::default()
        },
        node: Node {
            name: "node".into(),
            title: String::new(),
            accelerator: "device".into(),
            n_devices: 8,
            scale_up: String::new(),
            scale_up_domain: 8,
            scale_out: String::new(),
            nic_bytes_per_s: 0.0,
            host_memory_bytes: 0.0,
            idle_w: 1000.0,
            active_w: 5000.0,
            max_w: 6000.0,
            embodied_kg_co2e: 3600.0,
            price: Some(price(200_000.0)),
        },
        accelerator: Accelerator {
            name: "device".into(),
            title: String::new(),
            vendor: String::new(),
            architecture: String::new(),
            peak: Peak {
                dense_flop_per_s: BTreeMap::new(),
                vector_flop_per_s: 0.0,
            },
            n_compute_units: 1,
            memory_bytes: 0.0,
            memory_bytes_per_s: 0.0,
            host_bytes_per_s: None,
            tdp_w: 500.0,
            idle_w: 50.0,
            embodied_kg_co2e: None,
            price: None,
            matrix_efficiency: None,
            profile: None,
        },
        region: Region {
            name: "here".into(),
            title: String::new(),
            provider: String::new(),
            grid: Grid {
                name: "grid".into(),
                title: String::new(),
                location_kg_co2e_per_kwh: 0.4,
                marginal_kg_co2e_per_kwh: Some(0.6),
                hourly_kg_co2e_per_kwh: None,
                water_l_per_kwh: 1.5,
                year: 2024,
            },
            pue: 1.2,
            pue_by_month: None,
            wue_l_per_kwh: 0.2,
            market_kg_co2e_per_kwh: Some(0.0),
            electricity_usd_per_kwh: 0.1,
        },
        finance: Finance {
            name: "money".into(),
            life_s: 1.5e8,
            network_fraction: 0.25,
            residual_fraction: 0.1,
            capital_rate_fraction: 0.1,
            maintenance_fraction: 0.05,
            colocation_usd_per_kw_month: 100.0,
            utilization_fraction: 0.5,
            storage_usd_per_gb_month: 0.02,
            network_power_fraction: 0.1,
            storage_w_per_tb: 5.0,
            staff_usd_per_device_year: 100.0,
            support_fraction: 0.0,
            egress_usd_per_gb: 0.05,
            facility_usd_per_w: 12.0,
            facility_life_s: 1.2e9,
        },
        offer: Offer {
            name: "offer".into(),
            provider: "market".into(),
            accelerator: "device".into(),
            region: None,
            commitment: Commitment::OnDemand,
            usd_per_device_hour: price(2.4),
            as_of: "2026-11".into(),
            preempted_every_s: None,
        },
        terms: Terms::default(),
        n_spare_nodes: 0.0,
    }
}

impl Case {
    fn input(&self) -> BillInput<'_> {
        BillInput {
            step: &self.step,
            run: &self.run,
            total_tokens: 2.5e11,
            checkpoint_bytes: 1e12,
            n_nodes: 10.0,
            n_spare_nodes: self.n_spare_nodes,
            node: &self.node,
            accelerator: &self.accelerator,
            region: &self.region,
            finance: &self.finance,
            offer: Some(&self.offer),
            owned: false,
            terms: &self.terms,
        }
    }

    fn bill(&self) -> Bill {
        bill(&self.input())
    }
}

fn close(got: f64, want: f64) {
    assert!((got - want).abs() <= want.abs() * 1e-5, "{got} != {want}");
}

#[test]
fn energy_by_hand() {
    let e = case().bill().energy;
    // Ten nodes: active 50 kW, waiting 10 · (1000 + 0.03 · 4000) = 11.2 kW, checkpoint or restart 10 · 1200 = 12 kW.
    close(e.math_j, 100.0 * 8.0 * 50_000.0);
    close(e.recompute_j, 100.0 * 50_000.0);
    close(e.optimizer_j, 100.0 * 50_000.0);
    close(e.communication_j, 100.0 * 1.0 * 11_200.0);
    close(e.bubble_j, 100.0 * 1.0 * 11_200.0);
    // A step draws (40 + 1.12 + 1.12) MJ / 1000 s = 42.24 kW, evaluation 10 + 0.87 · 32.24 = 38.0488 kW.
    // 100 s of a step, 40 s at 11.2 kW, 310 s at 12 kW, 50 s of evaluation: 4.224 + 0.448 + 3.72 + 1.90244 MJ.
    close(e.lost_j, 10.294_44e6);
    close(e.restart_j, 40.0 * 11_200.0 + 60.0 * 12_000.0);
    close(e.idle_j, 0.0);
    close(e.network_j, 5.253_444e6);
    // 6 TB at 5 W.
    close(e.storage_j, 30.0 * 1500.0);
    close(e.it_j, 57.832_884e6);
    close(e.cooling_j, 11.566_576_8e6);
    close(e.facility_j, 69.399_460_8e6);
    close(e.mean_w, 46_266.307_2);
    // 80 devices idle at 50 W for 1500 s; 37.53444 MJ above idle are 9383.61 node-seconds of 4 kW, in
    // which eight devices draw 8 · (0.99 · 500 − 50) W more.
    close(e.devices_j, 6e6 + 9383.61 * 8.0 * 445.0);
    close(e.hosts_j, 52.534_44e6 - e.devices_j);
    // 0.84 · 6000 W = 5040 W > active: 10 · 5040 · 1.1 · 1.2.
    close(e.peak_w, 66_528.0);
    close(e.swing_it_w, 38_800.0);
    // 80 devices · 500 W · 1500 s.
    close(e.tdp_convention_j, 60e6);
}

#[test]
fn spares_are_held_and_idle() {
    let mut c = case();
    let before = c.bill();
    c.n_spare_nodes = 2.0;
    let after = c.bill();
    close(after.energy.idle_j, 2.0 * 1000.0 * 1500.0);
    close(after.energy.peak_it_w, 1.2 * before.energy.peak_it_w);
    close(after.carbon.embodied_kg_co2e, 1.2 * before.carbon.embodied_kg_co2e);
    let rent = |b: &Bill| b.cost.cloud.as_ref().unwrap().compute_usd;
    close(rent(&after), 1.2 * rent(&before));
}

#[test]
fn carbon_and_water_by_hand() {
    let b = case().bill();
    // 69.3994608 MJ = 19.277628 kWh at the meter.
    close(b.carbon.operational_location_kg_co2e, 7.711_051);
    assert_eq!(b.carbon.operational_market_kg_co2e, Some(0.0));
    close(b.carbon.operational_marginal_kg_co2e.unwrap(), 11.566_577);
    // 10 · 3600 kg · 1500 s / 1.5e8 s.
    close(b.carbon.embodied_kg_co2e, 0.36);
    close(b.carbon.embodied_booked_kg_co2e, 36_000.0);
    close(b.carbon.total_location_kg_co2e, 8.071_051);
    // Over 250 billion tokens, and over 100 steps of 1e15 FLOP.
    close(b.carbon.sci.gtoken_kg_co2e, 8.071_051 / 250.0);
    close(b.carbon.sci.eflop_kg_co2e, 80.710_51);
    close(b.carbon.sci.run_kg_co2e, 8.071_051);
    // 57.832884 MJ = 16.06469 kWh of IT; 0.2 + 1.2 · 1.5 = 2 L/kWh.
    close(b.water_l, 32.129_38);
    close(b.water_onsite_l, 3.212_938);
}

#[test]
fn the_hour_and_the_month_of_a_run_count() {
    let mut c = case();
    let mut hours = vec![0.2; 24];
    hours[12..].fill(0.6);
    c.region.grid.hourly_kg_co2e_per_kwh = Some(hours);
    let mut months = [1.1; 12];
    months[6] = 1.5;
    c.region.pue_by_month = Some(months);
    let mean = c.bill();
    close(mean.carbon.location_kg_co2e_per_kwh, 0.4);
    close(mean.energy.pue, 1.1 + 0.4 * 744.0 / 8760.0);
    // The first of July at 13:00 for 1500 s.
    c.terms.start_s = Some((181.0 * 24.0 + 13.0) * 3600.0);
    let then = c.bill();
    close(then.carbon.location_kg_co2e_per_kwh, 0.6);
    close(then.energy.pue, 1.5);
    close(then.carbon.operational_location_kg_co2e, then.energy.it_j / KWH_J * 1.5 * 0.6);
    close(then.water_l, then.energy.it_j / KWH_J * (0.2 + 1.5 * 1.5));
}

#[test]
fn an_inventory_holds_what_is_known_once() {
    let mut c = case();
    c.region.market_kg_co2e_per_kwh = Some(0.1);
    let known = |b: &Bill| -> f64 { b.scopes.iter().filter_map(|l| l.location_kg_co2e).sum() };
    let rented = c.bill();
    close(known(&rented), rented.carbon.total_location_kg_co2e);
    assert_eq!(
        rented
            .scopes
            .iter()
            .filter(|l| l.scope == "2")
            .filter_map(|l| l.location_kg_co2e)
            .count(),
        0
    );
    for own_facility in [false, true] {
        c.terms.own_facility = own_facility;
        let b = bill(&BillInput { owned: true, ..c.input() });
        let booked = b.carbon.embodied_booked_kg_co2e;
        close(known(&b), b.carbon.operational_location_kg_co2e + booked);
        let two: f64 = b.scopes.iter().filter(|l| l.scope == "2").filter_map(|l| l.location_kg_co2e).sum();
        let metered = if own_facility { b.energy.facility_j } else { b.energy.it_j };
        close(two, metered / KWH_J * 0.4);
        let market: f64 = b.scopes.iter().filter_map(|l| l.market_kg_co2e).sum();
        close(market, b.carbon.operational_market_kg_co2e.unwrap() + booked);
        assert!(
            b.scopes.iter().any(|l| l.scope == "3.3" && l.location_kg_co2e.is_none()),
            "open, not zero"
        );
    }
}

#[test]
fn money_by_hand() {
    let m = case().bill().cost;
    let cloud = m.cloud.unwrap();
    // 80 devices · 1500/3600 h · 2.40. Storage: (5 · 1 TB + 1 TB) · 0.02 USD/GB · 1500 s / 730 h.
    close(cloud.compute_usd, 80.0);
    close(cloud.storage_usd, 0.068_493_2);
    close(cloud.price_low_total_usd, 40.068_493);
    close(cloud.price_high_total_usd, 120.068_493);
    let owned = m.owned.unwrap();
    close(owned.purchase_usd, 2.5e6);
    // 2.5e6 · 0.9 · 1e-5 / 0.5.
    close(owned.capital_usd, 45.0);
    // 2.5e6 · 0.55 · 0.1 · 1500 / 31,557,600 / 0.5.
    close(owned.financing_usd, 13.071_34);
    close(owned.maintenance_usd, 11.883_03);
    // 55.44 kW · 100 · 1500 / 2,628,000 / 0.5.
    close(owned.colocation_usd, 6.328_767);
    close(owned.electricity_usd, 1.927_763);
    // 100 · 80 devices · 3000 s / 31,557,600.
    close(owned.staff_usd, 0.760_514);
    close(owned.total_usd, 79.039_91);
    assert_eq!((m.way, m.total_usd), (Some(Way::Cloud), Some(cloud.total_usd)));
    close(m.goodput_loss_usd.unwrap(), cloud.total_usd / 3.0);
    // 38.521826 / (80 − 1.927763).
    close(m.break_even_utilization_fraction.unwrap(), 0.493_413);
    assert_eq!(
        (cloud.commitment_usd, cloud.extra, owned.extra),
        (None, Extra::default(), Extra::default())
    );
}

#[test]
fn what_comes_on_top_by_hand() {
    let mut c = case();
    c.terms = Terms {
        egress_bytes: 2e12,
        licences_usd: 1000.0,
        experiments_fraction: 0.5,
        failed_runs_fraction: 0.25,
        tax_fraction: 0.1,
        currency: Some(Currency {
            code: "EUR".into(),
            unit_usd: 1.25,
            as_of: "2026-11-20".into(),
        }),
        ..Terms::default()
    };
    c.finance.support_fraction = 0.05;
    let m = c.bill().cost;
    let euros = m.total_in(c.terms.currency.as_ref().unwrap()).unwrap();
    let cloud = m.cloud.unwrap();
    // 80 + 4 of support + 0.0684932 of storage.
    let machine = 84.068_493_2;
    close(cloud.support_usd, 4.0);
    close(cloud.extra.egress_usd, 100.0);
    close(cloud.extra.experiments_usd, 0.5 * machine);
    close(cloud.extra.failed_runs_usd, 0.25 * machine);
    close(cloud.extra.tax_usd, 0.1 * (1.75 * machine + 1100.0));
    close(cloud.total_usd, 1.1 * (1.75 * machine + 1100.0));
    close(euros, cloud.total_usd / 1.25);
    close(m.goodput_loss_usd.unwrap(), machine / 3.0);
    let owned = m.owned.unwrap();
    // 2.5e6 · 0.05 a year for 3000 s.
    close(owned.support_usd, 11.883_03);
    close(
        owned.extra.experiments_usd,
        0.5 * (owned.fixed_usd() + owned.electricity_usd + owned.storage_usd),
    );
}

#[test]
fn an_own_building_takes_the_place_of_colocation() {
    let mut c = case();
    let before = c.bill();
    c.terms.own_facility = true;
    let after = c.bill();
    let owned = after.cost.owned.unwrap();
    // 55.44 kW · 12 USD/W; a year costs 1/38.0257 + 0.1/2 + 0.05 of it.
    close(owned.capital.facility_usd, 665_280.0);
    close(owned.facility_usd, 665_280.0 * (31_557_600.0 / 1.2e9 + 0.1) * 3000.0 / 31_557_600.0);
    close(owned.purchase_usd, 2.5e6 + 665_280.0);
    assert_eq!(owned.colocation_usd, 0.0);
    assert_eq!(before.cost.owned.unwrap().facility_usd, 0.0);
}

#[test]
fn a_commitment_binds_longer_than_the_run() {
    let mut c = case();
    for (commitment, years) in [(Commitment::OneYear, 1.0), (Commitment::ThreeYears, 3.0)] {
        c.offer.commitment = commitment;
        let cloud = c.bill().cost.cloud.unwrap();
        close(cloud.commitment_usd.unwrap(), 80.0 * 2.4 * 8766.0 * years);
        close(cloud.compute_usd, 80.0);
    }
}

#[test]
fn interruptible_devices_cost_nothing_while_they_are_gone() {
    let mut c = case();
    c.run.lost.wait_s = 300.0;
    c.run.wall_s += 300.0;
    let compute = |c: &Case| c.bill().cost.cloud.unwrap().compute_usd;
    close(compute(&c), 96.0);
    c.offer.commitment = Commitment::Spot;
    close(compute(&c), 80.0);
}

#[test]
fn at_break_even_both_ways_cost_the_same() {
    let mut c = case();
    c.finance.utilization_fraction = c.bill().cost.break_even_utilization_fraction.unwrap();
    let m = c.bill().cost;
    close(m.owned.unwrap().total_usd, m.cloud.unwrap().total_usd);
}

#[test]
fn no_price_no_total() {
    let mut c = case();
    assert_eq!(bill(&BillInput { offer: None, ..c.input() }).cost.way, Some(Way::Owned));
    c.node.price = None;
    let owned = bill(&BillInput { owned: true, ..c.input() }).cost;
    assert_eq!(
        (owned.way, owned.total_usd, owned.goodput_loss_usd, owned.owned),
        (None, None, None, None)
    );
    assert!(owned.cloud.is_some(), "the other way stays visible");
    let none = bill(&BillInput { offer: None, ..c.input() }).cost;
    assert_eq!(
        (none.way, none.total_usd, none.cloud, none.break_even_utilization_fraction),
        (None, None, None, None)
    );
}

#[test]
fn doubling_the_price_doubles_cloud_compute_only() {
    let mut c = case();
    let before = c.bill();
    let p = c.offer.usd_per_device_hour;
    c.offer.usd_per_device_hour = Money3 {
        low_usd: 2.0 * p.low_usd,
        base_usd: 2.0 * p.base_usd,
        high_usd: 2.0 * p.high_usd,
    };
    let after = c.bill();
    let (a, b) = (before.cost.cloud.unwrap(), after.cost.cloud.unwrap());
    assert_eq!(b.compute_usd, 2.0 * a.compute_usd);
    assert_eq!(b.storage_usd, a.storage_usd);
    assert_eq!(
        (after.energy, after.carbon, after.water_l, after.cost.owned),
        (before.energy, before.carbon, before.water_l, before.cost.owned)
    );
}

#[test]
fn pue_scales_the_facility_only() {
    let mut c = case();
    let before = c.bill().energy;
    c.region.pue = 2.4;
    let after = c.bill().energy;
    close(after.facility_j, 2.0 * before.facility_j);
    close(after.mean_w, 2.0 * before.mean_w);
    close(after.peak_w, 2.0 * before.peak_w);
    let it = |e: &Energy| {
        (
            e.math_j,
            e.communication_j,
            e.bubble_j,
            e.lost_j,
            e.network_j,
            e.it_j,
            e.peak_it_w,
            e.tdp_convention_j,
        )
    };
    assert_eq!(it(&after), it(&before));
}

/// Mean AC power per node in MLPerf power logs, and the u it stands for: H100 immersion 2650 to 7260 W,
/// H100 air 2680 to 8560 W, B200 liquid 2900 to 10,170 W.
#[test]
fn measured_node_power_comes_out() {
    for (idle_w, active_w, measured_w, u) in [
        (2650.0, 7260.0, 6849.0, 0.911),   // GPT-3 175B, 512 H100
        (2650.0, 7260.0, 7149.0, 0.976),   // LoRA, 8 H100
        (2650.0, 7260.0, 5802.0, 0.684),   // LoRA, 64 H100
        (2650.0, 7260.0, 5075.0, 0.526),   // LoRA, 512 H100
        (2680.0, 8560.0, 7105.0, 0.753),   // LoRA, 64 H100, air
        (2900.0, 10_170.0, 9584.0, 0.919), // LoRA, 8 B200
        (2680.0, 8560.0, 7752.0, 0.863),   // Newkirk et al., arXiv 2506.14551
    ] {
        let mut c = case();
        (c.node.idle_w, c.node.active_w, c.region.pue, c.finance.network_power_fraction) = (idle_w, active_w, 1.0, 0.0);
        // Math at 1 and exposed communication at 0.15 mix to u.
        let math = (u - energy::WAIT_FRACTION) / (energy::MATH_FRACTION - energy::WAIT_FRACTION);
        c.step.parts = Parts {
            math_s: 10.0 * math,
            data_s: 10.0 * (1.0 - math),
            ..Parts::default()
        };
        c.run.lost = Lost::default();
        (c.run.wall_s, c.run.goodput) = (1000.0, 1.0);
        let node_w = c.bill().energy.mean_w / 10.0;
        assert!((node_w / measured_w - 1.0).abs() < 0.001, "{node_w} against {measured_w}");
    }
}

proptest! {
    #[test]
    fn parts_sum(n_nodes in 1.0f64..1e5, pue in 1.0f64..2.0, rework_s in 0.0f64..1e4, owned: bool) {
        let mut c = case();
        c.region.pue = pue;
        c.run.lost.rework_s = rework_s;
        c.run.wall_s = c.run.ideal_s + c.run.lost.total_s();
        c.run.goodput = c.run.ideal_s / c.run.wall_s;
        let b = bill(&BillInput { n_nodes, owned, ..c.input() });
        let e = b.energy;
        prop_assert_eq!(e.list().iter().map(|(_, j)| j).sum::<f64>(), e.facility_j);
        prop_assert_eq!(e.it_j + e.cooling_j, e.facility_j);
        let by_equipment: f64 = e.equipment().iter().map(|(_, j)| j).sum();
        prop_assert!((by_equipment / e.facility_j - 1.0).abs() < 1e-12);
        prop_assert!(e.equipment().iter().all(|(_, j)| *j >= 0.0), "{:?}", e.equipment());
        prop_assert!((e.facility_j / (e.it_j * pue) - 1.0).abs() < 1e-12);
        prop_assert!(e.mean_w <= e.peak_w);
        let o = b.cost.owned.unwrap();
        prop_assert!((o.fixed_usd() + o.electricity_usd + o.storage_usd - o.total_usd).abs() <= 1e-12 * o.total_usd);
        let lost = b.cost.goodput_loss_usd.unwrap();
        prop_assert!(lost >= 0.0 && lost < b.cost.total_usd.unwrap());
        prop_assert_eq!(b.cost.way, Some(if owned { Way::Owned } else { Way::Cloud }));
    }

    /// Over the life of the machine what is paid is what is booked, whatever the life, the share of the
    /// hours, what is left at the end and where it stands.
    #[test]
    fn cash_and_accrual_come_to_the_same(
        life_years in 0.3f64..40.0,
        residual in 0.0f64..1.0,
        utilization in 0.01f64..1.0,
        facility_years in 1.0f64..60.0,
        support in 0.0f64..0.3,
        own_facility: bool,
    ) {
        let mut c = case();
        c.finance.life_s = life_years * crate::units::YEAR_S;
        c.finance.facility_life_s = facility_years * crate::units::YEAR_S;
        c.finance.residual_fraction = residual;
        c.finance.utilization_fraction = utilization;
        c.finance.support_fraction = support;
        c.terms.own_facility = own_facility;
        let input = c.input();
        let books = books::books(&input, &energy::energy(&input)).unwrap();
        let (cash, accrual) = (books.cash_usd(), books.accrual_usd());
        prop_assert!((cash / accrual - 1.0).abs() < 1e-9, "{} against {}", cash, accrual);
        prop_assert!(books.years.iter().skip(1).all(|y| y.accrual_usd >= 0.0));
        // Discounting at nothing adds the flows up.
        let rent: f64 = books.years.iter().filter_map(|y| y.rent_usd).sum();
        prop_assert!((books.npv_of_buying_usd(0.0).unwrap() - (rent - cash)).abs() <= 1e-9 * rent.max(cash.abs()));
    }
}
