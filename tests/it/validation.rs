//! Predictions against published measurements. The tables are printed (`cargo test validation --
//! --nocapture`), so a change of the model shows row by row.

use exaplan::catalog::{Catalog, source};
use exaplan::study::runs::{Row, read_csv};
use exaplan::study::validate::{By, Prediction, Summary, predict, summary};

fn published(name: &str) -> Vec<Row> {
    let origin = source::published()
        .into_iter()
        .find(|o| o.name.contains(name))
        .expect("published rows are embedded");
    read_csv(&origin).expect("our own CSV is readable")
}

fn table(predictions: &[Prediction]) {
    for p in predictions {
        let percent = |e: Option<f64>| e.map_or("-".to_string(), |e| format!("{:+.1} %", 100.0 * e));
        println!(
            "{:60} tokens/s {:>8}  memory {:>8}  {}",
            p.id,
            percent(p.relative_error()),
            percent(p.memory_error()),
            p.stack
        );
    }
}

/// Korthikanti et al. 2022 (arXiv 2205.05198) table 5: step time of four models with full and with
/// selective recomputation. Nothing in the stack is fitted on these rows.
#[test]
fn korthikanti_table_5_is_within_ten_percent() {
    let predictions = predict(&published("korthikanti"), &Catalog::builtin());
    table(&predictions);
    assert_eq!(predictions.len(), 8);
    let errors: Vec<f64> = predictions.iter().filter_map(Prediction::relative_error).collect();
    assert_eq!(errors.len(), 8, "every row is predicted");
    // The paper gives step times: the error of a time is 1/(1 + error of the rate) − 1.
    let mean = errors.iter().map(|e| (1.0 / (1.0 + e) - 1.0).abs()).sum::<f64>() / 8.0;
    assert!(mean <= 0.10, "mean absolute error of the step time is {mean}");
}

/// Peak allocated memory of 37 Megatron-LM layouts on 8 B200 (SimuMax v1.2 release tables).
#[test]
fn measured_peak_memory_is_met_and_never_understated() {
    let predictions = predict(&published("simumax"), &Catalog::builtin());
    table(&predictions);
    let errors: Vec<f64> = predictions.iter().filter_map(Prediction::memory_error).collect();
    assert_eq!(errors.len(), predictions.len(), "every row is predicted");
    let mean = errors.iter().map(|e| e.abs()).sum::<f64>() / errors.len() as f64;
    let lowest = errors.iter().copied().fold(f64::INFINITY, f64::min);
    println!("mean absolute error {:.2} %, lowest {:+.2} %", 100.0 * mean, 100.0 * lowest);
    assert!(mean <= 0.05, "mean absolute error is {mean}");
    assert!(lowest >= -0.03, "lowest error is {lowest}");
    assert!(predictions.iter().all(|p| p.fits_memory), "a layout that ran must be admitted");
}

/// The outcome columns of a row must not leak into its prediction.
#[test]
fn predictions_do_not_see_the_measurement() {
    let sets = source::published();
    assert!(sets.len() >= 2);
    for origin in &sets {
        does_not_see(origin);
    }
}

fn does_not_see(origin: &std::sync::Arc<exaplan::error::Origin>) {
    let mut reader = csv::Reader::from_reader(origin.text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&headers).unwrap();
    let outcome = [
        "step_time_s",
        "tokens_per_s_per_device",
        "flop_convention",
        "model_tflops_per_device",
        "mfu",
        "hfu",
        "peak_allocated_gib",
        "notes",
    ];
    for record in reader.records() {
        let record = record.unwrap();
        let blanked: Vec<&str> = headers
            .iter()
            .zip(&record)
            .map(|(h, c)| if outcome.contains(&h) { "" } else { c })
            .collect();
        writer.write_record(&blanked).unwrap();
    }
    let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
    let blank = read_csv(&std::sync::Arc::new(exaplan::error::Origin {
        name: "blank.csv".into(),
        text,
    }))
    .unwrap();
    let catalog = Catalog::builtin();
    let rates = |rows: &[Row]| {
        predict(rows, &catalog)
            .iter()
            .map(|p| p.predicted_tokens_per_s_per_device)
            .collect::<Vec<_>>()
    };
    let rows = read_csv(origin).unwrap();
    let told = rates(&rows);
    let n = told.iter().filter(|r| r.is_some()).count();
    assert!(100 * n >= 98 * rows.len(), "{}: {n} of {}", origin.name, rows.len());
    assert_eq!(rates(&blank), told, "{}", origin.name);
}

/// The Llama 3 405B pre-training run (arXiv 2407.21783 §3.3, model card): 400 BF16 TFLOP/s per GPU
/// on 16,384 H100 and 30.84 M GPU-hours.
#[test]
fn llama3_405b_is_within_fifteen_percent() {
    let (scenario, catalog) = exaplan::plan::Scenario::load("llama3-405b", &[], Catalog::builtin()).unwrap();
    let plan = exaplan::plan::plan(&scenario, &catalog).unwrap();
    // The paper does not say which convention; both must hold.
    for flop in [plan.step.model_flop, plan.step.model_flop_full_attention] {
        let rate = flop / plan.step.time_s / plan.step.n_devices;
        println!("{:.1} TFLOP/s per GPU", rate / 1e12);
        assert!((rate / 400e12 - 1.0).abs() <= 0.15, "{rate:e}");
    }
    let published_s = 30.84e6 * 3600.0 / 16_384.0;
    let error = plan.run.wall_s / published_s - 1.0;
    println!("{:.1} days, {:+.1} %", plan.run.wall_s / 86_400.0, 100.0 * error);
    assert!(error.abs() <= 0.15, "{error}");
}

/// What a change of the model does to accuracy: errors of all published rows by stack, in tenths of a percent.
#[test]
fn the_error_table_is_known() {
    let rows: Vec<Row> = source::published().iter().flat_map(|f| read_csv(f).unwrap()).collect();
    let predictions = predict(&rows, &Catalog::builtin());
    let line = |name: &str, s: &Summary| {
        format!(
            "{name:<20} {:>5} rows  median {:>5.1} %  P90 {:>5.1} %  bias {:>+6.1} %\n",
            s.n,
            100.0 * s.median_ape,
            100.0 * s.p90_ape,
            100.0 * s.bias
        )
    };
    let mut table = line("all", &summary(&predictions));
    for (name, s) in By::Stack.summaries(&predictions) {
        table += &line(&name, &s);
    }
    insta::assert_snapshot!("error_table", table);
}
