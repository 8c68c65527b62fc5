//! `exaplan tui`.

use super::output::{Console, emit};
use super::{DONE, Done, INTERRUPTED, Over, layers};
use crate::catalog::source;
use crate::error::{Diagnostic, Result};
use crate::plan::scenario::origin;
use crate::tui::{Asked, Depth, Looks, Setup, THEMES, keys_markdown};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  exaplan tui
  exaplan tui mine.toml llama3-405b --set cluster.nodes=1024
  exaplan tui scenarios/ --theme light --ascii";

/// What is compared where nothing is named: the published run on other machines and in other ways.
const STARTERS: [(&str, &[&str]); 5] = [
    ("405b on H200", &["cluster.node=dgx-h200"]),
    (
        "405b on half as many B200",
        &["cluster.node=dgx-b200", "cluster.nodes=1024", "layout.data=64"],
    ),
    ("405b on MI300X", &["cluster.node=mi300x-ubb8", "layout={}"]),
    ("405b in Stockholm", &["cluster.region=eu-north-1"]),
    ("405b layout searched", &["layout={}"]),
];

/// Compare plans in the terminal, see causes, turn knobs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TuiArgs {
    /// Scenario files, folders of them, or names of built-in ones [default: the built-in ones, on
    /// several machines]
    #[arg(value_name = "SCENARIO", value_hint = clap::ValueHint::FilePath)]
    scenarios: Vec<String>,
    /// Colors; safe for every kind of color vision if none is said
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(THEMES))]
    theme: Option<String>,
    /// Draw with ASCII only
    #[arg(long)]
    ascii: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    no_mouse: bool,
    /// Nothing moves by itself
    #[arg(long)]
    no_animation: bool,
    /// Forget how it looked the last time
    #[arg(long)]
    fresh: bool,
    /// Print every key as a Markdown table
    #[arg(long)]
    print_keys: bool,
    #[command(flatten)]
    over: Over,
}

/// Whether there is a terminal to show it on.
pub fn possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Show.
pub fn run(args: &TuiArgs, console: &Console) -> Done {
    if args.print_keys {
        emit(&keys_markdown())?;
        return Ok(DONE);
    }
    if !possible() {
        return Err(Diagnostic::new("`tui` needs a terminal, and this is none")
            .help("use `exaplan plan` or `exaplan compare`, which write to files and pipes too")
            .into());
    }
    let (catalog, all) = args.over.prepared(layers::catalog(&args.over.layers, console)?)?;
    // What flags stand for comes first; what was set is a part of every plan.
    let hidden = all[..all.len() - args.over.set.len()].to_vec();
    let ended = crate::tui::run(Setup {
        catalog,
        asked: asked(args)?,
        flags: args.over.flags(),
        hidden,
        builtin: source::embedded_scenarios(),
        looks: looks(args, console),
    })?;
    Ok(if ended.is_some() { INTERRUPTED } else { DONE })
}

/// What the program does when nothing is asked of it.
pub fn run_default(console: &Console) -> Done {
    let args = TuiArgs {
        scenarios: Vec::new(),
        theme: None,
        ascii: false,
        no_mouse: false,
        no_animation: false,
        fresh: false,
        print_keys: false,
        over: Over::default(),
    };
    run(&args, console)
}

/// The scenarios, each looked for before the screen is taken.
fn asked(args: &TuiArgs) -> Result<Vec<Asked>> {
    let one = |name: String, source: String, more: &[&str]| Asked {
        name,
        source,
        sets: args.over.set.iter().cloned().chain(more.iter().map(ToString::to_string)).collect(),
    };
    let mut out = Vec::new();
    if args.scenarios.is_empty() {
        for name in source::embedded_scenarios() {
            out.push(one(name.clone(), name.clone(), &[]));
        }
        let more = STARTERS
            .iter()
            .map(|(what, sets)| one((*what).to_string(), super::DEFAULT_SCENARIO.to_string(), sets));
        out.extend(more);
        return Ok(out);
    }
    for name in &args.scenarios {
        if Path::new(name).is_dir() {
            for file in source::read_dir(Path::new(name))? {
                let stem = Path::new(&file.name)
                    .file_stem()
                    .and_then(|s| s.to_str())
                    .unwrap_or(&file.name)
                    .to_string();
                out.push(one(stem, file.name.clone(), &[]));
            }
            continue;
        }
        origin(name)?;
        let stem = Path::new(name).file_stem().and_then(|s| s.to_str()).unwrap_or(name).to_string();
        out.push(one(stem, name.clone(), &[]));
    }
    Ok(out)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

fn looks(args: &TuiArgs, console: &Console) -> Looks {
    let term = variable("TERM").unwrap_or_default();
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|n| variable(n)).unwrap_or_default();
    let utf8 = locale.to_uppercase().replace('-', "").contains("UTF8");
    let colour = variable("COLORTERM").is_some_and(|c| c == "truecolor" || c == "24bit");
    let depth = match (colour, term.contains("256color")) {
        (true, _) => Depth::True,
        (false, true) => Depth::Cube,
        _ => Depth::Sixteen,
    };
    let theme = if console.colors(true) {
        args.theme.clone()
    } else {
        Some("mono".to_string())
    };
    Looks {
        theme,
        depth,
        ascii: args.ascii || !utf8 || term == "linux",
        mouse: !args.no_mouse,
        still: args.no_animation,
        session: session(),
        fresh: args.fresh,
    }
}

/// Where it is remembered how it looked.
fn session() -> Option<PathBuf> {
    let home = || variable("HOME").map(|h| PathBuf::from(h).join(".local/state"));
    let base = variable("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .or_else(home)?;
    Some(base.join("exaplan").join("tui.toml"))
}
