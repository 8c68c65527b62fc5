//! Tools that print text.

use super::{Imported, Told, seconds, told_or, wrong};
use crate::bench::item::{Item, Operands};
use crate::catalog::{Collective, DType};
use crate::error::{Origin, Result};
use std::sync::Arc;

const US: f64 = 1e-6;

/// nccl-tests and rccl-tests: `size count type redop root time algbw busbw #wrong …`, out of place first; the
/// size is the whole buffer, times are in microseconds (`PERFORMANCE.md` and `src/common.cu` of nccl-tests).
pub(super) fn nccl(origin: &Arc<Origin>, told: &Told) -> Result<Imported> {
    let mut out = Imported::default();
    let mut ranks = 0;
    let mut named = None;
    let mut rows = Vec::new();
    for (at, line) in origin.text.lines().enumerate() {
        // Launchers put `0: ` or `[1,0]<stdout>:` before each line.
        let line = line.rsplit_once("<stdout>:").map_or(line, |(_, l)| l).trim();
        if let Some(comment) = line.strip_prefix('#') {
            let comment = comment.trim();
            ranks += u64::from(comment.starts_with("Rank "));
            named = named.or_else(|| test_name(comment));
            if comment.starts_with("nccl-tests version") || comment.starts_with("NCCL version") || comment.contains("RCCL") {
                out.software = comment.to_string();
            }
            continue;
        }
        let cells: Vec<&str> = line.split_whitespace().collect();
        let is_row = cells.len() >= 8 && cells[..2].iter().all(|c| c.bytes().all(|b| b.is_ascii_digit()));
        named = named.or_else(|| if is_row { None } else { test_name(line) });
        if is_row {
            rows.push((at, cells));
        }
    }
    let ranks = told_or(told.ranks.or((ranks > 1).then_some(ranks)), "how many ranks took part", "--ranks")?;
    let collective = told_or(
        told.collective.or(named),
        "which collective it is",
        "--collective all-reduce|all-gather|reduce-scatter|all-to-all",
    )?;
    for (at, cells) in rows {
        let bytes: u64 = cells[0].parse().unwrap_or(0);
        if bytes == 0 {
            continue;
        }
        // Some tests have no root or reduction: the type tells where the time stands.
        let time_s = seconds(cells[5], US).ok_or_else(|| {
            wrong(
                origin,
                at,
                format!("`{}` is not a time in microseconds", cells[5]),
                "the sixth column is the time",
            )
        })?;
        if let Some(n) = cells.get(8).filter(|n| !matches!(**n, "0" | "N/A" | "-nan")) {
            let help = "the result of this size was wrong: do not use it";
            return Err(wrong(origin, at, format!("{n} wrong elements"), help));
        }
        out.add(Item::Collective { collective, ranks, bytes }, time_s);
    }
    if out.software.is_empty() {
        out.software = "nccl-tests".to_string();
    }
    out.notes.push("times are those of out-of-place runs".to_string());
    Ok(out)
}

/// `# Collective test starting: all_reduce_perf`, or a command line.
fn test_name(line: &str) -> Option<Collective> {
    [
        ("all_reduce_perf", Collective::AllReduce),
        ("all_gather_perf", Collective::AllGather),
        ("reduce_scatter_perf", Collective::ReduceScatter),
        ("alltoall_perf", Collective::AllToAll),
    ]
    .into_iter()
    .find(|(name, _)| line.contains(name))
    .map(|(_, c)| c)
}

/// OSU micro-benchmarks: a title, then size and mean microseconds. Sizes are those of one rank's message: the
/// whole buffer of all-gather and all-to-all is that times the ranks (`util/osu_util_mpi.c`).
pub(super) fn osu(origin: &Arc<Origin>, told: &Told) -> Result<Imported> {
    let mut out = Imported::default();
    let ranks = told_or(told.ranks, "how many ranks took part", "--ranks")?;
    let mut collective = told.collective;
    for (at, line) in origin.text.lines().enumerate() {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            let lower = comment.to_lowercase();
            if lower.contains("osu mpi") || lower.contains("osu ") {
                out.software = comment.trim().to_string();
            }
            let named = [
                ("allreduce", Collective::AllReduce),
                ("allgather", Collective::AllGather),
                ("reduce_scatter", Collective::ReduceScatter),
                ("alltoall", Collective::AllToAll),
            ];
            let lower = lower.replace(['-', ' '], "_").replace("all_to_all", "alltoall");
            let found = named.into_iter().find(|(n, _)| lower.contains(n)).map(|(_, c)| c);
            collective = told.collective.or(found).or(collective);
            continue;
        }
        let mut cells = line.split_whitespace();
        let (Some(size), Some(time)) = (cells.next(), cells.next()) else {
            continue;
        };
        let Ok(size) = size.parse::<u64>() else { continue };
        let help = "a line is a size in bytes and a time in microseconds";
        let time_s = seconds(time, US).ok_or_else(|| wrong(origin, at, format!("`{time}` is not a time"), help))?;
        let collective = told_or(collective, "which collective it is", "--collective")?;
        let times = match collective {
            Collective::AllGather | Collective::AllToAll => ranks,
            Collective::AllReduce | Collective::ReduceScatter => 1,
        };
        out.add(
            Item::Collective {
                collective,
                ranks,
                bytes: size * times,
            },
            time_s,
        );
    }
    out.notes.push("the second column, the mean over ranks".to_string());
    Ok(out)
}

/// `787.1 TFLOPS @ 2048x2048x13312`: the last number before `TFLOPS` and the sides after `@`.
pub(super) fn mamf(origin: &Arc<Origin>, told: &Told) -> Result<Imported> {
    let dtype = told.dtype.unwrap_or(DType::Bf16);
    let mut out = Imported {
        software: "mamf-finder of the ML Engineering book".to_string(),
        ..Imported::default()
    };
    let mut best: Vec<([u64; 3], f64, u8)> = Vec::new();
    for (at, line) in origin.text.lines().enumerate() {
        let Some((before, after)) = line.split_once('@').filter(|(b, _)| b.contains("TFLOPS")) else {
            continue;
        };
        let rank = if before.contains("median") {
            2
        } else if before.contains("mean") {
            1
        } else {
            0
        };
        let help = "a result is `787.1 TFLOPS @ 2048x2048x13312`";
        let rate = before.replace("TFLOPS", " ");
        let rate = rate.split_whitespace().next_back().and_then(|t| seconds(t, 1e12));
        let (Some(rate), Some(sides)) = (rate, sides(after)) else {
            return Err(wrong(origin, at, "not a rate with the sides of a product", help));
        };
        // Of one shape the median, else the mean, else the best.
        match best.iter_mut().find(|(s, ..)| *s == sides) {
            Some(old) if rank >= old.2 => *old = (sides, rate, rank),
            Some(_) => {}
            None => best.push((sides, rate, rank)),
        }
    }
    for ([m, n, k], rate, _) in best {
        add_product(&mut out, dtype, [m, n, k], rate);
    }
    out.notes
        .push(format!("{dtype} operands; the best shapes of a search, not typical ones"));
    Ok(out)
}

/// `Throughput (in TFLOP/s) for label (m x n x k, b=1): rate`; its A is m × n and its B is n × k.
pub(super) fn cookbook(origin: &Arc<Origin>, told: &Told) -> Result<Imported> {
    let dtype = told.dtype.unwrap_or(DType::Fp16);
    let mut out = Imported {
        software: "EleutherAI cookbook".to_string(),
        ..Imported::default()
    };
    let mut n_batched = 0;
    for (at, line) in origin.text.lines().enumerate() {
        let Some(rest) = line.split_once("Throughput (in TFLOP/s) for ").map(|(_, r)| r) else {
            continue;
        };
        let help = "a result is `Throughput (in TFLOP/s) for 4096x4096x4096: 210.4`";
        let (what, rate) = rest
            .rsplit_once(':')
            .ok_or_else(|| wrong(origin, at, "no rate after the shape", help))?;
        let rate = seconds(rate, 1e12).ok_or_else(|| wrong(origin, at, format!("`{}` is not a rate", rate.trim()), help))?;
        let shape = what.rsplit_once('(').map_or(what, |(_, s)| s);
        if shape.contains("b=") && !shape.contains("b=1)") && !shape.trim_end_matches(')').ends_with("b=1") {
            n_batched += 1;
            continue;
        }
        // Norms and the like have two sides.
        let Some([m, inner, n]) = sides(shape) else { continue };
        add_product(&mut out, dtype, [m, n, inner], rate);
    }
    out.notes.push(format!("{dtype} operands; {n_batched} batched products left out"));
    Ok(out)
}

#[allow(clippy::cast_precision_loss)]
fn add_product(out: &mut Imported, dtype: DType, [m, n, k]: [u64; 3], flop_per_s: f64) {
    let item = Item::Gemm {
        dtype,
        m,
        n,
        k,
        operands: Operands::Nn,
    };
    out.add(item, item.work().amount() / flop_per_s);
}

/// Three sides with an x between them, at the beginning.
fn sides(text: &str) -> Option<[u64; 3]> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != 'x').unwrap_or(text.len());
    let mut parts = text[..end].split('x').map(|p| p.parse::<u64>().ok().filter(|n| *n > 0));
    let sides = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(sides)
}
