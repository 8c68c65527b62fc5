use super::*;
use crate::step::Parts;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn step(time_s: f64) -> Step {
    Step {
        time_s,
        tokens: 1e6,
        n_devices: 16_384.0,
        model_flop: 0.0,
        model_flop_full_attention: 0.0,
        hardware_flop: 0.0,
        mfu: 0.0,
        hfu: 0.0,
        parts: Parts {
            math_s: time_s,
            ..Parts::default()
        },
        memory: Vec::new(),
        evidence: BTreeMap::new(),
    }
}

fn reliability(node_mtbf_s: f64) -> Reliability {
    Reliability {
        name: "test".into(),
        node_mtbf_s,
        detect_s: 60.0,
        restart_s: 540.0,
        planned_s_per_day: 0.0,
    }
}

fn input<'a>(step: &'a Step, reliability: &'a Reliability) -> RunInput<'a> {
    RunInput {
        step,
        total_tokens: 1e12,
        n_nodes: 2048.0,
        node_devices: 8.0,
        reliability,
        storage_bytes_per_s: 1e11,
        checkpoint_bytes: 6e12,
        checkpoint_every_s: None,
        asynchronous_checkpoint: false,
        evaluation: None,
    }
}

fn close(got: f64, want: f64, relative: f64) {
    assert!((got - want).abs() <= want.abs() * relative, "{got} != {want}");
}

fn checkpoint(stall_s: f64) -> Checkpoint {
    Checkpoint {
        write_s: stall_s,
        stall_s,
        redo_s: 0.0,
        shortest_s: 0.0,
    }
}

#[test]
fn without_failures_only_checkpoints_cost() {
    let (step, reliability) = (step(10.0), reliability(f64::INFINITY));
    let result = run(&RunInput {
        checkpoint_every_s: Some(1200.0),
        ..input(&step, &reliability)
    });
    // 1e12 / 1e6 = 1e6 steps of 10 s; 6e12 B / 1e11 B/s = 60 s each 1200 s: 5 %.
    assert_eq!(result.n_steps, 1_000_000);
    close(result.ideal_s, 1e7, 1e-15);
    close(result.lost.checkpoint_s, 5e5, 1e-12);
    close(result.wall_s, 1.05e7, 1e-12);
    assert_eq!(result.expected_failures, 0.0);
    assert!(!result.thrashing);
}

#[test]
fn failures_by_hand() {
    // 2048 nodes of 8, one failure per node and 2048 · 6000 s: M = 6000 s. τ = 540, δ = 60: L/M = 0.1, R/M = 0.1.
    let (step, reliability) = (step(10.0), reliability(2048.0 * 6000.0));
    let result = run(&RunInput {
        checkpoint_every_s: Some(540.0),
        ..input(&step, &reliability)
    });
    // T = 6000 · e^0.1 · (e^0.1 − 1) · 1e7/540 = 6000 · 1.105171 · 0.105171 · 18518.52 = 1.291465e7 s.
    close(result.wall_s, 1.291_465e7, 1e-6);
    // N = T/M = 2152.44; detection T (1 − e^−0.01) = 128,503; restart T (e^−0.01 − e^−0.1) = 1,100,488.
    close(result.expected_failures, 2152.44, 1e-5);
    close(result.lost.detect_s, 128_503.0, 1e-5);
    close(result.lost.restart_s, 1_100_488.0, 1e-5);
    // Checkpoints 18518.5 · 60; destroyed 18518.5 · (631.0255 − 600).
    close(result.lost.checkpoint_s, 1_111_111.0, 1e-5);
    close(result.lost.rework_s, 574_546.0, 1e-5);
}

#[test]
fn node_mtbf_is_of_eight_devices() {
    let r = reliability(1e6);
    // 18 NVL72 trays of 4 devices are 9 nodes of 8.
    close(failure::job_mtbf_s(&r, 72.0), 1e6 / 9.0, 1e-15);
    assert_eq!(failure::job_mtbf_s(&r, 0.0), f64::INFINITY);
}

#[test]
fn planned_pauses_stretch_the_wall() {
    let step = step(10.0);
    let quiet = reliability(f64::INFINITY);
    let paused = Reliability {
        planned_s_per_day: 8640.0,
        ..quiet.clone()
    };
    let free = RunInput {
        checkpoint_bytes: 0.0,
        ..input(&step, &quiet)
    };
    // A tenth of each day: 1e7 / 0.9.
    let result = run(&RunInput {
        reliability: &paused,
        ..free
    });
    close(result.wall_s, 1e7 / 0.9, 1e-12);
    close(result.goodput, 0.9, 1e-12);
    // BLOOM paused 12 min per 1000 steps: 1000 evaluations of 720 s.
    let evaluation = Some(Evaluation {
        n_steps_between: 1000.0,
        pause_s: 720.0,
    });
    close(run(&RunInput { evaluation, ..free }).lost.evaluation_s, 720_000.0, 1e-12);
}

#[test]
fn optimum_is_where_daly_published_it() {
    // Daly 2006, figures 3 to 5: δ = 5 min; M = 24 h, 6 h, 15 min give 117, 57 and 9.1 min.
    for (mtbf_min, want_min) in [(1440.0, 117.0), (360.0, 57.0), (15.0, 9.1)] {
        let daly_s = checkpoint(300.0).daly_s(mtbf_min * 60.0);
        close(daly_s / 60.0, want_min, 0.006);
    }
    // Newton keeps its digits at the ends: y = δ/M → sqrt(2y) for a cheap save, M for a hopeless one.
    close(checkpoint(1e-6).optimum_s(1e12), 2e6f64.sqrt(), 1e-6);
    close(checkpoint(1e12).optimum_s(1.0), 1.0, 1e-12);
    // Young: sqrt(2 · 5 · 1440) = 120 min.
    close(checkpoint(300.0).young_s(86_400.0), 7200.0, 1e-12);
}

#[test]
fn published_interruptions_come_out() {
    // Llama 3: 419 unexpected interruptions in 54 days of 2048 nodes; a node fails each 2048 · 54 d / 419.
    let (step, r) = (step(10.0), reliability(2048.0 * 54.0 * DAY_S / 419.0));
    let result = run(&input(&step, &r));
    close(result.job_mtbf_s / 3600.0, 3.09, 0.002);
    assert!(result.goodput > 0.8 && result.goodput < 0.95, "{}", result.goodput);
}

#[test]
fn asynchronous_checkpoints_stall_less_and_redo_more() {
    let (step, r) = (step(10.0), reliability(2048.0 * 11_124.0));
    let sync = run(&input(&step, &r));
    let both = run(&RunInput {
        asynchronous_checkpoint: true,
        ..input(&step, &r)
    });
    assert!(both.lost.checkpoint_s < sync.lost.checkpoint_s / 4.0);
    assert!(both.wall_s < sync.wall_s);
    assert!(both.checkpoint_every_s >= both.checkpoint_write_s);
}

#[test]
fn hopeless_jobs_stay_finite_and_say_so() {
    for node_mtbf_s in [0.0, 1e-9, 1.0, 2048.0 * 60.0] {
        let (step, r) = (step(10.0), reliability(node_mtbf_s));
        for (every, bytes_per_s) in [(None, 1e11), (Some(1e9), 1e11), (None, 0.0), (Some(1.0), 1e-3)] {
            let result = run(&RunInput {
                checkpoint_every_s: every,
                storage_bytes_per_s: bytes_per_s,
                ..input(&step, &r)
            });
            assert!(result.thrashing);
            assert!(result.wall_s.is_finite() && result.expected_failures.is_finite());
            let bound = (1.0 + result.checkpoint_stall_s / result.checkpoint_every_s) * (failure::MAX_EXPONENT + 1.0).exp();
            assert!(result.wall_s <= bound * result.ideal_s, "{result:?}");
        }
    }
    let (step, r) = (step(10.0), reliability(1e9));
    let nothing = run(&RunInput {
        total_tokens: 0.0,
        ..input(&step, &r)
    });
    assert_eq!((nothing.n_steps, nothing.wall_s, nothing.goodput), (0, 0.0, 1.0));
}

proptest! {
    #[test]
    fn parts_sum_and_match_the_closed_form(log_mtbf in 2.5f64..8.0, every_s in 60.0f64..20_000.0, stall_s in 0.0f64..600.0) {
        let m = 10f64.powf(log_mtbf);
        let (step, r) = (step(10.0), reliability(2048.0 * m));
        let result = run(&RunInput { checkpoint_every_s: Some(every_s), checkpoint_bytes: stall_s * 1e11, ..input(&step, &r) });
        prop_assert_eq!(result.wall_s, result.ideal_s + result.lost.total_s());
        prop_assert!(result.goodput > 0.0 && result.goodput <= 1.0);
        prop_assert!(result.lost.list().iter().all(|(_, s)| *s >= 0.0));
        if (every_s + stall_s + 600.0) / m < failure::MAX_EXPONENT {
            let closed = m * (600.0 / m).exp() * ((every_s + stall_s) / m).exp_m1() * result.ideal_s / every_s;
            prop_assert!((result.wall_s / closed - 1.0).abs() < 1e-9, "{} {}", result.wall_s, closed);
        }
    }

    #[test]
    fn more_failures_never_shorten_the_run(log_mtbf in 0.0f64..8.0, worse in 1.0f64..3.0, bytes in 0.0f64..1e14, asynchronous: bool, fixed: bool) {
        let step = step(10.0);
        let m = 2048.0 * 10f64.powf(log_mtbf);
        let wall = |mtbf_s: f64| {
            let r = reliability(mtbf_s);
            let every = fixed.then_some(1800.0);
            run(&RunInput { checkpoint_bytes: bytes, asynchronous_checkpoint: asynchronous, checkpoint_every_s: every, ..input(&step, &r) }).wall_s
        };
        prop_assert!(wall(m / worse) >= wall(m) * (1.0 - 1e-9));
    }

    #[test]
    fn daly_is_within_a_percent_of_the_numeric_minimum(log_mtbf in 3.0f64..7.0, stall_s in 1.0f64..300.0) {
        let m = 10f64.powf(log_mtbf);
        let wall = |tau: f64| m * ((tau + stall_s) / m).exp_m1() / tau;
        let numeric = (0..4000).map(|i| 10f64.powf(-1.0 + f64::from(i) * 0.002)).map(wall).fold(f64::INFINITY, f64::min);
        let c = checkpoint(stall_s);
        prop_assert!(wall(c.daly_s(m)) <= numeric * 1.01);
        prop_assert!(wall(c.optimum_s(m)) <= numeric * (1.0 + 1e-9));
        let (step, r) = (step(0.1), reliability(2048.0 * m));
        let best = run(&RunInput { checkpoint_bytes: stall_s * 1e11, ..input(&step, &r) });
        prop_assert!((best.checkpoint_every_s / c.daly_s(m) - 1.0).abs() < 0.03);
    }
}
