//! Inputs that are allowed but large: they must end in reasonable time, with or without a plan.

use crate::support::{origin, plan_text, with_scenario};
use exaplan::catalog::{Catalog, raw};
use exaplan::error::Error;
use exaplan::plan::Scenario;
use exaplan::units;
use std::time::{Duration, Instant};

/// Generous for an unoptimized build on a busy machine; what loops over 10^9 things takes minutes.
const SOON: Duration = Duration::from_secs(30);

fn soon<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let out = run();
    assert!(start.elapsed() < SOON, "{what} took {:?}", start.elapsed());
    out
}

const SMALL: &str = "[model]\nuse = \"llama3-8b\"\n[training]\ntokens = \"1T\"\n[cluster]\nnode = \"gaudi2-8\"\nnodes = 8\n";

#[test]
fn the_largest_cluster_is_planned_or_refused_soon() {
    let sets = [
        "cluster.nodes=10000000",
        "training.global_batch=1e12 tokens",
        "layout.tensor=8",
        "layout.context=1",
        "layout.pipeline=1",
    ];
    let result = soon("80 million devices", || plan_text(SMALL, &sets));
    assert!(matches!(result, Ok(_) | Err(Error::NoFeasibleLayout { .. })), "{:?}", result.err());
}

#[test]
fn the_deepest_model_is_planned_or_refused_soon() {
    let sets = ["model.layers=10000", "layout.tensor=8", "layout.data=1", "training.tokens=1"];
    let result = soon("10,000 layers", || plan_text(SMALL, &sets));
    assert!(matches!(result, Ok(_) | Err(Error::NoFeasibleLayout { .. })), "{:?}", result.err());
}

#[test]
fn a_long_chain_of_extends_is_refused_without_recursion() {
    use std::fmt::Write;
    let mut text = SMALL.to_string();
    for i in 0..2000 {
        writeln!(text, "[accelerator.a{i}]\nextends = \"a{}\"", i + 1).unwrap();
    }
    let result = soon("2,000 links", || {
        Scenario::parse(&origin(&text), &[], Catalog::builtin()).map(|_| ())
    });
    assert!(result.unwrap_err().to_string().contains("extend one another"));
}

#[test]
fn a_deep_override_is_refused_without_recursion() {
    let path = vec!["a"; 100_000].join(".");
    let (mut tree, _) = raw::parse(&origin(SMALL));
    let problem = raw::set(&mut tree, &format!("{path}=1")).unwrap_err();
    assert!(problem.message.contains("100000 parts") && problem.help.is_some());
}

#[test]
fn a_deep_value_of_an_override_is_a_text_or_refused() {
    let value = format!("cluster.nodes={}{}", "[".repeat(50_000), "]".repeat(50_000));
    let result = with_scenario(SMALL, &[&value], |_, _| ());
    assert!(matches!(result, Err(Error::Invalid(list)) if list.iter().all(|d| d.help.is_some())));
}

#[test]
fn a_number_of_a_megabyte_is_read_or_refused_soon() {
    let digits = "9".repeat(1_000_000);
    let why = soon("a million digits", || units::parse(&digits, units::Unit::One)).unwrap_err();
    assert!(why.contains("finite"));
    assert!(
        soon("a million digits of nodes", || plan_text(
            &SMALL.replace("nodes = 8", &format!("nodes = {digits}")),
            &[]
        ))
        .is_err()
    );
}
