//! Published tables, exactly: equal stages, no communication. Durations are small multiples of
//! 1/4 s, so that floating point is exact too.

use super::{chunk, even, timeline};
use exaplan::step::engine::{StageTimeline, Timeline};
use exaplan::step::schedule::{Schedule, SchedulePlan};

/// Forward, input gradient, weight gradient with T_W ≤ T_F ≤ T_B, as in table 4 of arXiv 2401.10241.
const UNEQUAL: [f64; 3] = [1.0, 1.25, 0.75];
const EQUAL: [f64; 3] = [1.0, 1.0, 1.0];

fn simulate(kind: Schedule, p: u32, v: u32, m: u32, [f, b, w]: [f64; 3]) -> Timeline {
    let plan = SchedulePlan::new(kind, p, v, m);
    timeline(&plan, &even(&plan, chunk(f, b, w)))
}

/// The bubble as the papers of synchronous schedules count it: time that a stage is idle.
fn idle_s(timeline: &Timeline) -> f64 {
    (0..timeline.stages.len()).map(|i| timeline.idle_s(i)).fold(0.0, f64::max)
}

/// The bubble as the zero-bubble papers count it: a stage starts its next step when it is done.
fn own_bubble_s(timeline: &Timeline) -> f64 {
    timeline.stages.iter().map(|s| s.bubble_s).fold(0.0, f64::max)
}

fn in_flight(timeline: &Timeline) -> Vec<f64> {
    timeline.stages.iter().map(|s| s.in_flight.number).collect()
}

fn sizes() -> impl Iterator<Item = (u32, u32)> {
    [1u32, 2, 3, 4, 8]
        .into_iter()
        .flat_map(|p| [p, 2 * p, 3 * p, 8 * p].map(|m| (p, m)))
}

/// arXiv 2104.04473 §2.2.1: bubble over ideal time is (p − 1)/m for `GPipe` and 1F1B; `GPipe`
/// keeps all m micro-batches, 1F1B at most p (stage i: p − i, from its figure 4).
#[test]
fn gpipe_and_1f1b_have_the_bubble_of_narayanan() {
    for (p, m) in sizes() {
        for fbw in [EQUAL, UNEQUAL] {
            let stage_s: f64 = fbw.iter().sum();
            for kind in [Schedule::GPipe, Schedule::OneFOneB] {
                let t = simulate(kind, p, 1, m, fbw);
                assert_eq!(idle_s(&t), f64::from(p - 1) * stage_s);
                assert_eq!(idle_s(&t) / (f64::from(m) * stage_s), f64::from(p - 1) / f64::from(m));
                let kept: Vec<f64> = (0..p)
                    .map(|i| f64::from(if kind == Schedule::GPipe { m } else { (p - i).min(m) }))
                    .collect();
                assert_eq!(in_flight(&t), kept);
            }
        }
    }
}

/// arXiv 2104.04473 §2.2.2: (p − 1)/(v·m). In flight: warm-up `2(p − i − 1) + (v − 1)p` and the
/// one running (Megatron-LM; the first stage's `p·v·(1 + (p − 1)/(p·v))` of arXiv 2205.05198 §4.2.3).
#[test]
fn interleaving_divides_the_bubble_by_the_chunks() {
    for (p, m) in sizes() {
        for v in [2, 3, 4] {
            for [f, b, w] in [EQUAL, UNEQUAL] {
                let t = simulate(Schedule::OneFOneB, p, v, m, [f, b, w]);
                let stage_s = f64::from(v) * (f + b + w);
                assert_eq!(idle_s(&t) * f64::from(v), f64::from(p - 1) * stage_s);
                let all = m * v;
                let kept: Vec<f64> = (0..p).map(|i| f64::from((2 * (p - i - 1) + (v - 1) * p + 1).min(all))).collect();
                assert_eq!(in_flight(&t), kept);
                if m > p {
                    let (p, v) = (f64::from(p), f64::from(v));
                    assert!((in_flight(&t)[0] - p * v * (1.0 + (p - 1.0) / (p * v))).abs() < 1e-9);
                }
            }
        }
    }
}

/// arXiv 2211.05953 §3.2: the breadth-first loop has the bubble of the depth-first one, and keeps everything.
#[test]
fn breadth_first_has_the_bubble_of_a_loop() {
    for (p, m) in sizes() {
        for v in [1, 2, 4] {
            let t = simulate(Schedule::BreadthFirst, p, v, m, UNEQUAL);
            assert_eq!(idle_s(&t), f64::from(p - 1) * 3.0);
            assert_eq!(in_flight(&t), vec![f64::from(m * v); p as usize]);
        }
    }
}

/// arXiv 2401.10241 table 2: ZB-H1 (p − 1)(T_F + T_B − T_W) with the peak p·M_B of 1F1B, ZB-H2
/// (p − 1)(T_F + T_B − 2T_W) with (2p − 1)·M_B: a third of 1F1B's bubble and none at equal durations.
#[test]
fn handcrafted_zero_bubble_schedules_match_the_table() {
    for (p, m) in sizes().filter(|(p, m)| m >= &(2 * p)) {
        for [f, b, w] in [EQUAL, UNEQUAL, [1.0, 1.0, 0.5], [1.0, 1.5, 1.0]] {
            let steps = f64::from(p - 1);
            let h1 = simulate(Schedule::ZeroBubbleH1, p, 1, m, [f, b, w]);
            assert_eq!(own_bubble_s(&h1), steps * (f + b - w), "ZB-H1 {p} {m} {f} {b} {w}");
            assert_eq!(idle_s(&h1), steps * (f + b - w));
            let h2 = simulate(Schedule::ZeroBubbleH2, p, 1, m, [f, b, w]);
            assert_eq!(own_bubble_s(&h2), steps * (f + b - 2.0 * w), "ZB-H2 {p} {m} {f} {b} {w}");
            let bytes = |t: &Timeline| t.stages.iter().map(|s| s.activation_bytes.number).fold(0.0, f64::max);
            // Three bytes per micro-batch, one of them for the weight gradient.
            assert_eq!(bytes(&h1), 3.0 * f64::from(p));
            assert_eq!(bytes(&h2), 3.0 * f64::from(2 * p - 1));
            let counts = |depth: u32| -> Vec<f64> { (0..p).map(|i| f64::from(depth * (p - i - 1) + 1)).collect() };
            assert_eq!(in_flight(&h1), counts(1));
            assert_eq!(in_flight(&h2), counts(2));
        }
        let one = simulate(Schedule::OneFOneB, p, 1, m, EQUAL);
        assert_eq!(
            3.0 * own_bubble_s(&simulate(Schedule::ZeroBubbleH1, p, 1, m, EQUAL)),
            own_bubble_s(&one)
        );
        assert_eq!(own_bubble_s(&simulate(Schedule::ZeroBubbleH2, p, 1, m, EQUAL)), 0.0);
    }
}

/// A stage keeps forwards whose weight gradient has not run: p for ZB-H1, 2p − 1 for ZB-H2, on
/// every stage (arXiv 2401.10241 §2.1: "all workers maintain the same number of in-flight micro-batches").
#[test]
fn zero_bubble_stages_all_keep_the_same() {
    let kept = |s: &StageTimeline| {
        let mut now: i32 = 0;
        let count = |span: &exaplan::step::engine::Span| {
            now += match span.slot.pass {
                exaplan::step::schedule::Pass::Forward => 1,
                exaplan::step::schedule::Pass::WeightGradient => -1,
                _ => 0,
            };
            now
        };
        s.spans.iter().map(count).max().unwrap()
    };
    for p in [2u32, 4, 8] {
        for (kind, n) in [(Schedule::ZeroBubbleH1, p), (Schedule::ZeroBubbleH2, 2 * p - 1)] {
            let t = simulate(kind, p, 1, 4 * p, EQUAL);
            let all: Vec<u32> = t.stages.iter().map(|s| kept(s).cast_unsigned()).collect();
            assert_eq!(all, vec![n; p as usize], "{kind:?}");
        }
    }
}

/// arXiv 2401.10241 §6: no bubble at T_F = T_B = T_W with the peak of 1F1B, p·M_B: 2p chunks of
/// half a stage, the same on all stages.
#[test]
fn the_v_schedule_has_no_bubble_and_the_memory_of_1f1b() {
    for (p, m) in sizes().filter(|(p, m)| m >= &(2 * p)) {
        let t = simulate(Schedule::ZeroBubbleV, p, 2, m, EQUAL);
        assert_eq!(own_bubble_s(&t), 0.0, "{p} {m}");
        assert_eq!(in_flight(&t), vec![f64::from(2 * p); p as usize]);
        let bytes: Vec<f64> = t.stages.iter().map(|s| s.activation_bytes.number).collect();
        assert_eq!(bytes, vec![3.0 * f64::from(2 * p); p as usize]);
    }
}

/// arXiv 2412.19437 table 2 (and the table of deepseek-ai/DualPipe): bubble (PP/2 − 1)(F&B + B − 3W)
/// with B the whole backward, parameters 2×, activations PP + 1.
///
/// The formula holds when a forward takes as long as an input gradient and a weight gradient no
/// longer; the order of slots gives another bubble otherwise. Cut in half, the same formula holds
/// with PP the chunks of the V, twice its stages.
#[test]
fn dual_pipe_matches_its_table() {
    for [f, b, w] in [EQUAL, [1.0, 1.0, 0.5], [2.0, 2.0, 1.0], [2.0, 2.0, 0.25]] {
        for hidden_s in [0.0, 0.25, 0.5] {
            for half in [1u32, 2, 4, 8] {
                for rounds in [2, 3, 5] {
                    let mut cost = chunk(f, b, w);
                    cost.pair_s -= hidden_s;
                    let bubble_s = f64::from(half - 1) * (cost.pair_s + (b + w) - 3.0 * w);
                    let kept = f64::from(2 * half + 1);
                    for (kind, p, m) in [
                        (Schedule::DualPipe, 2 * half, 2 * half * rounds),
                        (Schedule::DualPipeV, half, 2 * half * rounds / 2 * 2),
                    ] {
                        let plan = SchedulePlan::new(kind, p, 2, m);
                        let t = timeline(&plan, &even(&plan, cost));
                        assert_eq!(idle_s(&t), bubble_s, "{kind:?} {p} {m} {f} {b} {w} −{hidden_s}");
                        assert_eq!(in_flight(&t), vec![kept; p as usize], "{kind:?} {p} {m}");
                    }
                }
            }
        }
    }
    assert_eq!(Schedule::DualPipe.weight_copies(), 2);
    assert_eq!(Schedule::DualPipeV.weight_copies(), 1);
    // Whose order is at odds with the formula: forward shorter than input gradient.
    let t = simulate(Schedule::DualPipe, 4, 2, 8, UNEQUAL);
    assert_eq!(idle_s(&t), 2.5);
}

/// By hand (2 stages, 2 micro-batches, forward 1 s, backward 2 s, message 1/2 s): forwards of the
/// first stage end at 1 and 2; the second runs 1.5–2.5, 2.5–4.5, 4.5–5.5, 5.5–7.5; gradients arrive
/// at 5 and 8; the last backward ends at 10. Sends that block start the second forward of the first
/// stage 1/2 s later, which nobody notices, and that of the second stage after its gradient is sent,
/// which moves everything behind it by 1/2 s.
#[test]
fn a_tiny_pipeline_by_hand() {
    let plan = SchedulePlan::new(Schedule::OneFOneB, 2, 1, 2);
    let mut costs = even(&plan, chunk(1.0, 1.0, 1.0));
    costs.messages_s = vec![0.5];
    for (blocking, second_s) in [(0.0, 1.0), (1.0, 1.5)] {
        costs.blocking_fraction = blocking;
        let t = timeline(&plan, &costs);
        assert_eq!(t.stages[0].spans[1].start_s, second_s);
        assert_eq!(t.stages[0].spans[3].end_s, 10.0 + blocking * 0.5);
        let path: f64 = t.critical.iter().map(|l| l.end_s - l.start_s).sum();
        assert!(path <= t.time_s);
        assert_eq!(t.critical.last().unwrap().end_s, t.time_s);
    }
}
