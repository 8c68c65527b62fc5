//! The mistakes, each beside the words that the answer must hold.

mod files;
mod layouts;
mod names;
mod values;

/// What is put on disk.
pub enum Input {
    Missing,
    Directory,
    Bytes(fn() -> Vec<u8>),
    /// Lines of [`GOOD`] replaced by number; a number past the end appends.
    Lines(&'static [(usize, &'static str)]),
}

/// One mistake.
pub struct Case {
    pub name: &'static str,
    pub input: Input,
    pub sets: &'static [&'static str],
    pub code: i32,
    /// The line that a problem must point at.
    pub line: Option<usize>,
    pub words: &'static [&'static str],
}

/// A scenario that works.
const GOOD: [&str; 10] = [
    "format = 1",
    "[model]",
    "use = \"llama3-8b\"",
    "[training]",
    "tokens = \"1T\"",
    "sequence = 4096",
    "global_batch = \"512 sequences\"",
    "[cluster]",
    "node = \"gaudi2-8\"",
    "nodes = 8",
];

/// The good scenario with lines replaced.
pub fn edited(edits: &[(usize, &str)]) -> String {
    let mut lines: Vec<&str> = GOOD.to_vec();
    for &(number, text) in edits {
        match lines.get_mut(number - 1) {
            Some(line) => *line = text,
            None => lines.push(text),
        }
    }
    lines.join("\n") + "\n"
}

const fn bytes(name: &'static str, make: fn() -> Vec<u8>, words: &'static [&'static str]) -> Case {
    Case {
        name,
        input: Input::Bytes(make),
        sets: &[],
        code: 2,
        line: None,
        words,
    }
}

const fn file(name: &'static str, edits: &'static [(usize, &'static str)], line: usize, words: &'static [&'static str]) -> Case {
    Case {
        name,
        input: Input::Lines(edits),
        sets: &[],
        code: 2,
        line: Some(line),
        words,
    }
}

const fn set(name: &'static str, sets: &'static [&'static str], words: &'static [&'static str]) -> Case {
    Case {
        name,
        input: Input::Lines(&[]),
        sets,
        code: 2,
        line: None,
        words,
    }
}

const fn unfit(name: &'static str, edits: &'static [(usize, &'static str)], words: &'static [&'static str]) -> Case {
    Case {
        name,
        input: Input::Lines(edits),
        sets: &[],
        code: 1,
        line: None,
        words,
    }
}

/// Every mistake of the gallery.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [files::CASES, values::CASES, names::CASES, layouts::CASES].into_iter().flatten()
}
