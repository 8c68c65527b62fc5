//! Architectures in the schema of run rows (`layers`, `hidden`, `heads`, … one table per model),
//! turned into catalog entries. What they mean is checked where every model is: in the catalog.

use crate::catalog::raw::{self, Item, Tree, Value};
use crate::catalog::{Catalog, Kind};
use crate::error::{Diagnostic, Error, Origin, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A catalog with the models of a file, and what was left aside.
pub struct Models {
    /// The models laid over the catalog's: theirs win by name.
    pub catalog: Catalog,
    /// How many were read.
    pub n_models: usize,
    /// Models without the dimensions that a prediction needs; the catalog's of that name stays.
    pub incomplete: Vec<String>,
    /// Keys that mean nothing here.
    pub ignored_keys: BTreeSet<String>,
}

/// Keys that mean the same in a catalog entry.
const SAME: [&str; 15] = [
    "layers",
    "hidden",
    "heads",
    "kv_heads",
    "head_dim",
    "ffn_hidden",
    "gated_ffn",
    "vocab",
    "tied_embeddings",
    "learned_positions",
    "biases",
    "params_total",
    "params_active",
    "source",
    "title",
];

/// Tables of a catalog entry and their keys, by the key of the schema.
const MIXTURE: [(&str, &str); 5] = [
    ("experts", "experts"),
    ("experts_per_token", "experts_per_token"),
    ("expert_ffn_hidden", "expert_ffn_hidden"),
    ("moe_first_dense_layers", "first_dense_layers"),
    ("moe_every", "every"),
];
const LATENT: [(&str, &str); 5] = [
    ("q_lora_rank", "q_lora_rank"),
    ("kv_lora_rank", "kv_lora_rank"),
    ("qk_nope_head_dim", "qk_nope_head_dim"),
    ("qk_rope_head_dim", "qk_rope_head_dim"),
    ("v_head_dim", "v_head_dim"),
];
const STATE_SPACE: [(&str, &str); 5] = [
    ("mamba_heads", "n_heads"),
    ("mamba_head_dim", "head_dim"),
    ("mamba_state", "state_dim"),
    ("mamba_groups", "n_groups"),
    ("mamba_conv_kernel", "conv_kernel"),
];
const WINDOW: [(&str, &str); 2] = [("sliding_window", "window_tokens"), ("sliding_window_every", "full_every")];
/// Keys that say something about a model and change no number.
const TOLD: [&str; 11] = [
    "note",
    "seq_len_native",
    "attention",
    "shared_experts",
    "shared_expert_ffn_hidden",
    "shared_expert_ffn_hidden_size",
    "hybrid_pattern",
    "mamba_layers",
    "attention_layers",
    "moe_layers",
    "mlp_layers",
];

/// Lay the models of a file over a catalog.
///
/// # Errors
/// Every problem of the file, with its place.
pub fn overlay(origin: &Arc<Origin>, catalog: Catalog) -> Result<Models> {
    let (tree, mut problems) = raw::parse(origin);
    let mut models = Tree::default();
    let mut incomplete = Vec::new();
    let mut ignored_keys = BTreeSet::new();
    let mut first = None;
    for (name, item) in tree.entries.iter() {
        let Value::Table(table) = &item.value else {
            if name != "format" {
                let text = format!("`{name}` is {}, expected a table of a model", item.value.type_name());
                let help = format!("write [{name}] and below it layers = 80, hidden = 8192, heads = 64, …");
                problems.push(Diagnostic::new(text).at(&item.key_at).help(help));
            }
            continue;
        };
        ignored_keys.extend(table.entries.keys().filter(|k| !is_known(k)).cloned());
        first = first.or(Some(item));
        match entry(table, item) {
            Some(mut entry) => {
                inherit(&mut entry, name, &catalog);
                models.edit().insert(name.clone(), at(item, Value::Table(entry)));
            }
            None => incomplete.push(name.clone()),
        }
    }
    if !problems.is_empty() {
        return Err(Error::Invalid(problems));
    }
    let n_models = models.entries.len();
    let mut whole = Tree::default();
    if let Some(item) = first.filter(|_| n_models > 0) {
        let group = at(item, Value::Table(models));
        whole.edit().insert(Kind::Model.name().to_string(), group);
    }
    Ok(Models {
        catalog: catalog.overlay_tree(origin, whole)?,
        n_models,
        incomplete,
        ignored_keys,
    })
}

/// What the schema has no key for and a run's time depends on, from the catalog's model of the name.
const SILENT: [&str; 3] = ["learned_positions", "biases", "attention_sinks"];

fn inherit(entry: &mut Tree, name: &str, catalog: &Catalog) {
    let Ok(known) = catalog.entry(Kind::Model, name) else { return };
    for key in SILENT {
        if let Some(item) = known.tree.get(key).filter(|_| entry.get(key).is_none()) {
            entry.edit().insert(key.to_string(), item.clone());
        }
    }
}

fn is_known(key: &str) -> bool {
    let tables = [&MIXTURE[..], &LATENT, &STATE_SPACE, &WINDOW];
    SAME.contains(&key) || TOLD.contains(&key) || tables.iter().any(|t| t.iter().any(|(k, _)| *k == key))
}

/// A value at the place of another.
fn at(place: &Item, value: Value) -> Item {
    Item {
        value,
        at: place.at.clone(),
        key_at: place.key_at.clone(),
    }
}

fn number(table: &Tree, key: &str) -> Option<i64> {
    match table.get(key)?.value {
        Value::Integer(i) => Some(i),
        _ => None,
    }
}

fn positive(table: &Tree, key: &str) -> bool {
    // What is no integer is passed on, so that the reader of the catalog complains about it.
    table.get(key).is_some_and(|i| !matches!(i.value, Value::Integer(..=0)))
}

/// The catalog entry of a model; `None` when the file does not have its dimensions.
fn entry(table: &Tree, place: &Item) -> Option<Tree> {
    let attention = table.text("attention").unwrap_or("mha");
    let mixture = positive(table, "experts");
    let pattern = table.get("hybrid_pattern");
    let has = |keys: &[&str]| keys.iter().all(|k| table.get(k).is_some());
    // A model of mixture layers only has no dense feed-forward, nor need a pattern have one.
    let dense = mixture || pattern.is_some() || has(&["ffn_hidden"]);
    let mixes = match attention {
        "mla" => has(&["kv_lora_rank", "qk_nope_head_dim", "v_head_dim"]),
        "mha" => !has(&["full_attention_every"]),
        _ => pattern.is_some() && has(&["mamba_heads", "mamba_head_dim", "mamba_state"]),
    };
    if !has(&["layers", "hidden", "heads", "vocab"]) || !dense || !mixes {
        return None;
    }
    let mut out = Tree::default();
    for key in SAME {
        if let Some(item) = table.get(key) {
            out.edit().insert(key.to_string(), item.clone());
        }
    }
    out.edit()
        .entry("ffn_hidden".to_string())
        .or_insert_with(|| at(place, Value::Integer(0)));
    let mut add = |key: &str, inner: Tree| {
        out.edit().insert(key.to_string(), at(place, Value::Table(inner)));
    };
    if mixture {
        let mut moe = renamed(table, &MIXTURE);
        moe.edit().extend(shared(table).map(|i| ("shared_ffn_hidden".to_string(), i)));
        add("moe", moe);
    }
    if attention == "mla" {
        add("mla", renamed(table, &LATENT));
    }
    if pattern.is_some() && positive(table, "mamba_heads") {
        add("mamba", renamed(table, &STATE_SPACE));
    }
    if positive(table, "sliding_window") {
        add("sliding", renamed(table, &WINDOW));
    }
    out.edit().extend(pattern.map(|p| ("layer_pattern".to_string(), p.clone())));
    Some(out)
}

fn renamed(table: &Tree, keys: &[(&str, &str)]) -> Tree {
    let entries: BTreeMap<String, Item> = keys
        .iter()
        .filter_map(|(from, to)| Some(((*to).to_string(), table.get(from)?.clone())))
        .collect();
    entries.into()
}

/// Width of all shared experts together: as stated for all, else their number times the width of one.
fn shared(table: &Tree) -> Option<Item> {
    let item = table.get("shared_experts").filter(|_| positive(table, "shared_experts"))?;
    if let Some(all) = table.get("shared_expert_ffn_hidden_size") {
        return Some(all.clone());
    }
    let one = number(table, "shared_expert_ffn_hidden").or_else(|| number(table, "expert_ffn_hidden"))?;
    let all = number(table, "shared_experts")?.checked_mul(one)?;
    Some(at(item, Value::Integer(all)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Attention, Model};

    const TEXT: &str = r#"
[llama3-70b]
layers = 12
hidden = 8192
heads = 64
kv_heads = 8
ffn_hidden = 28672
vocab = 128256
experts = 0
sliding_window = 0
attention = "mha"
note = "cut"
mtp_layers = 1

[own-moe]
layers = 4
hidden = 2048
heads = 16
vocab = 1000
experts = 64
experts_per_token = 6
expert_ffn_hidden = 1408
shared_experts = 2
moe_first_dense_layers = 1
attention = "mla"
q_lora_rank = 0
kv_lora_rank = 512
qk_nope_head_dim = 128
qk_rope_head_dim = 64
v_head_dim = 128

[unknown-7b]
attention = "mha"
note = "dims not found"
"#;

    fn read(text: &str) -> Result<Models> {
        let origin = Arc::new(Origin {
            name: "models.toml".into(),
            text: text.into(),
        });
        overlay(&origin, Catalog::builtin())
    }

    #[test]
    fn tables_become_models_and_shadow_the_catalog() {
        let models = read(TEXT).unwrap();
        assert_eq!(
            (models.n_models, models.incomplete.as_slice()),
            (2, &["unknown-7b".to_string()][..])
        );
        assert_eq!(models.ignored_keys.into_iter().collect::<Vec<_>>(), ["mtp_layers"]);
        let cut: Model = models.catalog.get("llama3-70b").unwrap();
        assert_eq!((cut.n_layers, cut.moe, cut.sliding), (12, None, None));
        let own: Model = models.catalog.get("own-moe").unwrap();
        let moe = own.moe.unwrap();
        assert_eq!((moe.shared_ffn_hidden, moe.first_dense_layers, moe.every), (2816, 1, 1));
        assert!(matches!(own.attention, Attention::Latent(l) if l.kv_lora_rank == 512));
    }

    #[test]
    fn a_name_may_be_an_alias_of_the_catalog() {
        let text = TEXT.replace("[llama3-70b]", "[gpt3]\nbiases = true");
        let alias = Catalog::builtin().entries(Kind::Model).aliases.keys().next().cloned().unwrap();
        let models = read(&text.replace("[gpt3]", &format!("[\"{alias}\"]"))).unwrap();
        let cut: Model = models.catalog.get(&alias).unwrap();
        assert_eq!(cut.n_layers, 12);
    }

    #[test]
    fn wrong_values_are_shown_at_their_place() {
        let error = read(&TEXT.replace("layers = 12", "layers = \"many\"")).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("models.toml:3"), "{error}");
        let error = read("x = 1\n").map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("expected a table of a model"), "{error}");
    }
}
