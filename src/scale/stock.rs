//! Training data: how much there is, what cleaning leaves, what licences cost, what poisoning takes,
//! when it is used up.

mod read;

pub use read::{Book, Demand, Draws, Limit, Mix, Poison, Price, Stage, Stock, Yield, book};

use super::draws::normals;
use super::law::quantile;
use crate::error::{Diagnostic, Result};

/// Tokens after a stage of cleaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Left {
    /// The stage.
    pub stage: String,
    /// Share that it keeps; nothing for the first, which is where the count starts.
    pub keep_fraction: Option<f64>,
    /// What is left.
    pub tokens: f64,
}

/// What the stages of a published recipe leave of `raw` tokens; without them, of as many as the recipe had.
#[must_use]
pub fn funnel(recipe: &Yield, raw_tokens: Option<f64>) -> Vec<Left> {
    let mut out: Vec<Left> = Vec::new();
    let mut tokens = raw_tokens.or_else(|| recipe.stages.iter().find_map(|s| s.tokens_in.or(s.tokens_out)));
    for stage in &recipe.stages {
        if let (Some(left), Some(keep)) = (tokens, stage.keep_fraction) {
            tokens = Some(left * keep);
        }
        out.push(Left {
            stage: stage.name.clone(),
            keep_fraction: stage.keep_fraction,
            tokens: tokens.unwrap_or(f64::NAN),
        });
    }
    out
}

/// One source of a mix.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its share of the training tokens.
    pub share_fraction: f64,
    /// Tokens that are trained on.
    pub tokens: f64,
    /// Unique tokens there are: the stock's median times its usable share.
    pub unique_tokens: Option<f64>,
}

impl Part {
    /// Passes over what there is.
    #[must_use]
    pub fn epochs(&self) -> Option<f64> {
        self.unique_tokens.map(|u| self.tokens / u)
    }
}

/// Shares, tokens and repeats by source. `shares` are `NAME=SHARE`, where a name of a stock tells how
/// much there is.
///
/// # Errors
/// When the shares do not sum to one.
pub fn audit(book: &Book, shares: &[(String, f64)], tokens: f64, usable_fraction: f64) -> Result<Vec<Part>> {
    let sum: f64 = shares.iter().map(|(_, s)| s).sum();
    if (sum - 1.0).abs() > 0.005 {
        let text = format!("the shares of --mix sum to {sum:.4}, not to 1");
        return Err(Diagnostic::new(text)
            .help("write for example --mix web=0.5 --mix code=0.17 --mix books=0.33")
            .into());
    }
    let part = |(name, share): &(String, f64)| Part {
        name: name.clone(),
        share_fraction: *share,
        tokens: share * tokens,
        unique_tokens: unique_of(book, name).map(|u| u * usable_fraction),
    };
    Ok(shares.iter().map(part).collect())
}

/// Median of the stock with this name, else of the first of this kind.
fn unique_of(book: &Book, name: &str) -> Option<f64> {
    let named = book.stocks.iter().find(|s| s.name == name);
    named
        .or_else(|| book.stocks.iter().find(|s| s.kind == name))
        .map(|s| s.median_tokens)
}

/// What a bundle of licences costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Licences {
    /// At the low, middle and high price.
    pub usd: [f64; 3],
    /// The same by year of the term.
    pub usd_per_year: [f64; 3],
}

/// Licences of so many units of each price, over a term.
#[must_use]
pub fn licences(chosen: &[(&Price, f64)], years: f64) -> Licences {
    let sum = |pick: fn(&Price) -> f64| chosen.iter().map(|(p, n)| pick(p) * n).sum::<f64>();
    let usd = [sum(|p| p.low_usd), sum(|p| p.median_usd), sum(|p| p.high_usd)];
    Licences {
        usd,
        usd_per_year: usd.map(|u| u / years),
    }
}

/// Exposure of a corpus to planted documents.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposure {
    /// Documents that an attacker can place.
    pub n_documents: f64,
    /// Documents that were enough in every size tested.
    pub n_enough: f64,
    /// Share of the corpus that they are.
    pub share_fraction: f64,
}

impl Exposure {
    /// Whether they are enough. The count decides, not the share: the size of the corpus does not.
    #[must_use]
    pub fn crosses(&self) -> bool {
        self.n_documents >= self.n_enough
    }
}

/// Tokens of a planted document of Souly et al. 2025: 250 of them were 1.6e-6 of 260e9 tokens.
#[must_use]
pub fn poison_document_tokens(poison: &Poison) -> f64 {
    poison.share_fraction * poison.largest_tokens / poison.n_documents
}

/// Exposure of a corpus of `tokens`.
#[must_use]
pub fn exposure(poison: &Poison, tokens: f64, n_documents: f64, n_enough: f64) -> Exposure {
    Exposure {
        n_documents,
        n_enough,
        share_fraction: n_documents * poison_document_tokens(poison) / tokens,
    }
}

/// When public text is used up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exhaustion {
    /// Decimal years: 10th percentile, median, 90th.
    pub years: [f64; 3],
    /// Share of the draws in which it lasts beyond the end of the horizon.
    pub never_fraction: f64,
    /// Median of the stock in effective tokens.
    pub stock_tokens: f64,
}

const N_DRAWS: u64 = 20_000;
/// Draws beyond are counted, not dated.
const HORIZON_YEARS: f64 = 100.0;
/// Standard normal quantile of 95 % and 97.5 %: ends of 90 % and 95 % intervals.
const Z90: f64 = 1.644_853_627;
const Z95: f64 = 1.959_963_985;

/// Monte Carlo of the year in which the largest data set reaches the stock of effective public text
/// (Villalobos et al. 2024, arXiv 2211.04325 §3), with the data set `overtraining` times larger.
#[must_use]
pub fn exhaustion(draws: &Draws, overtraining: f64, seed: u64) -> Exhaustion {
    let (mut years, mut stocks) = (Vec::new(), Vec::new());
    for index in 0..N_DRAWS {
        let z = normals(seed, index, 8);
        let log_normal = |(low, high): (f64, f64), z: f64| (0.5 * (low.ln() + high.ln()) + z * (high / low).ln() / (2.0 * Z90)).exp();
        let bytes = (6.0 - log_normal(draws.bytes_below_six, z[2])).max(1.0);
        let text = log_normal(draws.pages, z[0]) * log_normal(draws.page_bytes, z[1]) / bytes;
        let stock = text * log_normal(draws.quality, z[3]).min(1.0) * log_normal(draws.repetition, z[4]);
        let largest = log_normal(draws.largest_tokens, z[5]) * overtraining;
        let (low, high) = draws.growth_orders;
        let growth = draws.growth_orders_median + z[6] * (high - low) / (2.0 * Z95);
        let (low, high) = draws.stock_growth;
        let more = (1.0 + 0.5 * (low + high) + z[7] * (high - low) / (2.0 * Z95)).max(0.5).log10();
        let gap = (stock / largest).log10();
        stocks.push(stock);
        // Data sets that already hold all of it reached it in the past.
        let wait = if growth > more { gap / (growth - more) } else { f64::INFINITY };
        years.push(draws.year + wait);
    }
    years.sort_by(f64::total_cmp);
    stocks.sort_by(f64::total_cmp);
    let at = |p| quantile(&years, p).unwrap_or(f64::NAN);
    #[allow(clippy::cast_precision_loss)]
    let never = years.iter().filter(|y| **y > draws.year + HORIZON_YEARS).count() as f64 / years.len() as f64;
    Exhaustion {
        years: [at(0.1), at(0.5), at(0.9)],
        never_fraction: never,
        stock_tokens: quantile(&stocks, 0.5).unwrap_or(f64::NAN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, want: f64, fraction: f64) {
        assert!((got / want - 1.0).abs() <= fraction, "{got} is not {want}");
    }

    #[test]
    fn published_funnels_come_back() {
        let book = book().unwrap();
        let left = |name: &str| funnel(book.yields.iter().find(|y| y.name == name).unwrap(), None);
        let fineweb: Vec<f64> = left("fineweb").iter().map(|l| l.tokens).collect();
        for (got, want) in fineweb.iter().zip([36e12, 20e12, 15e12]) {
            near(*got, want, 1e-9);
        }
        near(left("dclm-baseline")[0].tokens, 3.8e12, 1e-9);
        let half = funnel(book.yields.iter().find(|y| y.name == "fineweb").unwrap(), Some(18e12));
        near(half[2].tokens, 7.5e12, 1e-9);
    }

    #[test]
    fn books_and_licences_are_arithmetic() {
        let book = book().unwrap();
        // 30e6 books of 100e3 words at 0.75 words a token.
        let stock = book.stocks.iter().find(|s| s.name == "books").unwrap();
        near(stock.high_tokens, 30e6 * 100e3 / 0.75, 1e-9);
        let price = |name: &str| book.prices.iter().find(|p| p.name == name).unwrap();
        let title = price("book-title");
        near(title.median_usd / (100e3 / 0.75), 0.0375, 1e-9);
        let deals = licences(&[(price("publisher-year"), 34.0)], 1.0);
        near(deals.usd[1], 816e6, 1e-9);
        let news = licences(&[(title, 50_000.0)], 5.0);
        near(news.usd_per_year[1], 50e6, 1e-9);
    }

    #[test]
    fn the_count_of_planted_documents_decides_and_not_the_corpus() {
        let book = book().unwrap();
        let poison = &book.poison;
        near(exposure(poison, 260e9, 250.0, 250.0).share_fraction, 1.6e-6, 1e-9);
        for tokens in [6e9, 260e9, 15e12] {
            assert!(exposure(poison, tokens, 250.0, 250.0).crosses() && !exposure(poison, tokens, 100.0, 250.0).crosses());
        }
    }

    #[test]
    fn public_text_runs_out_when_the_paper_says() {
        let draws = &book().unwrap().draws;
        let plain = exhaustion(draws, 1.0, 1);
        // Median 2028, 80 % from 2026 to 2032; 2027 with data five times over-trained.
        assert!((plain.years[1] - 2028.0).abs() < 1.1, "{plain:?}");
        assert!(
            (plain.years[0] - 2026.0).abs() < 1.5 && (plain.years[2] - 2032.0).abs() < 1.5,
            "{plain:?}"
        );
        let over = exhaustion(draws, 5.0, 1);
        assert!((over.years[1] - 2027.0).abs() < 1.1 && over.years[1] < plain.years[1], "{over:?}");
        near(plain.stock_tokens, 300e12, 0.15);
        assert_eq!(exhaustion(draws, 1.0, 1), plain);
    }

    #[test]
    fn a_mix_sums_to_one_and_tells_repeats() {
        let book = book().unwrap();
        let shares = [("web".to_string(), 0.5), ("code-stack-v2".to_string(), 0.5)];
        let parts = audit(book, &shares, 15e12, 1.0).unwrap();
        assert!(parts[1].epochs().unwrap() > 8.0 && parts[0].epochs().unwrap() < 0.1, "{parts:?}");
        let llama = &book.mixes[0];
        near(llama.1.iter().map(|(_, s)| s).sum(), 1.0, 1e-9);
        let error = audit(book, &shares[..1], 1e12, 1.0).unwrap_err().to_string();
        assert!(error.contains("sum to 0.5"), "{error}");
    }
}
