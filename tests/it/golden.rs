//! Kernel times against an independent evaluation of the same fitted parameters.

use exaplan::catalog::profile::Collective;
use exaplan::catalog::{Catalog, DType, Profile};
use exaplan::kernel::{AttentionShape, GemmShape, attention::measured_attention_s, gemm::interpolated_gemm_s, gemm::measured_gemm_s};

const GOLDEN: &str = include_str!("../data/kernel_golden.csv");

fn pieces_s(profile: &Profile, kind: &str, ranks: f64, bytes: f64) -> Option<f64> {
    let kind = Collective::from_name(kind)?;
    let pieces = profile.collectives.get(&(kind, ranks as u32))?;
    pieces
        .alpha_s
        .iter()
        .zip(&pieces.bytes_per_s)
        .map(|(a, b)| a + bytes / b)
        .reduce(f64::min)
}

#[test]
fn shipped_profiles_reproduce_the_golden_vectors() {
    let catalog = Catalog::builtin();
    let mut worst: f64 = 0.0;
    let mut n = 0;
    let mut reader = csv::Reader::from_reader(GOLDEN.as_bytes());
    for record in reader.records() {
        let record = record.unwrap();
        let profile: Profile = catalog.get(&record[1]).unwrap();
        let number = |i: usize| record[i].parse::<f64>().unwrap_or(0.0);
        let dtype = DType::from_name(&record[2]);
        let got = match &record[0] {
            "gemm" => measured_gemm_s(&profile, &GemmShape::new(number(3), number(4), number(5), dtype.unwrap())),
            "attention" => measured_attention_s(
                &profile,
                &AttentionShape {
                    batch: number(3),
                    query_tokens: number(4),
                    key_tokens: number(4),
                    heads: number(5),
                    kv_heads: number(6),
                    head_dim_qk: number(7),
                    head_dim_v: number(7),
                    causal: true,
                    window_tokens: None,
                    dtype: dtype.unwrap(),
                },
            ),
            _ => pieces_s(&profile, &record[2], number(3), number(4)),
        };
        let got = got.unwrap_or_else(|| panic!("no time for {record:?}"));
        let want = number(8);
        worst = worst.max((got / want - 1.0).abs());
        assert!((got / want - 1.0).abs() < 0.005, "{record:?}: {got:e} != {want:e}");
        n += 1;
    }
    println!("{n} vectors, worst error {:.4} %", 100.0 * worst);
    assert!(n > 300);
}

/// Products with what the points near them say, by the same evaluation, at measured shapes, between and
/// beyond them.
#[test]
fn points_correct_products_as_the_golden_vectors_do() {
    let catalog = Catalog::builtin();
    let mut reader = csv::Reader::from_reader(include_str!("../data/kernel_golden_near.csv").as_bytes());
    let mut n = 0;
    for record in reader.records() {
        let record = record.unwrap();
        let profile: Profile = catalog.get(&record[0]).unwrap();
        let number = |i: usize| record[i].parse::<f64>().unwrap();
        let dtype = DType::from_name(&record[1]).unwrap();
        let got = interpolated_gemm_s(&profile, &GemmShape::new(number(2), number(3), number(4), dtype)).unwrap();
        let want = number(5);
        assert!((got / want - 1.0).abs() < 0.01, "{record:?}: {got:e} != {want:e}");
        n += 1;
    }
    assert!(n > 80);
}
