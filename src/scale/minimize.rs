//! Minima of smooth and nearly smooth functions of a few variables.

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// Most iterations.
    pub n_iterations: usize,
    /// Stop when a step lowers the value by less than this share of it.
    pub decrease_fraction: f64,
    /// The value that the decrease is a share of is never taken smaller than this. Programs that
    /// take 1 here stop at once on an objective that is small by nature.
    pub floor_factor: f64,
    /// Stop when no component of the gradient is larger than this share of the value.
    pub gradient_fraction: f64,
}

impl Default for Stop {
    fn default() -> Self {
        Stop {
            n_iterations: 400,
            decrease_fraction: 1e-12,
            floor_factor: 0.0,
            gradient_fraction: 1e-10,
        }
    }
}

/// Where a minimization ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minimum<const N: usize> {
    /// The place.
    pub at: [f64; N],
    /// The value there.
    pub value: f64,
}

type Gradient<const N: usize> = (f64, [f64; N]);

/// Quasi-Newton minimization with the inverse Hessian kept whole (Broyden, Fletcher, Goldfarb and
/// Shanno; Nocedal and Wright 2006, algorithm 6.1): with a handful of variables that is cheaper than
/// a limited memory. Its line search only asks for the weak Wolfe conditions, so that it also works
/// across the kinks of a Huber loss with a small threshold (Lewis and Overton 2013).
pub fn bfgs<const N: usize>(f: &impl Fn(&[f64; N]) -> Gradient<N>, start: [f64; N], stop: &Stop) -> Minimum<N> {
    let (mut x, (mut value, mut g)) = (start, f(&start));
    let mut h = identity(1.0 / norm(&g).max(f64::MIN_POSITIVE));
    let mut fresh = true;
    for _ in 0..stop.n_iterations {
        let scale = value.abs().max(stop.floor_factor);
        if !value.is_finite() || g.iter().all(|c| c.abs() <= stop.gradient_fraction * scale) {
            break;
        }
        let mut d = times(&h, &g).map(|v| -v);
        if dot(&d, &g) >= 0.0 {
            (h, fresh) = (identity(1.0 / norm(&g)), true);
            d = times(&h, &g).map(|v| -v);
        }
        let Some((next, (lower, slope))) = line_search(f, &x, value, &g, &d) else {
            if fresh {
                break;
            }
            // What the Hessian has learned is wrong here: forget it once.
            (h, fresh) = (identity(1.0 / norm(&g)), true);
            continue;
        };
        let (s, y) = (minus(&next, &x), minus(&slope, &g));
        let decrease = value - lower;
        (x, value, g) = (next, lower, slope);
        update(&mut h, &s, &y, fresh);
        fresh = false;
        if decrease <= stop.decrease_fraction * scale {
            break;
        }
    }
    Minimum { at: x, value }
}

/// Repeat from where it ended, with a fresh Hessian, until nothing is gained: the valley of a scaling
/// law is so flat that one run may stop on its side.
pub fn polished<const N: usize>(f: &impl Fn(&[f64; N]) -> Gradient<N>, start: [f64; N], stop: &Stop) -> Minimum<N> {
    let mut best = bfgs(f, start, stop);
    for _ in 0..20 {
        let simplex = nelder_mead(&|x| f(x).0, best.at, 200 * N);
        let next = bfgs(f, simplex.at, stop);
        let gain = best.value - next.value;
        if gain > 0.0 {
            best = next;
        }
        if gain <= 1e-12 * best.value.abs() {
            break;
        }
    }
    best
}

fn line_search<const N: usize>(
    f: &impl Fn(&[f64; N]) -> Gradient<N>,
    x: &[f64; N],
    value: f64,
    g: &[f64; N],
    d: &[f64; N],
) -> Option<([f64; N], Gradient<N>)> {
    const ENOUGH: f64 = 1e-4;
    const CURVED: f64 = 0.9;
    let slope = dot(g, d);
    let (mut low, mut high, mut t) = (0.0, f64::INFINITY, 1.0);
    let mut best = None;
    for _ in 0..60 {
        let next: [f64; N] = std::array::from_fn(|i| x[i] + t * d[i]);
        let (there, gradient) = f(&next);
        let lower = there <= value + ENOUGH * t * slope && there < value;
        if lower {
            best = Some((next, (there, gradient)));
            if dot(&gradient, d) >= CURVED * slope {
                break;
            }
            low = t;
        } else {
            high = t;
        }
        t = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * t };
    }
    best
}

fn update<const N: usize>(h: &mut [[f64; N]; N], s: &[f64; N], y: &[f64; N], fresh: bool) {
    let curvature = dot(s, y);
    if curvature <= 1e-14 * norm(s) * norm(y) {
        return;
    }
    if fresh {
        *h = identity(curvature / dot(y, y));
    }
    let hy = times(h, y);
    let weight = (1.0 + dot(y, &hy) / curvature) / curvature;
    for i in 0..N {
        for j in 0..N {
            h[i][j] += weight * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / curvature;
        }
    }
}

/// Minimization by a simplex that needs no gradient, begun 5 % wide (Nelder and Mead 1965).
pub fn nelder_mead<const N: usize>(f: &impl Fn(&[f64; N]) -> f64, start: [f64; N], n_iterations: usize) -> Minimum<N> {
    let mut steps = start.map(|v| 0.05 * v);
    for step in &mut steps {
        if *step == 0.0 {
            *step = 2.5e-4;
        }
    }
    nearby(f, start, steps, n_iterations)
}

/// The same from a simplex of given width, which keeps it in the valley where it starts.
pub fn nearby<const N: usize>(f: &impl Fn(&[f64; N]) -> f64, start: [f64; N], steps: [f64; N], n_iterations: usize) -> Minimum<N> {
    let corner = |i: usize| {
        let mut at = start;
        if i < N {
            at[i] += steps[i];
        }
        Minimum { at, value: f(&at) }
    };
    let mut simplex: Vec<Minimum<N>> = (0..=N).map(corner).collect();
    for _ in 0..n_iterations {
        simplex.sort_by(|a, b| a.value.total_cmp(&b.value));
        let (best, worst) = (simplex[0], simplex[N]);
        if worst.value - best.value <= 1e-15 * best.value.abs() {
            break;
        }
        #[allow(clippy::cast_precision_loss)]
        let middle: [f64; N] = std::array::from_fn(|j| simplex[..N].iter().map(|m| m.at[j]).sum::<f64>() / N as f64);
        let along = |t: f64| {
            let at = std::array::from_fn(|j| middle[j] + t * (worst.at[j] - middle[j]));
            Minimum { at, value: f(&at) }
        };
        let mirrored = along(-1.0);
        let next = if mirrored.value < best.value {
            let further = along(-2.0);
            if further.value < mirrored.value { further } else { mirrored }
        } else if mirrored.value < simplex[N - 1].value {
            mirrored
        } else {
            let nearer = along(if mirrored.value < worst.value { -0.5 } else { 0.5 });
            if nearer.value >= worst.value.min(mirrored.value) {
                for point in &mut simplex[1..] {
                    point.at = std::array::from_fn(|j| best.at[j] + 0.5 * (point.at[j] - best.at[j]));
                    point.value = f(&point.at);
                }
                continue;
            }
            nearer
        };
        simplex[N] = next;
    }
    simplex.sort_by(|a, b| a.value.total_cmp(&b.value));
    simplex[0]
}

/// The place of the smallest value of a function with one minimum between two ends (Kiefer 1953).
#[must_use]
pub fn golden(f: impl Fn(f64) -> f64, low: f64, high: f64, n_iterations: usize) -> f64 {
    let ratio = 0.5 * (5f64.sqrt() - 1.0);
    let (mut a, mut b) = (low, high);
    let (mut c, mut d) = (b - ratio * (b - a), a + ratio * (b - a));
    let (mut fc, mut fd) = (f(c), f(d));
    for _ in 0..n_iterations {
        if fc <= fd {
            (b, d, fd) = (d, c, fc);
            c = b - ratio * (b - a);
            fc = f(c);
        } else {
            (a, c, fc) = (c, d, fd);
            d = a + ratio * (b - a);
            fd = f(d);
        }
    }
    0.5 * (a + b)
}

/// Where a rising function crosses zero between two ends; an end when it does not.
#[must_use]
pub fn rising_root(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    let (mut low, mut high) = (low, high);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if f(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

fn identity<const N: usize>(scale: f64) -> [[f64; N]; N] {
    std::array::from_fn(|i| std::array::from_fn(|j| if i == j { scale } else { 0.0 }))
}

fn times<const N: usize>(h: &[[f64; N]; N], v: &[f64; N]) -> [f64; N] {
    std::array::from_fn(|i| dot(&h[i], v))
}

fn minus<const N: usize>(a: &[f64; N], b: &[f64; N]) -> [f64; N] {
    std::array::from_fn(|i| a[i] - b[i])
}

fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn norm<const N: usize>(v: &[f64; N]) -> f64 {
    dot(v, v).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock 1960: a curved valley with its minimum at (1, 1).
    fn valley(x: &[f64; 2]) -> (f64, [f64; 2]) {
        let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
        (a * a + 100.0 * b * b, [-2.0 * a - 400.0 * x[0] * b, 200.0 * b])
    }

    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        let found = bfgs(&valley, [-1.2, 1.0], &Stop::default());
        assert!(found.at.iter().all(|v| (v - 1.0).abs() < 1e-6), "{found:?}");
        let found = nelder_mead(&|x| valley(x).0, [-1.2, 1.0], 400);
        assert!(found.at.iter().all(|v| (v - 1.0).abs() < 1e-4), "{found:?}");
    }

    #[test]
    fn kinks_are_no_obstacle() {
        let f = |x: &[f64; 2]| {
            let sign = |v: f64| if v < 0.0 { -1.0 } else { 1.0 };
            let (a, b) = (x[0] - 3.0, x[1] + 2.0);
            (a.abs() + 5.0 * b.abs() + 1.0, [sign(a), 5.0 * sign(b)])
        };
        let found = polished(&f, [0.0, 0.0], &Stop::default());
        assert!((found.at[0] - 3.0).abs() < 1e-3 && (found.at[1] + 2.0).abs() < 1e-3, "{found:?}");
    }

    #[test]
    fn minima_and_roots_on_a_line() {
        assert!((golden(|x| (x - 0.3).powi(2), -4.0, 9.0, 80) - 0.3).abs() < 1e-7);
        assert!((rising_root(|x| x * x - 2.0, 0.0, 9.0) - 2f64.sqrt()).abs() < 1e-12);
    }
}
