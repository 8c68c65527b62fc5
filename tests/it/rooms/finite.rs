//! No number of a plan is infinite or undefined, and bad layouts come with reasons.

use super::strategy::{CASES, config, draws};
use crate::support::plan_text;
use exaplan::error::Error;
use exaplan::lint;
use proptest::prelude::*;

/// `inf` and `NaN` where a number stands in the debug output; words of titles may contain them.
fn undefined(text: &str) -> Option<&str> {
    let word = text.split(|c: char| !c.is_alphanumeric()).find(|w| *w == "NaN" || *w == "inf")?;
    let at = word.as_ptr() as usize - text.as_ptr() as usize;
    let from = text[..at].char_indices().rev().nth(60).map_or(0, |(i, _)| i);
    Some(&text[from..at + 3])
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn every_number_of_a_plan_is_finite_and_every_refusal_says_why(draw in draws()) {
        match plan_text(&draw.fixed(), &[]) {
            Ok(plan) => {
                let text = format!("{plan:?}");
                prop_assert!(undefined(&text).is_none(), "{:?}", undefined(&text));
                for warning in lint::warnings(&plan) {
                    prop_assert!(!warning.message.is_empty() && !warning.remedy.is_empty());
                }
            }
            Err(Error::NoFeasibleLayout { rejected, nearest }) => {
                prop_assert!(rejected.values().sum::<u64>() > 0);
                let nearest = nearest.unwrap_or_default();
                prop_assert!(nearest.contains("; "), "{}", nearest);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn extreme_inputs_inside_the_ranges_stay_finite(
        draw in draws(), low in any::<bool>(), which in 0usize..8,
    ) {
        let (key, least, most) = [
            ("cluster.nic", "1 kB/s", "1e18 B/s"), ("cluster.storage", "1 kB/s", "1e18 B/s"), ("reliability.node_mtbf", "1 s", "1e18 s"),
            ("reliability.restart", "0 s", "1e11 s"), ("reliability.checkpoint_every", "1e-300 s", "1e300 s"), ("training.tokens", "1", "1e18"),
            ("cluster.nodes", "1", "8192"), ("cost.usd_per_device_hour", "0", "1e5"),
        ][which];
        let set = format!("{key}={}", if low { least } else { most });
        match plan_text(&draw.fixed(), &[&set]) {
            Ok(plan) => {
                let text = format!("{plan:?}");
                prop_assert!(undefined(&text).is_none(), "{set}: {:?}", undefined(&text));
            }
            Err(Error::NoFeasibleLayout { .. }) => {}
            Err(other) => prop_assert!(false, "{}: {}", set, other),
        }
    }
}

#[test]
fn the_walker_sees_what_is_undefined() {
    assert!(undefined("Step { time_s: NaN }").is_some());
    assert!(undefined("Step { time_s: inf, title: \"x\" }").is_some());
    assert!(undefined("Fabric { title: \"InfiniBand, infinite\" , x: 1.5 }").is_none());
}
