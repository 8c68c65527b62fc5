//! `exaplan completions`.

use super::output::{Console, emit};
use super::{Cli, DONE, Done, Layers, layers};
use crate::catalog::{Catalog, Kind, source};
use clap::CommandFactory;
use clap_complete::Shell;
use std::fmt::Write;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Print them.
pub fn run(args: &CompletionsArgs, console: &Console) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "exaplan", &mut script);
    let mut text = String::from_utf8_lossy(&script).into_owned();
    if args.shell == Shell::Bash {
        let catalog = layers::catalog(&Layers::default(), console)?;
        text += &names(&catalog);
    }
    emit(&text)?;
    Ok(DONE)
}

/// Scenario and catalog names for bash, of which clap knows nothing: files are allowed beside
/// scenarios, and entries may be the user's. Words that may stand there come to what clap proposes.
fn names(catalog: &Catalog) -> String {
    let mut entries: Vec<&str> = Vec::new();
    let mut cases = String::new();
    for (kind, k, _) in Kind::ALL {
        let index = catalog.entries(k);
        let of_kind: Vec<&str> = index
            .entries
            .keys()
            .chain(index.aliases.keys())
            .map(String::as_str)
            .filter(|n| plain(n))
            .collect();
        let _ = writeln!(cases, "        {kind}) names=\"{}\" ;;", of_kind.join(" "));
        entries.extend(of_kind);
    }
    entries.sort_unstable();
    entries.dedup();
    let kinds = Kind::ALL.map(|(name, _, _)| name).join(" ");
    let scenarios = source::embedded_scenarios().join(" ");
    let entries = entries.join(" ");
    format!(
        r#"
# Names of scenarios and catalog entries.
_exaplan_entries() {{
    local names
    case "$1" in
{cases}        *) names="{entries}" ;;
    esac
    echo "$names"
}}

_exaplan_with_names() {{
    _exaplan "$@"
    local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}" word names="" kind="" i
    local -a words=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word="${{COMP_WORDS[i]}}"
        [[ "$word" == --kind ]] && kind="${{COMP_WORDS[i+1]}}"
        [[ "$word" == -* ]] || words+=("$word")
    done
    if [[ "$prev" == --kind ]]; then
        names="{kinds}"
    elif [[ "$cur" != -* && "$prev" != -* ]]; then
        case "${{words[0]}} ${{words[1]}}" in
            "catalog show") names="$(_exaplan_entries "$kind")" ;;
            "catalog list") names="{kinds}" ;;
            "plan "* | "search "* | "explain "* | "tui "*) names="{scenarios}" ;;
        esac
    fi
    if [[ -n "$names" ]]; then
        COMPREPLY+=($(compgen -W "$names" -- "$cur"))
    fi
}}

complete -F _exaplan_with_names -o bashdefault -o default exaplan
"#
    )
}

/// Names that a shell does not take apart; others are typed in full.
fn plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "-._/".contains(c))
}
