//! Kernel profiles and software stacks, checked.

use super::profile::Relation;
use super::read::{COMMON, Entity, common};
use super::read_points::{Limits, points};
use super::reader::{Bounds, Reader};
use super::{
    AffinePieces, AttentionWave, Catalog, Collective, ContextExchange, DType, GemmWave, GroupedWave, Kind, OwnBand, Profile, Stack,
    UsualRecompute,
};
use crate::units::Unit;
use Bounds::{NonNegative, Within};
use std::collections::BTreeMap;

impl Entity for Profile {
    const KIND: Kind = Kind::Profile;

    fn read(name: &str, r: &Reader<'_>, catalog: &Catalog) -> Self {
        common(r);
        r.skip(&["title"]);
        let profile = Profile {
            name: name.to_string(),
            measured_by: r.need_text("measured_by"),
            scale_up: r.text("scale_up"),
            n_compute_units: r.need_count("n_compute_units", 1),
            memory_bytes_per_s: r.need("memory_bytes_per_s", Unit::BytesPerS, Within(1e6, 1e18)),
            tdp_w: r.number("tdp_w", Unit::W, Within(1.0, 1e5)),
            power_factor: 1.0,
            peak_flop_per_s: by_dtype(r, "peak", "_flop_per_s", |t, key| t.need(key, Unit::FlopPerS, Within(1e6, 1e20))),
            tiles: tiles(r),
            gemm: by_dtype(r, "gemm", "", |t, key| t.table(key).map(|g| gemm(&g)).unwrap_or_else(|| gemm(t))),
            grouped: by_dtype(r, "grouped", "", |t, key| {
                t.table(key).map(|g| grouped(&g)).unwrap_or_else(|| grouped(t))
            }),
            per_expert_factor: r.number("per_expert_factor", Unit::One, Within(1.0, 10.0)),
            attention: by_dtype(r, "attention", "", |t, key| {
                t.table(key).map(|a| attention(&a)).unwrap_or_else(|| attention(t))
            }),
            collectives: collectives(r),
            bus_bytes_per_s: bus(r),
            measured: None,
            relation: Relation::Same,
        };
        let limits = Limits::of(&profile.peak_flop_per_s, profile.scale_up.as_deref(), catalog);
        match points(r, &limits) {
            Some(points) => profile.with_points(points),
            None => profile,
        }
    }
}

fn by_dtype<T>(r: &Reader<'_>, key: &str, suffix: &str, read: impl Fn(&Reader<'_>, &str) -> T) -> BTreeMap<DType, T> {
    let Some(table) = r.table(key) else { return BTreeMap::new() };
    common(&table);
    let mut out = BTreeMap::new();
    for dtype in DType::ALL {
        let name = format!("{}{suffix}", dtype.name());
        if table.keys().any(|k| k == name) {
            out.insert(dtype, read(&table, &name));
        }
    }
    table.finish();
    out
}

fn tiles(r: &Reader<'_>) -> Vec<(u32, u32)> {
    let flat = r.numbers("tiles");
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let tiles: Vec<(u32, u32)> = flat
        .chunks_exact(2)
        .map(|c| (c[0].clamp(1.0, 65536.0) as u32, c[1].clamp(1.0, 65536.0) as u32))
        .collect();
    if flat.len() % 2 == 1 {
        r.problem("tiles", "an odd number of tile sides", "write [m1, n1, m2, n2]");
    }
    tiles
}

fn gemm(r: &Reader<'_>) -> GemmWave {
    common(r);
    let wave = GemmWave {
        efficiency: r.need("efficiency", Unit::Fraction, Within(0.001, 1.5)),
        k0_elements: r.need("k0_elements", Unit::One, NonNegative),
        memory_efficiency: r.need("memory_efficiency", Unit::Fraction, Within(0.001, 1.5)),
        t0_s: r.need("t0_s", Unit::S, Within(0.0, 1.0)),
        tile_c_elements: r.need("tile_c_elements", Unit::One, NonNegative),
        wave_fraction: r.need("wave_fraction", Unit::Fraction, Within(0.0, 1.0)),
        quant_bytes: r.number("quant_bytes", Unit::Bytes, NonNegative).unwrap_or(0.0),
        mape_fraction: r.number("mape_fraction", Unit::Fraction, NonNegative).unwrap_or(0.0),
    };
    r.finish();
    wave
}

fn grouped(r: &Reader<'_>) -> GroupedWave {
    common(r);
    let wave = GroupedWave {
        measured_on: r.text("measured_on"),
        efficiency: r.need("efficiency", Unit::Fraction, Within(0.001, 1.0)),
        k0_elements: r.need("k0_elements", Unit::One, NonNegative),
        memory_efficiency: r.need("memory_efficiency", Unit::Fraction, Within(0.001, 1.0)),
        layer_s: r.number("layer_s", Unit::S, Within(0.0, 1.0)).unwrap_or(0.0),
        stream_factor: r.number("stream_factor", Unit::One, NonNegative).unwrap_or(0.0),
        mape_fraction: r.number("mape_fraction", Unit::Fraction, NonNegative).unwrap_or(0.0),
        held_out_mape_fraction: r.number("held_out_mape_fraction", Unit::Fraction, NonNegative).unwrap_or(0.0),
    };
    r.finish();
    wave
}

fn attention(r: &Reader<'_>) -> AttentionWave {
    common(r);
    let wave = AttentionWave {
        efficiency: r.need("efficiency", Unit::Fraction, Within(0.001, 1.5)),
        memory_efficiency: r.need("memory_efficiency", Unit::Fraction, Within(0.001, 1.5)),
        t0_s: r.need("t0_s", Unit::S, Within(0.0, 1.0)),
        s0_tokens: r.need("s0_tokens", Unit::Tokens, NonNegative),
        d0_elements: r.need("d0_elements", Unit::One, NonNegative),
        wave_fraction: r.need("wave_fraction", Unit::Fraction, Within(0.0, 1.0)),
        tail_blocks: r.number("tail_blocks", Unit::One, NonNegative).unwrap_or(0.0),
        backward_ratio: r.number("backward_ratio", Unit::One, Within(1.0, 20.0)).unwrap_or(3.0),
        mape_fraction: r.number("mape_fraction", Unit::Fraction, NonNegative).unwrap_or(0.0),
    };
    r.finish();
    wave
}

fn collectives(r: &Reader<'_>) -> BTreeMap<(Collective, u32), AffinePieces> {
    let mut out = BTreeMap::new();
    let Some(table) = r.table("collectives") else { return out };
    common(&table);
    for key in table.keys() {
        if COMMON.contains(&key) {
            continue;
        }
        let Some(pieces) = table.table(key) else { continue };
        let name = key
            .split_once('/')
            .and_then(|(op, n)| Some((Collective::from_name(op)?, n.parse::<u32>().ok().filter(|n| *n > 1)?)));
        let Some(name) = name else {
            table.problem(
                key,
                format!("`{key}` is not a collective and rank count"),
                "write for example \"all-reduce/8\"",
            );
            continue;
        };
        common(&pieces);
        let value = AffinePieces {
            alpha_s: pieces.numbers("alpha_s"),
            bytes_per_s: pieces.numbers("bytes_per_s"),
        };
        if value.alpha_s.is_empty() || value.alpha_s.len() != value.bytes_per_s.len() || value.bytes_per_s.contains(&0.0) {
            pieces.problem(
                "alpha_s",
                "needs as many latencies as rates, at least one, rates above 0",
                "write alpha_s = [..] and bytes_per_s = [..]",
            );
        }
        pieces.finish();
        out.insert(name, value);
    }
    out
}

fn bus(r: &Reader<'_>) -> BTreeMap<Collective, f64> {
    let Some(table) = r.table("bus_bytes_per_s") else {
        return BTreeMap::new();
    };
    common(&table);
    let out = Collective::ALL
        .iter()
        .filter_map(|(n, c)| Some((*c, table.number(n, Unit::BytesPerS, Within(1e3, 1e18))?)))
        .collect();
    table.finish();
    out
}

/// Errors of one's own runs; they hold for the stack that they name, not for those that extend it.
fn own(name: &str, r: &Reader<'_>) -> Option<OwnBand> {
    let table = r.table("own")?;
    common(&table);
    let of = table.need_text("of");
    let own = OwnBand {
        low_ratio: table.need("low_ratio", Unit::One, Within(0.01, 1.0)),
        high_ratio: table.need("high_ratio", Unit::One, Within(1.0, 100.0)),
        n_runs: table.need_count("n_runs", 1),
    };
    table.finish();
    (of == name).then_some(own)
}

impl Entity for Stack {
    const KIND: Kind = Kind::Stack;

    fn read(name: &str, r: &Reader<'_>, _: &Catalog) -> Self {
        let title = r.text("title").unwrap_or_else(|| name.to_string());
        common(r);
        // What a stack said of its errors before there were bands of classes.
        r.skip(&["error_low_ratio", "error_high_ratio"]);
        let share = |key: &str| r.need(key, Unit::Fraction, Within(0.0, 1.0));
        let flag = |key: &str| r.flag(key).unwrap_or(true);
        let bounds = Within(0.0, 100.0);
        let unfitted = |key: &str, unit, fitted: f64| r.number(key, unit, bounds).unwrap_or(fitted);
        let mut stack = Stack {
            name: name.to_string(),
            title,
            flash_attention: flag("flash_attention"),
            asynchronous_attention: flag("asynchronous_attention"),
            early_attention: r.flag("early_attention").unwrap_or(false),
            attention_factor: r.number("attention_factor", Unit::One, Within(0.1, 20.0)).unwrap_or(1.0),
            sink_factor: r.number("sink_factor", Unit::One, Within(0.5, 50.0)).unwrap_or(1.0),
            skips_masked: flag("skips_masked"),
            passes: r.need("passes", Unit::One, Within(0.1, 20.0)),
            selective_keeps_alternate: r.flag("selective_keeps_alternate").unwrap_or(false),
            fuses_gradient_sum: flag("fuses_gradient_sum"),
            stream_forward_efficiency: r.need("stream_forward_efficiency", Unit::Fraction, Within(0.01, 1.0)),
            stream_backward_efficiency: r.need("stream_backward_efficiency", Unit::Fraction, Within(0.01, 1.0)),
            launch_s: r.need("launch_s", Unit::S, Within(0.0, 0.01)),
            slot_host_s: r.number("slot_host_s", Unit::S, Within(0.0, 1.0)).unwrap_or(0.0),
            kernel_floor_s: r.need("kernel_floor_s", Unit::S, Within(0.0, 0.01)),
            kernels_per_layer: r.need("kernels_per_layer", Unit::One, Within(0.0, 10_000.0)),
            kernels_per_mixture: r.number("kernels_per_mixture", Unit::One, Within(0.0, 10_000.0)).unwrap_or(0.0),
            hides_tensor_backward: flag("hides_tensor_backward"),
            tensor_overlap_fraction: share("tensor_overlap_fraction"),
            data_overlap_fraction: share("data_overlap_fraction"),
            pipeline_overlap_fraction: share("pipeline_overlap_fraction"),
            expert_overlap_fraction: share("expert_overlap_fraction"),
            dispatches_once_per_domain: r.flag("dispatches_once_per_domain").unwrap_or(false),
            usually_interleaves: r.flag("usually_interleaves").unwrap_or(false),
            usual_recompute: r.choice("usual_recompute", &UsualRecompute::NAMES).unwrap_or(UsualRecompute::Open),
            context_exchange: r
                .choice("context_exchange", &ContextExchange::NAMES)
                .unwrap_or(ContextExchange::Ring),
            context_balanced: flag("context_balanced"),
            context_overlap_fraction: share("context_overlap_fraction"),
            math_slowdown: r.need("math_slowdown", Unit::One, Within(1.0, 10.0)),
            communication_slowdown: r.need("communication_slowdown", Unit::One, Within(1.0, 10.0)),
            sustained_factor: r.need("sustained_factor", Unit::One, Within(0.5, 3.0)),
            expert_imbalance: r.need("expert_imbalance", Unit::One, Within(1.0, 100.0)),
            straggler_sigma: r.need("straggler_sigma", Unit::Fraction, Within(0.0, 1.0)),
            fp32_gradients: flag("fp32_gradients"),
            fused_loss: flag("fused_loss"),
            own: own(name, r),
            unfitted: [0.0; 5],
        };
        stack.unfitted = [
            unfitted("unfitted_sustained_factor", Unit::One, stack.sustained_factor),
            unfitted("unfitted_passes", Unit::One, stack.passes),
            unfitted("unfitted_launch_s", Unit::S, stack.launch_s),
            unfitted("unfitted_sink_factor", Unit::One, stack.sink_factor),
            unfitted("unfitted_attention_factor", Unit::One, stack.attention_factor),
        ];
        stack
    }
}
