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
    let cases: [&[&str]; 4] = [
        &[],
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
