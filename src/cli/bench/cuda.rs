//! The cuda backend on the command line: devices, ranks, and what is told of it without one.

use super::ranks::{lookup, settings};
use super::{Chosen, SEED};
use crate::bench::cuda::source::{self, Form, Output};
use crate::bench::cuda::{Cuda, extra, parts};
use crate::bench::grid::Reach;
use crate::bench::ranks::{Place, place, token};
use crate::catalog::source::write_whole;
use crate::cli::output::{Console, emit, emit_json};
use crate::cli::{DONE, Done};
use crate::error::{Diagnostic, Error, Result};
use serde_json::json;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;

/// Ranks wait for each other so long: loading the libraries on a cold file system takes its time.
const PATIENCE: &str = "300s";

/// Whether this process is another rank than the first.
pub fn follows() -> Result<bool> {
    Ok(place(&lookup)?.is_some_and(|p| p.rank > 0))
}

/// Do what rank 0 says.
pub fn follow(cancel: &AtomicBool) -> Done {
    let Some(place) = place(&lookup)? else { return Ok(DONE) };
    let mut cuda = Cuda::open(place.local_rank, SEED)?;
    cuda.join(&place, &settings(PATIENCE)?, cancel)?;
    cuda.follow()?;
    Ok(DONE)
}

/// The first rank, with the others that a launcher started, or those that it starts itself.
pub fn choose(n_devices: usize, buffer_bytes: Option<u64>, cancel: &AtomicBool) -> Result<Chosen> {
    let given = place(&lookup)?;
    if given.is_some() && n_devices > 1 {
        let help = "under torchrun, srun or mpirun each rank takes one device: leave --devices out";
        return Err(Diagnostic::new("--devices, and a launcher that starts ranks").help(help).into());
    }
    let open = |ordinal| {
        Cuda::open(ordinal, SEED).map_err(|e| {
            let help = "`exaplan bench doctor` tells what is here; --backend torch and --backend jax bring libraries of their own, --backend cpu needs none";
            Error::from(Diagnostic::new(format!("the cuda backend is not here: {e}")).help(help))
        })
    };
    let mut cuda = open(given.as_ref().map_or(0, |p| p.local_rank))?;
    let mut settings = settings(PATIENCE)?;
    match given {
        Some(place) if place.world > 1 => cuda.join(&place, &settings, cancel)?,
        None if n_devices > 1 => {
            let seen = Cuda::count()?;
            if n_devices > seen {
                let text = format!("--devices {n_devices}: the driver sees {seen}");
                return Err(Diagnostic::new(text).help("give a smaller number").into());
            }
            settings.token = token();
            let (place, others) = start_others(n_devices, &settings.token)?;
            // They end with the first rank: it closes their connections.
            cuda.join(&place, &settings, cancel).inspect_err(|_| stop(others))?;
        }
        _ => {}
    }
    let mut reach = Reach::device(cuda.dtypes(), cuda.ranks());
    reach.buffer_bytes = buffer_bytes.unwrap_or(reach.buffer_bytes);
    Ok(Chosen {
        backend: Box::new(cuda),
        reach,
        extra: extra(),
    })
}

fn stop(children: Vec<Child>) {
    for mut child in children {
        // Whether it has ended already does not matter.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The other ranks as processes of this program, one for each device.
fn start_others(n: usize, token: &str) -> Result<(Place, Vec<Child>)> {
    let broken = |e: std::io::Error| Error::Device {
        what: format!("the other ranks are not started: {e}"),
    };
    // Free a moment ago; rank 0 listens there at once.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .map_err(broken)?
        .port();
    let program = std::env::current_exe().map_err(broken)?;
    let mut children = Vec::new();
    for rank in 1..n {
        let child = Command::new(&program)
            .args(["bench", "run", "--backend", "cuda"])
            .envs([
                ("RANK", rank.to_string()),
                ("LOCAL_RANK", rank.to_string()),
                ("WORLD_SIZE", n.to_string()),
                ("MASTER_ADDR", "127.0.0.1".to_string()),
                ("EXAPLAN_PORT", port.to_string()),
                ("EXAPLAN_TOKEN", token.to_string()),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        match child {
            Ok(child) => children.push(child),
            Err(e) => {
                stop(children);
                return Err(broken(e));
            }
        }
    }
    let place = Place {
        rank: 0,
        world: n,
        local_rank: 0,
        launcher: "exaplan".to_string(),
        leader: "127.0.0.1".to_string(),
        port,
    };
    Ok((place, children))
}

/// Whether it can run, without opening a device.
pub fn state() -> String {
    let missing: Vec<String> = parts().into_iter().filter_map(|p| p.found.err()).collect();
    match (missing.is_empty(), Cuda::count()) {
        (_, Err(e)) => format!("not here: {e}"),
        (_, Ok(0)) => "not here: the driver sees no device".to_string(),
        (true, Ok(n)) => format!("here: {n} devices; it has never run on one before"),
        (false, Ok(n)) => format!("here in part, {n} devices; {}", missing.join("; ")),
    }
}

/// Compile all kernels for an architecture; their PTX goes to `folder`.
pub fn compile(arch: &str, folder: Option<&Path>, console: &Console) -> Done {
    let known = |a: &str| {
        a.strip_prefix("sm_")
            .is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_alphanumeric()))
    };
    if !known(arch) {
        let text = format!("--compile {arch}: no architecture");
        return Err(Diagnostic::new(text).help("write sm_80, sm_90 or sm_100").into());
    }
    let mut list = Vec::new();
    let forms = Form::all();
    let progress = console.progress(forms.len(), "kernels");
    for form in forms {
        let mut ptx = source::compile(form, arch, Output::Ptx)?;
        let cubin = source::compile(form, arch, Output::Cubin)?;
        ptx.retain(|b| *b != 0);
        if let Some(folder) = folder {
            write_whole(&folder.join(format!("{}.{arch}.ptx", form.name())), &ptx)?;
        }
        list.push((form.name(), ptx.len(), cubin.len()));
        progress.step();
    }
    progress.end();
    if console.json {
        let list: Vec<_> = list
            .iter()
            .map(|(name, ptx, cubin)| json!({ "name": name, "ptx_bytes": ptx, "cubin_bytes": cubin }))
            .collect();
        emit_json(&json!({ "schema": "exaplan.bench-kernels/1", "architecture": arch, "kernels": list }))?;
        return Ok(DONE);
    }
    for (name, ptx, cubin) in &list {
        emit(&format!("{name:40} {ptx:>8} bytes of PTX {cubin:>8} of code\n"))?;
    }
    emit(&format!("All {} compile for {arch}; none of them was run.\n", list.len()))?;
    Ok(DONE)
}
