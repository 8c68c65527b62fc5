//! How much of the order of an output follows the order of each input.

use crate::fit::solve_all;

/// Coefficients of the regression of the ranks of an output on the ranks of its inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// One standardized coefficient per input, from −1 to 1.
    pub values: Vec<f64>,
    /// Share of the variance of the ranks that the regression explains: low where the output does
    /// not rise or fall steadily with its inputs, and the coefficients then say little.
    pub explained_fraction: f64,
}

/// Standardized rank regression coefficients (Iman and Conover 1979, Technometrics 21, p. 499; Saltelli
/// and Marivoet 1990, Reliability Engineering and System Safety 28, p. 229). Inputs that do not vary
/// get 0; nothing when there are too few samples.
#[must_use]
pub fn regression(inputs: &[Vec<f64>], output: &[f64]) -> Option<Ranked> {
    let n = output.len();
    if n < inputs.len() + 2 {
        return None;
    }
    let ranks: Vec<Vec<f64>> = inputs.iter().map(|list| standard(&of(list))).collect();
    let goal = standard(&of(output));
    let varies: Vec<usize> = (0..ranks.len()).filter(|i| ranks[*i].iter().any(|r| *r != 0.0)).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let row = |i: &usize| varies.iter().map(|j| dot(&ranks[*i], &ranks[*j])).collect();
    let matrix: Vec<Vec<f64>> = varies.iter().map(row).collect();
    let right: Vec<f64> = varies.iter().map(|i| dot(&ranks[*i], &goal)).collect();
    let explained_fraction = |solved: &[f64]| solved.iter().zip(&right).map(|(b, r)| b * r).sum::<f64>();
    let solved = solve_all(matrix, right.clone())?;
    let mut values = vec![0.0; inputs.len()];
    for (i, b) in varies.iter().zip(&solved) {
        values[*i] = *b;
    }
    Some(Ranked {
        explained_fraction: explained_fraction(&solved).clamp(0.0, 1.0),
        values,
    })
}

/// Ranks from 0; equal values share the mean of theirs.
fn of(list: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..list.len()).collect();
    order.sort_by(|a, b| list[*a].total_cmp(&list[*b]));
    let mut ranks = vec![0.0; list.len()];
    let mut start = 0;
    while start < order.len() {
        let same = order[start..].iter().take_while(|i| list[**i] == list[order[start]]).count().max(1);
        #[allow(clippy::cast_precision_loss)]
        let mean = start as f64 + (same - 1) as f64 / 2.0;
        for i in &order[start..start + same] {
            ranks[*i] = mean;
        }
        start += same;
    }
    ranks
}

/// Mean 0 and length 1; zeros where nothing varies.
fn standard(list: &[f64]) -> Vec<f64> {
    #[allow(clippy::cast_precision_loss)]
    let mean = list.iter().sum::<f64>() / list.len().max(1) as f64;
    let length = list.iter().map(|v| (v - mean).powi(2)).sum::<f64>().sqrt();
    if length < 1e-9 {
        return vec![0.0; list.len()];
    }
    list.iter().map(|v| (v - mean) / length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_their_rank() {
        assert_eq!(of(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
    }

    /// Three independent inputs whose ranks are linear in an output: 3, 4 and 0 of 5.
    #[test]
    fn a_linear_output_is_explained() {
        let n = 2000_u32;
        let column = |name| -> Vec<f64> {
            let c = super::super::draws::Column::new(7, name, n);
            (0..n).map(|i| c.at(i)).collect()
        };
        let inputs = [column("a"), column("b"), column("c"), vec![1.0; n as usize]];
        let output: Vec<f64> = (0..n as usize).map(|i| (3.0 * inputs[0][i] - 4.0 * inputs[1][i]).exp()).collect();
        let got = regression(&inputs, &output).unwrap();
        for (b, want) in got.values.iter().zip([0.6, -0.8, 0.0, 0.0]) {
            assert!((b - want).abs() < 0.05, "{got:?}");
        }
        assert!(got.explained_fraction > 0.97, "{got:?}");
        assert!(regression(&inputs, &output[..3]).is_none());
        // A valley is not explained by any order.
        let valley: Vec<f64> = inputs[2].iter().map(|c| (c - 0.5).powi(2)).collect();
        assert!(regression(&inputs, &valley).unwrap().explained_fraction < 0.05);
    }
}
