//! The curves that can be fitted.

pub mod scores;

use super::{Curve, numeric};
use crate::scale::formula::{Allocation, Chinchilla, Kaplan, Repeated, Routed};
use crate::scale::points::{Points, Role};

fn ln(column: &[f64]) -> Vec<f64> {
    column.iter().map(|v| v.ln()).collect()
}

/// All combinations of a list of values for each variable.
pub(super) fn grid<const N: usize>(axes: &[Vec<f64>; N]) -> Vec<[f64; N]> {
    let mut out = vec![[0.0; N]];
    for (i, axis) in axes.iter().enumerate() {
        out = out
            .iter()
            .flat_map(|p| {
                axis.iter().map(move |v| {
                    let mut q = *p;
                    q[i] = *v;
                    q
                })
            })
            .collect();
    }
    out
}

fn range(from: f64, step: f64, n: u32) -> Vec<f64> {
    (0..n).map(|i| from + step * f64::from(i)).collect()
}

/// `ln L = LSE(a - alpha ln N, b - beta ln D, e)` (Hoffmann et al. 2022, arXiv 2203.15556 §D.2), all
/// five free. Parameters: a, b, e, alpha, beta.
pub struct Free {
    ln_n: Vec<f64>,
    ln_d: Vec<f64>,
    ln_l: Vec<f64>,
}

impl Free {
    /// Of points with size, tokens and loss.
    #[must_use]
    pub fn new(points: &Points) -> Free {
        Free {
            ln_n: ln(points.get(Role::Params)),
            ln_d: ln(points.get(Role::Tokens)),
            ln_l: ln(points.get(Role::Loss)),
        }
    }

    /// The law of searched parameters.
    #[must_use]
    pub fn law(p: &[f64; 5]) -> Chinchilla {
        Chinchilla {
            e: p[2].exp(),
            a: p[0].exp(),
            b: p[1].exp(),
            alpha: p[3],
            beta: p[4],
        }
    }

    /// Searched parameters of a law.
    #[must_use]
    pub fn searched(law: &Chinchilla) -> [f64; 5] {
        [law.a.ln(), law.b.ln(), law.e.ln(), law.alpha, law.beta]
    }
}

impl Curve<5> for Free {
    fn n_rows(&self) -> usize {
        self.ln_l.len()
    }

    fn ln_measured(&self, row: usize) -> f64 {
        self.ln_l[row]
    }

    fn at(&self, p: &[f64; 5], row: usize) -> (f64, [f64; 5]) {
        let (n, d) = (self.ln_n[row], self.ln_d[row]);
        let (x, y, e) = ((p[0] - p[3] * n).exp(), (p[1] - p[4] * d).exp(), p[2].exp());
        let sum = x + y + e;
        let (x, y) = (x / sum, y / sum);
        (sum.ln(), [x, y, e / sum, -x * n, -y * d])
    }

    /// The 4,500 starts of Hoffmann et al. (§D.2).
    fn starts(&self) -> Vec<[f64; 5]> {
        grid(&[
            range(0.0, 5.0, 6),
            range(0.0, 5.0, 6),
            range(-1.0, 0.5, 5),
            range(0.0, 0.5, 5),
            range(0.0, 0.5, 5),
        ])
    }

    fn reported(&self, p: &[f64; 5]) -> [f64; 5] {
        let law = Free::law(p);
        [law.e, law.a, law.b, law.alpha, law.beta]
    }
}

/// The same with one exponent for both (Gadre et al. 2024, arXiv 2403.08540 §3.1). Parameters: a, b, e, alpha.
pub struct Even(Free);

impl Even {
    /// Of points with size, tokens and loss.
    #[must_use]
    pub fn new(points: &Points) -> Even {
        Even(Free::new(points))
    }

    /// The law of searched parameters.
    #[must_use]
    pub fn law(p: &[f64; 4]) -> Chinchilla {
        Free::law(&[p[0], p[1], p[2], p[3], p[3]])
    }
}

impl Curve<4> for Even {
    fn n_rows(&self) -> usize {
        self.0.n_rows()
    }

    fn ln_measured(&self, row: usize) -> f64 {
        self.0.ln_measured(row)
    }

    fn at(&self, p: &[f64; 4], row: usize) -> (f64, [f64; 4]) {
        let (value, g) = self.0.at(&[p[0], p[1], p[2], p[3], p[3]], row);
        (value, [g[0], g[1], g[2], g[3] + g[4]])
    }

    fn starts(&self) -> Vec<[f64; 4]> {
        grid(&[range(0.0, 5.0, 6), range(0.0, 5.0, 6), range(-1.0, 0.5, 5), range(0.1, 0.2, 5)])
    }

    fn reported(&self, p: &[f64; 4]) -> [f64; 4] {
        let law = Even::law(p);
        [law.e, law.a, law.b, law.alpha]
    }
}

/// Kaplan's joint form. Parameters: ln Nc, ln Dc, alpha N, alpha D.
pub struct Older(Free);

impl Older {
    /// Of points with size, tokens and loss.
    #[must_use]
    pub fn new(points: &Points) -> Older {
        Older(Free::new(points))
    }

    /// The law of searched parameters.
    #[must_use]
    pub fn law(p: &[f64; 4]) -> Kaplan {
        Kaplan {
            n_c: p[0].exp(),
            d_c: p[1].exp(),
            alpha_n: p[2],
            alpha_d: p[3],
        }
    }
}

impl Curve<4> for Older {
    fn n_rows(&self) -> usize {
        self.0.n_rows()
    }

    fn ln_measured(&self, row: usize) -> f64 {
        self.0.ln_measured(row)
    }

    fn at(&self, p: &[f64; 4], row: usize) -> (f64, [f64; 4]) {
        let (n, d) = (self.0.ln_n[row], self.0.ln_d[row]);
        let (an, ad) = (p[2], p[3]);
        let x = (an / ad * (p[0] - n)).exp();
        let y = (p[1] - d).exp();
        let sum = x + y;
        let (wx, wy) = (x / sum, y / sum);
        let slope = [an * wx, ad * wy, wx * (p[0] - n), sum.ln() - wx * an / ad * (p[0] - n)];
        (ad * sum.ln(), slope)
    }

    fn starts(&self) -> Vec<[f64; 4]> {
        grid(&[range(15.0, 5.0, 5), range(15.0, 5.0, 5), range(0.05, 0.1, 4), range(0.05, 0.1, 4)])
    }

    fn reported(&self, p: &[f64; 4]) -> [f64; 4] {
        let law = Older::law(p);
        [law.n_c, law.d_c, law.alpha_n, law.alpha_d]
    }
}

/// The two scales of repetition over a known law of fresh data (Muennighoff et al. 2023, arXiv
/// 2305.16264 §3.1). Parameters: their logarithms, tokens first.
pub struct Repeats {
    base: Chinchilla,
    points: Points,
    ln_l: Vec<f64>,
}

impl Repeats {
    /// Of points with size, tokens, unique tokens and loss.
    #[must_use]
    pub fn new(points: &Points, base: Chinchilla) -> Repeats {
        Repeats {
            base,
            points: points.clone(),
            ln_l: ln(points.get(Role::Loss)),
        }
    }

    /// The law of searched parameters.
    #[must_use]
    pub fn law(&self, p: &[f64; 2]) -> Repeated {
        Repeated {
            base: self.base,
            r_tokens: p[0].exp(),
            r_params: p[1].exp(),
        }
    }
}

impl Curve<2> for Repeats {
    fn n_rows(&self) -> usize {
        self.ln_l.len()
    }

    fn ln_measured(&self, row: usize) -> f64 {
        self.ln_l[row]
    }

    fn at(&self, p: &[f64; 2], row: usize) -> (f64, [f64; 2]) {
        let at = Allocation {
            n_params: self.points.at(Role::Params, row),
            n_tokens: self.points.at(Role::Tokens, row),
        };
        let unique = self.points.at(Role::Unique, row);
        numeric(|q| self.law(q).loss(at, unique).ln(), p)
    }

    /// The published values alone: the surface is nearly flat, and what lies elsewhere on it is no
    /// better supported (see the note of the law `muennighoff`).
    fn starts(&self) -> Vec<[f64; 2]> {
        vec![[15f64.ln(), 5f64.ln()]]
    }

    fn reported(&self, p: &[f64; 2]) -> [f64; 2] {
        p.map(f64::exp)
    }

    fn local_steps(&self) -> Option<[f64; 2]> {
        Some([0.04, 0.06])
    }
}

/// Routed models. Parameters: a, b, c, d, ln Estart, ln(Emax / Estart).
pub struct Routing {
    n: Vec<f64>,
    experts: Vec<f64>,
    ln_l: Vec<f64>,
}

impl Routing {
    /// Of points with dense size, experts and loss.
    #[must_use]
    pub fn new(points: &Points) -> Routing {
        Routing {
            n: points.get(Role::Params).to_vec(),
            experts: points.get(Role::Experts).to_vec(),
            ln_l: ln(points.get(Role::Loss)),
        }
    }

    /// The law of searched parameters.
    #[must_use]
    pub fn law(p: &[f64; 6]) -> Routed {
        Routed {
            a: p[0],
            b: p[1],
            c: p[2],
            d: p[3],
            e_start: p[4].exp(),
            e_max: (p[4] + p[5].exp()).exp(),
        }
    }
}

impl Curve<6> for Routing {
    fn n_rows(&self) -> usize {
        self.ln_l.len()
    }

    fn ln_measured(&self, row: usize) -> f64 {
        self.ln_l[row]
    }

    fn at(&self, p: &[f64; 6], row: usize) -> (f64, [f64; 6]) {
        let (n, experts) = (self.n[row].log10(), self.experts[row]);
        let e = |q: &[f64; 2]| Routing::law(&[0.0, 0.0, 0.0, 0.0, q[0], q[1]]).log_experts(experts);
        let (e, de) = numeric(e, &[p[4], p[5]]);
        let ten = std::f64::consts::LN_10;
        let across = p[1] + p[2] * n;
        let value = p[0] * n + p[1] * e + p[2] * n * e + p[3];
        (ten * value, [n, e, n * e, 1.0, across * de[0], across * de[1]].map(|g| ten * g))
    }

    fn starts(&self) -> Vec<[f64; 6]> {
        let one = |v: f64| vec![v];
        let (few, many) = (range(0.3, 0.4, 4), vec![1.2, 1.5, 1.7, 1.9]);
        grid(&[one(-0.08), vec![-0.1, -0.15], one(0.01), one(1.1), few, many])
    }

    fn reported(&self, p: &[f64; 6]) -> [f64; 6] {
        let law = Routing::law(p);
        [law.a, law.b, law.c, law.d, law.e_start, law.e_max]
    }
}

/// Training in few bits: `N_eff = N Π (1 - exp(-P/γ))` (Kumar et al. 2024, arXiv 2411.04330, equation 3).
/// Parameters: a, b, e, alpha, beta, and ln γ of weights, activations and attention.
pub struct Bits {
    free: Free,
    bits: [Vec<f64>; 3],
}

impl Bits {
    /// Of points with size, tokens, loss and bits of weights; others if there are.
    #[must_use]
    pub fn new(points: &Points) -> Bits {
        let column = |role| points.get(role).to_vec();
        Bits {
            free: Free::new(points),
            bits: [column(Role::Bits), column(Role::ActivationBits), column(Role::AttentionBits)],
        }
    }
}

impl Curve<8> for Bits {
    fn n_rows(&self) -> usize {
        self.free.n_rows()
    }

    fn ln_measured(&self, row: usize) -> f64 {
        self.free.ln_measured(row)
    }

    fn at(&self, p: &[f64; 8], row: usize) -> (f64, [f64; 8]) {
        let (mut ln_share, mut slope) = (0.0, [0.0; 3]);
        for (kind, column) in self.bits.iter().enumerate() {
            let Some(bits) = column.get(row) else { continue };
            let ratio = bits / p[5 + kind].exp();
            let lost = (-ratio).exp();
            ln_share += (-lost).ln_1p();
            slope[kind] = -lost * ratio / (1.0 - lost);
        }
        let dense: [f64; 5] = std::array::from_fn(|i| p[i]);
        let shifted = [dense[0] - dense[3] * ln_share, dense[1], dense[2], dense[3], dense[4]];
        let (value, g) = self.free.at(&shifted, row);
        let size = g[0];
        (
            value,
            [
                g[0],
                g[1],
                g[2],
                g[3] - size * ln_share,
                g[4],
                -size * p[3] * slope[0],
                -size * p[3] * slope[1],
                -size * p[3] * slope[2],
            ],
        )
    }

    fn starts(&self) -> Vec<[f64; 8]> {
        let gamma = || vec![0.0, 1.0];
        let one = |v: f64| vec![v];
        let axes = [
            vec![5.0, 10.0],
            vec![5.0, 10.0],
            vec![0.0, 1.0],
            vec![0.3, 0.5],
            vec![0.3, 0.5],
            gamma(),
            one(0.5),
            one(0.5),
        ];
        grid(&axes)
    }

    fn reported(&self, p: &[f64; 8]) -> [f64; 8] {
        [p[2].exp(), p[0].exp(), p[1].exp(), p[3], p[4], p[5].exp(), p[6].exp(), p[7].exp()]
    }
}
