//! Real output against the shipped JSON Schemas. The checks are those keywords that the schemas use;
//! an unknown keyword fails, so that none goes unchecked.

use super::exaplan;
use serde_json::Value;

const KNOWN: [&str; 16] = [
    "$schema",
    "$defs",
    "$ref",
    "title",
    "type",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "minItems",
    "enum",
    "const",
    "minimum",
    "maximum",
    "oneOf",
    "propertyNames",
];

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        _ => false,
    }
}

fn check(root: &Value, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let Some(keys) = schema.as_object() else { return Ok(()) };
    let fail = |why: &str| Err(format!("{path}: {why}: {}", value.to_string().chars().take(80).collect::<String>()));
    for (key, rule) in keys {
        let holds = match key.as_str() {
            "$ref" => {
                let target = rule.as_str().unwrap().trim_start_matches('#');
                check(root, root.pointer(target).ok_or(format!("no {target}"))?, value, path)?;
                true
            }
            "type" => match rule {
                Value::Array(list) => list.iter().any(|k| is(k.as_str().unwrap(), value)),
                one => is(one.as_str().unwrap(), value),
            },
            "required" => rule.as_array().unwrap().iter().all(|k| value.get(k.as_str().unwrap()).is_some()),
            "properties" => {
                for (name, inner) in rule.as_object().unwrap() {
                    if let Some(v) = value.get(name) {
                        check(root, inner, v, &format!("{path}.{name}"))?;
                    }
                }
                true
            }
            "additionalProperties" if rule.is_object() => {
                for (name, v) in value.as_object().unwrap() {
                    check(root, rule, v, &format!("{path}.{name}"))?;
                }
                true
            }
            "additionalProperties" if *rule == Value::Bool(false) => {
                let known = keys.get("properties").and_then(Value::as_object).unwrap();
                value.as_object().unwrap().keys().all(|name| known.contains_key(name))
            }
            "items" => {
                for (i, v) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, v, &format!("{path}[{i}]"))?;
                }
                true
            }
            "minItems" => value.as_array().unwrap().len() as u64 >= rule.as_u64().unwrap(),
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minimum" => value.as_f64().unwrap() >= rule.as_f64().unwrap(),
            "maximum" => value.as_f64().unwrap() <= rule.as_f64().unwrap(),
            "oneOf" => {
                rule.as_array()
                    .unwrap()
                    .iter()
                    .filter(|s| check(root, s, value, path).is_ok())
                    .count()
                    == 1
            }
            "propertyNames" => value
                .as_object()
                .unwrap()
                .keys()
                .all(|k| check(root, rule, &Value::from(k.as_str()), path).is_ok()),
            other => KNOWN.contains(&other),
        };
        if !holds {
            return fail(key);
        }
    }
    Ok(())
}

fn schema(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn plans_follow_their_schema() {
    let schema = schema(include_str!("../../schema/plan.schema.json"));
    let zero_bubble = [
        "--set",
        "cluster.nodes=64",
        "--set",
        "layout.data=4",
        "--set",
        "layout.schedule=zb-h1",
        "--set",
        "layout.virtual_stages=1",
    ];
    let course = [
        "--set",
        "reliability.checkpoint=memory",
        "--set",
        "reliability.spares=4",
        "--set",
        "reliability.preemptions_per_day=1",
    ];
    let drawn = [
        "--samples",
        "60",
        "--set",
        "unknowns.cost.usd_per_device_hour={ uniform = [2, 3] }",
        "--set",
        "limits.deadline=90 d",
    ];
    let cases: [&[&str]; 7] = [
        &drawn,
        &[],
        &course,
        &zero_bubble,
        &["--set", "cost.owned=true"],
        &["--set", "cost.usd_per_device_hour=2", "--set", "limits.budget=1 USD"],
        &["--set", "reliability.node_mtbf=1e9 y"],
    ];
    for more in cases {
        let plan = exaplan(&[&["plan", "--json"], more].concat()).json();
        check(&schema, &schema, &plan, "plan").unwrap();
    }
}

#[test]
fn comparisons_follow_their_schema() {
    let schema = schema(include_str!("../../schema/compare.schema.json"));
    let asked = [
        "compare",
        "llama3-405b",
        ":cost.owned=true",
        "--what-if",
        "cluster.nodes=1024,2048",
        "--json",
    ];
    let shown = exaplan(&asked).json();
    check(&schema, &schema, &shown, "compare").unwrap();
    let mut bad = shown.clone();
    bad["differences"][0]["totals"]["wall_s"]["causes"] = Value::from(1);
    assert!(check(&schema, &schema, &bad, "compare").is_err());
}

#[test]
fn searches_follow_their_schema() {
    let schema = schema(include_str!("../../schema/search.schema.json"));
    check(&schema, &schema, &exaplan(&["search", "--json"]).json(), "search").unwrap();
}

#[cfg(feature = "parquet")]
#[test]
fn sweeps_follow_their_schema() {
    let schema = schema(include_str!("../../schema/sweep.schema.json"));
    let dir = super::scratch("sweep-schema");
    let path = dir.join("study.toml");
    let study = "name = \"s\"\nscenario = \"llama3-405b\"\n[[axis]]\npath = \"training.tokens\"\nvalues = [\"1T\", \"2T\"]\n";
    std::fs::write(&path, study).unwrap();
    let path = path.display().to_string();
    for more in [
        &["run", &path, "--shard", "0/2"][..],
        &["status", &path],
        &["run", &path, "--shard", "1/2"],
        &["merge", &path],
        &["submit", &path, "--shards", "2", "--dry-run"],
    ] {
        let out = exaplan(&[&["sweep"], more, &["--json"]].concat()).json();
        check(&schema, &schema, &out, more[0]).unwrap();
    }
}

#[test]
fn bills_and_their_checks_follow_their_schemas() {
    let (manifest, checked) = (
        schema(include_str!("../../schema/focus-manifest.schema.json")),
        schema(include_str!("../../schema/focus-check.schema.json")),
    );
    let dir = super::scratch("focus-schema");
    let cases: [&[&str]; 4] = [
        &[],
        &["--set", "cost.owned=true", "--focus-scope", "life"],
        &["--focus-version", "1.4", "--set", "cost.tax_fraction=0.19"],
        &["--samples", "60", "--set", "unknowns.cost.usd_per_device_hour={ uniform = [2, 3] }"],
    ];
    for (i, more) in cases.iter().enumerate() {
        let file = dir.join(format!("b{i}.focus.csv"));
        let path = file.to_str().unwrap();
        let out = exaplan(&[&["report", "-o", path], *more].concat());
        assert_eq!(out.code, 0, "{}", out.stderr);
        let beside = std::fs::read_to_string(file.with_extension("manifest.json")).unwrap();
        let told: Value = serde_json::from_str(&beside).unwrap();
        check(&manifest, &manifest, &told, "manifest").unwrap();
        let mut bad = told.clone();
        bad["x"]["x_Unknown"] = Value::from("y");
        assert!(check(&manifest, &manifest, &bad, "manifest").is_err());
        let good = exaplan(&["report", "check", path, "--json"]).json();
        check(&checked, &checked, &good, "check").unwrap();
        assert_eq!(good["n_findings"], 0);
        let csv = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, csv.replace(",USD,", ",GOLD,")).unwrap();
        let found: Value = serde_json::from_str(&exaplan(&["report", "check", path, "--json"]).stdout).unwrap();
        check(&checked, &checked, &found, "check").unwrap();
        assert!(found["n_findings"].as_u64().unwrap() > 0);
    }
}

#[cfg(feature = "parquet")]
#[test]
fn documents_and_reports_of_sweeps_follow_their_schema() {
    let schema = schema(include_str!("../../schema/report.schema.json"));
    let dir = super::scratch("report-schema");
    let study = "name = \"s\"\nscenario = \"llama3-405b\"\n[[axis]]\npath = \"layout.micro_batch\"\nvalues = [1, 2, 64]\n\
                 [[axis]]\npath = \"training.tokens\"\nvalues = [\"1T\", \"2T\"]\n";
    std::fs::write(dir.join("study.toml"), study).unwrap();
    let path = |name: &str| dir.join(name).to_str().unwrap().to_string();
    assert_eq!(exaplan(&["sweep", "run", &path("study.toml")]).code, 0);
    let results = path("study.parquet");
    let whole = exaplan(&["report", &results, "--json"]).json();
    check(&schema, &schema, &whole, "report").unwrap();
    check(
        &schema,
        &schema,
        &exaplan(&["sweep", "map", &results, "--metric", "cost_usd", "--json"]).json(),
        "map",
    )
    .unwrap();
    let mut bad = whole;
    bad["document"]["blocks"][0] = serde_json::json!({ "heading": 1 });
    assert!(check(&schema, &schema, &bad, "report").is_err());
}

#[test]
fn whole_runs_and_drawn_failures_follow_their_schemas() {
    let whole = schema(include_str!("../../schema/whole-runs.schema.json"));
    check(
        &whole,
        &whole,
        &exaplan(&["validate", "--whole-runs", "--json"]).json(),
        "whole runs",
    )
    .unwrap();
    let drawn = schema(include_str!("../../schema/failures.schema.json"));
    let out = exaplan(&["explain", "--failures", "20", "--json"]).json();
    check(&drawn, &drawn, &out, "failures").unwrap();
    let mut wrong = out;
    wrong["goodput"]["p50"] = Value::Null;
    assert!(check(&drawn, &drawn, &wrong, "failures").is_err());
}

#[test]
fn sizes_follow_their_schema() {
    let schema = schema(include_str!("../../schema/size.schema.json"));
    let small = super::size::small("size-schema");
    let one = ["size", small.to_str().unwrap(), "--json", "--accelerators", "h100-sxm-80gb,l40s"];
    for (limits, code) in [(["--deadline", "10d"], 0), (["--budget", "90kUSD"], 0), (["--deadline", "1h"], 1)] {
        let out = exaplan(&[&one[..], &limits].concat());
        assert_eq!(out.code, code, "{}", out.stderr);
        let value: Value = serde_json::from_str(&out.stdout).unwrap();
        check(&schema, &schema, &value, "size").unwrap();
        let mut bad = value.clone();
        bad["machines"][0]["counts"][0]["mfu"] = Value::from(1.5);
        assert!(check(&schema, &schema, &bad, "size").is_err());
    }
}

#[test]
fn traces_follow_their_schema_and_add_up_to_the_plan() {
    let schema = schema(include_str!("../../schema/trace.schema.json"));
    let trace = exaplan(&["report", "--format", "trace"]).json();
    check(&schema, &schema, &trace, "trace").unwrap();
    let timeline = exaplan(&["plan", "--json"]).json()["timeline"].clone();
    let spans: Vec<&Value> = trace["traceEvents"].as_array().unwrap().iter().filter(|e| e["ph"] == "X").collect();
    assert_eq!(timeline["n_spans"], spans.len());
    assert_eq!(trace["otherData"]["step_time_s"], timeline["time_s"]);
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
    for lane in timeline["lanes"].as_array().unwrap() {
        let own = || spans.iter().filter(|e| e["cat"] == lane["lane"]);
        let busy_s: f64 = own().map(|e| e["args"]["busy_s"].as_f64().unwrap()).sum();
        assert_eq!(lane["n_spans"], own().count());
        assert!(near(busy_s, lane["busy_s"].as_f64().unwrap()), "{lane}: {busy_s}");
    }
    let end_us = spans.iter().map(|e| e["ts"].as_f64().unwrap() + e["dur"].as_f64().unwrap());
    assert!(near(end_us.fold(0.0, f64::max), 1e6 * timeline["time_s"].as_f64().unwrap()));
    let critical = spans.iter().filter(|e| e["args"]["critical"] == true).count();
    assert_eq!(timeline["critical"]["n_spans"], critical);
    assert!(critical > 0);
}

#[test]
fn the_schemas_refuse_what_is_wrong() {
    let schema = schema(include_str!("../../schema/plan.schema.json"));
    let good = exaplan(&["plan", "--json"]).json();
    for (pointer, wrong) in [
        ("/layout/tensor", Value::Null),
        ("/step/mfu", Value::from(1.5)),
        ("/schema", Value::from("x")),
        ("/bill/cost_usd/cloud", Value::from(3)),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = wrong;
        assert!(check(&schema, &schema, &bad, "plan").is_err(), "{pointer}");
    }
}

#[test]
fn a_trace_with_a_field_too_many_is_refused() {
    let schema = schema(include_str!("../../schema/trace.schema.json"));
    let mut trace = exaplan(&["report", "--format", "trace"]).json();
    trace["traceEvents"][0]["extra"] = Value::from(1);
    assert!(check(&schema, &schema, &trace, "trace").is_err());
}
