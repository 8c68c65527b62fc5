//! `exaplan bench doctor`: what is present, and whether its numbers are right.

use super::{SEED, interrupts};
use crate::bench::python::{Framework, Python};
use crate::bench::{Backend, Clock, Fused, Item, Monotonic, Operands, Pass, Protocol, Stream, Way, cpu};
use crate::catalog::{Collective, DType};
use crate::cli::output::{Console, emit_json, show};
use crate::cli::{DONE, Done};
use crate::error::{Error, Result};
use crate::report::{Block, Cell, Column, Document, Table};
use serde_json::json;
use std::sync::atomic::AtomicBool;

#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// The Python that is looked at
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: String,
    /// Compile all CUDA kernels for this architecture instead, which needs NVRTC and no device
    #[cfg(feature = "cuda")]
    #[arg(long, value_name = "sm_90")]
    compile: Option<String>,
    /// Write what they were compiled to into this folder
    #[cfg(feature = "cuda")]
    #[arg(long, value_name = "FOLDER", requires = "compile", value_hint = clap::ValueHint::DirPath)]
    ptx: Option<std::path::PathBuf>,
}

/// What is known of a backend.
struct Finding {
    backend: &'static str,
    device: String,
    /// Kernels whose numbers were right, and what was wrong.
    n_right: usize,
    wrong: Vec<String>,
    /// Why there is none.
    missing: Option<String>,
}

/// Do it. A backend that is missing is no failure; one whose numbers are wrong is.
pub fn run(args: &DoctorArgs, console: &Console) -> Done {
    #[cfg(feature = "cuda")]
    if let Some(arch) = &args.compile {
        return super::cuda::compile(arch, args.ptx.as_deref(), console);
    }
    let cancel = interrupts()?;
    let mut findings = vec![examined(
        "cpu",
        cpu::Host::new(None, SEED).map(|h| Box::new(h) as Box<dyn Backend>),
        &cancel,
    )];
    #[cfg(feature = "cuda")]
    findings.push(examined(
        "cuda",
        crate::bench::cuda::Cuda::open(0, SEED).map(|c| Box::new(c) as Box<dyn Backend>),
        &cancel,
    ));
    for framework in [Framework::Jax, Framework::Torch] {
        let started = Python::start(framework, &args.python, 1, SEED, &cancel);
        findings.push(examined(
            framework.name(),
            started.map(|p| Box::new(p) as Box<dyn Backend>),
            &cancel,
        ));
    }
    if cancel.load(std::sync::atomic::Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    let right = findings.iter().all(|f| f.wrong.is_empty());
    if console.json {
        let list: Vec<_> = findings
            .iter()
            .map(|f| {
                json!({
                    "backend": f.backend,
                    "present": f.missing.is_none(),
                    "device": f.device,
                    "n_right": f.n_right,
                    "wrong": f.wrong,
                    "missing": f.missing,
                })
            })
            .collect();
        emit_json(
            &json!({ "schema": "exaplan.bench-doctor/1", "right": right, "backends": list, "cuda": libraries(), "never_run": never_run() }),
        )?;
    } else {
        show(console, &document(&findings))?;
    }
    Ok(if right { DONE } else { super::super::ENVIRONMENT })
}

/// Said in README too.
fn never_run() -> String {
    #[cfg(feature = "cuda")]
    let cuda = crate::bench::cuda::NEVER_RUN;
    #[cfg(not(feature = "cuda"))]
    let cuda = "This exaplan was built without the cuda backend.";
    format!("{cuda} The jax and torch runners have run on processors of a host only, never on an accelerator.")
}

/// Libraries of NVIDIA that are looked for.
fn libraries() -> Vec<serde_json::Value> {
    #[cfg(feature = "cuda")]
    let list = crate::bench::cuda::parts()
        .into_iter()
        .map(|p| json!({ "name": p.name, "version": p.found.as_ref().ok(), "missing": p.found.as_ref().err() }))
        .collect();
    #[cfg(not(feature = "cuda"))]
    let list = Vec::new();
    list
}

/// One small item of every kind: odd sizes, so that edges are looked at too.
fn trials() -> Vec<Item> {
    let mut out: Vec<Item> = [Stream::Copy, Stream::Triad]
        .map(|stream| Item::Stream { stream, bytes: 1 << 20 })
        .to_vec();
    for dtype in DType::ALL {
        for operands in [Operands::Nn, Operands::Nt, Operands::Tn] {
            out.push(Item::Gemm {
                dtype,
                m: 208,
                n: 144,
                k: 320,
                operands,
            });
        }
        for (pass, causal, heads) in [
            (Pass::Forward, true, 4),
            (Pass::Backward, true, 2),
            (Pass::Forward, false, 2),
            (Pass::Backward, false, 2),
        ] {
            out.push(Item::Attention {
                dtype,
                pass,
                causal,
                batch: 2,
                seq_tokens: 200,
                heads,
                kv_heads: 2,
                head_dim: 64,
            });
        }
        for fused in [
            Fused::Norm,
            Fused::Residual,
            Fused::Activation,
            Fused::Gated,
            Fused::Rotary,
            Fused::Loss,
            Fused::Embedding,
        ] {
            for pass in [Pass::Forward, Pass::Backward] {
                out.push(Item::Fused {
                    fused,
                    pass,
                    dtype,
                    rows: 130,
                    columns: 258,
                });
            }
        }
        for fused in [Fused::Adam, Fused::Transpose, Fused::Quantize] {
            out.push(Item::Fused {
                fused,
                pass: Pass::Forward,
                dtype,
                rows: 132,
                columns: 258,
            });
        }
    }
    for way in [Way::HostToDevice, Way::DeviceToHost] {
        out.push(Item::Transfer { way, bytes: 1_000_003 });
    }
    out.extend([false, true].map(|by_graph| Item::Launch { by_graph }));
    for (_, collective) in Collective::ALL {
        for ranks in 2..=16 {
            out.push(Item::Collective {
                collective,
                ranks,
                bytes: 1 << 16,
            });
        }
    }
    out
}

fn examined(name: &'static str, backend: Result<Box<dyn Backend>>, cancel: &AtomicBool) -> Finding {
    let clock = Monotonic::default();
    let mut finding = Finding {
        backend: name,
        device: String::new(),
        n_right: 0,
        wrong: Vec::new(),
        missing: None,
    };
    let described = backend.and_then(|mut b| b.environment(&clock).map(|e| (b, e)));
    let (mut backend, environment) = match described {
        Ok(both) => both,
        Err(error) => {
            finding.missing = Some(error.to_string());
            return finding;
        }
    };
    finding.device = environment.device;
    // One run of each: it is the check that counts.
    let protocol = Protocol {
        n_warm_up: 0,
        min_repeats: 1,
        max_repeats: 1,
        budget_s: 0.1,
        ..Protocol::default()
    };
    for item in trials().iter().filter(|i| backend.supports(i)).collect::<Vec<_>>() {
        match backend.measure(item, &protocol, &clock as &dyn Clock, cancel) {
            Ok(_) => finding.n_right += 1,
            Err(Error::Interrupted) => break,
            Err(error) => finding.wrong.push(format!("{item}: {error}")),
        }
    }
    finding
}

fn document(findings: &[Finding]) -> Document {
    let columns = vec![
        Column::words("Backend"),
        Column::words("State"),
        Column::words("Device, or why not"),
    ];
    let mut table = Table::new("", columns);
    for f in findings {
        let state = match (&f.missing, f.wrong.len()) {
            (Some(_), _) => "not here".to_string(),
            (None, 0) => format!("{} kernels right", f.n_right),
            (None, n) => format!("{n} kernels WRONG, {} right", f.n_right),
        };
        let text = f.missing.clone().unwrap_or_else(|| f.device.clone());
        let cells = [f.backend.to_string(), state, text];
        table.rows.push(cells.map(Cell::Text).to_vec());
        table.notes.extend(f.wrong.iter().map(|w| format!("{}: {w}", f.backend)));
    }
    for library in libraries() {
        let text = |key: &str| library[key].as_str().unwrap_or_default().to_string();
        let state = if library["missing"].is_null() {
            text("version")
        } else {
            text("missing")
        };
        table.notes.push(format!("cuda: {}: {state}.", text("name")));
    }
    table.notes.push(never_run());
    Document {
        title: "What can measure here".to_string(),
        subtitle: String::new(),
        blocks: vec![Block::Table(table)],
        provenance: format!(
            "exaplan {}; every kernel was checked against a higher precision",
            env!("CARGO_PKG_VERSION")
        ),
    }
}
