//! The experts' multiplies of the shipped profiles against measurements held out of their fits.
//!
//! `grouped_held_out.csv`: layers of aiconfigurator's `moe` tables (Apache-2.0), experts and tokens of
//! one device, `n` the width of the model and `k` that of an expert; multiplies of Transformer
//! Engine's grouped linear by `SimuMax`, in the shapes of the three passes.

use exaplan::catalog::{Accelerator, Catalog, DType, Profile};
use exaplan::kernel::{Device, GemmShape, Launch, grouped, grouped::MeasuredLayer};
use std::collections::BTreeMap;

const HELD_OUT: &str = include_str!("../data/grouped_held_out.csv");

/// Rate of `SimuMax`'s dense multiplies on a part over that of the profile's fit: median of its rows.
fn rate_of_source(profile: &str) -> f64 {
    if profile.starts_with("a100") { 0.93 } else { 0.72 }
}

/// The part that `SimuMax` measured, at the rate that it found there.
fn slowed(mut profile: Profile) -> Profile {
    let rate = rate_of_source(&profile.name);
    profile.peak_flop_per_s.values_mut().for_each(|peak| *peak *= rate);
    if profile.name.starts_with("a100") {
        profile.memory_bytes_per_s = 1.935e12; // A100 PCIe
    }
    profile
}

#[test]
fn held_out_experts_are_met() {
    let catalog = Catalog::builtin();
    let sheet: Accelerator = catalog.get("h100-sxm-80gb").unwrap();
    let mut errors: BTreeMap<(String, String, String), Vec<f64>> = BTreeMap::new();
    for record in csv::Reader::from_reader(HELD_OUT.as_bytes()).records() {
        let record = record.unwrap();
        let profile: Profile = catalog.get(&record[1]).unwrap();
        let dtype = DType::from_name(&record[2]).unwrap();
        let number = |i: usize| record[i].parse::<f64>().unwrap();
        let got_s = if &record[0] == "layer" {
            let layer = MeasuredLayer {
                n_experts: number(3),
                expert_tokens: number(4),
                hidden: number(5),
                width_elements: number(6),
                dtype,
            };
            layer.time_s(&profile).unwrap()
        } else {
            let profile = slowed(profile);
            let device = Device {
                accelerator: &sheet,
                profile: Some(&profile),
            };
            let shape = GemmShape {
                batch: number(3),
                // Sums in 16 bits move 4 bytes; there is no shape for them, and 2 are counted.
                accumulate_fp32: number(7) > 4.0,
                ..GemmShape::new(number(4), number(5), number(6), dtype)
            };
            grouped(&device, &shape, Launch::PerExpert { launch_s: 4e-6 }).time_s
        };
        let key = (record[0].to_string(), record[1].to_string(), record[2].to_string());
        errors.entry(key).or_default().push((got_s / number(8) - 1.0).abs());
    }
    let mut all = Vec::new();
    for ((kind, profile, dtype), mut of) in errors {
        of.sort_by(f64::total_cmp);
        let mean = of.iter().sum::<f64>() / of.len() as f64;
        let median = of[of.len() / 2];
        println!(
            "{kind} {profile} {dtype}: {} points, mean {:.1} %, median {:.1} %",
            of.len(),
            100.0 * mean,
            100.0 * median
        );
        // Means hold the rows of a table whose kernel was chosen badly, 2 to 5 times too slow.
        assert!(mean < 0.235 && median < 0.18, "{kind} {profile} {dtype}: {mean} {median}");
        if kind == "layer" {
            let stated = catalog.get::<Profile>(&profile).unwrap().grouped[&DType::from_name(&dtype).unwrap()].held_out_mape_fraction;
            assert!((mean - stated).abs() < 0.003, "{profile} states {stated}, {mean} is held out");
        }
        all.extend(of);
    }
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    println!("{} points, mean {:.1} %", all.len(), 100.0 * mean);
    assert!(all.len() > 1000 && mean < 0.15, "{mean}");
}
