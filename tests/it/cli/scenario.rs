//! What a scenario file may name: catalog directories, another network.

use super::{exaplan, scratch};

const HARDWARE: &str = "[accelerator.ours]\nextends = \"h100-sxm-80gb\"\ntdp_w = 650.0\nsource = \"us\"\n";

fn scenario(head: &str, cluster: &str) -> String {
    format!(
        "{head}\n[model]\nuse = \"llama3-8b\"\n[training]\ntokens = \"1T\"\nsequence = 8192\n[cluster]\nnode = \"dgx-h100\"\nnodes = 16\n{cluster}\n"
    )
}

#[test]
fn a_scenario_names_catalogs_beside_it() {
    let dir = scratch("scenario-catalog");
    let path = dir.join("runs/one.toml");
    std::fs::create_dir_all(dir.join("runs")).unwrap();
    std::fs::create_dir_all(dir.join("hw")).unwrap();
    std::fs::write(dir.join("hw/a.toml"), HARDWARE).unwrap();
    std::fs::write(&path, scenario("catalog = [\"../hw\"]", "accelerator = \"ours\"")).unwrap();
    let path = path.to_str().unwrap();
    let plan = exaplan(&["plan", path, "--json"]).json();
    assert_ne!(
        plan["provenance"]["catalog_digest"],
        exaplan(&["plan", "--json"]).json()["provenance"]["catalog_digest"]
    );
    // The command line wins over the scenario.
    let over = scratch("scenario-catalog-over");
    std::fs::write(over.join("b.toml"), HARDWARE.replace("650.0", "100.0")).unwrap();
    let less = exaplan(&["plan", path, "--json", "--catalog", over.to_str().unwrap()]).json();
    assert_ne!(less["provenance"]["catalog_digest"], plan["provenance"]["catalog_digest"]);
    let out = exaplan(&["explain", path, "bill.energy_j.total"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let named = format!("catalog=[\"{}\"]", dir.join("hw").display());
    let set = exaplan(&["plan", "--json", "--set", &named]);
    assert_eq!(set.code, 0, "{}", set.stderr);
}

#[test]
fn a_catalog_that_is_not_there_is_shown_at_its_name() {
    let dir = scratch("scenario-no-catalog");
    let path = dir.join("one.toml");
    for (head, word) in [
        ("catalog = [\"../nowhere\"]", "../nowhere"),
        ("catalog = [3]", "expected strings"),
        ("catalog = true", "expected an array of strings"),
        ("catalog = [\"\"]", "empty path"),
    ] {
        std::fs::write(&path, scenario(head, "")).unwrap();
        let out = exaplan(&["plan", path.to_str().unwrap()]);
        assert_eq!(out.code, 2, "{head}");
        assert!(
            out.stderr.contains("one.toml:1:") && out.stderr.contains(word),
            "{head}: {}",
            out.stderr
        );
    }
}

#[test]
fn another_network_brings_its_own_cards() {
    let dir = scratch("scenario-fabric");
    let path = dir.join("one.toml");
    let assumed = |cluster: &str| {
        std::fs::write(&path, scenario("", cluster)).unwrap();
        let plan = exaplan(&["plan", path.to_str().unwrap(), "--json"]).json();
        let list = plan["assumptions"].as_array().unwrap().clone();
        (
            list.iter().find(|a| a["key"] == "cluster.nic").cloned(),
            plan["step"]["time_s"].as_f64().unwrap(),
        )
    };
    let (none, fast) = assumed("");
    let (slow_nic, slow) = assumed("fabric = \"ib-edr\"");
    assert!(none.is_none());
    let slow_nic = slow_nic.unwrap();
    assert_eq!(slow_nic["value"], "12.5 GB/s", "{slow_nic}");
    assert!(slow > fast);
    assert!(assumed("fabric = \"ib-edr\"\nnic = \"50 GB/s\"").0.is_none());
    assert!(assumed("fabric = \"ib-ndr\"").0.is_none());
}

#[test]
fn the_own_layout_has_a_rank() {
    let json = exaplan(&["search", "--json", "--top", "1"]).json();
    let own = &json["own"];
    assert!(own["rank"].as_u64().unwrap() >= 1);
    assert!(own["step_time_s"].as_f64().unwrap() >= json["best"][0]["step_time_s"].as_f64().unwrap());
    assert_eq!(own["layout"]["pipeline"], 16);
    let text = exaplan(&["search"]).stdout;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("The scenario's own rank"), "{text}");
}

#[test]
fn software_takes_any_key_of_a_stack() {
    let dir = scratch("scenario-software");
    let path = dir.join("one.toml");
    let base = scenario("", "[layout]\ntensor = 8\nsequence_parallel = true\npipeline = 1\nmicro_batch = 1");
    let seconds = |software: &str, sets: &[&str]| {
        std::fs::write(&path, format!("{base}[software]\n{software}\n")).unwrap();
        let mut args = vec!["plan", path.to_str().unwrap(), "--json"];
        args.extend(sets.iter().flat_map(|s| ["--set", s]));
        let out = exaplan(&args);
        assert_eq!(out.code, 0, "{software}: {}", out.stderr);
        out.json()["step"]["time_s"].as_f64().unwrap()
    };
    let plain = seconds("stack = \"megatron-core\"", &[]);
    let tiled = seconds("stack = \"megatron-core\"\ntensor_overlap_fraction = 1.0", &[]);
    assert!(tiled < plain);
    // Without a stack it is the default one, in the file and on the command line.
    assert_eq!(seconds("tensor_overlap_fraction = 1.0", &[]), tiled);
    assert_eq!(seconds("", &["software.tensor_overlap_fraction=1.0"]), tiled);
    // Another stack keeps its own values for the rest.
    let other = seconds("stack = \"pytorch-eager\"", &[]);
    assert!(seconds("stack = \"pytorch-eager\"\nmath_slowdown = 1.0", &[]) < other);
    let ring = ["layout.context=2", "layout.tensor=4", "software.context_exchange=ring"];
    let gather = ["layout.context=2", "layout.tensor=4", "software.context_exchange=all-gather"];
    assert_ne!(seconds("", &ring), seconds("", &gather));
}
