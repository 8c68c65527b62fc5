//! Models from configuration files of Hugging Face (`config.json`): facts of the architecture are
//! taken, by the keys of the configuration class of its `model_type`; the result is a catalog entry
//! as any other, so that overrides and checks of the catalog hold for it too.

mod config;
mod dense;
mod draft;
mod hybrid;
mod json;
mod mixture;
mod parts;

use super::entry::Kind;
use super::raw::Tree;
use super::reader::{Problems, Reader, one_of};
use super::{Catalog, Entity, Model};
use crate::error::{At, Diagnostic, Error, Origin, Result};
use config::Config;
use draft::Draft;
use std::path::Path;
use std::sync::Arc;

/// A model read from a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct HfModel {
    /// The architecture.
    pub model: Model,
    /// Keys that were not used though they might matter, and parts that the model leaves out.
    pub ignored: Vec<String>,
}

/// A configuration as a catalog entry.
#[derive(Debug, Clone)]
pub struct HfEntry {
    /// Name of the model: `_name_or_path`, else the name of the file.
    pub name: String,
    /// The entry.
    pub tree: Tree,
    /// As in [`HfModel`].
    pub ignored: Vec<String>,
    /// Longest sequence that the model was made for, if the file says so.
    pub max_positions: Option<u32>,
}

type Read = fn(&Config<'_>) -> Draft;

/// Every `model_type` that is read.
const FAMILIES: &[(&str, Read)] = &[
    ("bloom", dense::bloom),
    ("deepseek_v2", mixture::deepseek_v2),
    ("deepseek_v3", mixture::deepseek_v3),
    ("falcon", dense::falcon),
    ("gemma", dense::gemma),
    ("gemma2", dense::gemma2),
    ("gemma3", dense::gemma3),
    ("gemma3_text", dense::gemma3_text),
    ("glm4_moe", mixture::glm4_moe),
    ("gpt2", dense::gpt2),
    ("gpt_neox", dense::gpt_neox),
    ("gpt_oss", mixture::gpt_oss),
    ("gptj", dense::gptj),
    ("granite", dense::llama),
    ("granitemoe", mixture::granitemoe),
    ("jamba", hybrid::jamba),
    ("kimi_k2", mixture::deepseek_v3),
    ("llama", dense::llama),
    ("mamba2", hybrid::mamba2),
    ("mistral", dense::mistral),
    ("mixtral", mixture::mixtral),
    ("nemotron", dense::nemotron),
    ("nemotron_h", hybrid::nemotron_h),
    ("olmo", dense::llama),
    ("olmo2", dense::olmo2),
    ("olmo3", dense::olmo3),
    ("olmoe", mixture::olmoe),
    ("opt", dense::opt),
    ("phi", dense::phi),
    ("phi3", dense::phi3),
    ("qwen2", dense::qwen2),
    ("qwen2_moe", mixture::qwen2_moe),
    ("qwen3", dense::qwen3),
    ("qwen3_moe", mixture::qwen3_moe),
    ("qwen3_next", hybrid::qwen3_next),
    ("stablelm", dense::stablelm),
    ("starcoder2", dense::starcoder2),
];

/// Architectures that are known and cannot be planned, and why.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["mamba", "falcon_mamba", "zamba"],
        "its layers are not those of Jamba, the one Mamba-1 model that is read",
    ),
    (
        &[
            "bert",
            "roberta",
            "distilbert",
            "electra",
            "deberta",
            "deberta-v2",
            "modernbert",
            "xlm-roberta",
        ],
        "it is an encoder, not a decoder that predicts the next token",
    ),
    (
        &["t5", "mt5", "umt5", "bart", "mbart", "pegasus", "marian", "whisper"],
        "it has an encoder beside its decoder",
    ),
    (&["rwkv", "recurrent_gemma"], "its mixer is not modelled"),
];

/// Names of every `model_type` that is read.
pub fn families() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().map(|(name, _)| *name)
}

/// Read a configuration as a model called `name`.
///
/// # Errors
/// Every problem of the file with the line of its key and a remedy.
pub fn read(origin: &Arc<Origin>, name: &str) -> Result<HfModel> {
    let entry = entry(origin)?;
    let problems = Problems::default();
    let reader = Reader::new(&entry.tree, Kind::Model.name(), &start(origin), &problems);
    let model = Model::read(name, &reader, &Catalog::builtin());
    reader.finish();
    if problems.is_empty() {
        Ok(HfModel {
            model,
            ignored: entry.ignored,
        })
    } else {
        Err(Error::Invalid(problems.into_list()))
    }
}

/// Read a configuration as a catalog entry.
///
/// # Errors
/// As [`read`].
pub fn entry(origin: &Arc<Origin>) -> Result<HfEntry> {
    let object = json::parse(origin)?;
    let problems = Problems::default();
    let config = Config::new(&object, origin, 0, &problems);
    let family = family(&config)?;
    let name = name(&config, &origin.name);
    let draft = family(&config);
    let max_positions = max_positions(&config);
    let mut ignored: Vec<String> = config.ignored().into_iter().map(|k| format!("`{k}`")).collect();
    ignored.extend(config.notes());
    if !problems.is_empty() {
        return Err(Error::Invalid(problems.into_list()));
    }
    let source = format!("configuration file {}", origin.name);
    Ok(HfEntry {
        tree: draft.entry(&start(origin), &name, &source),
        name,
        ignored,
        max_positions,
    })
}

fn start(origin: &Arc<Origin>) -> At {
    At {
        origin: origin.clone(),
        span: 0..0,
    }
}

/// The reader of this `model_type`, or why there is none.
fn family(c: &Config<'_>) -> Result<Read> {
    let fail = |text: String, help: String| Err(Error::invalid(Diagnostic::new(text).at(&c.at("model_type")).help(help)));
    let names: Vec<&str> = families().collect();
    let Some(value) = c.value("model_type") else {
        let help = format!("add \"model_type\"; this program reads {}", names.join(", "));
        return fail("`model_type` is missing: this is no configuration of a model".to_string(), help);
    };
    let Some(kind) = value.as_str() else {
        return fail(
            "`model_type` is not a string".to_string(),
            "write \"model_type\": \"llama\"".to_string(),
        );
    };
    if let Some((_, read)) = FAMILIES.iter().find(|(name, _)| *name == kind) {
        return Ok(*read);
    }
    if let Some((_, why)) = REFUSED.iter().find(|(list, _)| list.contains(&kind)) {
        return fail(
            format!("`model_type` `{kind}` cannot be planned: {why}"),
            format!("this program reads {}", names.join(", ")),
        );
    }
    let text = format!("`model_type` `{kind}` is not known");
    match c.inner_type() {
        Some(inner) if names.contains(&inner) => {
            let help = format!("its `text_config` is `{inner}`, which is: save that object as a file of its own");
            fail(text, help)
        }
        _ => fail(text, one_of(kind, &names)),
    }
}

/// `_name_or_path` without folders, else the file's name; `config` is called as its folder.
fn name(c: &Config<'_>, file: &str) -> String {
    let last = |path: &str| path.rsplit(['/', '\\']).find(|p| !p.is_empty()).unwrap_or_default().to_string();
    let written = c.value("_name_or_path").and_then(serde_json::Value::as_str).map(last);
    if let Some(name) = written.filter(|n| !n.is_empty() && n != ".") {
        return name.chars().take(80).collect();
    }
    let stem = |p: &Path| p.file_stem().map(|s| s.to_string_lossy().into_owned());
    let path = Path::new(file);
    let folder = path.parent().and_then(stem);
    match stem(path) {
        Some(stem) if stem != "config" => stem,
        Some(stem) => folder.unwrap_or(stem),
        None => "config".to_string(),
    }
}

fn max_positions(c: &Config<'_>) -> Option<u32> {
    let quiet = |key: &str| c.value(key).and_then(serde_json::Value::as_u64).and_then(|n| u32::try_from(n).ok());
    quiet("max_position_embeddings").or_else(|| quiet("n_positions")).filter(|n| *n > 0)
}
