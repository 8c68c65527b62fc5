//! Speed of scaling laws: fits from many starts, resamples, the best size for a machine.
//!
//! Points are made here: nine budgets of 27 sizes, as many as Hoffmann et al. 2022 fitted.

use divan::{Bencher, black_box};
use exaplan::scale::draws::normals;
use exaplan::scale::fit::forms::{Request, fit};
use exaplan::scale::formula::{Allocation, Chinchilla};
use exaplan::scale::law::find;
use exaplan::scale::machine::{Budget, Machine, best};
use exaplan::scale::points::{Points, Role};
use exaplan::scale::question::{BatchCost, Question};
use exaplan::{Catalog, Scenario};

fn main() {
    divan::main();
}

const LAW: Chinchilla = Chinchilla {
    e: 1.82,
    a: 480.0,
    b: 2100.0,
    alpha: 0.348,
    beta: 0.367,
};

fn points() -> Points {
    let (mut n, mut d, mut l) = (Vec::new(), Vec::new(), Vec::new());
    for budget in 0..9u32 {
        let flop = 6e18 * 2.6f64.powf(f64::from(budget));
        for (size, z) in normals(11, u64::from(budget), 27).iter().enumerate() {
            #[allow(clippy::cast_precision_loss)]
            let tilt = 1.22f64.powf(size as f64 - 13.0);
            let at = LAW.optimum(flop);
            let at = Allocation {
                n_params: at.n_params * tilt,
                n_tokens: at.n_tokens / tilt,
            };
            n.push(at.n_params);
            d.push(at.n_tokens);
            l.push(LAW.loss(at) * (0.004 * z).exp());
        }
    }
    Points::of("made", vec![(Role::Params, n), (Role::Tokens, d), (Role::Loss, l)])
}

/// 4,500 starts and 1,000 resamples, each from the best point.
#[divan::bench(sample_count = 3)]
fn fit_from_all_starts_with_1000_resamples(bencher: Bencher) {
    let points = points();
    let request = Request {
        all_starts: true,
        n_bootstrap: 1000,
        ..Request::default()
    };
    bencher.bench(|| fit(black_box(&points), &request, &|| ()).map_or(0.0, |f| f.objective));
}

/// Every 37th start, no resamples.
#[divan::bench(sample_count = 10)]
fn fit_from_few_starts(bencher: Bencher) {
    let points = points();
    let request = Request {
        n_bootstrap: 0,
        ..Request::default()
    };
    bencher.bench(|| fit(black_box(&points), &request, &|| ()).map_or(0.0, |f| f.objective));
}

/// 4,096 H100 for 60 days, layout search included.
#[divan::bench(sample_count = 3)]
fn best_size_for_4096_devices_and_60_days(bencher: Bencher) {
    let overrides = ["cluster.nodes=512".to_string()];
    let Ok((scenario, catalog)) = Scenario::load("llama3-405b", &overrides, Catalog::builtin()) else {
        return;
    };
    let (Ok(law), Ok(cost)) = (find("chinchilla"), BatchCost::published()) else {
        return;
    };
    let question = Question {
        batch_cost: Some(cost),
        ..Question::of(law)
    };
    let budget = Budget {
        wall_s: Some(60.0 * 86_400.0),
        ..Budget::default()
    };
    let machine = Machine {
        scenario: ("llama3-405b", &overrides),
        base: &scenario,
        catalog: &catalog,
        fresh: &|| Ok(Catalog::builtin()),
        question: &question,
        budget: &budget,
        keep_layout: false,
        batch_tokens: None,
    };
    bencher.bench_local(|| best(black_box(&machine), &|| ()).map_or(0.0, |f| f.best.loss));
}
