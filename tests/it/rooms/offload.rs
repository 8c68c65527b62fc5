//! What goes to the host is gone from the device, and has to fit there.

use super::strategy::{CASES, config, draws};
use crate::support::with_scenario;
use exaplan::layout::offload::{offloaded_activation_bytes, offloaded_optimizer_params};
use exaplan::layout::{Cut, Layout, MemoryContext, Offload, Schedule, Sharding, Violation, budgets, check};
use exaplan::step::engine_step;
use proptest::prelude::*;

fn layouts() -> impl Strategy<Value = Layout> {
    (0u32..4, 0u32..4, 0u32..4, any::<bool>(), prop::sample::select(&Schedule::ALL[..])).prop_map(
        |(tensor, pipeline, micro, shared, schedule)| Layout {
            tensor: 1 << tensor,
            pipeline: 1 << pipeline,
            virtual_stages: if pipeline > 0 { schedule.virtual_stages().unwrap_or(1) } else { 1 },
            data: 2,
            sharding: if shared { Sharding::Zero1 } else { Sharding::None },
            micro_batch_seqs: 1 << micro,
            schedule,
            ..Layout::single()
        },
    )
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn offloading_never_needs_more_of_the_device(draw in draws(), layout in layouts()) {
        with_scenario(&draw.free(), &[], |scenario, _| {
            let (w, context) = (&scenario.workload, scenario.machine().memory_context());
            let cut = Cut::of(&w.model, &layout);
            let at = |offload| budgets(w, &Layout { offload, ..layout }, &cut, &context);
            let (none, all) = (at(Offload::None), at(Offload::All));
            for (activations, optimizer) in at(Offload::Activations).iter().zip(at(Offload::Optimizer)) {
                let (none, all) = (&none[optimizer.stage as usize], &all[optimizer.stage as usize]);
                prop_assert_eq!(none.host_bytes, 0.0);
                for one in [activations, &optimizer] {
                    prop_assert!(one.peak_bytes() <= none.peak_bytes() && all.peak_bytes() <= one.peak_bytes());
                }
                prop_assert!(optimizer.optimizer_bytes == 0.0 && optimizer.activations_bytes == none.activations_bytes);
                prop_assert_eq!(activations.optimizer_bytes, none.optimizer_bytes);
                // What left the device is on the host.
                prop_assert!(activations.host_bytes >= none.activations_bytes - activations.activations_bytes);
                prop_assert!(optimizer.host_bytes >= none.optimizer_bytes);
                prop_assert!((all.host_bytes - activations.host_bytes - optimizer.host_bytes).abs() <= 1e-9 * all.host_bytes);
            }
            Ok(())
        }).unwrap()?;
    }
}

const TEXT: &str = "format = 1\n[model]\nuse = \"llama3-8b\"\n[training]\ntokens = \"1T\"\nsequence = 8192\nglobal_batch = \"512 sequences\"\n\
                    [cluster]\nnode = \"dgx-h100\"\nnodes = 2\n";

#[test]
fn the_host_is_checked() {
    with_scenario(TEXT, &[], |scenario, _| {
        let (w, context) = (&scenario.workload, scenario.machine().memory_context());
        let layout = Layout {
            tensor: 8,
            sequence_parallel: true,
            data: 2,
            offload: Offload::All,
            ..Layout::single()
        };
        let judge = |layout: &Layout, context: &MemoryContext| check(w, layout, 16, context);
        assert_eq!(judge(&layout, &context), []);
        // 2 TB for 8 devices.
        assert!(context.host_bytes > 1e11, "{}", context.host_bytes);
        let small = MemoryContext {
            host_bytes: 1e9,
            ..context
        };
        let found = judge(&layout, &small);
        assert!(
            matches!(found[..], [Violation::HostOutOfMemory { stage: 0, short_bytes }] if short_bytes > 1e9),
            "{found:?}"
        );
        assert!(found[0].to_string().contains("of host memory per device") && found[0].remedy().contains("offload less"));
        let unknown = MemoryContext {
            host_link_bytes_per_s: None,
            ..context
        };
        assert_eq!(judge(&layout, &unknown), [Violation::NoHostLink]);
        let none = Layout {
            offload: Offload::None,
            ..layout
        };
        let nothing = MemoryContext {
            host_bytes: 0.0,
            ..unknown
        };
        assert_eq!(judge(&none, &nothing), []);
    })
    .unwrap();
}

/// What crosses the link: 14 bytes of state per parameter stay, two numbers of each travel.
#[test]
fn what_moves_is_what_left() {
    with_scenario(TEXT, &[], |scenario, _| {
        let (w, context) = (&scenario.workload, scenario.machine().memory_context());
        let layout = Layout {
            data: 16,
            ..Layout::single()
        };
        let shape = Cut::of(&w.model, &layout).stages()[0];
        let moved = |offload, sharding| {
            let layout = Layout {
                offload,
                sharding,
                ..layout
            };
            let bytes = offloaded_activation_bytes(w, &layout, &shape, context.rules);
            (bytes, offloaded_optimizer_params(w, &layout, &shape))
        };
        assert_eq!(moved(Offload::None, Sharding::None), (0.0, 0.0));
        let (bytes, params) = moved(Offload::All, Sharding::None);
        let held = budgets(w, &layout, &Cut::of(&w.model, &layout), &context)[0].activations_bytes;
        assert!((bytes - held).abs() < 1.0, "one micro-batch under way: {bytes} and {held}");
        assert!((params - 8.03e9).abs() < 0.01e9, "{params}");
        assert!((moved(Offload::Optimizer, Sharding::Zero1).1 - params / 16.0).abs() < 1.0);
    })
    .unwrap();
}

/// Copies cost time, less over a faster link, and nothing where there is none to make.
#[test]
fn copies_have_their_price() {
    with_scenario(TEXT, &[], |scenario, _| {
        let (w, mut machine) = (&scenario.workload, scenario.machine());
        let layout = Layout {
            tensor: 2,
            data: 8,
            sharding: Sharding::Zero1,
            ..Layout::single()
        };
        let mut step = |offload, link: f64| {
            machine.host_link_bytes_per_s = Some(link);
            engine_step(w, &machine, &Layout { offload, ..layout }).unwrap()
        };
        let none = step(Offload::None, 50e9);
        assert!(none.parts.host_s == 0.0);
        let (slow, fast) = (step(Offload::Activations, 10e9), step(Offload::Activations, 500e9));
        assert!(slow.parts.host_s > 0.0 && fast.parts.host_s == 0.0);
        assert!((fast.time_s / none.time_s - 1.0).abs() < 1e-9 && slow.time_s > none.time_s);
        let (slow, fast) = (step(Offload::Optimizer, 10e9), step(Offload::Optimizer, 500e9));
        assert!(slow.parts.optimizer_s > fast.parts.optimizer_s && fast.parts.optimizer_s > none.parts.optimizer_s);
    })
    .unwrap();
}
