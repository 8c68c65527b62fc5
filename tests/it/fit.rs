//! The joint fit of stacks and the errors of what was left out.

use exaplan::Catalog;
use exaplan::catalog::{Class, source};
use exaplan::study::cross::{cross, errors};
use exaplan::study::fit::{Case, PARAMETERS, Shift, Shifts, Start, cases, family, fit, ln_error, total, weigh};
use exaplan::study::runs::{Row, read_csv};

fn published() -> Vec<Case> {
    // The small sets: the fitting set as a whole takes minutes in a debug build.
    let small = source::published().into_iter().filter(|f| !f.name.contains("fitting-set"));
    let rows: Vec<Row> = small.flat_map(|f| read_csv(&f).unwrap()).collect();
    cases(&rows, &Catalog::builtin(), Start::Unfitted)
}

/// A run that was measured to be faster by so much, in ln.
fn moved(case: &Case, by: f64) -> Case {
    let mut out = case.clone();
    out.ln_measured += by;
    out
}

/// Runs as if they had been measured on stacks with other parameters, each by somebody else.
fn made(cases: &[Case], stack: &str, shift: &Shift) -> Vec<Case> {
    let mut out = shifted(cases, stack, shift);
    for (i, case) in out.iter_mut().enumerate() {
        case.family = format!("family {i}");
    }
    weigh(&mut out);
    out
}

fn shifted(cases: &[Case], stack: &str, shift: &Shift) -> Vec<Case> {
    let at = |c: &Case| {
        if c.line.iter().any(|n| n == stack) {
            *shift
        } else {
            Shift::default()
        }
    };
    cases.iter().map(|c| moved(c, ln_error(c, &at(c)))).collect()
}

#[test]
fn versions_of_a_page_are_one_family() {
    assert_eq!(
        family("NVIDIA dgxc-benchmarking v25.02 llama3.1/README.md"),
        family("NVIDIA dgxc-benchmarking v24.11.1 llama3.1/README.md")
    );
    assert_ne!(family("Korthikanti et al. 2022 Table 5"), family("Narayanan et al. 2021 Table 1"));
}

#[test]
fn a_shift_that_made_the_data_is_found() {
    let real = published();
    // Right parameters stay where they are.
    let same = made(&real, "megatron-core", &Shift::default());
    let still = fit(&same.iter().collect::<Vec<_>>(), &Shifts::new());
    assert!(still.values().flatten().all(|d| d.abs() < 1e-6), "{still:?}");
    // Slower kernels are found wherever they were made.
    let slower = made(&real, "megatron-core", &[0.1, 0.0, 0.0, 0.0, 0.0]);
    let found = fit(&slower.iter().collect::<Vec<_>>(), &Shifts::new());
    let left: Vec<f64> = slower.iter().map(|c| ln_error(c, &total(&found, &c.line)).abs()).collect();
    let before: f64 = slower.iter().map(|c| ln_error(c, &Shift::default()).abs()).sum();
    assert!(left.iter().sum::<f64>() < 0.5 * before, "{found:?}");
    assert_eq!(PARAMETERS[0], "sustained_factor");
    assert!(slower.iter().all(|c| total(&found, &c.line)[0] > 0.05), "{found:?}");
}

#[test]
fn few_runs_move_a_stack_less_than_many() {
    let real = published();
    let slower = made(&real, "megatron-core", &[0.2, 0.0, 0.0, 0.0, 0.0]);
    let one = fit(&slower.iter().take(1).collect::<Vec<_>>(), &Shifts::new());
    let all = fit(&slower.iter().collect::<Vec<_>>(), &Shifts::new());
    let at = |shifts: &Shifts| total(shifts, &slower[0].line)[0];
    assert!(at(&one) > 0.0 && at(&one) < at(&all), "{one:?} {all:?}");
}

#[test]
fn what_is_left_out_is_predicted_once_and_by_others() {
    let real: Vec<Case> = published().into_iter().step_by(4).collect();
    let list = cross(&real, &|| ());
    assert_eq!(list.len(), real.len());
    assert!(list.windows(2).all(|p| p[0].row < p[1].row));
    let e = errors(&list);
    assert!(e.n == list.len() && e.median_ape > 0.0 && e.median_ape <= e.p90_ape && (0.0..=1.0).contains(&e.coverage_fraction));
    // The outcome of a family does not reach its own prediction.
    let family = real[0].family.clone();
    let changed: Vec<Case> = real.iter().map(|c| moved(c, if c.family == family { 0.5 } else { 0.0 })).collect();
    for (a, b) in list.iter().zip(cross(&changed, &|| ())).filter(|(a, _)| a.family == family) {
        assert!((a.ln_error - b.ln_error - 0.5).abs() < 1e-12, "{a:?} {b:?}");
    }
}

/// The built-in bands: each class has one, what is less known is wider, and all hold the prediction.
#[test]
fn bands_are_catalog_data_and_wider_where_less_is_known() {
    let catalog = Catalog::builtin();
    let width = |class: Class| {
        let band = catalog.band(class).unwrap();
        assert_eq!(band.name, class.name());
        assert!(band.low_ratio < 1.0 && 1.0 < band.high_ratio, "{band:?}");
        band.high_ratio / band.low_ratio
    };
    for class in Class::all().into_iter().filter(|c| c.known_stack && c.tried_device) {
        let (stack, device) = (
            Class {
                known_stack: false,
                ..class
            },
            Class {
                tried_device: false,
                ..class
            },
        );
        assert!(width(class) <= width(stack) && width(class) < width(device), "{class:?}");
    }
    assert!(catalog.knows_stack("megatron-deepspeed") && !catalog.knows_stack("no-such-stack"));
    assert!(catalog.knows_device("h100-sxm-80gb") && !catalog.knows_device("tpu-v7"));
}
