//! Each concept of scaling is reached by its command and checked by a test that exists.

use crate::cli::exaplan;
use crate::support::{files, plan_text, root};
use exaplan::Catalog;
use exaplan::catalog::Model;
use exaplan::scale::concepts::{CONCEPTS, Extent};
use exaplan::scale::fit::forms::{Form, Request, fit};
use exaplan::scale::points::{Mapping, read};
use exaplan::scale::stock::book;
use exaplan::workload::count;

#[test]
fn every_command_of_a_concept_runs() {
    let points = root().join("tests/data/scaling/gadre_overtraining.csv").display().to_string();
    for concept in CONCEPTS.iter().filter(|c| c.extent != Extent::Outside) {
        let arguments: Vec<&str> = concept
            .command
            .split(' ')
            .skip(1)
            .map(|a| if a == "POINTS.csv" { points.as_str() } else { a })
            .collect();
        let out = exaplan(&arguments);
        assert_eq!(out.code, 0, "{}: {}\n{}", concept.name, concept.command, out.stderr);
        assert!(!out.stdout.is_empty(), "{}", concept.name);
    }
}

#[test]
fn every_check_of_a_concept_is_a_test() {
    let sources: String = files("src")
        .into_iter()
        .chain(files("tests/it"))
        .filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .map(|p| std::fs::read_to_string(p).unwrap())
        .collect();
    for concept in CONCEPTS.iter().filter(|c| c.extent != Extent::Outside) {
        let test = format!("#[test]\n    fn {}()", concept.check);
        let outer = format!("#[test]\nfn {}()", concept.check);
        assert!(
            sources.contains(&test) || sources.contains(&outer),
            "{}: no test `{}`",
            concept.name,
            concept.check
        );
    }
}

#[test]
fn help_and_guide_list_every_concept() {
    let help = exaplan(&["scale", "--help"]).stdout;
    let guide = std::fs::read_to_string(root().join("src/scale/guide.md")).unwrap();
    for concept in CONCEPTS {
        assert!(help.contains(concept.name), "{} is not in the help", concept.name);
        let row = match concept.extent {
            Extent::Outside => format!("| {} | {} | {} | |", concept.name, concept.extent.name(), concept.tells),
            _ => format!(
                "| {} | {} | {} | `{}` |",
                concept.name,
                concept.extent.name(),
                concept.tells,
                concept.command
            ),
        };
        assert!(guide.contains(&row), "the guide lacks\n{row}");
    }
}

#[test]
fn published_sizes_are_counted() {
    let catalog = Catalog::builtin();
    for (name, total, active) in [
        ("gpt3-175b", 175e9, 175e9),
        ("llama3-8b", 8.03e9, 8.03e9),
        ("llama3-70b", 70.6e9, 70.6e9),
        ("llama3-405b", 405e9, 405e9),
        ("deepseek-v3", 671e9, 37e9),
    ] {
        let model: Model = catalog.get(name).unwrap();
        let counts = count(&model, 1.0);
        assert!((counts.params_total / total - 1.0).abs() < 0.01, "{name}: {}", counts.params_total);
        assert!(
            (counts.params_active / active - 1.0).abs() < 0.03,
            "{name}: {}",
            counts.params_active
        );
    }
}

/// Exact counting over 6 N D: 1.03 at 73M, 1.10 at 305M, .99 at 6.8B (Hoffmann et al. 2022, table A4).
#[test]
fn six_nd_is_close_to_exact_counting() {
    let model: Model = Catalog::builtin().get("llama3-8b").unwrap();
    let counts = count(&model, 2048.0);
    let ratio = counts.train_flop_per_token_full / (6.0 * counts.params_total);
    assert!((0.95..1.12).contains(&ratio), "{ratio}");
    assert!(counts.train_flop_per_token < counts.train_flop_per_token_full);
}

#[test]
fn loss_on_one_set_tells_the_loss_on_another() {
    let own = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mapping = Mapping::parse(&own(&["loss=loss_c4_val", "value=loss_paloma_c4_en"]), &own(&["dataset=c4"])).unwrap();
    let form = Form::Transfer;
    let points = read(
        &root().join("tests/data/scaling/gadre_overtraining.csv"),
        &mapping,
        form.needs(),
        form.wants(),
    )
    .unwrap();
    let request = Request {
        form,
        n_bootstrap: 50,
        hold_out_fraction: 0.2,
        ..Request::default()
    };
    let fitted = fit(&points, &request, &|| ()).unwrap();
    // The same corpus read by another: a slope near one, and the largest runs predicted within a percent.
    assert!((fitted.get("slope").unwrap() - 1.0).abs() < 0.1, "{:?}", fitted.parameters);
    let (median, worst) = fitted.misses(true).unwrap();
    assert!(median < 0.01 && worst < 0.03, "{median} {worst}");
}

#[test]
fn reddit_costs_what_its_contracts_say() {
    let price = book().unwrap().prices.iter().find(|p| p.name == "reddit-aggregate").unwrap();
    let stock = book().unwrap().stocks.iter().find(|s| s.name == "reddit").unwrap();
    assert_eq!((price.median_usd, stock.median_tokens), (203e6, 0.6e12));
}

const SMALL: &str = "name = \"x\"\n[model]\nuse = \"llama3-8b\"\n[training]\ntokens = \"1T\"\n[cluster]\nnode = \"dgx-h100\"\nnodes = 8\nregion = \"us-east-1\"\n";

#[test]
fn owning_is_billed_by_parts() {
    let plan = plan_text(SMALL, &["cost.owned=true"]).unwrap();
    let owned = plan.bill.cost.owned.as_ref().unwrap();
    let parts = owned.fixed_usd() + owned.electricity_usd + owned.storage_usd + owned.extra.total_usd();
    assert!((parts / owned.total_usd - 1.0).abs() < 1e-9 && plan.bill.cost.total_usd == Some(owned.total_usd));
}

#[test]
fn slow_devices_cost_a_step() {
    let out = exaplan(&["explain", "--slow", "stage=3,factor=1.1", "--json"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let even = exaplan(&["plan", "--json"]).json()["step"]["time_s"].as_f64().unwrap();
    assert!(out.stdout.contains("time_s") && even > 0.0);
}

#[test]
fn devices_tell_their_measured_kernels() {
    let plan = plan_text(SMALL, &[]).unwrap();
    assert!(plan.scenario.profile.is_some());
    let other = plan_text(SMALL, &["cluster.node=\"dgx1-v100\""]);
    assert!(other.is_err() || other.unwrap().scenario.profile.is_none());
}
