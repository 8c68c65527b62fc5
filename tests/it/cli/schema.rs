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
    let cases: [&[&str]; 5] = [
        &[],
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
fn searches_follow_their_schema() {
    let schema = schema(include_str!("../../schema/search.schema.json"));
    check(&schema, &schema, &exaplan(&["search", "--json"]).json(), "search").unwrap();
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
