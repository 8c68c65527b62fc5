use super::counts::Counts;
use super::*;
use crate::search::{Options, search};
use crate::units::DAY_S;
use proptest::prelude::*;

/// The built-in scenario made small enough that every count of a few hundred devices is planned in a moment.
const NAME: &str = "llama3-405b";

fn small(more: &[&str]) -> Vec<String> {
    let own = [
        "model.use=\"llama3-8b\"",
        "training={tokens=\"200B\",sequence=4096,global_batch=\"96 sequences\"}",
        "cluster={node=\"dgx-h100\",nodes=4,region=\"us-east-1\"}",
        "layout={}",
    ];
    own.iter().chain(more).map(ToString::to_string).collect()
}

fn load(more: &[&str]) -> Result<(Scenario, Catalog)> {
    Scenario::load(NAME, &small(more), Catalog::builtin())
}

fn asked(change: impl FnOnce(&mut Question)) -> Question {
    let mut question = Question {
        most_devices: 256,
        accelerators: vec!["h100-sxm-80gb".to_string()],
        ..Question::of(Limits::default())
    };
    change(&mut question);
    question
}

fn answered(question: &Question) -> Answer {
    sized(question, &[]).unwrap()
}

fn sized(question: &Question, overrides: &[&str]) -> Result<Answer> {
    let (scenario, catalog) = load(overrides)?;
    let start = Start {
        name: NAME,
        scenario: &scenario,
        catalog: &catalog,
    };
    size(&start, question, &AtomicBool::new(false), &|_| ())
}

fn deadline(question: &mut Question, days: f64) {
    question.limits.wall_s = Some(days * DAY_S);
    question.objective = Objective::Devices;
}

/// The answer as planned from its overrides takes what was told, bit for bit.
fn verified(answer: &Answer) -> &Case {
    let best = answer.best.as_ref().unwrap();
    let (case, plan) = (&best.case, &best.plan);
    let told = [
        case.wall_s,
        case.cost_usd.unwrap_or(-1.0),
        case.mean_w,
        case.carbon_kg_co2e,
        case.step_time_s,
        case.mfu,
    ];
    let planned = [
        plan.run.wall_s,
        plan.bill.cost.total_usd.unwrap_or(-1.0),
        plan.bill.energy.mean_w,
        plan.bill.carbon.total_location_kg_co2e,
        plan.step.time_s,
        plan.step.mfu,
    ];
    assert_eq!(told, planned, "{:?}", best.overrides);
    assert_eq!((case.n_devices, case.layout), (plan.scenario.n_devices(), plan.layout));
    case
}

#[test]
fn another_number_of_nodes_is_what_the_override_makes() {
    for more in [
        "cluster.nic=\"50 GB/s\"",
        "cluster.storage=\"100 GB/s\"",
        "cluster={use=\"xai-colossus1-2024\"}",
    ] {
        let load = |n: u32| load(&[more, &format!("cluster.nodes={n}")]).unwrap().0;
        let base = load(4);
        for n in [1, 7, 96] {
            let (made, read) = (base.with_nodes(n), load(n));
            assert_eq!(made.cluster, read.cluster, "{more}");
            assert_eq!((made.n_devices(), made.domain()), (read.n_devices(), read.domain()));
        }
    }
}

#[test]
fn no_count_that_has_a_layout_is_left_out() {
    for more in [&[] as &[&str], &["model.use=\"mixtral-8x7b\""]] {
        let (scenario, _) = load(more).unwrap();
        let counts = Counts::of(&scenario, 320).within(1, 40);
        let options = Options {
            n_best: 1,
            ..Options::default()
        };
        let mut n_fitting = 0;
        for n in 1..=40 {
            let fits = !search(&scenario.with_nodes(n), &options).best.is_empty();
            assert!(!fits || counts.contains(&n), "{n} nodes");
            n_fitting += u32::from(fits);
        }
        // Not all have one, else the test would tell nothing.
        assert!((10..40).contains(&n_fitting), "{n_fitting}");
    }
}

#[test]
fn the_smallest_cluster_of_all_counts_is_found_and_planned_again() {
    for days in [1.35, 1.9, 3.3, 8.0] {
        let quick = answered(&asked(|q| deadline(q, days)));
        let slow = answered(&asked(|q| {
            deadline(q, days);
            q.exhaustive = true;
        }));
        let (quick_case, slow_case) = (verified(&quick), verified(&slow));
        assert!(quick_case.wall_s <= days * DAY_S);
        assert_eq!(quick_case.n_devices, slow_case.n_devices, "{days} days");
        assert!(quick.machines[0].n_planned < slow.machines[0].n_planned);
        // One by one: nothing smaller keeps the deadline.
        let smaller = slow.machines[0].cases.iter().filter(|c| c.n_nodes < slow_case.n_nodes);
        assert!(smaller.clone().all(|c| c.wall_s > days * DAY_S) && smaller.count() > 0);
    }
}

#[test]
fn no_run_beats_the_peak_that_the_floor_rests_on() {
    let answer = answered(&asked(|q| {
        q.limits.wall_s = Some(400.0 * DAY_S);
        q.exhaustive = true;
    }));
    let machine = &answer.machines[0].machine;
    let workload = &machine.base.workload;
    let counts = crate::workload::count(&workload.model, workload.seq_len_tokens);
    let flop = workload.train_flop_per_token(&counts).0 * workload.total_tokens;
    #[allow(clippy::cast_precision_loss)]
    for case in &answer.machines[0].cases {
        // 989 TFLOP/s: H100 SXM, dense bf16.
        assert!(case.wall_s * case.n_devices as f64 * 989.5e12 > flop, "{} nodes", case.n_nodes);
    }
    let floor = answered(&asked(|q| deadline(q, 1.0))).machines[0].least_nodes;
    assert!((f64::from(floor) - flop / 989.5e12 / DAY_S / 8.0).abs() <= 1.0, "{floor}");
}

#[test]
fn every_objective_is_least_in_what_it_asks_for() {
    let of = |objective| {
        let answer = answered(&asked(|q| {
            deadline(q, 6.0);
            q.limits.cost_usd = Some(4e4);
            q.objective = objective;
            q.exhaustive = true;
        }));
        verified(&answer).clone()
    };
    let all = Objective::ALL.map(|(_, o)| of(o));
    let [devices, cost, days, carbon] = &all;
    for other in &all {
        assert!(devices.n_devices <= other.n_devices && cost.cost_usd <= other.cost_usd);
        assert!(days.wall_s <= other.wall_s && carbon.carbon_kg_co2e <= other.carbon_kg_co2e);
        assert!(other.wall_s <= 6.0 * DAY_S && other.cost_usd.unwrap() <= 4e4);
    }
    assert!(days.n_devices > devices.n_devices && days.wall_s < devices.wall_s);
}

#[test]
fn what_would_do_does() {
    let tight = asked(|q| {
        deadline(q, 1.0);
        q.limits.cost_usd = Some(5e3);
        q.limits.facility_w = Some(1.5e5);
    });
    let answer = answered(&tight);
    assert!(answer.best.is_none());
    let outcome = &answer.machines[0];
    assert!(outcome.rows.iter().all(|r| r.best.is_none() && r.miss.is_some()));
    assert!(outcome.relaxed.is_empty(), "no single limit would do: {:?}", outcome.relaxed);
    // At 6 nodes 4.1 days and 9,040 USD, at 12 nodes 2.1 days and 9,420 USD: either limit alone would do.
    let loose = asked(|q| {
        deadline(q, 2.5);
        q.limits.cost_usd = Some(9.2e3);
    });
    let answer = answered(&loose);
    assert!(answer.best.is_none());
    let relaxed = &answer.machines[0].relaxed;
    let bounds: Vec<Bound> = relaxed.iter().map(|(b, _)| *b).collect();
    assert_eq!(bounds, [Bound::Deadline, Bound::Budget]);
    for (bound, case) in relaxed {
        let mut moved = loose.clone();
        let takes = case.takes(*bound).unwrap();
        match bound {
            Bound::Deadline => moved.limits.wall_s = Some(takes),
            Bound::Budget => moved.limits.cost_usd = Some(takes),
            _ => continue,
        }
        assert!(answered(&moved).best.is_some(), "{bound:?} {takes}");
    }
}

#[test]
fn a_power_limit_holds_and_costs_time() {
    let of = |w: Option<f64>| {
        let answer = answered(&asked(|q| {
            q.limits.facility_w = w;
            q.limits.cost_usd = Some(1e6);
        }));
        verified(&answer).clone()
    };
    let (free, tight) = (of(None), of(Some(1e5)));
    assert!(free.mean_w > 1e5 && tight.mean_w <= 1e5);
    assert!(tight.wall_s > free.wall_s);
}

#[test]
fn providers_places_and_prices() {
    let question = asked(|q| deadline(q, 4.0));
    let answer = answered(&question);
    let outcome = &answer.machines[0];
    // Every provider that has a price.
    let catalog = Catalog::builtin();
    let mut wanted: Vec<String> = Vec::new();
    for name in catalog.entries(crate::catalog::Kind::Offer).entries.keys() {
        let offer: crate::catalog::Offer = catalog.get(name).unwrap();
        if offer.accelerator == "h100-sxm-80gb" && !wanted.contains(&offer.provider) {
            wanted.push(offer.provider);
        }
    }
    let mut rows: Vec<String> = outcome.rows.iter().map(|r| r.provider.clone()).collect();
    rows.sort();
    wanted.sort();
    assert_eq!(rows, wanted);
    assert!(rows.len() >= 12);
    // Nobody rents from an average.
    let best = &outcome.machine.markets[verified(&answer).market];
    assert!(!best.is_average());
    // A region that was asked for, a provider, a machine that is bought.
    let only = answered(&asked(|q| {
        deadline(q, 4.0);
        q.regions = vec!["norway".to_string()];
        q.providers = vec!["cudo".to_string(), "owned".to_string()];
    }));
    verified(&only);
    let markets = &only.machines[0].machine.markets;
    assert!(markets.iter().all(|m| m.region.name == "norway") && markets.iter().any(|m| m.owned));
    let owned = answered(&asked(|q| {
        deadline(q, 4.0);
        q.providers = vec!["owned".to_string()];
    }));
    assert_eq!(
        verified(&owned).cost_usd,
        owned.best.as_ref().unwrap().plan.bill.cost.owned.map(|o| o.total_usd)
    );
    // Spot only where nothing else is, or asked for.
    let spot = answered(&asked(|q| {
        deadline(q, 4.0);
        q.commitment = Some(Commitment::Spot);
    }));
    verified(&spot);
    let firm = |o: &Outcome, c: Commitment| {
        o.machine
            .markets
            .iter()
            .all(|m| m.offer.as_ref().is_some_and(|o| o.commitment == c))
    };
    assert!(firm(&spot.machines[0], Commitment::Spot));
    assert!(!outcome.machine.markets.iter().any(|m| m.commitment() == Some(Commitment::Spot)));
}

#[test]
fn a_price_that_the_scenario_states_is_kept() {
    let question = asked(|q| deadline(q, 4.0));
    let answer = sized(&question, &["cost.usd_per_device_hour=\"0.5 USD/h\""]).unwrap();
    let case = verified(&answer);
    let market = &answer.machines[0].machine.markets[case.market];
    assert_eq!(market.offer.as_ref().unwrap().usd_per_device_hour.base_usd, 0.5);
}

#[test]
fn nodes_are_machines_too_and_layouts_can_be_kept() {
    let answer = answered(&asked(|q| {
        deadline(q, 6.0);
        q.accelerators = ["p5-48xlarge", "h100-sxm", "mi300x", "b200"].map(str::to_string).to_vec();
    }));
    verified(&answer);
    let mut nodes: Vec<&str> = answer.machines.iter().map(|o| o.machine.base.cluster.node.name.as_str()).collect();
    nodes.sort_unstable();
    assert_eq!(nodes, ["dgx-b200", "dgx-h100", "mi300x-ubb8", "p5-48xlarge"]);
    let question = asked(|q| {
        deadline(q, 6.0);
        q.keep_layout = true;
    });
    let kept = sized(&question, &["layout={tensor=2,pipeline=2,data=8}"]).unwrap();
    let layout = verified(&kept).layout;
    assert_eq!((layout.tensor, layout.pipeline), (2, 2));
    assert_ne!(layout.data, 8);
}

#[test]
fn unknown_names_are_told_with_the_nearest() {
    let said = |change: &dyn Fn(&mut Question)| {
        let question = asked(|q| {
            deadline(q, 6.0);
            change(q);
        });
        sized(&question, &[]).unwrap_err().to_string()
    };
    assert!(said(&|q| q.accelerators = vec!["h100-smx".into()]).contains("did you mean `h100-sxm`?"));
    assert!(said(&|q| q.providers = vec!["coreweve".into()]).contains("did you mean `coreweave`?"));
    assert!(said(&|q| q.regions = vec!["norwy".into()]).contains("did you mean `norway`?"));
}

#[test]
fn a_question_can_be_stopped() {
    let (scenario, catalog) = load(&[]).unwrap();
    let start = Start {
        name: NAME,
        scenario: &scenario,
        catalog: &catalog,
    };
    let question = asked(|q| deadline(q, 6.0));
    let stopped = size(&start, &question, &AtomicBool::new(true), &|_| ());
    assert!(matches!(stopped, Err(Error::Interrupted)));
}

#[test]
fn more_nodes_are_worth_what_the_difference_says() {
    let answer = answered(&asked(|q| deadline(q, 4.0)));
    let best = answer.best.as_ref().unwrap();
    for m in [&best.next, &best.steepest].into_iter().flatten() {
        let more = f64::from(m.to.n_nodes - best.case.n_nodes);
        assert!((m.saved_s * more - (best.case.wall_s - m.to.wall_s)).abs() < 1e-6 * best.case.wall_s);
        assert!(m.saved_s > 0.0 && m.to.market == best.case.market);
    }
    let (next, steepest) = (best.next.as_ref().unwrap(), best.steepest.as_ref().unwrap());
    assert!(steepest.saved_s >= next.saved_s && next.to.n_nodes <= steepest.to.n_nodes);
    // The curve falls and holds the answer.
    assert!(
        best.curve
            .windows(2)
            .all(|w| w[0].n_nodes < w[1].n_nodes && w[0].wall_s > w[1].wall_s)
    );
    assert!(best.curve.contains(&best.case) && best.curve.len() >= 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// With every count planned a tighter limit never gives a smaller, cheaper or faster cluster.
    #[test]
    fn tighter_is_never_less(days in 1.0f64..12.0, tighter in 0.3f64..1.0) {
        let of = |days: f64| answered(&asked(|q| {
            deadline(q, days);
            q.exhaustive = true;
            q.providers = vec!["nebius".to_string(), "cudo".to_string()];
        }));
        let (loose, tight) = (of(days), of(days * tighter));
        let devices = |a: &Answer| a.best.as_ref().map_or(u64::MAX, |b| b.case.n_devices);
        prop_assert!(devices(&tight) >= devices(&loose));
        // And without: never by more than the margin allows.
        let quick = answered(&asked(|q| deadline(q, days)));
        if loose.best.is_some() {
            #[allow(clippy::cast_precision_loss)]
            let ratio = devices(&quick) as f64 / devices(&loose) as f64;
            prop_assert!((1.0..1.0 + 2.0 * MARGIN_FRACTION).contains(&ratio), "{ratio}");
        }
    }
}
