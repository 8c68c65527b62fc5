//! What several tests need: scenarios from text and folders that vanish.

use exaplan::catalog::{Catalog, Kind};
use exaplan::error::{Error, Origin};
use exaplan::plan::{Plan, Scenario, plan};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

thread_local! {
    /// A catalog parses its files when first asked, so one per thread is handed from case to case.
    static SPARE: RefCell<Option<Catalog>> = const { RefCell::new(None) };
}

/// A text as if it had been read from a file called `test.toml`.
pub fn origin(text: &str) -> Arc<Origin> {
    Arc::new(Origin {
        name: "test.toml".to_string(),
        text: text.to_string(),
    })
}

/// Read a scenario and do something with it and its catalog.
pub fn with_scenario<T>(text: &str, overrides: &[&str], then: impl FnOnce(&Scenario, &Catalog) -> T) -> Result<T, Error> {
    let spare = SPARE.with(|s| s.borrow_mut().take()).unwrap_or_else(Catalog::builtin);
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    let (scenario, catalog) = Scenario::parse(&origin(text), &overrides, spare)?;
    let out = then(&scenario, &catalog);
    // A scenario's own entries stay in its catalog, which must not reach the next case.
    let own = |kind| catalog.entry(kind, "this-scenario").is_ok();
    if catalog.shadowed().next().is_none() && !own(Kind::Model) && !own(Kind::Stack) {
        SPARE.with(|s| *s.borrow_mut() = Some(catalog));
    }
    Ok(out)
}

/// Read and plan.
pub fn plan_text(text: &str, overrides: &[&str]) -> Result<Plan, Error> {
    with_scenario(text, overrides, plan)?
}

/// Every regular file under a folder of the repository, in order.
pub fn files(folder: &str) -> Vec<PathBuf> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, out) } else { out.push(path) }
        }
    }
    let mut out = Vec::new();
    walk(&root().join(folder), &mut out);
    out.sort();
    out
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of its own for one test, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("exaplan-it-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
