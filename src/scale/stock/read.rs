//! Stocks, yields, prices and the rest from `profiles/data`.

use crate::catalog::raw;
use crate::catalog::reader::Bounds::{NonNegative, Positive, Within};
use crate::catalog::reader::{Problems, Reader};
use crate::catalog::source;
use crate::error::{At, Diagnostic, Error, Origin, Result};
use crate::units::Unit;
use std::sync::{Arc, OnceLock};

/// How much of a kind of data there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Stock {
    /// Id.
    pub name: String,
    /// web, books, code, conversational, academic, image, video, audio, all.
    pub kind: String,
    /// Low end.
    pub low_tokens: f64,
    /// Middle.
    pub median_tokens: f64,
    /// High end.
    pub high_tokens: f64,
    /// What the ends are.
    pub interval: String,
    /// Year it is about.
    pub year: f64,
    /// Yearly growth, low and high.
    pub growth: Option<(f64, f64)>,
    /// Publication and evidence.
    pub source: String,
}

/// One stage of cleaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// What it does.
    pub name: String,
    /// Tokens before, where published.
    pub tokens_in: Option<f64>,
    /// Tokens after, where published.
    pub tokens_out: Option<f64>,
    /// Share kept.
    pub keep_fraction: Option<f64>,
}

/// A published recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Yield {
    /// Id.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Its stages in order.
    pub stages: Vec<Stage>,
    /// Other stages that were tried.
    pub alternatives: Vec<Stage>,
    /// Publication and evidence.
    pub source: String,
}

/// A price of data.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// Id.
    pub name: String,
    /// Low end.
    pub low_usd: f64,
    /// Middle.
    pub median_usd: f64,
    /// High end.
    pub high_usd: f64,
    /// Of what.
    pub unit: String,
    /// Publication and evidence.
    pub source: String,
}

/// How many planted documents were enough.
#[derive(Debug, Clone, PartialEq)]
pub struct Poison {
    /// Documents.
    pub n_documents: f64,
    /// Their share of the largest corpus tested.
    pub share_fraction: f64,
    /// That corpus.
    pub largest_tokens: f64,
    /// Publication.
    pub source: String,
}

/// What the exhaustion of public text is drawn from: 90 % intervals.
#[derive(Debug, Clone, PartialEq)]
pub struct Draws {
    /// Web pages.
    pub pages: (f64, f64),
    /// Bytes of a page.
    pub page_bytes: (f64, f64),
    /// Six less the bytes of a token.
    pub bytes_below_six: (f64, f64),
    /// Share worth training on.
    pub quality: (f64, f64),
    /// How much repeating multiplies.
    pub repetition: (f64, f64),
    /// Largest data set of the first year.
    pub largest_tokens: (f64, f64),
    /// Growth of data sets in orders of magnitude a year, 95 %.
    pub growth_orders: (f64, f64),
    /// Its middle, a count of orders of magnitude.
    pub growth_orders_median: f64,
    /// Growth of the stock a year, 95 %.
    pub stock_growth: (f64, f64),
    /// First year.
    pub year: f64,
    /// Publication.
    pub source: String,
}

/// Shares of a published mix.
pub type Mix = (String, Vec<(String, f64)>);

/// A limit on the largest training run.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Id.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Low end.
    pub low_flop: f64,
    /// High end.
    pub high_flop: f64,
    /// The year it is about.
    pub year: f64,
    /// Publication and evidence.
    pub source: String,
}

/// How fast the compute of the largest runs grows, and from where.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// Factor a year, and its ends.
    pub growth: [f64; 3],
    /// Where it starts.
    pub flop: f64,
    /// When.
    pub year: f64,
    /// Publications.
    pub source: String,
}

/// All that is shipped about data and limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Book {
    /// Stocks.
    pub stocks: Vec<Stock>,
    /// Recipes.
    pub yields: Vec<Yield>,
    /// Prices.
    pub prices: Vec<Price>,
    /// Planted documents.
    pub poison: Poison,
    /// Exhaustion.
    pub draws: Draws,
    /// Published mixes.
    pub mixes: Vec<Mix>,
    /// Limits.
    pub limits: Vec<Limit>,
    /// Demand.
    pub demand: Demand,
    /// Compute from which rules apply.
    pub thresholds: Vec<Threshold>,
}

/// Compute from which a rule applies.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// Name for people.
    pub title: String,
    /// Training FLOP.
    pub flop: f64,
    /// The rule.
    pub source: String,
}

/// The shipped book.
///
/// # Errors
/// Never with the shipped files, which a test reads.
pub fn book() -> Result<&'static Book> {
    static BOOK: OnceLock<std::result::Result<Book, Vec<Diagnostic>>> = OnceLock::new();
    BOOK.get_or_init(read).as_ref().map_err(|list| Error::Invalid(list.clone()))
}

fn read() -> std::result::Result<Book, Vec<Diagnostic>> {
    let problems = Problems::default();
    let stock = tree("profiles/data/stock.toml", &problems);
    let limits = tree("profiles/data/limits.toml", &problems);
    let at = |origin: &Arc<Origin>| At {
        origin: origin.clone(),
        span: 0..0,
    };
    let s = Reader::new(&stock.0, "", &at(&stock.1), &problems);
    let l = Reader::new(&limits.0, "", &at(&limits.1), &problems);
    let book = Book {
        stocks: each(&s, "stock", stock_of),
        yields: each(&s, "yield", yield_of),
        prices: each(&s, "price", price_of),
        poison: each(&s, "poison", poison_of).into_iter().flatten().next().unwrap_or(Poison {
            n_documents: 0.0,
            share_fraction: 0.0,
            largest_tokens: 0.0,
            source: String::new(),
        }),
        draws: draws_of(&s),
        mixes: each(&s, "mix", mix_of),
        limits: each(&l, "limit", limit_of),
        demand: demand_of(&l),
        thresholds: each(&l, "threshold", |_, r| Threshold {
            title: r.need_text("title"),
            flop: r.need("flop", Unit::Flop, Positive),
            source: r.need_text("source"),
        }),
    };
    if problems.is_empty() { Ok(book) } else { Err(problems.into_list()) }
}

fn tree(path: &str, problems: &Problems) -> (raw::Tree, Arc<Origin>) {
    let text = source::embedded().find(|(p, _)| p == path).map_or("", |(_, t)| t);
    let origin = Arc::new(Origin {
        name: format!("builtin:{path}"),
        text: text.to_string(),
    });
    let (tree, broken) = raw::parse(&origin);
    problems.extend(broken);
    (tree, origin)
}

fn each<T>(root: &Reader<'_>, group: &str, of: fn(&str, &Reader<'_>) -> T) -> Vec<T> {
    let Some(table) = root.table(group) else { return Vec::new() };
    let keys: Vec<&str> = table.keys().collect();
    keys.into_iter().filter_map(|name| Some(of(name, &table.table(name)?))).collect()
}

/// Publication, and how sure.
fn cited(r: &Reader<'_>) -> String {
    format!("{} ({})", r.need_text("source"), r.need_text("evidence"))
}

fn pair(r: &Reader<'_>, key: &str) -> (f64, f64) {
    match r.numbers(key).as_slice() {
        [low, high] if low <= high => (*low, *high),
        _ => {
            r.problem(key, format!("`{key}` is no pair of rising numbers"), "write [low, high]");
            (1.0, 1.0)
        }
    }
}

fn stock_of(name: &str, r: &Reader<'_>) -> Stock {
    let n = |key: &str| r.need(key, Unit::One, Positive);
    let growth = |key: &str| r.number(key, Unit::One, Within(0.0, 10.0));
    Stock {
        name: name.to_string(),
        kind: r.need_text("kind"),
        low_tokens: n("low"),
        median_tokens: n("median"),
        high_tokens: n("high"),
        interval: r.need_text("interval"),
        year: n("year"),
        growth: growth("growth_low").zip(growth("growth_high")),
        source: cited(r),
    }
}

fn stages(r: &Reader<'_>, key: &str) -> Vec<Stage> {
    if !r.keys().any(|k| k == key) {
        return Vec::new();
    }
    let stage = |t: &Reader<'_>| {
        let n = |key: &str| t.number(key, Unit::One, NonNegative);
        let (tokens_in, tokens_out) = (n("tokens_in"), n("tokens_out"));
        let exact = tokens_in.zip(tokens_out).map(|(i, o)| o / i);
        Stage {
            name: t.need_text("name"),
            tokens_in,
            tokens_out,
            keep_fraction: exact.or_else(|| n("keep").or_else(|| n("keep_bytes"))),
        }
    };
    r.tables(key).iter().map(stage).collect()
}

fn yield_of(name: &str, r: &Reader<'_>) -> Yield {
    Yield {
        name: name.to_string(),
        title: r.need_text("title"),
        stages: stages(r, "stages"),
        alternatives: stages(r, "alternatives"),
        source: cited(r),
    }
}

fn price_of(name: &str, r: &Reader<'_>) -> Price {
    let n = |key: &str| r.need(key, Unit::Usd, Positive);
    Price {
        name: name.to_string(),
        low_usd: n("low_usd"),
        median_usd: n("median_usd"),
        high_usd: n("high_usd"),
        unit: r.need_text("unit"),
        source: cited(r),
    }
}

fn poison_of(name: &str, r: &Reader<'_>) -> Option<Poison> {
    (name == "constant-count").then(|| Poison {
        n_documents: r.need("documents", Unit::One, Positive),
        share_fraction: r.need("share", Unit::One, Positive),
        largest_tokens: pair(r, "tokens").1,
        source: cited(r),
    })
}

fn draws_of(root: &Reader<'_>) -> Draws {
    let empty = raw::Tree::default();
    let table = root.table("draws").and_then(|d| d.table("villalobos"));
    let lost = Problems::default();
    let missing = Reader::new(&empty, "draws", root.at(), &lost);
    let r = table.unwrap_or(missing);
    Draws {
        pages: pair(&r, "pages"),
        page_bytes: pair(&r, "bytes_per_page"),
        bytes_below_six: pair(&r, "bytes_per_token_below_six"),
        quality: pair(&r, "quality"),
        repetition: pair(&r, "repetition"),
        largest_tokens: pair(&r, "largest_tokens"),
        growth_orders: pair(&r, "growth_orders"),
        growth_orders_median: r.need("growth_orders_median", Unit::One, Positive),
        stock_growth: pair(&r, "stock_growth"),
        year: r.need("year", Unit::One, Positive),
        source: cited(&r),
    }
}

fn mix_of(name: &str, r: &Reader<'_>) -> Mix {
    let _ = cited(r);
    let shares = r.table("shares");
    let list = shares.map_or_else(Vec::new, |t| {
        let keys: Vec<&str> = t.keys().collect();
        keys.into_iter()
            .filter_map(|k| Some((k.to_string(), t.number(k, Unit::Fraction, Within(0.0, 1.0))?)))
            .collect()
    });
    (name.to_string(), list)
}

fn limit_of(name: &str, r: &Reader<'_>) -> Limit {
    Limit {
        name: name.to_string(),
        title: r.need_text("title"),
        low_flop: r.need("low_flop", Unit::Flop, Positive),
        high_flop: r.need("high_flop", Unit::Flop, Positive),
        year: r.need("year", Unit::One, Positive),
        source: cited(r),
    }
}

fn demand_of(root: &Reader<'_>) -> Demand {
    let lost = Problems::default();
    let empty = raw::Tree::default();
    let of = |key: &str| {
        root.table("demand")
            .and_then(|d| d.table(key))
            .unwrap_or_else(|| Reader::new(&empty, key, root.at(), &lost))
    };
    let (growth, start) = (of("frontier"), of("start"));
    let g = |key: &str| growth.need(key, Unit::One, Positive);
    Demand {
        growth: [g("low_growth_per_year"), g("growth_per_year"), g("high_growth_per_year")],
        flop: start.need("flop", Unit::Flop, Positive),
        year: start.need("year", Unit::One, Positive),
        source: format!("{}; {}", cited(&growth), cited(&start)),
    }
}
