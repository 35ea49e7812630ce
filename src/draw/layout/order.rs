//! The order of the items in each row: sweeps down and up put each item at the middle of those that it is joined
//! to, neighbours change places where that saves crossings, and the best order seen is kept.

use super::{Rows, length};

/// Sweeps down and up; more hardly ever find anything better.
const SWEEPS: usize = 24;

/// Orders all rows.
pub(super) fn order(rows: &mut Rows) {
    start(rows);
    let mut best = rows.rows.clone();
    let mut fewest = crossings(rows);
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let depth = rows.rows.len();
        let all: Vec<usize> =
            if down { (1..depth).collect() } else { (0..depth.saturating_sub(1)).rev().collect() };
        for row in all {
            towards(rows, row, down);
        }
        exchange(rows);
        let now = crossings(rows);
        if now < fewest {
            (fewest, best) = (now, rows.rows.clone());
        }
        if fewest == 0 {
            break;
        }
    }
    rows.rows = best;
}

/// As a walk from the first box finds them: what belongs together is near each other.
fn start(rows: &mut Rows) {
    let mut seen = vec![false; rows.items.len()];
    let mut found = Vec::new();
    for first in 0..rows.items.len() {
        let mut open = vec![first];
        while let Some(item) = open.pop() {
            match seen.get_mut(item) {
                Some(mark) if !*mark => *mark = true,
                _ => continue,
            }
            found.push(item);
            open.extend(rows.below.get(item).into_iter().flatten().rev());
        }
    }
    let mut place = vec![0; rows.items.len()];
    for (at, item) in found.into_iter().enumerate() {
        if let Some(slot) = place.get_mut(item) {
            *slot = at;
        }
    }
    for row in &mut rows.rows {
        row.sort_by_key(|item| place.get(*item).copied().unwrap_or(0));
    }
}

fn positions(rows: &Rows) -> Vec<usize> {
    let mut at = vec![0; rows.items.len()];
    for row in &rows.rows {
        for (position, item) in row.iter().enumerate() {
            if let Some(slot) = at.get_mut(*item) {
                *slot = position;
            }
        }
    }
    at
}

/// Puts the items of a row at the middle of those that they are joined to in the row before it.
fn towards(rows: &mut Rows, row: usize, down: bool) {
    let at = positions(rows);
    let joined = if down { &rows.above } else { &rows.below };
    let middle = |item: usize| {
        let others = joined.get(item).map(Vec::as_slice).unwrap_or_default();
        let sum: f64 = others.iter().map(|other| length(at.get(*other).copied().unwrap_or(0))).sum();
        (!others.is_empty()).then(|| sum / length(others.len()))
    };
    let Some(items) = rows.rows.get(row) else { return };
    // One that is joined to nothing keeps its place; the others are sorted around it.
    let mut sorted: Vec<(f64, usize)> =
        items.iter().filter_map(|item| middle(*item).map(|middle| (middle, *item))).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut sorted = sorted.into_iter().map(|(_, item)| item);
    let ordered: Vec<usize> = items
        .iter()
        .map(|item| if middle(*item).is_some() { sorted.next().unwrap_or(*item) } else { *item })
        .collect();
    if let Some(items) = rows.rows.get_mut(row) {
        *items = ordered;
    }
}

/// Neighbours change places where fewer lines cross then.
fn exchange(rows: &mut Rows) {
    for row in 0..rows.rows.len() {
        let count = rows.rows.get(row).map_or(0, Vec::len);
        for at in 1..count {
            let pair = rows.rows.get(row).and_then(|items| Some((*items.get(at - 1)?, *items.get(at)?)));
            let Some((left, right)) = pair else { continue };
            let places = positions(rows);
            let cost = |first: usize, second: usize| {
                [&rows.above, &rows.below]
                    .into_iter()
                    .map(|joined| {
                        let of = |item: usize| joined.get(item).map(Vec::as_slice).unwrap_or_default();
                        let pairs = of(first).iter().flat_map(|a| of(second).iter().map(move |b| (a, b)));
                        pairs.filter(|(a, b)| places.get(**a) > places.get(**b)).count()
                    })
                    .sum::<usize>()
            };
            if cost(right, left) < cost(left, right)
                && let Some(items) = rows.rows.get_mut(row)
            {
                items.swap(at - 1, at);
            }
        }
    }
}

/// How many lines cross.
fn crossings(rows: &Rows) -> usize {
    let at = positions(rows);
    let place = |item: usize| at.get(item).copied().unwrap_or(0);
    let mut count = 0;
    for row in &rows.rows {
        let lines: Vec<(usize, usize)> = row
            .iter()
            .flat_map(|item| {
                rows.below.get(*item).into_iter().flatten().map(|below| (place(*item), place(*below)))
            })
            .collect();
        for (index, (a, b)) in lines.iter().enumerate() {
            let crossed = |(c, d): &&(usize, usize)| (a < c && b > d) || (a > c && b < d);
            count += lines.iter().skip(index + 1).filter(crossed).count();
        }
    }
    count
}
