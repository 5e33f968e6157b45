//! Orders the places within each column so that few edges cross. It sorts by the mean position of
//! the neighbours, back and forth, and swaps adjacent places if that helps.

use super::lanes::Net;

/// Number of passes; more make no visible difference.
const PASSES: usize = 12;

/// Returns the places of each column, from the top.
pub(super) fn ordered(net: &Net) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new(); net.column.iter().max().map_or(0, |last| last + 1)];
    (0..net.len()).for_each(|place| rows[net.column[place]].push(place));
    let first = walked(net, &rows);
    rows.iter_mut().for_each(|row| row.sort_by_key(|place| first[*place]));
    let mut best = (crossings(net, &rows), rows.clone());
    for pass in 0..PASSES {
        if best.0 == 0 {
            break;
        }
        by_means(net, &mut rows, pass % 2 == 0);
        swap(net, &mut rows);
        let now = crossings(net, &rows);
        if now < best.0 {
            best = (now, rows.clone());
        }
    }
    best.1
}

/// Returns the number of each place in a walk along the edges, so that neighbours start near each
/// other.
fn walked(net: &Net, rows: &[Vec<usize>]) -> Vec<usize> {
    let mut number = vec![usize::MAX; net.len()];
    let (mut next, mut walk) = (0, Vec::new());
    for root in rows.iter().flatten() {
        walk.push(*root);
        while let Some(place) = walk.pop() {
            if number[place] == usize::MAX {
                number[place] = next;
                next += 1;
                let beside = net.after[place].iter().rev().chain(net.before[place].iter().rev());
                walk.extend(beside.filter(|other| number[**other] == usize::MAX));
            }
        }
    }
    number
}

/// Sorts one column after the other by the positions of the neighbours on one side.
fn by_means(net: &Net, rows: &mut [Vec<usize>], forward: bool) {
    let mut at = vec![0.0; net.len()];
    rows.iter().for_each(|row| number(row, &mut at));
    for step in 1..rows.len() {
        let column = if forward { step } else { rows.len() - 1 - step };
        let near = if forward { &net.before } else { &net.after };
        let mean = |place: usize| match near[place].as_slice() {
            [] => at[place],
            near => near.iter().map(|other| at[*other]).sum::<f64>() / near.len() as f64,
        };
        let mut keyed: Vec<(f64, usize)> = rows[column].iter().map(|place| (mean(*place), *place)).collect();
        keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
        rows[column] = keyed.into_iter().map(|(_, place)| place).collect();
        number(&rows[column], &mut at);
    }
}

/// Sets the relative position of each place in its column, between 0 and 1, because columns have
/// different lengths.
fn number(row: &[usize], at: &mut [f64]) {
    row.iter().enumerate().for_each(|(nth, place)| at[*place] = (nth as f64 + 0.5) / row.len() as f64);
}

/// Returns the index of each place in its column.
fn places(net: &Net, rows: &[Vec<usize>]) -> Vec<usize> {
    let mut at = vec![0; net.len()];
    rows.iter().for_each(|row| row.iter().enumerate().for_each(|(nth, place)| at[*place] = nth));
    at
}

/// Swaps adjacent places wherever that removes crossings.
fn swap(net: &Net, rows: &mut [Vec<usize>]) {
    let mut at = places(net, rows);
    let between = |at: &[usize], upper: &[usize], lower: &[usize]| -> usize {
        upper.iter().map(|one| lower.iter().filter(|other| at[**other] < at[*one]).count()).sum()
    };
    for row in rows.iter_mut() {
        for nth in 1..row.len() {
            let (upper, lower) = (row[nth - 1], row[nth]);
            let crossed = |upper: usize, lower: usize| {
                between(&at, &net.before[upper], &net.before[lower])
                    + between(&at, &net.after[upper], &net.after[lower])
            };
            if crossed(lower, upper) < crossed(upper, lower) {
                row.swap(nth - 1, nth);
                (at[upper], at[lower]) = (nth, nth - 1);
            }
        }
    }
}

/// Returns how often edges cross: the number of inversions, counted with a Fenwick tree.
fn crossings(net: &Net, rows: &[Vec<usize>]) -> usize {
    let at = places(net, rows);
    let mut total = 0;
    for pair in rows.windows(2) {
        let (mut tree, mut put) = (vec![0_usize; pair[1].len() + 1], 0);
        for place in &pair[0] {
            let ends: Vec<usize> = net.after[*place].iter().map(|other| at[*other]).collect();
            // Two edges of one place do not cross.
            total += ends.iter().map(|end| put - up_to(&tree, *end)).sum::<usize>();
            ends.iter().for_each(|end| add(&mut tree, *end));
            put += ends.len();
        }
    }
    total
}

fn up_to(tree: &[usize], end: usize) -> usize {
    let (mut at, mut sum) = (end + 1, 0);
    while at > 0 {
        sum += tree[at];
        at &= at - 1;
    }
    sum
}

fn add(tree: &mut [usize], end: usize) {
    let mut at = end + 1;
    while at < tree.len() {
        tree[at] += 1;
        at += at & at.wrapping_neg();
    }
}
