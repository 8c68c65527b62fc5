//! Bars of real steps: lanes do not overlap, nothing lies outside, and sums agree with the engine.

use super::layouts::{draws, legal, scenarios};
use crate::rooms::config;
use exaplan::layout::{Layout, Offload};
use exaplan::step::{Lane, engine_step, gantt};
use proptest::prelude::*;

thread_local! {
    static SCENARIOS: std::rc::Rc<Vec<exaplan::plan::Scenario>> = std::rc::Rc::new(scenarios());
}

proptest! {
    #![proptest_config(config(192))]

    #[test]
    fn bars_of_a_lane_follow_each_other((which, layout, rounds) in draws(27), offloads in any::<bool>(), split in any::<bool>()) {
        let scenarios = SCENARIOS.with(Clone::clone);
        let scenario = &scenarios[which];
        let offload = if offloads { Offload::Activations } else { Offload::None };
        let special = split && layout.virtual_stages == 1;
        let schedule = if special { exaplan::layout::Schedule::ZeroBubbleH1 } else { layout.schedule };
        let layout = Layout { offload, schedule, ..layout };
        let Some(workload) = legal(scenario, &layout, rounds) else { return Ok(()) };
        let machine = scenario.machine();
        let step = engine_step(&workload, &machine, &layout).unwrap();
        let drawn = gantt(&workload, &machine, &layout, &step);
        prop_assert_eq!(drawn.stages.len(), step.timeline.stages.len());
        let margin = 1e-9 * drawn.time_s;
        for (bars, stage) in drawn.stages.iter().zip(&step.timeline.stages) {
            for pair in bars.windows(2).filter(|p| p[0].lane == p[1].lane) {
                prop_assert!(pair[0].end_s <= pair[1].start_s + margin, "{layout}: {:?}", pair);
            }
            for bar in bars {
                prop_assert!(bar.start_s >= 0.0 && bar.end_s <= drawn.time_s + margin && bar.start_s <= bar.end_s, "{:?}", bar);
                prop_assert!(bar.busy_s <= bar.end_s - bar.start_s + margin, "{:?}", bar);
            }
            let slots = bars.iter().filter(|b| b.lane == Lane::Compute && b.micro_batch.is_some());
            let busy_s: f64 = slots.map(|b| b.busy_s).sum();
            prop_assert!((busy_s - stage.busy_s).abs() <= margin);
            let has = |lane| bars.iter().any(|b| b.lane == lane);
            prop_assert_eq!(has(Lane::Tensor), layout.tensor > 1 && !stage.spans.is_empty());
            prop_assert!(!has(Lane::Copy) || offloads);
            prop_assert_eq!(has(Lane::Send), layout.pipeline > 1);
        }
        let last_s = drawn.stages.iter().flatten().map(|b| b.end_s).fold(0.0, f64::max);
        prop_assert!((last_s / drawn.time_s - 1.0).abs() < 1e-9, "{last_s} {}", drawn.time_s);
        let critical_s: f64 = drawn.stages[step.timeline.critical[0].stage].iter().filter(|b| b.critical).map(|b| b.busy_s).sum();
        prop_assert!(critical_s > 0.0);
    }
}
