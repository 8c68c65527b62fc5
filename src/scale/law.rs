//! Scaling laws as data: constants, their intervals, the range they were fitted in, what they count.

mod read;
pub mod write;

pub use read::{builtin, find, names, read_file};

use super::formula::{Allocation, Chinchilla, Granular, Kaplan, Power, Precise, Repeated, Routed, Sparse, Task};

/// The form of a law with its constants.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    /// Loss from size and data.
    Chinchilla(Chinchilla),
    /// The same in the form of 2020.
    Kaplan(Kaplan),
    /// Loss with repeated data.
    Repeated(Repeated),
    /// A power of compute, size, data or loss.
    Power(Power),
    /// Loss of routed models.
    Routed(Routed),
    /// Loss of fine-grained mixtures.
    Granular(Granular),
    /// Loss of sparse models.
    Sparse(Sparse),
    /// Loss in few bits.
    Precise(Precise),
    /// Error or accuracy from loss.
    Task(Task),
    /// Effective compute doubles every so many months.
    Doubling {
        /// Months.
        months: f64,
    },
}

/// Whether parameters count embeddings. Laws that count differently are not to be mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embeddings {
    /// Counted.
    Included,
    /// Not counted.
    Excluded,
    /// The source does not say, or the law has no parameters.
    Unstated,
}

impl Embeddings {
    /// Every way with its name in files.
    pub const ALL: [(&'static str, Embeddings); 3] = [
        ("included", Embeddings::Included),
        ("excluded", Embeddings::Excluded),
        ("unstated", Embeddings::Unstated),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Embeddings::ALL.iter().find(|(_, e)| *e == self).map_or("", |(n, _)| n)
    }
}

/// How sure the constants are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Refitted from the authors' points, or recomputed.
    Refitted,
    /// Read in the paper, the authors' code or data.
    FullText,
    /// A third party's account.
    Secondary,
    /// Fitted by the user.
    Own,
}

impl Evidence {
    /// Every kind with its name in files.
    pub const ALL: [(&'static str, Evidence); 4] = [
        ("refitted", Evidence::Refitted),
        ("full-text", Evidence::FullText),
        ("secondary", Evidence::Secondary),
        ("own", Evidence::Own),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Evidence::ALL.iter().find(|(_, e)| *e == self).map_or("", |(n, _)| n)
    }
}

/// A range of a quantity, ends included.
pub type Range = (f64, f64);

/// The points that a law was fitted to lie inside.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bounds {
    /// Parameters.
    pub params: Option<Range>,
    /// Tokens.
    pub tokens: Option<Range>,
    /// Training FLOP.
    pub flop: Option<Range>,
    /// Tokens per parameter.
    pub tokens_per_param: Option<Range>,
}

/// How far a question lies outside what a law was fitted to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beyond {
    /// `parameters`, `tokens`, `training FLOP` or `tokens per parameter`.
    pub what: &'static str,
    /// The question's value over the nearest end of the range; below 1 under its lower end.
    pub times: f64,
}

impl std::fmt::Display for Beyond {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (times, side) = if self.times >= 1.0 {
            (self.times, "above the largest")
        } else {
            (1.0 / self.times, "below the smallest")
        };
        let times = crate::units::significant(times);
        write!(f, "{} {times} times {side} that the law was fitted to", self.what)
    }
}

impl Bounds {
    /// What of a question lies outside; within 5 % of an end counts as inside.
    #[must_use]
    pub fn beyond(&self, at: Allocation) -> Vec<Beyond> {
        let cases = [
            ("parameters", self.params, at.n_params),
            ("tokens", self.tokens, at.n_tokens),
            ("training FLOP", self.flop, at.flop()),
            ("tokens per parameter", self.tokens_per_param, at.n_tokens / at.n_params),
        ];
        let over = |(what, range, value): (&'static str, Option<Range>, f64)| {
            let (low, high) = range?;
            let times = if value > high { value / high } else { (value / low).min(1.0) };
            (!(0.95..=1.05).contains(&times)).then_some(Beyond { what, times })
        };
        cases.into_iter().filter_map(over).collect()
    }
}

/// A law with all that is needed to use it rightly.
#[derive(Debug, Clone, PartialEq)]
pub struct Law {
    /// Id.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Form and constants.
    pub formula: Formula,
    /// Constants in the order of the file, for display.
    pub constants: Vec<(String, f64)>,
    /// Published or bootstrapped intervals of constants.
    pub intervals: Vec<(String, Range)>,
    /// Fits to resampled points: what intervals of answers come from, as constants move together.
    pub draws: Vec<Chinchilla>,
    /// Where it was fitted.
    pub bounds: Bounds,
    /// How it counts parameters.
    pub embeddings: Embeddings,
    /// How it counts FLOP.
    pub flop_rule: String,
    /// Unit of its loss.
    pub loss_unit: String,
    /// What a power law tells: tokens, batch tokens and so on.
    pub quantity: String,
    /// Data.
    pub corpus: String,
    /// Tokenizer.
    pub tokenizer: String,
    /// The law whose loss it starts from.
    pub over: Option<String>,
    /// Publication.
    pub source: String,
    /// Its address.
    pub url: String,
    /// How sure it is.
    pub evidence: Evidence,
    /// A remark.
    pub note: String,
}

impl Law {
    /// Expected loss of dense training on fresh data, if the law tells one.
    #[must_use]
    pub fn loss(&self, at: Allocation) -> Option<f64> {
        match &self.formula {
            Formula::Kaplan(k) => Some(k.loss(at)),
            _ => self.dense().map(|c| c.loss(at)),
        }
    }

    /// Its dense part in the form of Chinchilla, if it has one.
    #[must_use]
    pub fn dense(&self) -> Option<Chinchilla> {
        match &self.formula {
            Formula::Chinchilla(c) => Some(*c),
            Formula::Repeated(r) => Some(r.base),
            Formula::Precise(p) => Some(p.base),
            _ => None,
        }
    }

    /// The size and data of least loss for training FLOP, if the law tells a loss.
    #[must_use]
    pub fn optimum(&self, train_flop: f64) -> Option<Allocation> {
        match &self.formula {
            Formula::Kaplan(k) => Some(k.optimum(train_flop)),
            _ => self.dense().map(|c| c.optimum(train_flop)),
        }
    }

    /// 10th and 90th percentile of an answer over the law's draws; nothing when it has none.
    #[must_use]
    pub fn interval(&self, answer: impl Fn(&Chinchilla) -> f64) -> Option<Range> {
        if self.draws.len() < 20 {
            return None;
        }
        let mut list: Vec<f64> = self.draws.iter().map(answer).filter(|v| v.is_finite()).collect();
        list.sort_by(f64::total_cmp);
        Some((quantile(&list, 0.1)?, quantile(&list, 0.9)?))
    }
}

/// The `p` quantile of a sorted list, interpolated between its neighbours.
#[must_use]
pub fn quantile(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let (at, below) = (p * last as f64, (p * last as f64).floor() as usize);
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    #[allow(clippy::cast_precision_loss)]
    Some(low + (at - below as f64) * (high - low))
}
