//! A scenario that is read once and built many times, with other overrides each time.

use super::own::own_entries;
use super::{assemble, hf, layers, origin, raw};
use crate::catalog::Catalog;
use crate::catalog::raw::{Item, Tree};
use crate::error::{Error, Origin, Result};
use crate::plan::Scenario;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// Catalogs with a scenario's own entries that are kept: those of the last values of an axis.
const N_KEPT: usize = 8;

/// A scenario file in memory. What it builds is what [`Scenario::load`] loads with the same overrides:
/// nothing is left out, only the file and the catalog are not read again.
pub struct Template {
    origin: Arc<Origin>,
    tree: Tree,
    overrides: Vec<String>,
    catalog: Arc<Catalog>,
    /// `[model]` as written and with its configuration file expanded.
    configured: Option<(Option<Item>, Tree, hf::Configured)>,
    /// Own entries with the catalog that has them on top.
    kept: RwLock<Vec<(Tree, Arc<Catalog>)>>,
}

impl Template {
    /// Read a scenario with the overrides that all its variants have.
    ///
    /// # Errors
    /// When there is no such scenario, it is no TOML, or an override has no place in it. What its values
    /// mean is looked at when it is built.
    pub fn load(name_or_path: &str, overrides: &[String], catalog: Catalog) -> Result<Template> {
        let origin = origin(name_or_path)?;
        let folder = Path::new(&origin.name).parent().filter(|_| !origin.name.starts_with("builtin:"));
        let (mut tree, mut broken) = raw::parse(&origin);
        broken.extend(overrides.iter().filter_map(|o| raw::set(&mut tree, o).err()));
        if !broken.is_empty() {
            return Err(Error::Invalid(broken));
        }
        let catalog = catalog.overlay_named(&layers::named(&tree, folder)?)?;
        // Once, and before it is copied.
        let _ = catalog.digest();
        let mut expanded = tree.clone();
        let configured = hf::expand(&mut expanded)?.map(|c| (tree.get("model").cloned(), expanded, c));
        Ok(Template {
            origin,
            tree,
            overrides: overrides.to_vec(),
            catalog: Arc::new(catalog),
            configured,
            kept: RwLock::default(),
        })
    }

    /// The catalog that it is read over, without its own entries.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The text that it was read from.
    #[must_use]
    pub fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// The scenario with further overrides, and its catalog.
    ///
    /// # Errors
    /// As [`Scenario::load`].
    pub fn build(&self, overrides: &[String]) -> Result<(Scenario, Arc<Catalog>)> {
        let mut tree = self.tree.clone();
        let broken: Vec<_> = overrides.iter().filter_map(|o| raw::set(&mut tree, o).err()).collect();
        if !broken.is_empty() {
            return Err(Error::Invalid(broken));
        }
        let fresh = match &self.configured {
            // The same section: its file need not be read again.
            Some((written, expanded, _)) if written.as_ref() == tree.get("model") => {
                if let Some(model) = expanded.get("model") {
                    tree.edit().insert("model".to_string(), model.clone());
                }
                None
            }
            _ => Some(hf::expand(&mut tree)?),
        };
        let configured = match &fresh {
            Some(own) => own.as_ref(),
            None => self.configured.as_ref().map(|(.., c)| c),
        };
        let catalog = self.with_own(own_entries(&tree))?;
        let all: Vec<String> = self.overrides.iter().chain(overrides).cloned().collect();
        let scenario = assemble(&self.origin, &tree, &all, (&catalog, configured))?;
        Ok((scenario, catalog))
    }

    fn with_own(&self, own: Tree) -> Result<Arc<Catalog>> {
        if own.entries.is_empty() {
            return Ok(self.catalog.clone());
        }
        let known = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, catalog)) = known.iter().find(|(tree, _)| *tree == own) {
            return Ok(catalog.clone());
        }
        drop(known);
        let catalog = Arc::new(self.catalog.with_tree(&self.origin, own.clone())?);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= N_KEPT {
            kept.remove(0);
        }
        kept.push((own, catalog.clone()));
        Ok(catalog)
    }
}
