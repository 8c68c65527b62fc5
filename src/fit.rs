//! Small linear systems on plain arrays.

/// Solve `a x = b` by Gaussian elimination with partial pivoting (Golub and Van Loan, §3.4); nothing
/// when the matrix is singular.
#[must_use]
pub fn solve<const N: usize>(mut a: [[f64; N]; N], mut b: [f64; N]) -> Option<[f64; N]> {
    for column in 0..N {
        let pivot = (column..N).max_by(|i, j| a[*i][column].abs().total_cmp(&a[*j][column].abs()))?;
        if a[pivot][column].abs() < 1e-300 {
            return None;
        }
        a.swap(column, pivot);
        b.swap(column, pivot);
        let top = a[column];
        for row in column + 1..N {
            let factor = a[row][column] / top[column];
            for (value, above) in a[row].iter_mut().zip(top).skip(column) {
                *value -= factor * above;
            }
            b[row] -= factor * b[column];
        }
    }
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|i| a[row][i] * b[i]).sum();
        b[row] = (b[row] - known) / a[row][row];
    }
    Some(b)
}

/// The same for a system whose size is not known beforehand.
#[must_use]
pub fn solve_all(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for column in 0..n {
        let pivot = (column..n).max_by(|i, j| a[*i][column].abs().total_cmp(&a[*j][column].abs()))?;
        if a[pivot][column].abs() < 1e-300 {
            return None;
        }
        a.swap(column, pivot);
        b.swap(column, pivot);
        let top = a[column].clone();
        for row in column + 1..n {
            let factor = a[row][column] / top[column];
            for (value, above) in a[row].iter_mut().zip(&top).skip(column) {
                *value -= factor * above;
            }
            b[row] -= factor * b[column];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|i| a[row][i] * b[i]).sum();
        b[row] = (b[row] - known) / a[row][row];
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::{solve, solve_all};

    #[test]
    fn small_systems_are_solved() {
        let x = solve([[0.0, 2.0, 1.0], [1.0, -2.0, -3.0], [-1.0, 1.0, 2.0]], [-8.0, 0.0, 3.0]).unwrap();
        for (got, want) in x.iter().zip([-4.0, -5.0, 2.0]) {
            assert!((got - want).abs() < 1e-12);
        }
        let same = solve_all(
            vec![vec![0.0, 2.0, 1.0], vec![1.0, -2.0, -3.0], vec![-1.0, 1.0, 2.0]],
            vec![-8.0, 0.0, 3.0],
        );
        assert_eq!(same.unwrap(), x);
        assert!(solve([[1.0, 2.0], [2.0, 4.0]], [1.0, 2.0]).is_none());
        assert!(solve_all(vec![vec![1.0, 2.0], vec![2.0, 4.0]], vec![1.0, 2.0]).is_none());
    }
}
