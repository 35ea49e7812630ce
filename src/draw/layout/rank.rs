//! In which row a box is: below everything that points to it.

use super::Line;

/// Rows, and which lines point up.
pub(super) struct Ranked {
    /// By box.
    pub(super) rows: Vec<usize>,
    /// By line.
    pub(super) back: Vec<bool>,
}

/// Gives every box a row.
pub(super) fn rank(boxes: usize, lines: &[Line]) -> Ranked {
    let back = closing(boxes, lines);
    let down: Vec<(usize, usize)> = lines
        .iter()
        .zip(&back)
        .filter(|(line, _)| line.from != line.to)
        .map(|(line, back)| if *back { (line.to, line.from) } else { (line.from, line.to) })
        .collect();
    let order = downwards(boxes, &down);
    let mut rows = vec![0_usize; boxes];
    for from in &order {
        let row = rows.get(*from).copied().unwrap_or(0);
        for (_, to) in down.iter().filter(|(upper, _)| upper == from) {
            if let Some(lower) = rows.get_mut(*to) {
                *lower = (*lower).max(row + 1);
            }
        }
    }
    shorten(&mut rows, &down, &order);
    Ranked { rows, back }
}

/// Which lines close a circle, found by going down from each box in turn.
fn closing(boxes: usize, lines: &[Line]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        Above,
        Done,
    }
    let mut back = vec![false; lines.len()];
    let mut seen = vec![Seen::Not; boxes];
    let from: Vec<Vec<usize>> = (0..boxes)
        .map(|at| {
            lines.iter().enumerate().filter(|(_, line)| line.from == at).map(|(index, _)| index).collect()
        })
        .collect();
    for start in 0..boxes {
        if seen.get(start) != Some(&Seen::Not) {
            continue;
        }
        let mut path = vec![(start, 0_usize)];
        while let Some((at, next)) = path.last_mut() {
            let here = *at;
            if let Some(mark) = seen.get_mut(here) {
                *mark = Seen::Above;
            }
            let line = from.get(here).and_then(|lines| lines.get(*next)).copied();
            *next += 1;
            let Some(index) = line else {
                if let Some(mark) = seen.get_mut(here) {
                    *mark = Seen::Done;
                }
                path.pop();
                continue;
            };
            let to = lines.get(index).map_or(here, |line| line.to);
            match seen.get(to) {
                Some(Seen::Not) => path.push((to, 0)),
                Some(Seen::Above) if to != here => {
                    if let Some(mark) = back.get_mut(index) {
                        *mark = true;
                    }
                }
                _ => {}
            }
        }
    }
    back
}

/// All boxes, each after those that point down to it.
fn downwards(boxes: usize, down: &[(usize, usize)]) -> Vec<usize> {
    let mut waiting: Vec<usize> =
        (0..boxes).map(|at| down.iter().filter(|(_, to)| *to == at).count()).collect();
    let mut order: Vec<usize> = (0..boxes).filter(|at| waiting.get(*at) == Some(&0)).collect();
    let mut next = 0;
    while let Some(at) = order.get(next).copied() {
        next += 1;
        for (_, to) in down.iter().filter(|(from, _)| *from == at) {
            if let Some(count) = waiting.get_mut(*to) {
                *count -= 1;
                if *count == 0 {
                    order.push(*to);
                }
            }
        }
    }
    order
}

/// Boxes with more lines going out than coming in sink towards what they point to: lines get shorter.
fn shorten(rows: &mut [usize], down: &[(usize, usize)], order: &[usize]) {
    for at in order.iter().rev().copied() {
        let incoming = down.iter().filter(|(_, to)| *to == at).count();
        let below = down.iter().filter(|(from, _)| *from == at).filter_map(|(_, to)| rows.get(*to)).copied();
        let below: Vec<usize> = below.collect();
        let Some(lowest) = below.iter().min().and_then(|row| row.checked_sub(1)) else { continue };
        if below.len() > incoming
            && let Some(row) = rows.get_mut(at)
        {
            *row = (*row).max(lowest);
        }
    }
}
