//! Configuration files of Hugging Face: published shapes against the catalog, and files that are wrong.

use crate::support::{self, Folder, root};
use exaplan::catalog::{Catalog, Model, hf, source};
use exaplan::error::{Error, Origin};
use exaplan::workload::count::count;
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

/// Fixtures are called as the catalog's entries. Parameters that the file has more than the entry, and why.
const DIFFERENT: &[(&str, f64, &str)] = &[
    (
        "falcon-7b",
        -65_024.0 * 4544.0,
        "tied by the class; the catalog counts the stored head",
    ),
    (
        "falcon-40b",
        -65_024.0 * 8192.0,
        "tied by the class; the catalog counts the stored head",
    ),
    ("gemma3-4b", 64.0 * 2560.0, "the class pads the vocabulary for images"),
    ("gemma3-27b", 64.0 * 5376.0, "the class pads the vocabulary for images"),
    ("moonlight-16b-a3b", -2.0 * 2.0 * 2048.0, "the catalog's source has two more tokens"),
];

/// Models that the catalog does not have: parameters as published, and where.
const PUBLISHED: &[(&str, f64, &str)] = &[
    ("mamba-codestral-7b", 7_285_403_648.0, "checkpoint of Mamba-Codestral-7B-v0.1"),
    ("nemotron-h-8b", 8.1e9, "arXiv 2504.03624"),
    ("nemotron-3-nano-30b-a3b", 31.6e9, "model card of Nemotron 3 Nano"),
    (
        "qwen3-next-80b-a3b",
        79_674_391_296.0,
        "checkpoint of Qwen3-Coder-Next, of the same shape",
    ),
];

fn folder() -> PathBuf {
    root().join("tests/fixtures/hf")
}

fn fixtures() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|f| f.unwrap().path());
    let mut names: Vec<String> = files
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .map(|p| p.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn read(path: &str) -> Result<hf::HfModel, Error> {
    let origin = source::read_as(&folder().join(format!("{path}.json")), "a config.json")?;
    hf::read(&origin, path)
}

fn params(model: &Model) -> f64 {
    // Learned positions of GPT-2 are 1,024; the same for both sides of a comparison.
    count(model, 1024.0).params_total
}

#[test]
fn published_configurations_count_as_the_catalog_does() {
    let catalog = Catalog::builtin();
    let names = fixtures();
    assert!(names.len() >= 26, "{}", names.len());
    let mut wrong = Vec::new();
    for name in names.iter().filter(|n| !PUBLISHED.iter().any(|(p, ..)| p == n)) {
        let model = read(name).unwrap().model;
        let got = params(&model);
        let entry: Model = catalog.get(name).unwrap();
        let more = DIFFERENT.iter().find(|(n, ..)| n == name).map_or(0.0, |d| d.1);
        let want = params(&entry) + more;
        println!("{name}: {got} catalog {want} stated {:?}", entry.stated_params);
        // At a sequence below the windows of Mistral and Phi-3, which the catalog leaves out on purpose.
        let (flop, like) = (count(&model, 1024.0), count(&entry, 1024.0));
        let same = flop.params_active == like.params_active && flop.train_flop_per_token == like.train_flop_per_token;
        if more == 0.0 && !same {
            wrong.push(format!("{name}: other FLOPs than the catalog's entry"));
        }
        if (got - want).abs() > 0.5 {
            wrong.push(format!("{name}: {got} is not {want}"));
        }
        let near = |stated: f64| ((got - more) / stated - 1.0).abs() < 0.005;
        if entry.stated_params.is_some_and(|s| !near(s)) {
            wrong.push(format!("{name}: {got} is not the stated {:?}", entry.stated_params));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn models_that_the_catalog_lacks_have_their_published_parameters() {
    for (name, published, source) in PUBLISHED {
        let got = params(&read(name).unwrap().model);
        println!("{name}: {got}");
        assert!((got / published - 1.0).abs() < 0.005, "{name}: {got} is not {published} ({source})");
    }
}

#[test]
fn windows_and_experts_come_out_as_the_catalog_has_them() {
    let catalog = Catalog::builtin();
    for name in [
        "gemma2-9b",
        "gemma3-1b",
        "gemma3-27b",
        "gpt-oss-20b",
        "olmo3-7b",
        "starcoder2-3b",
        "deepseek-v3",
        "glm-4-5",
    ] {
        let got = read(name).unwrap().model;
        let entry: Model = catalog.get(name).unwrap();
        assert_eq!(
            (got.sliding, got.moe, got.attention),
            (entry.sliding, entry.moe, entry.attention),
            "{name}"
        );
        assert!(got.pattern.is_none(), "{name}");
    }
}

#[test]
fn irregular_layers_become_a_pattern() {
    let text = std::fs::read_to_string(folder().join("mixtral-8x7b.json")).unwrap();
    let windows = "[\"full_attention\", \"sliding_attention\", \"full_attention\", \"full_attention\"]";
    let text = text
        .replace(
            "\"num_hidden_layers\": 32",
            &format!("\"num_hidden_layers\": 4, \"layer_types\": {windows}"),
        )
        .replace("\"sliding_window\": null", "\"sliding_window\": 512");
    let model = hf::read(&support::origin(&text), "x").unwrap().model;
    let kinds: Vec<Option<char>> = model
        .pattern
        .unwrap()
        .into_iter()
        .map(exaplan::catalog::LayerKind::to_char)
        .collect();
    assert_eq!(kinds, [Some('X'), Some('Y'), Some('X'), Some('X')]);
    assert_eq!(model.sliding.unwrap().window_tokens, 512);
}

#[test]
fn every_family_has_a_fixture() {
    let texts: Vec<String> = fixtures()
        .iter()
        .map(|n| std::fs::read_to_string(folder().join(format!("{n}.json"))).unwrap())
        .collect();
    for family in hf::families() {
        let key = format!("\"model_type\": \"{family}\"");
        assert!(texts.iter().any(|t| t.contains(&key)), "{family}");
    }
}

#[test]
fn what_is_left_out_is_said() {
    assert_eq!(read("llama3-8b").unwrap().ignored, Vec::<String>::new());
    let ignored = read("gemma3-4b").unwrap().ignored.join("\n");
    assert!(ignored.contains("`vision_config`") && ignored.contains("norms"), "{ignored}");
    assert!(read("deepseek-v3").unwrap().ignored.join("\n").contains("multi-token"));
    let odd = r#"{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 128, "vocab_size": 100, "hyper_connections": 4, "attention_dropout": 0.5}"#;
    assert_eq!(hf::read(&support::origin(odd), "x").unwrap().ignored, ["`hyper_connections`"]);
}

/// Files of the folder `bad` and words of what is said of each.
const BAD: &[(&str, &[&str])] = &[
    ("no-model-type", &["`model_type` is missing", "llama, mamba2"]),
    ("unknown-type", &["`lama3` is not known", "did you mean `llama`?"]),
    ("bert", &["encoder"]),
    ("t5", &["encoder beside its decoder"]),
    ("nested-type", &["`llava` is not known", "`text_config` is `llama`"]),
    ("zero-heads", &[":5: ", "`num_attention_heads` is 0, out of range"]),
    ("heads-do-not-divide", &[":5: ", "7, which does not divide the width 1024"]),
    ("kv-heads", &["3 key-value heads do not divide 8"]),
    ("text-size", &[":3: ", "`hidden_size` is the text \"big\"", "whole number"]),
    ("negative-layers", &["`num_hidden_layers` is -4, out of range", "from 1 to 10000"]),
    ("fraction", &["`num_hidden_layers` is 4.5, expected a whole number"]),
    ("no-width", &["`hidden_size` is missing"]),
    ("vast", &["`hidden_size` is 1000000000000, out of range"]),
    ("layer-types", &["`layer_types` has 3 elements for 4 layers"]),
    ("linear", &["`layer_types` holds `linear_attention`"]),
    ("expert-count", &["`num_experts_per_tok` is 5, more than the 2 experts"]),
    ("opt-350m", &["`word_embed_proj_dim` is 512"]),
    ("pattern", &["`hybrid_override_pattern` holds `Q`"]),
    ("flag", &["`tie_word_embeddings` is the text \"yes\", expected true or false"]),
    ("array", &["not a JSON object"]),
    ("truncated", &["not valid JSON", "line 4"]),
    ("trailing-comma", &[":3: ", "not valid JSON", "line 3 column 1"]),
    ("binary", &["not UTF-8"]),
    ("huge-number", &["not valid JSON", "number out of range", "line 3"]),
    ("deep", &["not valid JSON", "recursion limit"]),
    ("empty", &["not valid JSON", "EOF"]),
    (
        "infinite",
        &["`hidden_size` is the text \"Infinity\"", "`num_hidden_layers` is the text \"NaN\""],
    ),
];

#[test]
fn wrong_files_are_refused_with_place_and_remedy() {
    assert_eq!(std::fs::read_dir(folder().join("bad")).unwrap().count(), BAD.len());
    for (name, words) in BAD {
        let Err(Error::Invalid(list)) = read(&format!("bad/{name}")) else {
            panic!("{name} is read");
        };
        assert!(list.iter().all(|d| d.help.is_some()), "{name}: {list:?}");
        let said = Error::Invalid(list).to_string();
        for word in *words {
            assert!(said.contains(word), "{name}: {said}");
        }
    }
}

#[test]
fn a_file_of_twenty_megabytes_is_refused() {
    let dir = Folder::new();
    for (megabytes, words) in [(20, "more than"), (8, "more than the 4194304")] {
        let path = dir.path().join("big.json");
        std::fs::write(&path, format!("{{\"a\": [{}0]}}", "0,".repeat(megabytes << 19))).unwrap();
        let read = source::read_as(&path, "a config.json").and_then(|o| hf::read(&o, "big"));
        let said = read.unwrap_err().to_string();
        assert!(said.contains(words) && said.contains("config.json"), "{said}");
    }
}

const REST: &str = "\n[cluster]\nnode = \"dgx-h100\"\nnodes = 4\n[training]\ntokens = \"1T\"\n";

fn scenario(dir: &Folder, model: &str, overrides: &[&str]) -> Result<exaplan::plan::Scenario, Error> {
    let path = dir.path().join("s.toml");
    std::fs::write(&path, format!("{model}{REST}")).unwrap();
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    exaplan::plan::Scenario::load(&path.display().to_string(), &overrides, Catalog::builtin()).map(|s| s.0)
}

#[test]
fn a_scenario_names_a_configuration_beside_it_and_may_change_it() {
    let dir = Folder::new();
    std::fs::copy(folder().join("tinyllama-1-1b.json"), dir.path().join("tiny.json")).unwrap();
    let model = "[model]\nhf_config = \"tiny.json\"\n";
    let read = scenario(&dir, model, &[]).unwrap();
    assert_eq!((read.workload.model.name.as_str(), read.workload.model.n_layers), ("tiny", 22));
    let longer = read.assumptions.iter().find(|a| a.key == "model.max_positions").unwrap();
    assert!(longer.source.contains("2048"), "{longer:?}");
    let cut = scenario(&dir, model, &["model.layers=4"]).unwrap();
    assert_eq!((cut.workload.model.n_layers, cut.workload.model.hidden), (4, 2048));
    // The digest of a plan tells two files of one name apart.
    std::fs::copy(folder().join("llama3-8b.json"), dir.path().join("tiny.json")).unwrap();
    assert_ne!(scenario(&dir, model, &[]).unwrap().digest, read.digest);
}

#[test]
fn a_scenario_that_names_two_models_or_none_is_told_so() {
    let dir = Folder::new();
    let both = "[model]\nuse = \"llama3-8b\"\nhf_config = \"x.json\"\n";
    let said = scenario(&dir, both, &[]).unwrap_err().to_string();
    assert!(said.contains("both `use` and `hf_config`"), "{said}");
    let said = scenario(&dir, "[model]\nhf_config = \"none.json\"\n", &[]).unwrap_err().to_string();
    assert!(said.contains("s.toml:2: ") && said.contains("no such file"), "{said}");
    let said = scenario(&dir, "[model]\nhf_config = 3\n", &[]).unwrap_err().to_string();
    assert!(said.contains("expected a path"), "{said}");
    let flag = format!("model.hf_config={}", folder().join("qwen3-0-6b.json").display());
    let read = scenario(&dir, "[model]\nuse = \"llama3-8b\"\n", &[&flag]).unwrap();
    assert_eq!(read.workload.model.name, "qwen3-0-6b");
}

/// A value of JSON, numbers of every size among them.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_string()),
        Just("true".to_string()),
        Just("NaN".to_string()),
        any::<i64>().prop_map(|i| i.to_string()),
        (0..200_i64).prop_map(|i| i.to_string()),
        any::<f64>().prop_map(|f| if f.is_finite() { format!("{f:e}") } else { "-Infinity".to_string() }),
        "[a-zM*E-]{0,8}".prop_map(|s| format!("\"{s}\"")),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(|l| format!("[{}]", l.join(","))),
            proptest::collection::vec(("[a-z_]{1,6}", inner), 0..5).prop_map(|l| {
                let pairs: Vec<String> = l.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                format!("{{{}}}", pairs.join(","))
            }),
        ]
    })
}

fn configuration() -> impl Strategy<Value = String> {
    let families: Vec<&str> = hf::families().collect();
    let names = fixtures();
    // Keys that some family reads, from the fixtures themselves.
    let mut keys: Vec<String> = names
        .iter()
        .flat_map(|n| {
            let text = std::fs::read_to_string(folder().join(format!("{n}.json"))).unwrap();
            text.lines()
                .filter_map(|l| Some(l.trim().strip_prefix('"')?.split_once("\":")?.0.to_string()))
                .collect::<Vec<_>>()
        })
        .collect();
    keys.sort();
    keys.dedup();
    let pairs = proptest::collection::vec((proptest::sample::select(keys), value()), 0..24);
    (proptest::sample::select(families), pairs).prop_map(|(family, pairs)| {
        let body: String = pairs.iter().map(|(k, v)| format!(", \"{k}\": {v}")).collect();
        format!("{{\"vocab_size\": 9, \"hidden_size\": 64, \"num_hidden_layers\": 3, \"num_attention_heads\": 4, \"intermediate_size\": 7{body}, \"model_type\": \"{family}\"}}")
    })
}

fn never_panics(text: &str) {
    let origin = Arc::new(Origin {
        name: "any.json".to_string(),
        text: text.to_string(),
    });
    match hf::read(&origin, "any") {
        Ok(read) => assert!(count(&read.model, 4096.0).params_total.is_finite()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_configuration_makes_it_panic(text in configuration()) {
        never_panics(&text);
    }

    #[test]
    fn no_json_makes_it_panic(text in value()) {
        never_panics(&text);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,60}") {
        never_panics(&text);
    }

    #[test]
    fn no_cut_or_changed_fixture_makes_it_panic(cut in 0..900_usize, put in ".{0,3}", which in 0..50_usize) {
        let names = fixtures();
        let mut text = std::fs::read_to_string(folder().join(format!("{}.json", names[which % names.len()]))).unwrap();
        let mut at = cut.min(text.len());
        while !text.is_char_boundary(at) { at -= 1; }
        text.insert_str(at, &put);
        never_panics(&text);
        never_panics(&text[..at]);
    }
}
