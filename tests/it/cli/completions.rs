//! What bash proposes with the generated script.

use super::{exaplan, scratch};
use std::process::Command;

fn proposals(words: &[&str]) -> Vec<String> {
    let path = scratch(&format!("completions-{}", words.join("-").replace('/', "_"))).join("exaplan.bash");
    std::fs::write(&path, exaplan(&["completions", "bash"]).stdout).unwrap();
    let list = words.iter().map(|w| format!("'{w}'")).collect::<Vec<_>>().join(" ");
    // As bash calls it: the command, the word under the cursor, the word before.
    let script = format!(
        "source '{}'; COMP_WORDS=({list}); COMP_CWORD={}; _exaplan_with_names exaplan '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        path.display(),
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let out = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
    assert!(
        out.status.success() && out.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_string).collect()
}

#[test]
fn bash_completes_names() {
    if Command::new("bash").arg("--version").output().is_err() {
        return;
    }
    let has = |words: &[&str], wanted: &str| {
        let list = proposals(words);
        assert!(list.iter().any(|l| l == wanted), "{words:?} lacks {wanted}: {list:?}");
        list
    };
    has(&["exaplan", "plan", "lla"], "llama3-405b");
    has(&["exaplan", "search", "--top", "5", "llama"], "llama3-405b");
    let shown = has(&["exaplan", "catalog", "show", "h100-sxm"], "h100-sxm-80gb");
    assert!(shown.iter().all(|l| l.starts_with("h100-sxm")), "{shown:?}");
    let nodes = has(&["exaplan", "catalog", "show", "--kind", "node", "dgx-h"], "dgx-h100");
    assert!(nodes.iter().all(|l| l.starts_with("dgx-h")), "{nodes:?}");
    has(&["exaplan", "catalog", "list", "fab"], "fabric");
    // What clap knows stays.
    has(&["exaplan", "pla"], "plan");
    has(&["exaplan", "plan", "--che"], "--check");
    assert!(
        proposals(&["exaplan", "plan", "zzz"])
            .iter()
            .all(|l| l.is_empty() || !l.contains("llama"))
    );
}
