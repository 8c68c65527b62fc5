//! Tables of measured points: CSV files beside the profile that names them, refused with line and
//! column where a value cannot be a measurement.

use super::points::{AttentionKey, AttentionPoint, GemmKey, GemmPoint, Points};
use super::read::common;
use super::reader::{Reader, one_of};
use super::{Catalog, Collective, DType, Fabric, source};
use crate::error::{At, Diagnostic, Origin};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// What a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gemm,
    Attention,
    Training,
    Collective,
}

const KINDS: [(&str, Kind); 4] = [
    ("gemm", Kind::Gemm),
    ("attention", Kind::Attention),
    ("attention-training", Kind::Training),
    ("collective", Kind::Collective),
];

impl Kind {
    /// Columns that have to be there, and those that may be.
    fn columns(self) -> (&'static [&'static str], &'static [&'static str]) {
        const SPREAD: [&str; 2] = ["spread_fraction", "n_repeats"];
        match self {
            Kind::Gemm => (&["dtype", "m", "n", "k", "time_s"], &["accumulate_fp32", SPREAD[0], SPREAD[1]]),
            Kind::Attention => (
                &["dtype", "batch", "seq_tokens", "heads", "kv_heads", "head_dim", "time_s"],
                &["causal", "head_dim_v", SPREAD[0], SPREAD[1]],
            ),
            Kind::Training => (
                &["dtype", "pass", "batch", "seq_tokens", "heads", "kv_heads", "head_dim", "time_s"],
                &["causal", "head_dim_v", SPREAD[0], SPREAD[1]],
            ),
            Kind::Collective => (&["op", "ranks", "bytes", "time_s"], &[SPREAD[0], SPREAD[1]]),
        }
    }
}

/// What nothing is faster than, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Limits {
    /// Dense peaks.
    pub flop_per_s: BTreeMap<DType, f64>,
    /// All links of one device, one direction, and whether the fabric reduces.
    pub link: Option<(f64, bool)>,
}

impl Limits {
    pub(super) fn of(peaks: &BTreeMap<DType, f64>, scale_up: Option<&str>, catalog: &Catalog) -> Limits {
        let fabric = scale_up.and_then(|name| catalog.get::<Fabric>(name).ok());
        Limits {
            flop_per_s: peaks.clone(),
            link: fabric.map(|f| (f.bytes_per_s, f.in_network_efficiency.is_some())),
        }
    }
}

/// Problems of one file that are told; a file in the wrong unit has one in each of ten thousand lines.
const MOST_TOLD: usize = 50;
/// Larger tables are refused: the longest of ours has 300 kB.
const MAX_TABLE_BYTES: usize = 8 << 20;
/// Longest time of one kernel or collective that is believed.
const LONGEST_S: f64 = 3600.0;

/// Embedded tables by file, read at most once in a process. They do not change, and what they are
/// checked against is told with them.
static BUILTIN: Mutex<BTreeMap<String, (Limits, Arc<Points>)>> = Mutex::new(BTreeMap::new());

/// Every table of a profile; `None` where it names none. Problems go to the reader.
pub(super) fn points(r: &Reader<'_>, limits: &Limits) -> Option<Arc<Points>> {
    let mut files = Vec::new();
    for table in r.tables("table") {
        common(&table);
        table.skip(&["software", "licence", "timing", "clocks", "includes", "environment", "measured_on"]);
        let kind = table.choice("op", &KINDS);
        if table.item("op").is_none() {
            table.problem(
                "op",
                format!("`{}` is missing", table.name("op")),
                one_of("", &KINDS.map(|(n, _)| n)),
            );
        }
        let file = table.need_text("file");
        let digest = table.text("sha256");
        if table.text("source").is_none() {
            table.problem(
                "source",
                format!("`{}` is missing", table.name("source")),
                "say who measured, and where",
            );
        }
        table.finish();
        if let (Some(kind), false) = (kind, file.is_empty()) {
            files.push((kind, file, digest, table.place("file")));
        }
    }
    if files.is_empty() {
        return None;
    }
    let name = |(kind, file, _, at): &(Kind, String, Option<String>, At)| format!("{kind:?} {} {file}", at.origin.name);
    let key = files.iter().map(name).collect::<Vec<_>>().join("\n");
    let builtin = files.iter().all(|f| f.3.origin.name.starts_with("builtin:"));
    let known = || {
        let kept = BUILTIN.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&key).filter(|(l, _)| l == limits).map(|(_, p)| p.clone())
    };
    if let Some(points) = known().filter(|_| builtin) {
        return Some(points);
    }
    let before = r.problem_count();
    let mut points = Points::default();
    for (kind, file, digest, at) in &files {
        match source::beside(&at.origin, file) {
            Err(error) => tell(
                r,
                vec![Diagnostic::new(error.to_string()).at(at).help("name a CSV file beside the profile")],
            ),
            Ok(origin) => {
                let found = digest.as_ref().filter(|_| !builtin).map(|d| (d, sha256(&origin.text)));
                if let Some((stated, found)) = found.filter(|(stated, found)| *stated != found) {
                    let text = format!("`{file}` is not the file that was written: its SHA-256 is {found}, the profile says {stated}");
                    tell(r, vec![Diagnostic::new(text).at(at).help("measure again, or correct `sha256`")]);
                }
                tell(r, read(*kind, &origin, limits, &mut points));
            }
        }
    }
    let points = Arc::new(points);
    if builtin && r.problem_count() == before {
        let mut kept = BUILTIN.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(key, (limits.clone(), points.clone()));
    }
    Some(points)
}

fn tell(r: &Reader<'_>, problems: Vec<Diagnostic>) {
    r.report(problems);
}

/// SHA-256 in hexadecimal digits.
#[must_use]
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// One line with its place.
struct Line<'a> {
    origin: &'a Arc<Origin>,
    columns: &'a [(String, usize)],
    record: &'a csv::ByteRecord,
    number: u64,
    start: usize,
    problems: &'a mut Problems,
}

#[derive(Default)]
struct Problems {
    list: Vec<Diagnostic>,
    n_more: usize,
}

impl Problems {
    fn push(&mut self, problem: Diagnostic) {
        if self.list.len() < MOST_TOLD {
            self.list.push(problem);
        } else {
            self.n_more += 1;
        }
    }

    fn finish(mut self, origin: &Arc<Origin>) -> Vec<Diagnostic> {
        if self.n_more > 0 {
            let text = format!("{}: {} more problems like these", origin.name, self.n_more);
            self.list.push(Diagnostic::new(text).help("correct those above first"));
        }
        self.list
    }
}

impl Line<'_> {
    fn cell(&self, column: &str) -> Option<&str> {
        let (_, at) = self.columns.iter().find(|(name, _)| name == column)?;
        std::str::from_utf8(self.record.get(*at)?).ok().map(str::trim)
    }

    fn wrong(&mut self, column: &str, what: &str, help: impl Into<String>) {
        let cell = self.cell(column).unwrap_or("").to_string();
        let at = self.columns.iter().find(|(name, _)| name == column).map_or(0, |(_, i)| *i);
        let before: usize = self.record.iter().take(at).map(|c| c.len() + 1).sum();
        let start = (self.start + before).min(self.origin.text.len());
        let end = (start + cell.len()).min(self.origin.text.len());
        let text = format!("line {}, column `{column}`: `{cell}` {what}", self.number);
        let at = At {
            origin: self.origin.clone(),
            span: start..end,
        };
        self.problems.push(Diagnostic::new(text).at(&at).help(help));
    }

    /// A number within limits, both included.
    fn number(&mut self, column: &str, low: f64, high: f64) -> Option<f64> {
        let value = self.cell(column).and_then(|c| c.parse::<f64>().ok());
        let fits = value.filter(|v| (low..=high).contains(v));
        if fits.is_none() {
            self.wrong(column, "is not allowed", format!("write a number from {low} to {high}"));
        }
        fits
    }

    /// A whole number of at least 1.
    fn count(&mut self, column: &str) -> Option<f64> {
        let value = self.cell(column).and_then(|c| c.parse::<f64>().ok());
        let fits = value.filter(|v| (1.0..=1e9).contains(v) && v.fract() == 0.0);
        if fits.is_none() {
            self.wrong(column, "is not allowed", "write a whole number from 1 to 1000000000");
        }
        fits
    }

    fn choice<T: Copy>(&mut self, column: &str, names: &[(&str, T)]) -> Option<T> {
        let cell = self.cell(column).unwrap_or("");
        let found = names.iter().find(|(name, _)| *name == cell).map(|(_, v)| *v);
        if found.is_none() {
            let allowed: Vec<&str> = names.iter().map(|(n, _)| *n).collect();
            let help = one_of(cell, &allowed);
            self.wrong(column, "is not allowed", help);
        }
        found
    }

    fn dtype(&mut self) -> Option<DType> {
        self.choice("dtype", &DType::ALL.map(|d| (d.name(), d)))
    }

    /// 0 or 1; `without` where there is no such column.
    fn flag(&mut self, column: &str, without: bool) -> Option<bool> {
        if self.cell(column).is_none() {
            return Some(without);
        }
        self.choice(column, &[("0", false), ("1", true)])
    }

    fn optional_count(&mut self, column: &str, without: Option<f64>) -> Option<f64> {
        if self.cell(column).is_none() { without } else { self.count(column) }
    }

    fn time_s(&mut self) -> Option<f64> {
        let value = self.cell("time_s").and_then(|c| c.parse::<f64>().ok());
        let fits = value.filter(|v| *v > 0.0 && *v <= LONGEST_S);
        if fits.is_none() {
            let help = format!("write seconds, a finite number greater than 0 and up to {LONGEST_S}");
            self.wrong("time_s", "is not allowed", help);
        }
        fits
    }

    /// Refuse what is faster than `flop` at the peak of a format, where that is known.
    fn below_peak(&mut self, time_s: f64, flop: f64, dtype: DType, limits: &Limits) -> bool {
        let peak = limits.flop_per_s.get(&dtype).or_else(|| match dtype {
            DType::Fp16 => limits.flop_per_s.get(&DType::Bf16),
            DType::Mxfp8 => limits.flop_per_s.get(&DType::Fp8),
            _ => None,
        });
        let least_s = peak.map_or(0.0, |p| flop / p);
        if time_s >= least_s {
            return true;
        }
        let what = format!(
            "is {:.2} times as fast as the dense {dtype} peak of this device allows",
            least_s / time_s
        );
        self.wrong(
            "time_s",
            &what,
            format!("this shape takes {least_s:.4e} s or more; check the unit and the peak"),
        );
        false
    }
}

/// One CSV text into points. What is wrong is returned, all of it up to a limit.
fn read(kind: Kind, origin: &Arc<Origin>, limits: &Limits, points: &mut Points) -> Vec<Diagnostic> {
    let place = |byte: usize| At {
        origin: origin.clone(),
        span: byte.min(origin.text.len())..byte.min(origin.text.len()),
    };
    if origin.text.len() > MAX_TABLE_BYTES {
        let text = format!(
            "the table has {} bytes, more than the {MAX_TABLE_BYTES} that are read",
            origin.text.len()
        );
        return vec![Diagnostic::new(text).at(&place(0)).help("measure fewer shapes")];
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(origin.text.as_bytes());
    let (needed, optional) = kind.columns();
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(e) => {
            return vec![
                Diagnostic::new(format!("not CSV: {e}"))
                    .at(&place(0))
                    .help(format!("begin with {}", needed.join(","))),
            ];
        }
    };
    let columns: Vec<(String, usize)> = header.iter().enumerate().map(|(i, h)| (h.trim().to_string(), i)).collect();
    let mut problems = Problems::default();
    let allowed: Vec<&str> = needed.iter().chain(optional).copied().collect();
    for (name, i) in &columns {
        if !allowed.contains(&name.as_str()) {
            let text = format!("line 1: unknown column `{name}`");
            problems.push(Diagnostic::new(text).at(&place(0)).help(one_of(name, &allowed)));
        } else if columns[..*i].iter().any(|(n, _)| n == name) {
            let text = format!("line 1: column `{name}` stands twice");
            problems.push(Diagnostic::new(text).at(&place(0)).help("remove one"));
        }
    }
    let missing: Vec<&str> = needed.iter().filter(|n| !columns.iter().any(|(c, _)| c == *n)).copied().collect();
    if !missing.is_empty() {
        let text = format!("line 1: no column `{}`", missing.join("`, `"));
        problems.push(Diagnostic::new(text).at(&place(0)).help(format!("begin with {}", needed.join(","))));
        return problems.finish(origin);
    }
    let mut seen = BTreeSet::new();
    let mut record = csv::ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Err(e) => {
                problems.push(Diagnostic::new(format!("not CSV: {e}")).at(&place(0)).help("see the lines before"));
                break;
            }
            Ok(true) => {}
        }
        let (number, start) = record
            .position()
            .map_or((0, 0), |p| (p.line(), usize::try_from(p.byte()).unwrap_or(usize::MAX)));
        if record.len() != columns.len() {
            let text = format!("line {number} has {} fields, the header has {}", record.len(), columns.len());
            problems.push(Diagnostic::new(text).at(&place(start)).help("write as many as the header has"));
            continue;
        }
        let mut line = Line {
            origin,
            columns: &columns,
            record: &record,
            number,
            start,
            problems: &mut problems,
        };
        let key = match kind {
            Kind::Gemm => gemm(&mut line, limits, points),
            Kind::Attention | Kind::Training => attention(&mut line, kind, limits, points),
            Kind::Collective => collective(&mut line, limits, points),
        };
        if key.is_some_and(|key| !seen.insert(key)) {
            line.wrong(needed[0], "stands on a line above already with the same shape", "keep one of them");
        }
    }
    for list in points.collectives.values_mut() {
        list.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    problems.finish(origin)
}

/// What tells a line from the others.
type Key = [u64; 10];

fn key(numbers: &[f64]) -> Key {
    let mut key = Key::default();
    key.iter_mut().zip(numbers).for_each(|(k, n)| *k = n.to_bits());
    key
}

fn gemm(line: &mut Line<'_>, limits: &Limits, points: &mut Points) -> Option<Key> {
    let dtype = line.dtype();
    let (m, n, k) = (line.count("m"), line.count("n"), line.count("k"));
    let accumulate_fp32 = line.flag("accumulate_fp32", false);
    let (time_s, ()) = (line.time_s(), spread(line));
    let (dtype, m, n, k, accumulate_fp32, time_s) = (dtype?, m?, n?, k?, accumulate_fp32?, time_s?);
    if !line.below_peak(time_s, 2.0 * m * n * k, dtype, limits) {
        return None;
    }
    let set = GemmKey { dtype, accumulate_fp32 };
    points.gemm.entry(set).or_default().push(GemmPoint { m, n, k, time_s });
    Some(key(&[f64::from(dtype as u8), m, n, k, f64::from(u8::from(accumulate_fp32))]))
}

/// How far the repeats lay apart; told to people, and used by nothing.
fn spread(line: &mut Line<'_>) {
    if line.cell("spread_fraction").is_some() {
        let _ = line.number("spread_fraction", 0.0, 10.0);
    }
    let _ = line.optional_count("n_repeats", None);
}

fn attention(line: &mut Line<'_>, kind: Kind, limits: &Limits, points: &mut Points) -> Option<Key> {
    let dtype = line.dtype();
    let backward = match kind {
        Kind::Training => line.choice("pass", &[("forward", false), ("backward", true)]),
        _ => Some(false),
    };
    let causal = line.flag("causal", true);
    let shape = ["batch", "seq_tokens", "heads", "kv_heads", "head_dim"].map(|c| line.count(c));
    let head_dim_v = line.optional_count("head_dim_v", shape[4]);
    let (time_s, ()) = (line.time_s(), spread(line));
    let [batch, seq_tokens, heads, kv_heads, head_dim_qk] = shape;
    let point = AttentionPoint {
        batch: batch?,
        seq_tokens: seq_tokens?,
        heads: heads?,
        kv_heads: kv_heads?,
        head_dim_qk: head_dim_qk?,
        head_dim_v: head_dim_v?,
        time_s: time_s?,
    };
    if point.kv_heads > point.heads {
        line.wrong("kv_heads", "is more than the query heads", "write as many or fewer");
        return None;
    }
    let set = AttentionKey {
        dtype: dtype?,
        training: kind == Kind::Training,
        backward: backward?,
        causal: causal?,
    };
    // Two products forward and five backward over what is visible, two FLOP per multiply-add.
    let visible = if set.causal { 0.5 } else { 1.0 };
    let products = if set.backward { 2.5 } else { 1.0 };
    let pairs = point.batch * point.heads * point.seq_tokens * point.seq_tokens * visible;
    let flop = 2.0 * pairs * (point.head_dim_qk + point.head_dim_v) * products;
    if !line.below_peak(point.time_s, flop, set.dtype, limits) {
        return None;
    }
    points.attention.entry(set).or_default().push(point);
    let flags = u8::from(set.training) + 2 * u8::from(set.backward) + 4 * u8::from(set.causal);
    let AttentionPoint {
        batch,
        seq_tokens,
        heads,
        kv_heads,
        head_dim_qk,
        head_dim_v,
        ..
    } = point;
    Some(key(&[
        f64::from(set.dtype as u8),
        f64::from(flags),
        batch,
        seq_tokens,
        heads,
        kv_heads,
        head_dim_qk,
        head_dim_v,
    ]))
}

fn collective(line: &mut Line<'_>, limits: &Limits, points: &mut Points) -> Option<Key> {
    let op = line.choice("op", &Collective::ALL);
    let (ranks, bytes) = (line.count("ranks"), line.number("bytes", 1.0, 1e15));
    let (time_s, ()) = (line.time_s(), spread(line));
    let (op, ranks, bytes, time_s) = (op?, ranks?, bytes?, time_s?);
    if ranks < 2.0 {
        line.wrong("ranks", "is not allowed", "write 2 or more");
        return None;
    }
    if let Some((link, reduces)) = limits.link {
        // A switch that reduces takes each byte once; without one a ring sends twice (n - 1)/n of it.
        let passes = if op == Collective::AllReduce { 2.0 } else { 1.0 };
        let sent = if op == Collective::AllReduce && reduces {
            1.0
        } else {
            passes * (ranks - 1.0) / ranks
        };
        let least_s = bytes * sent / link;
        if time_s < least_s {
            let what = format!("is {:.2} times as fast as the links of the device", least_s / time_s);
            line.wrong(
                "time_s",
                &what,
                format!("{bytes} bytes take {least_s:.4e} s or more; check unit and size"),
            );
            return None;
        }
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let set = (op, ranks as u32);
    points.collectives.entry(set).or_default().push((bytes, time_s));
    Some(key(&[f64::from(op as u8), ranks, bytes]))
}
