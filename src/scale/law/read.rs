//! Laws from TOML.

use super::super::formula::{Chinchilla, Granular, Kaplan, Power, Precise, Repeated, Routed, Sparse, Task};
use super::{Bounds, Embeddings, Evidence, Formula, Law, Range};
use crate::catalog::raw::{self, Value};
use crate::catalog::reader::Bounds::Within;
use crate::catalog::reader::{Problems, Reader, one_of};
use crate::catalog::source;
use crate::error::{At, Diagnostic, Error, Origin, Result};
use crate::units::Unit;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Folder of the built-in laws.
const FOLDER: &str = "profiles/laws/";

const FORMS: [&str; 11] = [
    "chinchilla",
    "kaplan",
    "repeated",
    "power",
    "routed",
    "granular",
    "sparse",
    "precise",
    "exponential",
    "sigmoid",
    "doubling",
];

/// Any finite constant of a law.
const ANY: crate::catalog::reader::Bounds = Within(-1e30, 1e30);

/// The laws in the binary, in the order of their files.
///
/// # Errors
/// Never with the shipped files, which a test reads.
pub fn builtin() -> Result<&'static [Law]> {
    static LAWS: OnceLock<std::result::Result<Vec<Law>, Vec<Diagnostic>>> = OnceLock::new();
    let read = || {
        let (mut laws, mut problems) = (Vec::new(), Vec::new());
        for (path, text) in source::embedded().filter(|(p, _)| p.starts_with(FOLDER)) {
            let origin = Arc::new(Origin {
                name: format!("builtin:{path}"),
                text: text.to_string(),
            });
            match read_origin(&origin) {
                Ok(list) => laws.extend(list),
                Err(list) => problems.extend(list),
            }
        }
        if problems.is_empty() { Ok(laws) } else { Err(problems) }
    };
    LAWS.get_or_init(read).as_deref().map_err(|list| Error::Invalid(list.clone()))
}

/// Names of the built-in laws.
///
/// # Errors
/// As [`builtin`].
pub fn names() -> Result<Vec<&'static str>> {
    Ok(builtin()?.iter().map(|l| l.name.as_str()).collect())
}

/// The built-in law of this name, or the first law of a file.
///
/// # Errors
/// When there is neither; the message names the nearest.
pub fn find(name: &str) -> Result<Law> {
    let laws = builtin()?;
    if let Some(law) = laws.iter().find(|l| l.name == name) {
        return Ok(law.clone());
    }
    if name.contains(['/', '.']) {
        let list = read_file(Path::new(name))?;
        return list.into_iter().next().ok_or_else(|| {
            Diagnostic::new(format!("`{name}` holds no law"))
                .help("write [law.NAME], or make one with `exaplan scale fit POINTS.csv -o law.toml`")
                .into()
        });
    }
    Err(Diagnostic::new(format!("there is no law `{name}`"))
        .help(format!(
            "{}; or give a file that `exaplan scale fit -o` wrote",
            one_of(name, &names()?)
        ))
        .into())
}

/// Laws of a user's file.
///
/// # Errors
/// Every problem of the file, each with its place.
pub fn read_file(path: &Path) -> Result<Vec<Law>> {
    let origin = source::read_as(path, "a file of laws in TOML")?;
    read_origin(&origin).map_err(Error::Invalid)
}

fn read_origin(origin: &Arc<Origin>) -> std::result::Result<Vec<Law>, Vec<Diagnostic>> {
    let (tree, broken) = raw::parse(origin);
    if !broken.is_empty() {
        return Err(broken);
    }
    let problems = Problems::default();
    let at = At {
        origin: origin.clone(),
        span: 0..0,
    };
    let root = Reader::new(&tree, "", &at, &problems);
    root.skip(&["format"]);
    let mut laws = Vec::new();
    if let Some(group) = root.item("law").and_then(|_| root.table("law")) {
        for name in group.keys() {
            laws.extend(group.table(name).and_then(|r| law(name, &r)));
        }
    }
    root.finish();
    if problems.is_empty() { Ok(laws) } else { Err(problems.into_list()) }
}

fn law(name: &str, r: &Reader<'_>) -> Option<Law> {
    let text = |key: &str| r.text(key).unwrap_or_default();
    let form = r.need_text("form");
    let constants = r.table("constants")?;
    let formula = formula(&form, &constants, r)?;
    constants.finish();
    // What is wrong has been told: it is not told again for the list.
    let listed: Vec<(String, f64)> = if r.problem_count() == 0 {
        constants
            .keys()
            .filter_map(|k| Some((k.to_string(), constants.number(k, Unit::One, ANY)?)))
            .collect()
    } else {
        Vec::new()
    };
    let law = Law {
        name: name.to_string(),
        title: r.text("title").unwrap_or_else(|| name.to_string()),
        formula,
        constants: listed,
        intervals: intervals(r),
        draws: draws(r),
        bounds: bounds(r),
        embeddings: r.choice("embeddings", &Embeddings::ALL).unwrap_or(Embeddings::Unstated),
        flop_rule: text("flop_rule"),
        loss_unit: text("loss_unit"),
        quantity: text("quantity"),
        corpus: text("corpus"),
        tokenizer: text("tokenizer"),
        over: r.text("over"),
        source: r.need_text("source"),
        url: text("url"),
        evidence: r.choice("evidence", &Evidence::ALL).unwrap_or(Evidence::Secondary),
        note: text("note"),
    };
    r.finish();
    Some(law)
}

fn formula(form: &str, c: &Reader<'_>, r: &Reader<'_>) -> Option<Formula> {
    let n = |key: &str| c.need(key, Unit::One, ANY);
    let or = |key: &str| c.number(key, Unit::One, ANY).unwrap_or(0.0);
    let dense = || Chinchilla {
        e: n("e"),
        a: n("a"),
        b: n("b"),
        alpha: n("alpha"),
        beta: n("beta"),
    };
    Some(match form {
        "chinchilla" => Formula::Chinchilla(dense()),
        "kaplan" => Formula::Kaplan(Kaplan {
            n_c: n("n_c"),
            d_c: n("d_c"),
            alpha_n: n("alpha_n"),
            alpha_d: n("alpha_d"),
        }),
        "repeated" => Formula::Repeated(Repeated {
            base: dense(),
            r_tokens: n("r_tokens"),
            r_params: n("r_params"),
        }),
        "power" => Formula::Power(Power {
            coefficient: c.number("coefficient", Unit::One, ANY),
            params_exponent: or("params_exponent"),
            tokens_exponent: or("tokens_exponent"),
            flop_exponent: or("flop_exponent"),
            loss_exponent: or("loss_exponent"),
        }),
        "routed" => Formula::Routed(Routed {
            a: n("a"),
            b: n("b"),
            c: n("c"),
            d: n("d"),
            e_start: n("e_start"),
            e_max: n("e_max"),
        }),
        "granular" => Formula::Granular(Granular {
            c: n("c"),
            a: n("a"),
            alpha: n("alpha"),
            b: n("b"),
            beta: n("beta"),
            g: n("g"),
            gamma: n("gamma"),
        }),
        "sparse" => Formula::Sparse(Sparse {
            a: n("a"),
            alpha: n("alpha"),
            b: n("b"),
            beta: n("beta"),
            c: n("c"),
            lambda: n("lambda"),
            d: n("d"),
            delta: n("delta"),
            gamma: n("gamma"),
            e: n("e"),
        }),
        "precise" => Formula::Precise(Precise {
            base: dense(),
            weights: (n("weights_bits"), n("weights_offset")),
            activations: (n("activations_bits"), n("activations_offset")),
            attention: (n("attention_bits"), n("attention_offset")),
            after: (
                or("after_scale"),
                or("after_tokens"),
                or("after_params"),
                n("after_bits"),
                or("after_offset"),
            ),
        }),
        "exponential" => Formula::Task(Task::Exponential {
            eps: n("eps"),
            k: n("k"),
            gamma: n("gamma"),
        }),
        "sigmoid" => Formula::Task(Task::Sigmoid {
            a: n("a"),
            x0: n("x0"),
            k: n("k"),
            b: n("b"),
        }),
        "doubling" => Formula::Doubling { months: n("months") },
        _ => {
            r.problem("form", format!("`{}` is `{form}`", r.name("form")), one_of(form, &FORMS));
            return None;
        }
    })
}

fn pair(r: &Reader<'_>, key: &str) -> Option<Range> {
    r.item(key)?;
    match r.numbers(key).as_slice() {
        [low, high] if low <= high => Some((*low, *high)),
        _ => {
            r.problem(
                key,
                format!("`{}` is no pair of rising numbers", r.name(key)),
                "write [low, high], for example [1e9, 7e10]",
            );
            None
        }
    }
}

fn intervals(r: &Reader<'_>) -> Vec<(String, Range)> {
    let Some(t) = r.item("interval").and_then(|_| r.table("interval")) else {
        return Vec::new();
    };
    let list = t.keys().filter_map(|k| Some((k.to_string(), pair(&t, k)?))).collect();
    t.finish();
    list
}

fn bounds(r: &Reader<'_>) -> Bounds {
    let Some(t) = r.item("box").and_then(|_| r.table("box")) else {
        return Bounds::default();
    };
    let bounds = Bounds {
        params: pair(&t, "params"),
        tokens: pair(&t, "tokens"),
        flop: pair(&t, "flop"),
        tokens_per_param: pair(&t, "tokens_per_param"),
    };
    t.finish();
    bounds
}

/// `draws = [[e, a, b, alpha, beta], …]`.
fn draws(r: &Reader<'_>) -> Vec<Chinchilla> {
    let Some(item) = r.item("draws") else { return Vec::new() };
    let whole = matches!(&item.value, Value::Array(list) if list.iter().all(|d| matches!(&d.value, Value::Array(five) if five.len() == 5)));
    if !whole {
        r.problem(
            "draws",
            format!("`{}` does not hold rows of five numbers", r.name("draws")),
            "write [[e, a, b, alpha, beta], …]",
        );
        return Vec::new();
    }
    let numbers = r.numbers("draws");
    let (rows, _) = numbers.as_chunks::<5>();
    rows.iter()
        .map(|[e, a, b, alpha, beta]| Chinchilla {
            e: *e,
            a: *a,
            b: *b,
            alpha: *alpha,
            beta: *beta,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<Vec<Law>, Vec<Diagnostic>> {
        read_origin(&Arc::new(Origin {
            name: "law.toml".to_string(),
            text: text.to_string(),
        }))
    }

    #[test]
    fn every_built_in_law_is_sound_and_has_a_source() {
        let laws = builtin().unwrap();
        assert!(laws.len() > 30, "{}", laws.len());
        for law in laws {
            assert!(law.url.starts_with("https://"), "{} has no address", law.name);
            assert!(law.evidence != Evidence::Own);
            for (key, (low, high)) in &law.intervals {
                let (_, value) = law.constants.iter().find(|(k, _)| k == key).unwrap();
                assert!(low <= value && value <= high, "{}: {key}", law.name);
            }
            if let Some(over) = &law.over {
                assert!(find(over).unwrap().dense().is_some(), "{} stands over {over}", law.name);
            }
        }
    }

    #[test]
    fn wrong_laws_are_named() {
        let text = "[law.x]\nform = \"chinchila\"\nsource = \"me\"\n[law.x.constants]\ne = 1.0\n";
        let wrong = read(text).unwrap_err();
        assert!(wrong[0].to_string().contains("did you mean `chinchilla`"), "{wrong:?}");
        let text = "[law.x]\nform = \"doubling\"\nsource = \"me\"\nextra = 1\n[law.x.constants]\nmonths = nan\nyears = 1\n";
        let wrong = read(text).unwrap_err();
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        let Err(error) = find("chinchila") else { panic!() };
        assert!(error.to_string().contains("did you mean `chinchilla`"), "{error}");
    }
}
