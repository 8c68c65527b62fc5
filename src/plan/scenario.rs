//! A scenario file, read and checked: everything a plan starts from.

mod layout;
mod machine;
mod own;
mod run;
mod template;
mod training;
mod unknowns;
mod variant;

pub use template::Template;

use super::{Assumption, Limits, Scenario, hf, layers};
use crate::bill::Terms;
use crate::catalog::raw::{self, Tree};
use crate::catalog::reader::{Bounds, Problems, Reader};
use crate::catalog::{Accelerator, Catalog, Cluster, Entity, Fabric, Kind, Model, Region, Stack, digest_text, source};
use crate::error::{At, Diagnostic, Error, Origin, Result, nearest};
use crate::units::Unit;
use Bounds::{Positive, Within};
use own::{DEFAULT_STACK, OWN, changes_stack, own_entries};
use std::path::Path;
use std::sync::Arc;
pub use unknowns::{Shape, Unknown};

/// The text of a scenario: an embedded one by name, else a file.
///
/// # Errors
/// When there is neither.
pub fn origin(name_or_path: &str) -> Result<Arc<Origin>> {
    let path = Path::new(name_or_path);
    if let Some(builtin) = source::embedded_scenario(name_or_path).filter(|_| !path.exists()) {
        return Ok(builtin);
    }
    source::read(path).map_err(|error| match error {
        Error::Invalid(list) if !path.exists() => {
            let names = source::embedded_scenarios();
            let guess = nearest(name_or_path, names.iter().map(String::as_str)).map_or(String::new(), |n| format!("did you mean `{n}`? "));
            let message = list.first().map_or_else(String::new, |d| d.message.clone());
            let help = format!("{guess}give a file, or a built-in scenario: {}", names.join(", "));
            Error::invalid(Diagnostic::new(message).help(help))
        }
        other => other,
    })
}

impl Scenario {
    /// Read a scenario with overrides (`--set path=value`) over a catalog. The returned catalog has
    /// the scenario's own entries on top.
    ///
    /// # Errors
    /// Every problem of the file and of the overrides, each with its place and a remedy.
    pub fn load(name_or_path: &str, overrides: &[String], catalog: Catalog) -> Result<(Scenario, Catalog)> {
        let origin = origin(name_or_path)?;
        let folder = Path::new(&origin.name).parent().filter(|_| !origin.name.starts_with("builtin:"));
        Scenario::read(&origin, folder, overrides, catalog)
    }

    /// The same from a text.
    ///
    /// # Errors
    /// As [`Scenario::load`].
    pub fn parse(origin: &Arc<Origin>, overrides: &[String], catalog: Catalog) -> Result<(Scenario, Catalog)> {
        Scenario::read(origin, None, overrides, catalog)
    }

    /// `folder` is where the file lies: catalog directories that it names start there.
    fn read(origin: &Arc<Origin>, folder: Option<&Path>, overrides: &[String], catalog: Catalog) -> Result<(Scenario, Catalog)> {
        let (mut tree, mut broken) = raw::parse(origin);
        broken.extend(overrides.iter().filter_map(|o| raw::set(&mut tree, o).err()));
        if !broken.is_empty() {
            return Err(Error::Invalid(broken));
        }
        let catalog = catalog.overlay_named(&layers::named(&tree, folder)?)?;
        let configured = hf::expand(&mut tree)?;
        let catalog = catalog.overlay_tree(origin, own_entries(&tree))?;
        let scenario = assemble(origin, &tree, overrides, (&catalog, configured.as_ref()))?;
        Ok((scenario, catalog))
    }
}

/// A scenario from its tree, with the overrides in it, over a catalog that has its own entries.
fn assemble(
    origin: &Arc<Origin>,
    tree: &Tree,
    overrides: &[String],
    (catalog, configured): (&Catalog, Option<&hf::Configured>),
) -> Result<Scenario> {
    let problems = Problems::default();
    let at = At {
        origin: origin.clone(),
        span: 0..0,
    };
    let root = Reader::new(tree, "", &at, &problems);
    let scenario = Builder {
        catalog,
        problems: &problems,
        assumptions: Vec::new(),
        profile: None,
        configured,
    }
    .build(&root, overrides, &origin.text);
    root.skip(&Kind::ALL.map(|(name, _, _)| name));
    root.finish();
    match scenario {
        Some(scenario) if problems.is_empty() => Ok(scenario),
        _ => Err(Error::Invalid(problems.into_list())),
    }
}

pub(super) struct Builder<'a> {
    pub(super) catalog: &'a Catalog,
    problems: &'a Problems,
    assumptions: Vec<Assumption>,
    /// The profile that the scenario names.
    pub(super) profile: Option<(String, At)>,
    /// The configuration file that is the model.
    configured: Option<&'a hf::Configured>,
}

impl Builder<'_> {
    /// Record a value that nobody gave.
    pub(super) fn assume(&mut self, key: &str, value: impl Into<String>, source: impl Into<String>) {
        self.assumptions.push(Assumption {
            key: key.to_string(),
            value: value.into(),
            source: source.into(),
        });
    }

    fn get<T: Entity>(&self, name: &str, at: &At) -> Option<T> {
        self.catalog.get_at(name, at, self.problems)
    }

    pub(super) fn section<'r>(&self, root: &Reader<'r>, key: &str) -> Option<Reader<'r>> {
        root.item(key).and_then(|_| root.table(key))
    }

    fn build(mut self, root: &Reader<'_>, overrides: &[String], text: &str) -> Option<Scenario> {
        let _ = root.number("format", Unit::One, Within(1.0, 1.0));
        let name = root.text("name").unwrap_or_else(|| "unnamed scenario".to_string());
        root.skip(&["note", "catalog"]);
        let model = self.model(root);
        let stack = self.stack(root);
        let cluster = self.cluster(root);
        let n_layers = model.as_ref().map(|m| m.n_layers);
        let workload = self.training(root, model, stack.as_ref());
        let choice = self.layout(root, n_layers);
        let (reliability, course) = self.reliability(root, cluster.as_ref());
        let phases = self.phases(root, workload.as_ref(), &choice, n_layers);
        let cost = self.cost(root, cluster.as_ref());
        let limits = self.limits(root);
        let unknowns = self.unknowns(root);
        let (workload, cluster, stack) = (workload?, cluster?, stack?);
        let mut read = text.to_string();
        if let Some(configured) = &self.configured {
            self.assumptions.extend(configured.assumptions(workload.seq_len_tokens));
            read = format!("{text}\0{}", configured.text);
        }
        let mut cluster = cluster;
        let mut accelerator: Accelerator = self.get(&cluster.node.accelerator, root.at())?;
        let power = self.power(root, &mut accelerator, &mut cluster);
        self.host_link(root, &choice, &accelerator);
        let scale_up: Fabric = self.get(&cluster.node.scale_up, root.at())?;
        let scale_out: Fabric = self.get(&cluster.node.scale_out, root.at())?;
        let region: Region = self.get(&cluster.region, root.at())?;
        let profile = self.profile(&accelerator, &scale_up.name, root.at());
        let mut cluster = match reliability {
            Some(reliability) => Cluster { reliability, ..cluster },
            None => cluster,
        };
        self.note_entries(&cluster);
        self.note_reliability(root, &cluster.reliability, &course);
        let offer = self.offer(&cost, &accelerator, &region);
        let mut finance = self.get(&cost.finance, root.at())?;
        self.preempted(root, &cost, offer.as_ref(), &mut cluster);
        self.note_bill(&cluster, &region, &finance, cost.owned || offer.is_none());
        self.note_season(&region, power);
        self.follow(power, &accelerator, &mut cluster, &mut finance);
        let terms = Terms {
            start_s: power.start_s,
            ..cost.terms
        };
        // Switches of its own make it another stack than the one that was fitted.
        let changed = self.section(root, "software").is_some_and(|s| changes_stack(s.keys()));
        let known = !changed && self.catalog.knows_stack(&stack.name);
        let known_device = self.catalog.knows_device(&accelerator.name);
        let mut scenario = Scenario {
            band: None,
            name,
            workload,
            accelerator,
            profile,
            scale_up,
            scale_out,
            cluster,
            region,
            stack,
            choice,
            course,
            phases,
            offer,
            finance,
            owned: cost.owned,
            terms,
            limits: Limits {
                peak_w: power.envelope_w,
                ..limits
            },
            unknowns,
            assumptions: self.assumptions,
            overrides: overrides.to_vec(),
            digest: digest_text(&format!("{read}\0{}", overrides.join("\0"))),
        };
        scenario.band = self.catalog.band_of(&scenario.stack, scenario.class(known, known_device));
        Some(scenario)
    }

    fn model(&mut self, root: &Reader<'_>) -> Option<Model> {
        let Some(section) = self.section(root, "model") else {
            root.problem(
                "model",
                "`[model]` is missing",
                "add [model] with use = \"llama3-70b\"; `exaplan catalog list model` lists them",
            );
            return None;
        };
        if section.keys().any(|k| k != "use") {
            let mut model: Model = self.get(OWN, section.at())?;
            if let Some(configured) = &self.configured {
                model.name = configured.name().to_string();
            }
            return Some(model);
        }
        let name = section.need_text("use");
        if name.is_empty() {
            None
        } else {
            self.get(&name, &section.place("use"))
        }
    }

    fn stack(&mut self, root: &Reader<'_>) -> Option<Stack> {
        let section = self.section(root, "software");
        let named = section.as_ref().and_then(|s| s.text("stack"));
        if named.is_none() {
            self.assume("software.stack", DEFAULT_STACK, "default");
        }
        if let Some(changed) = section.as_ref().filter(|s| changes_stack(s.keys())) {
            let stack: Stack = self.get(OWN, changed.at())?;
            return Some(Stack {
                name: named.unwrap_or_else(|| DEFAULT_STACK.to_string()),
                ..stack
            });
        }
        if let Some(s) = &section {
            s.finish();
        }
        let at = section.as_ref().map_or_else(|| root.at().clone(), |s| s.place("stack"));
        self.get(named.as_deref().unwrap_or(DEFAULT_STACK), &at)
    }

    fn limits(&mut self, root: &Reader<'_>) -> Limits {
        let Some(l) = self.section(root, "limits") else {
            return Limits::default();
        };
        let limits = Limits {
            wall_s: l.written("deadline", Unit::S, Positive),
            cost_usd: l.written("budget", Unit::Usd, Positive),
            facility_w: l.written("power", Unit::W, Positive),
            carbon_kg_co2e: l.written("carbon", Unit::KgCo2e, Positive),
            peak_w: None,
        };
        l.finish();
        limits
    }

    fn profile(&mut self, accelerator: &Accelerator, scale_up: &str, at: &At) -> Option<crate::catalog::Profile> {
        if let Some((name, at)) = self.profile.take() {
            let measured: crate::catalog::Profile = self.get(&name, &at)?;
            let by = measured.measured_by.clone();
            self.assume("profile", name, format!("given; measured by {by}"));
            return Some(measured.on(accelerator, scale_up));
        }
        let Some(name) = accelerator.profile.as_deref() else {
            let measured = super::sibling::profile(accelerator, self.catalog)?;
            let text = format!("{} is not measured; fitted kernels of its architecture", accelerator.name);
            self.assume("profile", measured.name.clone(), text);
            return Some(measured.on(accelerator, scale_up));
        };
        let measured: crate::catalog::Profile = self.get(name, at)?;
        Some(measured.on(accelerator, scale_up))
    }

    /// Say where the machine's numbers come from.
    fn note_entries(&mut self, cluster: &Cluster) {
        let entries = [
            (Kind::Accelerator, "accelerator", cluster.node.accelerator.clone()),
            (Kind::Node, "node", cluster.node.name.clone()),
            (Kind::Region, "region", cluster.region.clone()),
            (Kind::Reliability, "reliability", cluster.reliability.name.clone()),
        ];
        for (kind, label, name) in entries {
            let Ok(entry) = self.catalog.entry(kind, &name) else { continue };
            let source = entry.tree.text("source").unwrap_or("no source").to_string();
            self.assume(label, name, source);
        }
    }
}
