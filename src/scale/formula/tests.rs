use super::*;
use proptest::prelude::*;

/// The exact minimum of the objective of Besiroglu et al. 2024 (arXiv 2404.10102).
const CORRECTED: Chinchilla = Chinchilla {
    e: 1.817_236,
    a: 477.842,
    b: 2_143.864,
    alpha: 0.347_313,
    beta: 0.367_183,
};
/// The unrounded constants in the source of Hoffmann et al. 2022.
const HOFFMANN: Chinchilla = Chinchilla {
    e: 1.6934,
    a: 406.401,
    b: 410.723,
    alpha: 0.339_17,
    beta: 0.284_91,
};

fn near(got: f64, want: f64, fraction: f64) {
    assert!((got / want - 1.0).abs() <= fraction, "{got} is not {want}");
}

#[test]
fn chinchilla_70b_follows_from_its_budget() {
    let at = CORRECTED.optimum(TRAIN_FLOP * 70e9 * 1.4e12);
    near(at.n_params, 70e9, 0.06);
    near(at.n_tokens, 1.4e12, 0.06);
    near(
        CORRECTED.loss(Allocation {
            n_params: 70e9,
            n_tokens: 1.4e12,
        }),
        1.974,
        1e-3,
    );
    near(CORRECTED.gamma(), 0.178, 0.01);
    // Each factor of ten of compute removes a third of the reducible loss.
    near(1.0 - 10f64.powf(-CORRECTED.gamma()), 0.34, 0.02);
}

#[test]
fn rounded_exponents_break_the_law() {
    let ratio = |law: &Chinchilla| {
        let at = law.optimum(5.76e23);
        at.n_tokens / at.n_params
    };
    near(ratio(&HOFFMANN), 58.9, 0.01);
    let rounded = Chinchilla {
        alpha: 0.34,
        beta: 0.28,
        a: 406.4,
        b: 410.7,
        ..HOFFMANN
    };
    near(ratio(&rounded), 92.6, 0.01);
}

#[test]
fn a_model_that_serves_is_smaller_and_trained_longer() {
    // Sardana et al. 2024: the quality of a compute-optimal 7B with 1e11 tokens served: 6B on 1.18 times the tokens.
    let size = |n: f64| golden(|c| (HOFFMANN.optimum(c.exp()).n_params / n).ln().powi(2), 40.0, 70.0, 100).exp();
    let seven = HOFFMANN.optimum(size(7e9));
    let served = HOFFMANN.lifetime_optimum(HOFFMANN.loss(seven), 1e11).unwrap();
    near(served.n_params, 6.05e9, 0.005);
    near(served.n_tokens / seven.n_tokens, 1.164, 0.005);
    let thirteen = HOFFMANN.optimum(size(13e9));
    let served = HOFFMANN.lifetime_optimum(HOFFMANN.loss(thirteen), 2e12).unwrap();
    near(served.n_params, 7.12e9, 0.005);
    let cost = |a: Allocation| a.flop() + INFER_FLOP * a.n_params * 2e12;
    near(cost(served) / cost(thirteen), 0.837, 0.005);
    // The first-order condition holds at the optimum.
    near(HOFFMANN.implied_inference_ratio(served), 2e12 / served.n_tokens, 1e-3);
}

#[test]
fn released_models_imply_how_much_they_serve() {
    for (n, d, want) in [(8e9, 15e12, 12.7), (70e9, 15e12, 4.4), (405e9, 15.6e12, 1.1)] {
        let ratio = CORRECTED.implied_inference_ratio(Allocation { n_params: n, n_tokens: d });
        near(ratio, want, 0.06);
    }
}

#[test]
fn epochs_are_worth_what_the_paper_says() {
    let law = Repeated {
        base: Chinchilla {
            e: 0.625_480_4f64.exp(),
            a: 6.255_414f64.exp(),
            b: 7.304_997_4f64.exp(),
            alpha: 0.352_659_6,
            beta: 0.352_659_6,
        },
        r_tokens: 15.387_756,
        r_params: 5.309_743,
    };
    for (epochs, worth) in [(2.0, 1.968), (4.0, 3.726), (8.0, 6.624), (16.0, 10.58), (40.0, 15.17)] {
        near(law.effective_tokens(1e9, epochs * 1e9) / 1e9, worth, 1e-3);
    }
    for (epoch, worth) in [(2.0, 0.937), (4.0, 0.823), (16.0, 0.377), (40.0, 0.079)] {
        near(law.worth(epoch), worth, 5e-3);
    }
    near(law.usable_params(1e9) / 1e9, 0.050_99, 1e-3);
}

#[test]
fn mixtures_and_bits() {
    // The cut-offs that Clark et al. print.
    for (b, c, want) in [(-0.108, 0.009, 937e9), (-0.136, 0.012, 83e9)] {
        let law = Routed {
            a: -0.082,
            b,
            c,
            d: 1.104,
            e_start: 1.847,
            e_max: 314.478,
        };
        // Printed from unrounded constants: two digits of a quotient in an exponent.
        assert!((law.cutoff_params() / want).log10().abs() < 0.6);
        assert!(law.effective_params(1e9, 64.0) > 1e9);
        near(law.effective_params(1e9, 1.0), 1e9, 1e-9);
    }
    let bits = Precise {
        base: Chinchilla {
            e: 2.7648,
            a: 4.299e3,
            b: 1.806e4,
            alpha: 0.4965,
            beta: 0.4965,
        },
        weights: (2.6745, 0.3037),
        activations: (2.2102, 1.407),
        attention: (0.9578, 2.4185),
        after: (0.0598, 0.5068, 0.3439, 0.5907, 1.1277),
    };
    near(bits.share([8.0; 3]), 0.828, 0.01);
    near(bits.share([12.0; 3]), 0.967, 0.01);
    near(bits.share([16.0; 3]), 0.994, 0.01);
    near(best_bits(&bits), 7.0, 0.02);
    let trained = |tokens| {
        bits.quantizing(
            Allocation {
                n_params: 1e9,
                n_tokens: tokens,
            },
            4.0,
        )
    };
    assert!(trained(1e12) > trained(1e10));
}

#[test]
fn at_the_noise_scale_both_overheads_double() {
    assert_eq!(batch_overheads(1.0), (2.0, 2.0));
    let (steps, tokens) = batch_overheads(3.0);
    near((steps - 1.0) * (tokens - 1.0), 1.0, 1e-12);
}

proptest! {
    #[test]
    fn more_of_anything_never_raises_the_loss(n in 6.0..13.0f64, d in 8.0..15.0f64, more in 1.0..10.0f64, unique in 7.0..15.0f64) {
        let at = Allocation { n_params: 10f64.powf(n), n_tokens: 10f64.powf(d) };
        let larger = Allocation { n_params: at.n_params * more, ..at };
        let longer = Allocation { n_tokens: at.n_tokens * more, ..at };
        prop_assert!(CORRECTED.loss(larger) <= CORRECTED.loss(at) && CORRECTED.loss(longer) <= CORRECTED.loss(at));
        let law = Repeated { base: CORRECTED, r_tokens: 15.39, r_params: 5.31 };
        let unique = 10f64.powf(unique);
        prop_assert!(law.loss(at, unique) >= CORRECTED.loss(at) - 1e-12);
        prop_assert!(law.loss(longer, unique) <= law.loss(at, unique) + 1e-12);
    }

    #[test]
    fn no_other_split_of_the_budget_is_better(c in 18.0..28.0f64, tilt in 0.2..5.0f64) {
        let c = 10f64.powf(c);
        let best = CORRECTED.optimum(c);
        let other = Allocation { n_params: best.n_params * tilt, n_tokens: best.n_tokens / tilt };
        prop_assert!(CORRECTED.loss(best) <= CORRECTED.loss(other) + 1e-12);
        let loss = CORRECTED.loss(best);
        prop_assert!((CORRECTED.flop_for(loss).unwrap() / c - 1.0).abs() < 1e-6);
    }
}
