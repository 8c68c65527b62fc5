use super::*;
use crate::catalog::Catalog;
use crate::plan::plan;

fn reader(sets: Vec<String>) -> impl Fn(&[String]) -> Result<Scenario> + Sync {
    let catalog = Catalog::builtin();
    move |more: &[String]| {
        let all: Vec<String> = sets.iter().chain(more).cloned().collect();
        Scenario::load("llama3-405b", &all, catalog.clone()).map(|(s, _)| s)
    }
}

fn study_of(sets: &[&str], n: u32, seed: u64) -> Result<(Plan, Uncertain)> {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let (scenario, catalog) = Scenario::load("llama3-405b", &sets, Catalog::builtin())?;
    let plan = plan(&scenario, &catalog)?;
    let options = Options { n_samples: Some(n), seed };
    let out = uncertain(&plan, &reader(sets), options)?;
    Ok((plan, out))
}

const PRICE: &str = "unknowns.cost.usd_per_device_hour={ lognormal = [\"2.5 USD/h\", 1.3] }";
const MTBF: &str = "unknowns.reliability.node_mtbf={ lognormal = { p10 = \"1000 d\", p90 = \"4000 d\" } }";
const PUE: &str = "unknowns.region.us-east-1.pue={ triangular = [1.05, 1.15, 1.4] }";
const TOKENS: &str = "unknowns.training.tokens={ uniform = [14e12, 16e12] }";
const NETWORK: &str = "unknowns.cluster.oversubscription={ empirical = [1, 2, 4] }";

#[test]
fn inputs_that_leave_the_step_alone_do_not_work_it_out_again() {
    let (_, out) = study_of(&[PRICE, MTBF, PUE, TOKENS], 500, 1).unwrap();
    let reused: Vec<Reused> = out.inputs.iter().map(|i| i.reused).collect();
    assert_eq!(reused, [Reused::Scaled, Reused::Step, Reused::Step, Reused::Step, Reused::Step]);
    let (_, out) = study_of(&[PRICE, NETWORK], 60, 1).unwrap();
    assert_eq!(out.inputs[1].reused, Reused::Nothing, "{:?}", out.inputs);
    assert_eq!(out.inputs[2].reused, Reused::Step, "{:?}", out.inputs);
}

/// Numbers that only run and bill follow from are set directly: else ten thousand samples take minutes.
/// A number that is added to a scenario belongs into `lens::knobs` and here.
#[test]
fn numbers_of_run_and_bill_are_set_directly() {
    let sets = [
        "training.tokens={ uniform = [14e12, 16e12] }",
        "cluster.storage={ uniform = [\"1 TB/s\", \"2 TB/s\"] }",
        "reliability.node_mtbf={ uniform = [\"200 d\", \"20000 h\"] }",
        "reliability.detect={ uniform = [\"1 min\", \"90 s\"] }",
        "reliability.restart={ uniform = [\"2 min\", \"9 min\"] }",
        "reliability.planned_per_day={ uniform = [\"2 min\", \"9 min\"] }",
        "reliability.checkpoint_every={ uniform = [\"20 min\", \"40 min\"] }",
        "cost.usd_per_device_hour={ uniform = [2, 3] }",
        "finance.default.utilization_fraction={ uniform = [0.6, 0.9] }",
        "finance.default.life_s={ uniform = [\"4 y\", \"6 y\"] }",
        "finance.default.capital_rate_fraction={ uniform = [0.05, 0.12] }",
        "region.us-east-1.electricity_usd_per_kwh={ uniform = [\"0.05 USD/kWh\", \"120 USD/MWh\"] }",
        "region.us-east-1.market_kg_co2e_per_kwh={ uniform = [0.0, 0.1] }",
        "grid.egrid-srvc.location_kg_co2e_per_kwh={ uniform = [0.2, 0.4] }",
        "node.dgx-h100.active_w={ uniform = [8000, 9000] }",
        "node.dgx-h100.embodied_kg_co2e={ uniform = [2000, 5000] }",
        "node.dgx-h100.price.base_usd={ uniform = [200000, 300000] }",
        "limits.deadline={ uniform = [\"80 d\", \"100 d\"] }",
    ];
    let sets: Vec<String> = sets.iter().map(|s| format!("unknowns.{s}")).collect();
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let (_, out) = study_of(&sets, 40, 1).unwrap();
    let slow: Vec<&str> = out
        .inputs
        .iter()
        .filter(|i| i.reused == Reused::Nothing)
        .map(|i| i.path.as_str())
        .collect();
    assert!(slow.is_empty() && out.inputs.len() == sets.len() + 1, "{slow:?}");
}

/// The short way against reading the scenario and working everything out for each sample.
#[test]
fn the_short_way_is_the_long_way() {
    let sets: Vec<String> = [PRICE, MTBF, PUE, TOKENS].map(String::from).to_vec();
    let (scenario, catalog) = Scenario::load("llama3-405b", &sets, Catalog::builtin()).unwrap();
    let plan = plan(&scenario, &catalog).unwrap();
    let read = reader(sets);
    let case = Case::new(&plan, &read).unwrap();
    let draws = Samples::of(&case, 3, 40);
    for i in 0..40 {
        let draw = draws.at(i);
        let sets: Vec<String> = scenario.unknowns.iter().zip(&draw.values).map(|(u, v)| u.assignment(*v)).collect();
        let full = read(&sets).unwrap();
        let whole = crate::plan::evaluate(&full, &catalog, plan.layout);
        let (run, bill) = crate::plan::run_and_bill(&full, &whole.layout, &crate::plan::slowed(&whole.step, draw.step_ratio), &[]);
        let got = case.outcome(&draw).unwrap();
        for (metric, want) in [
            (Metric::Wall, run.wall_s),
            (Metric::Cost, bill.cost.total_usd.unwrap()),
            (Metric::Energy, bill.energy.facility_j),
            (Metric::Carbon, bill.carbon.total_location_kg_co2e),
        ] {
            let value = got.value(metric).unwrap();
            assert!((value / want - 1.0).abs() < 1e-9, "{metric:?}: {value} {want}");
        }
    }
}

/// Every number of a study as bits, so that nothing is hidden by rounding.
fn bits(out: &Uncertain) -> String {
    format!("{out:?}")
}

#[test]
fn the_same_bytes_on_one_two_three_and_eight_threads() {
    for sets in [
        &[PRICE, MTBF, PUE, TOKENS, "limits.deadline=70 d", "limits.budget=90 MUSD"][..],
        &[PRICE, NETWORK][..],
    ] {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| bits(&study_of(sets, 300, 9).unwrap().1))
        };
        let one = on(1);
        for threads in [2, 3, 8] {
            assert!(one == on(threads), "{threads} threads");
        }
        assert_ne!(one, bits(&study_of(sets, 300, 10).unwrap().1));
    }
}

/// The cost of a fixed machine and wall time is its price times a constant, so quantiles are known.
#[test]
fn quantiles_are_those_of_the_distribution() {
    let (plan, out) = study_of(&[PRICE, "cost.usd_per_device_hour=2.5"], 4000, 5).unwrap();
    let cost = out.output(Metric::Cost).unwrap();
    let compute = plan.bill.cost.cloud.as_ref().unwrap();
    assert!(compute.compute_usd / compute.total_usd > 0.99);
    let band = plan.scenario.band.as_ref().unwrap();
    let step = out.output(Metric::Step).unwrap().quantiles;
    for (got, ratio) in [(step.p10, band.low_ratio), (step.p50, 1.0), (step.p90, band.high_ratio)] {
        assert!((got / plan.step.time_s / ratio - 1.0).abs() < 2e-3, "{got} {ratio}");
    }
    // ln(price) is normal and independent of the step time: the share of costs below x is the mean
    // over the step's probabilities of the normal distribution at what is left for the price.
    let below = |x: f64| {
        let n = 2000;
        let one = |i: i32| {
            let r = ratio((band.low_ratio, band.high_ratio), (f64::from(i) + 0.5) / f64::from(n));
            statrs::function::erf::erfc(-(x / r).ln() / 1.3_f64.ln() / std::f64::consts::SQRT_2) / 2.0
        };
        (0..n).map(one).sum::<f64>() / f64::from(n)
    };
    for (got, want) in [(cost.quantiles.p10, 0.1), (cost.quantiles.p50, 0.5), (cost.quantiles.p90, 0.9)] {
        let share = below(got / cost.middle[0]);
        assert!((share - want).abs() < 0.015, "{share} {want}");
    }
    let price = out.inputs.iter().find(|i| i.path == "cost.usd_per_device_hour").unwrap().quantiles;
    for (got, z) in [(price.p10, -NORMAL_90), (price.p50, 0.0), (price.p90, NORMAL_90)] {
        assert!((got / (2.5 * 1.3_f64.powf(z)) - 1.0).abs() < 2e-3, "{got}");
    }
}

/// Truths drawn by another generator than the hypercube's fall between the tenth and ninetieth
/// percentile in eight of ten cases, and below each in as many as it says.
#[test]
fn bands_cover_what_they_claim() {
    use rand_distr::{Distribution, Uniform};
    let sets: Vec<String> = [PRICE, MTBF, PUE, TOKENS].map(String::from).to_vec();
    let (scenario, catalog) = Scenario::load("llama3-405b", &sets, Catalog::builtin()).unwrap();
    let plan = plan(&scenario, &catalog).unwrap();
    let read = reader(sets);
    let options = Options {
        n_samples: Some(4000),
        seed: 11,
    };
    let out = uncertain(&plan, &read, options).unwrap();
    let case = Case::new(&plan, &read).unwrap();
    let n_truths = 4000;
    let mut stream = rand_pcg::Pcg32::new(5, 8);
    let unit = Uniform::new(1e-12, 1.0).unwrap();
    let truths: Vec<Outcome> = (0..n_truths)
        .map(|_| {
            let draw = Draw {
                step_ratio: ratio(case.band.unwrap(), unit.sample(&mut stream)),
                values: case.unknowns.iter().map(|u| u.at(unit.sample(&mut stream))).collect(),
            };
            case.outcome(&draw).unwrap()
        })
        .collect();
    for output in &out.outputs {
        let below = |value: f64| truths.iter().filter(|t| t.value(output.metric).unwrap() <= value).count() as f64 / f64::from(n_truths);
        let q = output.quantiles;
        for (value, claimed) in [(q.p10, 0.1_f64), (q.p50, 0.5), (q.p90, 0.9)] {
            // Four standard errors of both samples.
            let error = 4.0 * (claimed * (1.0 - claimed) * (1.0 / f64::from(n_truths) + 1.0 / 4000.0)).sqrt();
            assert!(
                (below(value) - claimed).abs() < error,
                "{:?}: {} below the {claimed} quantile",
                output.metric,
                below(value)
            );
        }
    }
}

#[test]
fn what_moves_an_output_most_stands_first() {
    let (_, out) = study_of(&[PRICE, PUE, TOKENS], 2000, 2).unwrap();
    let name = |output: &Output, place: usize| out.inputs[output.influences[place].input].path.clone();
    let cost = out.output(Metric::Cost).unwrap();
    assert_eq!(name(cost, 0), "cost.usd_per_device_hour");
    let energy = out.output(Metric::Energy).unwrap();
    assert_eq!(name(energy, 0), STEP_TIME);
    for output in &out.outputs {
        let ranked: f64 = output.influences.iter().map(|i| i.coefficient.unwrap().powi(2)).sum();
        // The same where inputs are exactly independent.
        assert!((ranked - output.explained_fraction.unwrap()).abs() < 0.06, "{output:?}");
        assert!(output.explained_fraction.unwrap() > 0.9, "{output:?}");
    }
    // A price moves no joule.
    let price = energy
        .influences
        .iter()
        .find(|i| out.inputs[i.input].path == "cost.usd_per_device_hour")
        .unwrap();
    assert!(
        price.ends[0] == price.ends[1] && price.coefficient.unwrap().abs() < 0.05,
        "{price:?}"
    );
}

#[test]
fn limits_are_met_as_often_as_the_quantiles_say() {
    let (_, out) = study_of(&[PRICE], 2000, 4).unwrap();
    let (days, usd) = (
        out.output(Metric::Wall).unwrap().quantiles.p90,
        out.output(Metric::Cost).unwrap().quantiles.p50,
    );
    let limits = [format!("limits.deadline={days:?} s"), format!("limits.budget={usd:?} USD")];
    let (_, out) = study_of(&[PRICE, &limits[0], &limits[1]], 2000, 4).unwrap();
    let met: Vec<(&str, f64)> = out.chances.iter().map(|c| (c.limit, c.met_fraction)).collect();
    let [("deadline", in_time), ("budget", in_budget), ("all", both)] = met[..] else {
        panic!("{met:?}")
    };
    assert!((in_time - 0.9).abs() < 2e-3 && (in_budget - 0.5).abs() < 2e-3, "{met:?}");
    assert!(both <= in_budget && both >= in_time + in_budget - 1.0, "{met:?}");
}

#[test]
fn what_cannot_be_drawn_is_told_at_its_place() {
    for (sets, words) in [
        (&["unknowns.cost.usd_per_device_hor={ uniform = [1, 2] }"][..], "unknown key"),
        (&["unknowns.region.us-east-1.pue={ normal = [1.1, 0.1] }"], "out of range"),
        (&["unknowns.reliability.node_mtbf={ uniform = [1, 2] }"], "has no unit"),
        (&["unknowns.cluster.nodes={ empirical = [1024, 2048] }"], "does not fit"),
        (&["unknowns.layout.data={ uniform = [2, 4] }"], "layout"),
        (
            &["unknowns.cost.usd_per_device_hour={ uniform = [1, 2], min = 5 }"],
            "next to nothing",
        ),
    ] {
        let error = study_of(sets, 200, 1).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(words), "{sets:?}: {error}");
    }
}

#[test]
fn whole_numbers_stay_whole() {
    let (_, out) = study_of(&["unknowns.training.sequence={ uniform = [8191.6, 8192.4] }"], 50, 1).unwrap();
    let q = out.inputs[1].quantiles;
    assert_eq!([q.p10, q.p50, q.p90], [8192.0; 3]);
}
