//! A number together with the spreadsheet formula that makes it: one arithmetic writes both, so a
//! cached value cannot differ from its formula.

use std::ops::{Add, Div, Mul, Sub};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binds {
    Sum,
    Product,
    Atom,
}

/// A formula without its leading `=`, and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expr {
    pub(super) formula: String,
    pub(super) value: f64,
    binds: Binds,
}

impl Expr {
    /// A name, a reference or a call: what needs no brackets.
    pub(super) fn atom(formula: impl Into<String>, value: f64) -> Expr {
        Expr {
            formula: formula.into(),
            value,
            binds: Binds::Atom,
        }
    }

    pub(super) fn number(value: f64) -> Expr {
        Expr {
            formula: format!("{value}"),
            value,
            binds: if value < 0.0 { Binds::Sum } else { Binds::Atom },
        }
    }

    pub(super) fn max(self, other: Expr) -> Expr {
        Expr::atom(format!("MAX({},{})", self.formula, other.formula), self.value.max(other.value))
    }

    pub(super) fn min(self, other: Expr) -> Expr {
        Expr::atom(format!("MIN({},{})", self.formula, other.formula), self.value.min(other.value))
    }

    pub(super) fn power(self, other: Expr) -> Expr {
        Expr::atom(format!("POWER({},{})", self.formula, other.formula), self.value.powf(other.value))
    }

    /// The sum of a list; zero when it is empty.
    pub(super) fn sum(list: impl IntoIterator<Item = Expr>) -> Expr {
        list.into_iter().reduce(|a, b| a + b).unwrap_or_else(|| Expr::number(0.0))
    }

    /// The formula as an operand of an operator that binds like this.
    fn operand(&self, least: Binds) -> String {
        if self.binds < least {
            format!("({})", self.formula)
        } else {
            self.formula.clone()
        }
    }
}

fn join(a: &Expr, sign: char, b: &Expr, value: f64, binds: Binds, right: Binds) -> Expr {
    Expr {
        formula: format!("{}{sign}{}", a.operand(binds), b.operand(right)),
        value,
        binds,
    }
}

impl Add for Expr {
    type Output = Expr;
    fn add(self, b: Expr) -> Expr {
        join(&self, '+', &b, self.value + b.value, Binds::Sum, Binds::Sum)
    }
}

impl Sub for Expr {
    type Output = Expr;
    fn sub(self, b: Expr) -> Expr {
        join(&self, '-', &b, self.value - b.value, Binds::Sum, Binds::Product)
    }
}

impl Mul for Expr {
    type Output = Expr;
    fn mul(self, b: Expr) -> Expr {
        join(&self, '*', &b, self.value * b.value, Binds::Product, Binds::Product)
    }
}

impl Div for Expr {
    type Output = Expr;
    fn div(self, b: Expr) -> Expr {
        join(&self, '/', &b, self.value / b.value, Binds::Product, Binds::Atom)
    }
}

#[cfg(test)]
mod tests {
    use super::Expr;

    #[test]
    fn brackets_stand_where_they_are_needed() {
        let n = |name: &str, value| Expr::atom(name, value);
        let (a, b, c) = (n("a", 8.0), n("b", 4.0), n("c", 2.0));
        let e = (a.clone() - (b.clone() - c.clone())) / (b.clone() * c.clone());
        assert_eq!((e.formula.as_str(), e.value), ("(a-(b-c))/(b*c)", 0.75));
        let e = a.clone() + b.clone() * c.clone() - a.clone() / b.clone();
        assert_eq!((e.formula.as_str(), e.value), ("a+b*c-a/b", 14.0));
        assert_eq!((a.max(b) * Expr::number(-1.0)).formula, "MAX(a,b)*(-1)");
    }
}
