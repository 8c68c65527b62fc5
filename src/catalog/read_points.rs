//! Tables of measured points: CSV files beside the profile that names them, refused with line and
//! column where a value cannot be a measurement.

mod line;
mod rows;

use super::points::Points;
use super::read::common;
use super::reader::{Reader, one_of};
use super::{Catalog, DType, Fabric, source};
use crate::error::{At, Diagnostic, Origin};
use line::{Line, Problems};
use rows::{attention, collective, gemm};
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

/// Larger tables are refused: the longest of ours has 300 kB.
const MAX_TABLE_BYTES: usize = 8 << 20;

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
