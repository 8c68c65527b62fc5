//! JSON as Python writes it: `Infinity` and `NaN` stand in published files, which JSON does not have.

use crate::error::{At, Diagnostic, Error, Origin, Result};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// Longest configuration that is read. Published ones stay below 200 kB.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The object that a file holds.
///
/// # Errors
/// Too long, not JSON (with line and column), or not an object.
pub fn parse(origin: &Arc<Origin>) -> Result<Map<String, Value>> {
    let fail = |text: String, at: usize, help: &str| {
        let at = At {
            origin: origin.clone(),
            span: at..at,
        };
        Err(Error::invalid(Diagnostic::new(text).at(&at).help(help)))
    };
    let help = "give the config.json of a model as Hugging Face publishes it";
    if origin.text.len() > MAX_BYTES {
        let text = format!(
            "the configuration has {} bytes, more than the {MAX_BYTES} that are read",
            origin.text.len()
        );
        return fail(text, 0, help);
    }
    match serde_json::from_str(&finite(&origin.text)) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => fail("the configuration is not a JSON object `{ … }`".to_string(), 0, help),
        Err(error) => {
            let at = offset(&origin.text, error.line(), error.column());
            fail(format!("not valid JSON: {error}"), at, help)
        }
    }
}

/// Byte of a one-based line and column, at most the end of the text and never within a character.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (before + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `Infinity`, `-Infinity` and `NaN` outside of strings as strings: no size may be one, and whoever
/// reads it as a number says so.
fn finite(text: &str) -> Cow<'_, str> {
    if !text.contains("Infinity") && !text.contains("NaN") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 64);
    let (mut inside, mut escaped, mut rest) = (false, false, text);
    while let Some(c) = rest.chars().next() {
        let word = ["-Infinity", "Infinity", "NaN"].iter().find(|w| !inside && rest.starts_with(**w));
        if let Some(word) = word {
            out.push('"');
            out.push_str(word);
            out.push('"');
            rest = &rest[word.len()..];
            continue;
        }
        inside = if c == '"' && !escaped { !inside } else { inside };
        escaped = inside && c == '\\' && !escaped;
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_python_become_strings() {
        let text = "{\"a\": [0.0, Infinity, -Infinity], \"NaN \\\" Infinity\": NaN}";
        assert_eq!(
            finite(text),
            "{\"a\": [0.0, \"Infinity\", \"-Infinity\"], \"NaN \\\" Infinity\": \"NaN\"}"
        );
    }

    #[test]
    fn offsets_stay_inside() {
        assert_eq!(offset("a\nbc", 2, 2), 3);
        assert_eq!(offset("é", 1, 2), 0);
        assert_eq!(offset("", 9, 9), 0);
    }
}
