//! A parsed configuration: every accessor checks type and range and remembers which keys it was
//! asked for; problems carry the line of the key.

use crate::catalog::reader::Problems;
use crate::error::{At, Diagnostic, Origin};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Bounds of dimensions, those of the catalog (`read_model::limits`).
pub const MAX_LAYERS: u32 = 10_000;
/// Residual and other widths.
pub const MAX_WIDTH: u32 = 10_000_000;
/// Heads, width of a head and experts.
pub const MAX_HEADS: u32 = 1_000_000;
/// Intermediate widths.
pub const MAX_FFN: u32 = 100_000_000;
/// Vocabulary.
pub const MAX_VOCAB: u32 = 1_000_000_000;

/// One object of the file.
pub struct Config<'a> {
    object: &'a Map<String, Value>,
    origin: &'a Arc<Origin>,
    /// Where in the text the object begins, for the search of keys.
    from: usize,
    problems: &'a Problems,
    seen: RefCell<BTreeSet<String>>,
    notes: RefCell<Vec<String>>,
}

impl<'a> Config<'a> {
    /// A reader of an object that begins at `from` in the text.
    pub fn new(object: &'a Map<String, Value>, origin: &'a Arc<Origin>, from: usize, problems: &'a Problems) -> Self {
        Config {
            object,
            origin,
            from,
            problems,
            seen: RefCell::default(),
            notes: RefCell::default(),
        }
    }

    /// The place of a key, or the start of the object when it is not found.
    pub fn at(&self, key: &str) -> At {
        let span = find_key(&self.origin.text, key, self.from).unwrap_or(self.from..self.from);
        At {
            origin: self.origin.clone(),
            span,
        }
    }

    /// Record a problem at a key.
    pub fn problem(&self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Diagnostic::new(message).at(&self.at(key)).help(help));
    }

    /// Whether nothing was wrong so far: values that stand in for wrong ones need no further checks.
    pub fn is_fine(&self) -> bool {
        self.problems.is_empty()
    }

    /// Record what the model leaves out.
    pub fn note(&self, text: impl Into<String>) {
        self.notes.borrow_mut().push(text.into());
    }

    /// What was recorded.
    pub fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }

    /// The value of a key, marked as known; JSON's null counts as absent.
    pub fn value(&self, key: &str) -> Option<&'a Value> {
        self.seen.borrow_mut().insert(key.to_string());
        self.object.get(key).filter(|v| !v.is_null())
    }

    /// Whether the key stands there, be it with null.
    pub fn has(&self, key: &str) -> bool {
        self.object.contains_key(key)
    }

    /// Mark keys as known.
    pub fn skip(&self, keys: &[&str]) {
        self.seen.borrow_mut().extend(keys.iter().map(ToString::to_string));
    }

    /// The object under a key.
    pub fn object(&self, key: &str) -> Option<Config<'a>> {
        match self.value(key)? {
            Value::Object(map) => Some(Config::new(map, self.origin, self.at(key).span.end, self.problems)),
            other => {
                self.wrong(key, other, "an object");
                None
            }
        }
    }

    /// `model_type` of a nested text model.
    pub fn inner_type(&self) -> Option<&'a str> {
        self.object.get("text_config")?.get("model_type")?.as_str()
    }

    /// Take over what a nested reader ignored and noted.
    pub fn adopt(&self, inner: &Config<'_>) {
        let mut notes = self.notes.borrow_mut();
        notes.extend(inner.ignored().into_iter().map(|k| format!("`text_config.{k}`")));
        notes.extend(inner.notes());
    }

    fn wrong(&self, key: &str, value: &Value, wanted: &str) {
        self.problem(
            key,
            format!("`{key}` is {}, expected {wanted}", describe(value)),
            format!("write {wanted}"),
        );
    }

    /// An optional whole number in bounds.
    pub fn count(&self, key: &str, low: u32, high: u32) -> Option<u32> {
        let value = self.value(key)?;
        let Value::Number(number) = value else {
            self.wrong(key, value, "a whole number");
            return None;
        };
        let Some(given) = number.as_f64().filter(|f| f.fract() == 0.0) else {
            self.wrong(key, value, "a whole number");
            return None;
        };
        if given < f64::from(low) || given > f64::from(high) {
            self.problem(
                key,
                format!("`{key}` is {number}, out of range"),
                format!("write a number from {low} to {high}"),
            );
            return None;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(given as u32)
    }

    /// A whole number under the first of several keys that is present.
    pub fn count_of(&self, keys: &[&str], low: u32, high: u32) -> Option<u32> {
        self.skip(keys);
        let key = keys.iter().find(|k| self.object.get(**k).is_some_and(|v| !v.is_null()))?;
        self.count(key, low, high)
    }

    /// A required whole number under one of several keys; 1 when missing or wrong.
    pub fn need(&self, keys: &[&str], low: u32, high: u32) -> u32 {
        let given = keys.iter().any(|k| self.object.get(*k).is_some_and(|v| !v.is_null()));
        if let (false, Some(key)) = (given, keys.first()) {
            self.problem(
                key,
                format!("`{key}` is missing"),
                format!("add \"{key}\": its value for this model"),
            );
        }
        self.count_of(keys, low, high).unwrap_or(1)
    }

    /// An optional truth value.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Value::Bool(b) => Some(*b),
            other => {
                self.wrong(key, other, "true or false");
                None
            }
        }
    }

    /// An optional string.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        match self.value(key)? {
            Value::String(s) => Some(s),
            other => {
                self.wrong(key, other, "a string");
                None
            }
        }
    }

    /// An optional list of strings.
    pub fn texts(&self, key: &str) -> Option<Vec<&'a str>> {
        let value = self.value(key)?;
        let texts = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        if texts.is_none() {
            self.wrong(key, value, "a list of strings");
        }
        texts
    }

    /// A list of layer numbers; empty when absent.
    pub fn layer_numbers(&self, key: &str) -> Vec<usize> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let one = |v: &Value| {
            v.as_u64()
                .filter(|n| *n < u64::from(MAX_LAYERS))
                .and_then(|n| usize::try_from(n).ok())
        };
        let numbers = value.as_array().and_then(|list| list.iter().map(one).collect());
        if numbers.is_none() {
            self.wrong(key, value, "a list of layer numbers");
        }
        numbers.unwrap_or_default()
    }

    /// Keys that nobody asked for and that are not known to leave sizes alone.
    pub fn ignored(&self) -> Vec<String> {
        let seen = self.seen.borrow();
        let matters = |key: &str, value: &Value| !seen.contains(key) && !value.is_null() && !is_harmless(key);
        self.object
            .iter()
            .filter(|(k, v)| matters(k, v))
            .map(|(k, _)| k.chars().take(80).collect())
            .collect()
    }
}

/// A value in words, short.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => format!("the text \"{}\"", s.chars().take(40).collect::<String>()),
        Value::Array(_) => "a list".to_string(),
        Value::Object(_) => "an object".to_string(),
    }
}

/// Where `"key":` stands after `from`.
fn find_key(text: &str, key: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let quoted = format!("\"{key}\"");
    let rest = text.get(from..)?;
    let mut hits = rest
        .match_indices(&quoted)
        .filter(|(i, _)| rest[i + quoted.len()..].trim_start().starts_with(':'));
    hits.next().map(|(i, _)| from + i..from + i + quoted.len())
}

/// Keys that change no size and no FLOP: training noise, numerics, tokens, generation and bookkeeping.
const HARMLESS: [&str; 47] = [
    "_name_or_path",
    "activation",
    "activation_function",
    "architectures",
    "attention_multiplier",
    "attn_implementation",
    "auto_map",
    "aux_loss_alpha",
    "chunk_size",
    "clip_qkv",
    "dtype",
    "embedding_multiplier",
    "ep_size",
    "final_logit_softcapping",
    "attn_logit_softcapping",
    "gradient_checkpointing",
    "hidden_act",
    "hidden_activation",
    "init_std",
    "layerdrop",
    "layer_norm_elementwise_affine",
    "logits_scaling",
    "max_position_embeddings",
    "max_window_layers",
    "mlp_hidden_act",
    "mamba_hidden_act",
    "model_type",
    "n_group",
    "norm_topk_prob",
    "num_logits_to_keep",
    "original_max_position_embeddings",
    "pretraining_tp",
    "query_pre_attn_scalar",
    "residual_in_fp32",
    "residual_multiplier",
    "routed_scaling_factor",
    "router_jitter_noise",
    "scoring_func",
    "seq_aux",
    "slow_but_exact",
    "task_specific_params",
    "topk_group",
    "topk_method",
    "torch_dtype",
    "transformers_version",
    "masked_softmax_fusion",
    "swiglu_limit",
];

fn is_harmless(key: &str) -> bool {
    let prefixes = [
        "rope_",
        "rotary_",
        "partial_rotary",
        "output_",
        "summary_",
        "scale_attn",
        "time_step_",
        "use_mamba_kernels",
    ];
    let parts = [
        "dropout",
        "pdrop",
        "token_id",
        "initializer",
        "aux_loss",
        "aux_coef",
        "use_cache",
        "epsilon",
        "rescale_",
    ];
    HARMLESS.contains(&key)
        || prefixes.iter().any(|p| key.starts_with(p))
        || parts.iter().any(|p| key.contains(p))
        || key.ends_with("_eps")
        || key.ends_with("token_index")
}
