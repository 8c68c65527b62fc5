//! `model.hf_config`: a configuration file of Hugging Face in place of a catalog entry.

use super::Assumption;
use crate::catalog::hf::{self, HfEntry};
use crate::catalog::raw::{Tree, Value};
use crate::catalog::source;
use crate::error::{At, Diagnostic, Error, Result};
use std::path::{Path, PathBuf};

/// Key of the section.
const KEY: &str = "hf_config";

/// Key of the assumptions that say what a configuration holds and the model does not.
pub const IGNORED: &str = "model.hf_config";

/// As many of them are shown.
const MAX_SHOWN: usize = 8;

/// A configuration that a scenario names.
pub struct Configured {
    entry: HfEntry,
    /// The text of the file, for the digest of the scenario.
    pub text: String,
}

impl Configured {
    /// Name of the model.
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// What the file says that the model does not hold, and sequences longer than it was made for.
    pub fn assumptions(&self, seq_len_tokens: f64) -> Vec<Assumption> {
        let mut out = Vec::new();
        let mut assume = |key: &str, value: String, source: &str| {
            out.push(Assumption {
                key: key.to_string(),
                value,
                source: source.to_string(),
            });
        };
        for what in self.entry.ignored.iter().take(MAX_SHOWN) {
            assume(IGNORED, "not modelled".to_string(), what);
        }
        if let Some(more) = self.entry.ignored.len().checked_sub(MAX_SHOWN + 1) {
            assume(IGNORED, "not modelled".to_string(), &format!("{} more keys", more + 1));
        }
        if let Some(max) = self.entry.max_positions.filter(|max| seq_len_tokens > f64::from(*max)) {
            let text = format!("the file gives max_position_embeddings {max}, training.sequence is longer");
            assume("model.max_positions", max.to_string(), &text);
        }
        out
    }
}

/// Put the architecture of `model.hf_config` under the other keys of `[model]`, so that the section
/// reads as one that gives every value itself.
///
/// # Errors
/// When the file cannot be read, is no configuration that is known, or `use` names a model too.
pub fn expand(tree: &mut Tree) -> Result<Option<Configured>> {
    let Some(Value::Table(section)) = tree.edit().get_mut("model").map(|i| &mut i.value) else {
        return Ok(None);
    };
    let from_flag = |key: &str| section.get(key).is_some_and(|i| i.at.origin.name == "--set");
    let (used, configured) = (from_flag("use"), from_flag(KEY));
    let Some(item) = section.get(KEY).cloned() else { return Ok(None) };
    // What a flag says holds over what the file says.
    match (section.get("use").is_some(), used, configured) {
        (true, true, false) => {
            section.edit().remove(KEY);
            return Ok(None);
        }
        (true, false, true) => {
            section.edit().remove("use");
        }
        (true, ..) => {
            let text = "`model` has both `use` and `hf_config`";
            return Err(Diagnostic::new(text).at(&item.at).help("keep one of them").into());
        }
        (false, ..) => {}
    }
    let Value::Text(name) = &item.value else {
        let text = format!("`model.{KEY}` is {}, expected a path", item.value.type_name());
        return Err(Diagnostic::new(text).at(&item.at).help("write hf_config = \"config.json\"").into());
    };
    let origin = source::read_as(&beside(name, &item.at), "the config.json of a model").map_err(|e| placed(e, &item.at))?;
    let entry = hf::entry(&origin)?;
    section.edit().remove(KEY);
    *section = entry.tree.clone().overlaid(section);
    Ok(Some(Configured {
        entry,
        text: origin.text.clone(),
    }))
}

/// A path in a scenario file is relative to it; one of a flag or of a built-in scenario to the
/// current directory.
fn beside(name: &str, at: &At) -> PathBuf {
    let file = &at.origin.name;
    let folder = if file == "--set" || file.starts_with("builtin:") {
        None
    } else {
        Path::new(file).parent()
    };
    folder.map_or_else(|| PathBuf::from(name), |f| f.join(name))
}

/// Problems of finding the file stand where the scenario names it.
fn placed(error: Error, at: &At) -> Error {
    match error {
        Error::Invalid(list) if at.origin.name != "--set" => {
            Error::Invalid(list.into_iter().map(|d| if d.at.is_none() { d.at(at) } else { d }).collect())
        }
        other => other,
    }
}
