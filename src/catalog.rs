//! The catalog: named things with a source, in layers of which later ones win.

pub mod accelerator;
pub mod band;
pub mod cluster;
pub mod diff;
pub mod entry;
pub mod fabric;
pub mod field;
pub mod hf;
pub mod market;
pub mod model;
pub mod plausible;
pub mod points;
pub mod profile;
pub mod ranges;
pub mod raw;
mod read;
mod read_model;
mod read_points;
mod read_profile;
pub mod reader;
pub mod reliability;
pub mod show;
pub mod source;

pub use accelerator::{Accelerator, DType, Money3, Peak};
pub use band::{Band, Class};
pub use cluster::{Cluster, Level, Node};
pub use entry::{Entry, Index, Kind, Layer};
pub use fabric::{Fabric, Topology};
pub use field::{Field, Near};
pub use market::{Commitment, Finance, Grid, Offer, Region};
pub use model::{Attention, Delta, Feed, Latent, LayerKind, Mamba, Mixer, Model, Moe, N_KINDS, Sliding};
pub use points::{AttentionKey, AttentionPoint, GemmKey, GemmPoint, Measured, Points};
pub use profile::{
    AffinePieces, AttentionWave, Collective, ContextExchange, GemmWave, GroupedWave, OwnBand, Profile, Relation, Stack, UsualRecompute,
};
pub use read::{Entity, default_storage};
pub use read_points::sha256;
pub use reliability::{Cause, Causes, Reliability, Screening};

use crate::error::{At, Diagnostic, Error, Origin, Result};
use entry::Definition;
use raw::{Item, Tree, Value};
use reader::{Problems, Reader};
use sha2::{Digest, Sha256};
use std::any::Any;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// One file of the catalog, parsed when one of its kinds is first asked for.
struct Part {
    origin: Arc<Origin>,
    layer: Layer,
    /// Which directory of its layer: the files of one must agree, a later one wins over it.
    set: usize,
    /// Built-in files hold one kind, told by their folder, so the others need not be parsed.
    only: Option<Kind>,
    parsed: OnceLock<(Tree, Vec<Diagnostic>)>,
}

impl Part {
    fn tree(&self) -> &(Tree, Vec<Diagnostic>) {
        self.parsed.get_or_init(|| raw::parse(&self.origin))
    }
}

/// The entries of a kind and what is wrong with them, resolved when first asked for.
type Slot = OnceLock<(Index, Vec<Diagnostic>)>;

/// Named accelerators, networks, prices, models and the rest. Immutable once built.
pub struct Catalog {
    parts: Vec<Arc<Part>>,
    /// By kind; catalogs that differ by a scenario's own entries share those of the other kinds.
    indexes: Vec<Arc<Slot>>,
    /// Entities by kind and id, once read: thousands of scenarios name the same few.
    entities: Vec<RwLock<HashMap<String, Arc<dyn Any + Send + Sync>>>>,
    /// Prices of an accelerator, by its id.
    offers: RwLock<HashMap<String, Arc<Vec<Offer>>>>,
    digest: OnceLock<String>,
}

/// The embedded files, parsed at most once in a process: every scenario builds a catalog on them.
static BUILTIN: OnceLock<Vec<Arc<Part>>> = OnceLock::new();

/// Tables that are not catalog entries but may stand in a catalog file.
const FILE_KEYS: [&str; 1] = ["format"];

impl Clone for Catalog {
    /// Copies share what was read.
    fn clone(&self) -> Catalog {
        fn copy<T: Clone>(lock: &RwLock<T>) -> RwLock<T> {
            RwLock::new(lock.read().unwrap_or_else(PoisonError::into_inner).clone())
        }
        Catalog {
            parts: self.parts.clone(),
            indexes: self.indexes.clone(),
            entities: self.entities.iter().map(copy).collect(),
            offers: copy(&self.offers),
            digest: self.digest.clone(),
        }
    }
}

impl Catalog {
    /// The catalog in the binary.
    #[must_use]
    pub fn builtin() -> Catalog {
        let part = |(path, text): (String, &str)| {
            // Tables are read with the profile that names them.
            if !path.ends_with(".toml") {
                return None;
            }
            let (_, kind, _) = Kind::ALL
                .iter()
                .find(|(_, _, folder)| path.starts_with(folder) && path != source::SOFTWARE)?;
            let origin = Arc::new(Origin {
                name: format!("builtin:{path}"),
                text: text.to_string(),
            });
            Some(Arc::new(Part {
                origin,
                layer: Layer::Builtin,
                set: 0,
                only: Some(*kind),
                parsed: OnceLock::new(),
            }))
        };
        Catalog::from_parts(BUILTIN.get_or_init(|| source::embedded().filter_map(part).collect()).clone())
    }

    fn from_parts(parts: Vec<Arc<Part>>) -> Catalog {
        Catalog {
            parts,
            indexes: Kind::ALL.iter().map(|_| Arc::default()).collect(),
            entities: Kind::ALL.iter().map(|_| RwLock::default()).collect(),
            offers: RwLock::default(),
            digest: OnceLock::new(),
        }
    }

    /// The same with the files of a directory on top; it wins over those laid before. Every problem
    /// of the directory is reported.
    ///
    /// # Errors
    /// When a file cannot be read, is not TOML, or holds an entry that is wrong.
    pub fn overlay_dir(self, dir: &Path, layer: Layer) -> Result<Catalog> {
        let end = self.parts.len();
        self.overlay_dir_at(end, dir, layer)
    }

    /// The same with the directories that a scenario names: over the user's, the last on top, and
    /// under those of the command line. A problem without a place is shown where its directory is named.
    ///
    /// # Errors
    /// As [`Catalog::overlay_dir`].
    pub fn overlay_named(self, dirs: &[(PathBuf, At)]) -> Result<Catalog> {
        let above = self.parts.iter().filter(|p| p.layer >= Layer::Project).count();
        dirs.iter().try_fold(self, |catalog, (dir, at)| {
            let place = catalog.parts.len() - above;
            catalog.overlay_dir_at(place, dir, Layer::Project).map_err(|error| match error {
                Error::Invalid(list) => Error::Invalid(list.into_iter().map(|d| if d.at.is_none() { d.at(at) } else { d }).collect()),
                other => other,
            })
        })
    }

    fn overlay_dir_at(self, place: usize, dir: &Path, layer: Layer) -> Result<Catalog> {
        self.overlay_origins(place, source::read_dir(dir)?, layer)
    }

    /// The same with one file on top, and the names of the entries of a kind that it defines.
    ///
    /// # Errors
    /// As [`Catalog::overlay_dir`].
    pub fn overlay_file(self, path: &Path, kind: Kind, layer: Layer) -> Result<(Catalog, Vec<String>)> {
        let origin = source::read_as(path, "a catalog file in TOML")?;
        let (tree, _) = raw::parse(&origin);
        let names = tree.table(kind.name()).map_or(Vec::new(), |t| t.entries.keys().cloned().collect());
        let end = self.parts.len();
        Ok((self.overlay_origins(end, vec![origin], layer)?, names))
    }

    fn overlay_origins(self, place: usize, origins: Vec<Arc<Origin>>, layer: Layer) -> Result<Catalog> {
        let set = self.parts.iter().map(|p| p.set + 1).max().unwrap_or(0);
        let mut parts = self.parts;
        let new = origins.into_iter().map(|origin| {
            Arc::new(Part {
                origin,
                layer,
                set,
                only: None,
                parsed: OnceLock::new(),
            })
        });
        let after = parts.split_off(place.min(parts.len()));
        parts.extend(new);
        parts.extend(after);
        Catalog::from_parts(parts).sound(layer)
    }

    /// Itself when nothing from a layer on is wrong.
    fn sound(self, from: Layer) -> Result<Catalog> {
        let problems = self.check(from);
        if problems.is_empty() {
            Ok(self)
        } else {
            Err(Error::Invalid(problems))
        }
    }

    /// The same with the entries of a scenario on top.
    ///
    /// # Errors
    /// When one of them is wrong.
    pub fn overlay_tree(self, origin: &Arc<Origin>, tree: Tree) -> Result<Catalog> {
        if tree.entries.is_empty() {
            Ok(self)
        } else {
            self.with_tree(origin, tree)
        }
    }

    /// A second catalog, this one with the entries of a scenario on top.
    ///
    /// # Errors
    /// When one of them is wrong.
    pub fn with_tree(&self, origin: &Arc<Origin>, tree: Tree) -> Result<Catalog> {
        let touched: Vec<bool> = Kind::ALL.iter().map(|(name, _, _)| tree.get(name).is_some()).collect();
        let set = self.parts.iter().map(|p| p.set + 1).max().unwrap_or(0);
        let part = Part {
            origin: origin.clone(),
            layer: Layer::Scenario,
            set,
            only: None,
            parsed: OnceLock::from((tree, Vec::new())),
        };
        let mut parts = self.parts.clone();
        parts.push(Arc::new(part));
        let mut catalog = Catalog::from_parts(parts);
        for (i, _) in touched.iter().enumerate().filter(|(_, touched)| !**touched) {
            catalog.indexes[i] = self.indexes[i].clone();
        }
        // Entries of scenarios are no part of it.
        catalog.digest = self.digest.clone();
        catalog.sound(Layer::Scenario)
    }

    /// The same without what a scenario laid on top: what to read it over again.
    #[must_use]
    pub fn beneath(&self) -> Catalog {
        let parts = self.parts.iter().filter(|p| p.layer != Layer::Scenario);
        Catalog::from_parts(parts.cloned().collect())
    }

    fn slot(&self, kind: Kind) -> &(Index, Vec<Diagnostic>) {
        self.indexes[kind.position()].get_or_init(|| {
            let mut definitions = Vec::new();
            let mut problems = Vec::new();
            for part in self.parts.iter().filter(|p| p.only.is_none_or(|k| k == kind)) {
                let (tree, errors) = part.tree();
                problems.extend(errors.iter().cloned());
                if let Some(group) = tree.table(kind.name()) {
                    definitions.extend(group.entries.iter().map(|(name, item)| Definition {
                        name,
                        item,
                        layer: part.layer,
                        set: part.set,
                    }));
                }
            }
            let (index, more) = Index::build(kind, &definitions);
            problems.extend(more);
            (index, problems)
        })
    }

    /// Entries of a kind, as written.
    #[must_use]
    pub fn entries(&self, kind: Kind) -> &Index {
        &self.slot(kind).0
    }

    /// The entry with this id or alias.
    ///
    /// # Errors
    /// When there is none; the message names the nearest.
    pub fn entry(&self, kind: Kind, name: &str) -> Result<&Entry> {
        let index = self.entries(kind);
        index.get(name).ok_or_else(|| Error::invalid(index.unknown(kind, name)))
    }

    /// The checked entity with this id or alias.
    ///
    /// # Errors
    /// When there is none or its entry is wrong.
    pub fn get<T: Entity>(&self, name: &str) -> Result<T> {
        self.shared::<T>(name).map(|value| T::clone(&value))
    }

    /// The same, not copied.
    ///
    /// # Errors
    /// As [`Catalog::get`].
    pub fn shared<T: Entity>(&self, name: &str) -> Result<Arc<T>> {
        let entry = self.entry(T::KIND, name)?;
        let kept = &self.entities[T::KIND.position()];
        let known = kept.read().ok().and_then(|list| list.get(&entry.name).cloned());
        if let Some(value) = known.and_then(|value| value.downcast::<T>().ok()) {
            return Ok(value);
        }
        let value = Arc::new(self.read::<T>(entry)?);
        if let Ok(mut list) = kept.write() {
            list.insert(entry.name.clone(), value.clone());
        }
        Ok(value)
    }

    fn read<T: Entity>(&self, entry: &Entry) -> Result<T> {
        let problems = Problems::default();
        let reader = Reader::new(&entry.tree, &format!("{}.{}", T::KIND.name(), entry.name), &entry.at, &problems);
        let value = T::read(&entry.name, &reader, self);
        reader.finish();
        if let (false, Some(layer), None) = (problems.is_empty(), entry.shadows, &entry.extends) {
            let text = format!("{} `{}` replaces the {} one as a whole", T::KIND.name(), entry.name, layer.name());
            problems.push(
                Diagnostic::new(text)
                    .at(&entry.at)
                    .help(format!("to change some keys only, add extends = \"{}\"", entry.name)),
            );
        }
        if problems.is_empty() {
            Ok(value)
        } else {
            Err(Error::Invalid(problems.into_list()))
        }
    }

    /// The prices of an accelerator, by id, in the order of their own ids; those that are wrong left out.
    #[must_use]
    pub fn offers_for(&self, accelerator: &str) -> Arc<Vec<Offer>> {
        if let Some(known) = self.offers.read().ok().and_then(|list| list.get(accelerator).cloned()) {
            return known;
        }
        let devices = self.entries(Kind::Accelerator);
        let list = self.entries(Kind::Offer).entries.values();
        // Only the entries of this device are checked and read; there are hundreds of others.
        let its = list.filter(|e| {
            let device = e.tree.text("accelerator").and_then(|a| devices.get(a));
            device.is_some_and(|d| d.name == accelerator)
        });
        let offers: Arc<Vec<Offer>> = Arc::new(its.filter_map(|e| self.get::<Offer>(&e.name).ok()).collect());
        if let Ok(mut list) = self.offers.write() {
            list.insert(accelerator.to_string(), offers.clone());
        }
        offers
    }

    /// The same for a name that stands at a place in a text: the message shows the place.
    pub fn get_at<T: Entity>(&self, name: &str, at: &At, problems: &Problems) -> Option<T> {
        match self.get(name) {
            Ok(value) => Some(value),
            Err(Error::Invalid(list)) => {
                problems.extend(list.into_iter().map(|d| if d.at.is_none() { d.at(at) } else { d }));
                None
            }
            Err(_) => None,
        }
    }

    /// Problems of everything that a layer (and those above it) defines.
    #[must_use]
    pub fn check(&self, from: Layer) -> Vec<Diagnostic> {
        let problems = Problems::default();
        for part in self.parts.iter().filter(|p| p.layer >= from) {
            self.check_part(part, &problems);
        }
        for (_, kind, _) in Kind::ALL {
            let (index, found) = self.slot(kind);
            // A file that is not TOML is seen by every kind; it is said once, below.
            problems.extend(found.iter().cloned());
            for entry in index.entries.values().filter(|e| e.layer >= from) {
                let result = read::check(kind, &entry.name, self);
                problems.extend(result);
            }
        }
        let mut seen = Vec::new();
        for problem in problems.into_list() {
            if !seen.contains(&problem) {
                seen.push(problem);
            }
        }
        seen
    }

    fn check_part(&self, part: &Part, problems: &Problems) {
        let (tree, errors) = part.tree();
        problems.extend(errors.iter().cloned());
        let names: Vec<&str> = Kind::ALL.iter().map(|(n, _, _)| *n).chain(FILE_KEYS).collect();
        for (key, item) in tree.entries.iter() {
            if part.layer != Layer::Scenario && !names.contains(&key.as_str()) && !key.starts_with("x-") {
                problems.push(
                    Diagnostic::new(format!("unknown key `{key}`"))
                        .at(&item.key_at)
                        .help(reader::one_of(key, &names)),
                );
            }
        }
        if let Some(Item { value, at, .. }) = tree.get("format").filter(|i| i.value != Value::Integer(1)) {
            let text = format!(
                "`format` is {}, this program reads 1",
                if let Value::Integer(i) = value {
                    i.to_string()
                } else {
                    value.type_name().to_string()
                }
            );
            problems.push(Diagnostic::new(text).at(at).help("use a newer exaplan, or write format = 1"));
        }
    }

    /// Digest of every file, for provenance.
    #[must_use]
    pub fn digest(&self) -> String {
        let compute = || {
            let mut hash = Sha256::new();
            for part in self.parts.iter().filter(|p| p.layer != Layer::Scenario) {
                hash.update(part.origin.name.as_bytes());
                hash.update([0]);
                hash.update(part.origin.text.as_bytes());
                hash.update([0]);
            }
            hex(&hash.finalize())
        };
        self.digest.get_or_init(compute).clone()
    }

    /// User entries that hide one of a lower layer.
    pub fn shadowed(&self) -> impl Iterator<Item = (Kind, &Entry)> {
        Kind::ALL
            .iter()
            .filter(|_| self.parts.iter().any(|p| p.layer > Layer::Builtin))
            .flat_map(|(_, kind, _)| {
                self.entries(*kind)
                    .entries
                    .values()
                    .filter(|e| e.shadows.is_some())
                    .map(|e| (*kind, e))
            })
    }
}

/// First twelve hexadecimal digits of a digest: enough to tell two inputs apart.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(6).map(|b| format!("{b:02x}")).collect()
}

/// Digest of a text.
#[must_use]
pub fn digest_text(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}
