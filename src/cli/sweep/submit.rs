//! `exaplan sweep submit`: the shards as an array of jobs of the scheduler that a cluster has.

use super::Input;
use crate::catalog::source;
use crate::cli::output::{Console, emit, emit_json};
use crate::cli::{DONE, Done};
use crate::error::{Diagnostic, Error, Result};
use clap::ValueEnum;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Debug, clap::Args)]
pub struct SubmitArgs {
    #[command(flatten)]
    input: Input,
    /// In how many parts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    shards: u32,
    /// What runs them
    #[arg(long, value_enum, default_value_t = Engine::Slurm, value_name = "ENGINE")]
    engine: Engine,
    /// At most K at a time
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    at_once: Option<u32>,
    /// Cores of each
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    cpus: u16,
    /// Memory of each, as the scheduler writes it
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Time limit of each, as Slurm writes it [default: that of the partition]
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Slurm: pass this to sbatch, as in --sbatch-arg=--partition=long; may be repeated
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    sbatch_arg: Vec<String>,
    /// Slurm: do not submit the job that merges
    #[arg(long)]
    no_merge: bool,
    /// Show the script and submit nothing
    #[arg(long)]
    dry_run: bool,
    /// Kubernetes: the container image with exaplan in it
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Kubernetes: the claim of the volume where the study lies; results go there
    #[arg(long, value_name = "NAME")]
    claim: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// Write a script and submit it with sbatch
    Slurm,
    /// Print the manifest of an Indexed Job
    Kubernetes,
}

/// Most tasks of a Slurm array where nobody changed `MaxArraySize`.
const MAX_ARRAY: u32 = 1000;

/// Write, and submit what can be.
pub fn run(args: &SubmitArgs, console: &Console) -> Done {
    let (sweep, place) = args.input.open(console)?;
    sweep.check()?;
    if args.engine == Engine::Kubernetes {
        return print(args, &manifest(args)?, console);
    }
    if args.shards > MAX_ARRAY {
        console.note(&format!(
            "Slurm takes {MAX_ARRAY} tasks in an array unless MaxArraySize says otherwise"
        ));
    }
    let text = script(args, &place.dir)?;
    if args.dry_run {
        return print(args, &text, console);
    }
    let dir = absolute(&place.dir)?;
    let path = dir.join("array.sbatch");
    source::write_whole(&path, text.as_bytes())?;
    let job = sbatch(&args.sbatch_arg, &[], &path)?;
    let merge = if args.no_merge {
        None
    } else {
        Some(submit_merge(args, &dir, &job)?)
    };
    if console.json {
        emit_json(&json!({
            "schema": "exaplan.sweep.submit/1",
            "engine": "slurm",
            "shards": args.shards,
            "script": path.display().to_string(),
            "job": job,
            "merge_job": merge,
        }))?;
        return Ok(DONE);
    }
    let then = merge.map_or_else(String::new, |m| format!(", and job {m} merges them when all are done"));
    emit(&format!(
        "job {job}: {} shards as an array{then}\nscript: {}\nlogs:   {}\n",
        args.shards,
        path.display(),
        dir.join(format!("{job}_*.log")).display()
    ))?;
    Ok(DONE)
}

fn print(args: &SubmitArgs, text: &str, console: &Console) -> Done {
    if console.json {
        let engine = if args.engine == Engine::Slurm { "slurm" } else { "kubernetes" };
        let text = json!({ "schema": "exaplan.sweep.submit/1", "engine": engine, "shards": args.shards, "text": text });
        emit_json(&text)?;
    } else {
        emit(text)?;
    }
    Ok(DONE)
}

/// Paths of a script must not depend on where it runs.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })
}

/// A word of a shell, whatever it holds.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `exaplan sweep WORD STUDY --dir … -o …`, as a shell reads it.
fn command(args: &SubmitArgs, word: &str) -> Result<String> {
    let program = std::env::current_exe().map_err(|source| Error::Io {
        path: "exaplan".into(),
        source,
    })?;
    let mut words = vec![quoted(&program.display().to_string()), "sweep".to_string(), word.to_string()];
    let mut path = |flag: Option<&str>, path: &Path| -> Result<()> {
        words.extend(flag.map(str::to_string));
        words.push(quoted(&absolute(path)?.display().to_string()));
        Ok(())
    };
    path(None, &args.input.study)?;
    if let Some(dir) = &args.input.dir {
        path(Some("--dir"), dir)?;
    }
    if let Some(output) = &args.input.output {
        path(Some("--output"), output)?;
    }
    for catalog in &args.input.layers.catalog {
        path(Some("--catalog"), catalog)?;
    }
    Ok(words.join(" "))
}

/// A name that schedulers take: lower case letters, digits and dashes.
fn name(study: &Path) -> String {
    let stem = study.file_stem().and_then(|s| s.to_str()).unwrap_or("study");
    let safe: String = stem
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(40)
        .collect();
    format!("exaplan-{}", safe.trim_matches('-'))
}

/// The array. `exec`, as `--signal=B:` signals the shell of the batch: without it TERM reaches no child.
/// A task that was stopped goes on where it was when it is queued again.
fn script(args: &SubmitArgs, dir: &Path) -> Result<String> {
    let at_once = args.at_once.map_or_else(String::new, |k| format!("%{k}"));
    let dir = absolute(dir)?.display().to_string();
    let mut lines = vec![
        "#!/bin/bash".to_string(),
        format!("#SBATCH --job-name={}", name(&args.input.study)),
        format!("#SBATCH --array=0-{}{at_once}", args.shards - 1),
        format!("#SBATCH --cpus-per-task={}", args.cpus),
    ];
    lines.extend(args.memory.iter().map(|m| format!("#SBATCH --mem={m}")));
    lines.extend(args.time.iter().map(|t| format!("#SBATCH --time={t}")));
    lines.push("#SBATCH --requeue --open-mode=append --signal=B:TERM@60".to_string());
    lines.push(format!(
        "#SBATCH --output=\"{}/%A_%a.log\"",
        dir.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%")
    ));
    lines.push(format!("exec {} --shards {}", command(args, "run")?, args.shards));
    Ok(lines.join("\n") + "\n")
}

fn submit_merge(args: &SubmitArgs, dir: &Path, job: &str) -> Result<String> {
    let wrap = format!("--wrap=exec {} --shards {}", command(args, "merge")?, args.shards);
    let rest = [
        format!("--dependency=afterok:{job}"),
        format!("--job-name={}-merge", name(&args.input.study)),
        format!("--output={}", dir.join("merge_%j.log").display()),
    ];
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    sbatch(&args.sbatch_arg, &rest, Path::new(&wrap))
}

/// Submit; the number of the job.
fn sbatch(asked: &[String], more: &[&str], script: &Path) -> Result<String> {
    let device = |what: String| Error::Device { what };
    let ran = Command::new("sbatch").arg("--parsable").args(more).args(asked).arg(script).output();
    let ran = ran.map_err(|e| {
        device(format!(
            "cannot run sbatch: {e}; on a machine of a Slurm cluster it is there, --dry-run shows the script"
        ))
    })?;
    if !ran.status.success() {
        return Err(device(format!(
            "sbatch refused the job: {}",
            String::from_utf8_lossy(&ran.stderr).trim()
        )));
    }
    // `123` or `123;cluster`.
    let out = String::from_utf8_lossy(&ran.stdout);
    Ok(out.trim().split(';').next().unwrap_or_default().to_string())
}

/// An Indexed Job (Kubernetes 1.29 and later for `backoffLimitPerIndex`): its pods are shards. Bad input
/// fails its index at once; what a node takes away is tried again and goes on.
fn manifest(args: &SubmitArgs) -> Result<String> {
    let needed = |value: &Option<String>, flag: &str, what: &str| {
        let lacks = || Diagnostic::new(format!("a Kubernetes job needs {flag}")).help(what.to_string());
        value.clone().ok_or_else(lacks)
    };
    let image = needed(&args.image, "--image", "give the container image with exaplan in it")?;
    let claim = needed(&args.claim, "--claim", "give the claim of the volume where the study lies")?;
    let file = args.input.study.file_name().and_then(|f| f.to_str()).unwrap_or("study.toml");
    // A string of JSON is one of YAML.
    let text = |t: &str| json!(t).to_string();
    let words = [
        "exaplan",
        "sweep",
        "run",
        &format!("/study/{file}"),
        "--shards",
        &args.shards.to_string(),
    ]
    .map(text);
    let memory = args.memory.as_deref().unwrap_or("1Gi");
    Ok(format!(
        r#"apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  completionMode: Indexed
  completions: {shards}
  parallelism: {parallelism}
  backoffLimitPerIndex: 4
  podFailurePolicy:
    rules:
      - action: FailIndex
        onExitCodes:
          containerName: exaplan
          operator: In
          values: [2]
      - action: Ignore
        onPodConditions:
          - type: DisruptionTarget
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: exaplan
          image: {image}
          command: [{command}]
          resources:
            requests: {{ cpu: "{cpus}", memory: {memory} }}
            limits: {{ cpu: "{cpus}", memory: {memory} }}
          volumeMounts:
            - name: study
              mountPath: /study
      volumes:
        - name: study
          persistentVolumeClaim:
            claimName: {claim}
"#,
        name = name(Path::new(file)),
        shards = args.shards,
        parallelism = args.at_once.unwrap_or(args.shards),
        image = text(&image),
        command = words.join(", "),
        cpus = args.cpus,
        memory = text(memory),
        claim = text(&claim),
    ))
}
