//! Coordinates. Each item wants to be above and below what it is joined to; the order of its row and the space
//! between neighbours are kept. That is a least-squares problem with an exact answer (isotonic regression), which
//! is solved for one row after the other until nothing moves any more.

use super::{Arranged, Item, Line, Point, Rect, Route, Rows, Size, length};

/// Between two boxes of a row.
const BESIDE: f64 = 26.0;
/// Between two lines, or a line and a box.
const BESIDE_LINE: f64 = 14.0;
/// Between two rows.
const BETWEEN: f64 = 17.0;
/// How strongly long lines want to be straight; a box next to one of them gives way.
const STRAIGHT: f64 = 12.0;
/// Rounds over all rows; coordinates move less than a pixel long before.
const ROUNDS: usize = 60;

/// Gives everything its place.
pub(super) fn place(rows: &Rows, boxes: usize, lines: &[Line], back: &[bool]) -> Arranged {
    let x = across(rows);
    let (top, bottom, height) = down(rows);
    let left = (0..rows.items.len())
        .map(|item| x.get(item).copied().unwrap_or(0.0) - rows.size(item).width / 2.0)
        .fold(f64::INFINITY, f64::min);
    let left = if left.is_finite() { left } else { 0.0 };
    let rect = |item: usize| {
        let (size, row) = (rows.size(item), row_of(rows, item));
        // Boxes hang from the top of their row, labels lie in the middle of theirs.
        let middle = f64::midpoint(at(&top, row), at(&bottom, row)) - size.height / 2.0;
        let y = if rows.is_box(item) { at(&top, row) } else { middle };
        Rect { x: at(&x, item) - left - size.width / 2.0, y, size }
    };
    let rects: Vec<Rect> = (0..boxes).map(rect).collect();
    let ports = ports(rows, &x);
    let mut routes = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let chain = rows.chains.get(index).map(Vec::as_slice).unwrap_or_default();
        let back = back.get(index).copied().unwrap_or(false);
        let mut points = Vec::new();
        let mut label = None;
        for (step, item) in chain.iter().enumerate() {
            let middle = at(&x, *item) - left;
            let row = row_of(rows, *item);
            if rows.is_box(*item) {
                let rect =
                    rects.get(*item).copied().unwrap_or(Rect { x: 0.0, y: 0.0, size: Size::default() });
                let y = if step == 0 { rect.y + rect.size.height } else { rect.y };
                let port = ports.iter().find(|(line, first, _)| *line == index && *first == (step == 0));
                points.push(Point { x: middle + port.map_or(0.0, |(_, _, shift)| *shift), y });
            } else {
                points.push(Point { x: middle, y: at(&top, row) });
                points.push(Point { x: middle, y: at(&bottom, row) });
                if line.label.width > 0.0 && rows.size(*item).width > 0.0 {
                    label = Some(rect(*item));
                }
            }
        }
        if back {
            points.reverse();
        }
        routes.push(Route { points, label, back });
    }
    let width = (0..rows.items.len()).map(rect).map(|rect| rect.x + rect.size.width).fold(0.0, f64::max);
    Arranged { boxes: rects, routes, size: Size { width, height } }
}

fn at(list: &[f64], index: usize) -> f64 {
    list.get(index).copied().unwrap_or(0.0)
}

fn row_of(rows: &Rows, item: usize) -> usize {
    rows.rows.iter().position(|row| row.contains(&item)).unwrap_or(0)
}

/// The top and bottom of each row, and the height of all.
fn down(rows: &Rows) -> (Vec<f64>, Vec<f64>, f64) {
    let (mut top, mut bottom, mut y) = (Vec::new(), Vec::new(), 0.0);
    for row in &rows.rows {
        let height = row.iter().map(|item| rows.size(*item).height).fold(0.0, f64::max);
        top.push(y);
        bottom.push(y + height);
        y += height + BETWEEN;
    }
    (top, bottom, (y - BETWEEN).max(0.0))
}

/// The middle of each item.
fn across(rows: &Rows) -> Vec<f64> {
    let mut x = vec![0.0; rows.items.len()];
    for row in &rows.rows {
        for (item, offset) in row.iter().zip(offsets(rows, row)) {
            if let Some(slot) = x.get_mut(*item) {
                *slot = offset;
            }
        }
    }
    for round in 0..ROUNDS {
        let depth = rows.rows.len();
        let order: Vec<usize> =
            if round % 2 == 0 { (0..depth).collect() } else { (0..depth).rev().collect() };
        for index in order {
            let Some(row) = rows.rows.get(index) else { continue };
            // At first one side only, so that what hangs on one thing follows it; at last both.
            let (up, low) = match round {
                round if round >= ROUNDS / 3 => (true, true),
                round => (round % 2 == 0, round % 2 == 1),
            };
            let straight = straight(rows, &x);
            settle(rows, row, &mut x, &straight, up, low);
        }
    }
    close_up(rows, &mut x);
    x
}

/// What is joined to nothing else stands next to the rest, with no room lost between.
fn close_up(rows: &Rows, x: &mut [f64]) {
    let part = parts(rows);
    let mut order: Vec<usize> = (0..rows.items.len()).filter(|item| part.get(*item) == Some(item)).collect();
    let left = |x: &[f64], item: usize| at(x, item) - rows.size(item).width / 2.0;
    let first = |x: &[f64], name: usize| {
        let own = (0..rows.items.len()).filter(|item| part.get(*item) == Some(&name));
        own.map(|item| left(x, item)).fold(f64::INFINITY, f64::min)
    };
    order.sort_by(|a, b| first(x, *a).total_cmp(&first(x, *b)));
    for name in order.iter().copied().skip(1) {
        let mut room = f64::INFINITY;
        for row in &rows.rows {
            let offsets = offsets(rows, row);
            for (place, item) in row.iter().enumerate().skip(1) {
                let before = row.get(place - 1).copied().unwrap_or(*item);
                if part.get(*item) == Some(&name) && part.get(before) != Some(&name) {
                    let least = at(&offsets, place) - at(&offsets, place - 1);
                    room = room.min(at(x, *item) - at(x, before) - least);
                }
            }
        }
        if room.is_finite() && room > 0.0 {
            for (item, slot) in x.iter_mut().enumerate() {
                *slot -= if part.get(item) == Some(&name) { room } else { 0.0 };
            }
        }
    }
}

/// By item: the first item of all that it is joined to, near or far.
fn parts(rows: &Rows) -> Vec<usize> {
    let mut part = vec![usize::MAX; rows.items.len()];
    for start in 0..rows.items.len() {
        let mut open = vec![start];
        while let Some(item) = open.pop() {
            match part.get_mut(item) {
                Some(slot) if *slot == usize::MAX => *slot = start,
                _ => continue,
            }
            open.extend(rows.above.get(item).into_iter().chain(rows.below.get(item)).flatten());
        }
    }
    part
}

/// How far apart the middles of a row's items are at least, from the first on.
fn offsets(rows: &Rows, row: &[usize]) -> Vec<f64> {
    let mut out = Vec::new();
    let mut offset = 0.0;
    for (at, item) in row.iter().enumerate() {
        if let Some(before) = at.checked_sub(1).and_then(|before| row.get(before)) {
            let boxes = rows.is_box(*before) && rows.is_box(*item);
            let gap = if boxes { BESIDE } else { BESIDE_LINE };
            offset += f64::midpoint(rows.size(*before).width, rows.size(*item).width) + gap;
        }
        out.push(offset);
    }
    out
}

/// Moves the items of a row as near as they can be to where they want to be.
fn settle(rows: &Rows, row: &[usize], x: &mut [f64], straight: &[Option<f64>], up: bool, low: bool) {
    let offsets = offsets(rows, row);
    // Runs of items that stand as close as they may: where their first item wants to be, how strongly, how many.
    let mut runs: Vec<(f64, f64, usize)> = Vec::new();
    for (item, offset) in row.iter().zip(&offsets) {
        let (wish, weight) = match straight.get(*item) {
            Some(Some(middle)) => (*middle, STRAIGHT),
            _ => wish(rows, *item, x, up, low),
        };
        runs.push((wish - offset, weight, 1));
        while let [.., before, last] = runs.as_slice() {
            if before.0 <= last.0 {
                break;
            }
            let weight = before.1 + last.1;
            let merged = ((before.0 * before.1 + last.0 * last.1) / weight, weight, before.2 + last.2);
            runs.truncate(runs.len() - 2);
            runs.push(merged);
        }
    }
    let places = runs.into_iter().flat_map(|(place, _, count)| std::iter::repeat_n(place, count));
    for ((item, offset), place) in row.iter().zip(&offsets).zip(places) {
        if let Some(slot) = x.get_mut(*item) {
            *slot = place + offset;
        }
    }
}

/// Where the bends of long lines want to be: all at one place, at the middle of where they are, so that the line is
/// straight where nothing is in its way.
fn straight(rows: &Rows, x: &[f64]) -> Vec<Option<f64>> {
    let mut out = vec![None; rows.items.len()];
    for chain in &rows.chains {
        let bends: Vec<usize> = chain
            .iter()
            .copied()
            .filter(|item| matches!(rows.items.get(*item), Some((Item::Bend(_), _))))
            .collect();
        if bends.len() < 2 {
            continue;
        }
        let ends =
            [chain.first(), chain.last()].into_iter().flatten().map(|item| at(x, *item)).sum::<f64>() / 2.0;
        let middle = bends.iter().map(|item| at(x, *item)).sum::<f64>() / length(bends.len());
        for bend in bends {
            if let Some(slot) = out.get_mut(bend) {
                // A little towards its ends, so that it does not stay where it happened to begin.
                *slot = Some(middle * 0.9 + ends * 0.1);
            }
        }
    }
    out
}

/// Where an item wants to be, and how strongly.
fn wish(rows: &Rows, item: usize, x: &[f64], up: bool, low: bool) -> (f64, f64) {
    let joined =
        |lists: &[Vec<usize>], wanted: bool| lists.get(item).filter(|_| wanted).cloned().unwrap_or_default();
    let others = joined(&rows.above, up).into_iter().chain(joined(&rows.below, low));
    let (mut sum, mut weight) = (0.0, 0.0);
    for other in others {
        let strength = match (rows.is_box(item), rows.is_box(other)) {
            (false, false) => 4.0,
            (true, true) => 1.0,
            _ => 1.0,
        };
        sum += at(x, other) * strength;
        weight += strength;
    }
    if weight > 0.0 { (sum / weight, weight) } else { (at(x, item), 0.1) }
}

/// Where lines leave and reach their boxes, from the middle: by line and whether it is its upper end. The lines of
/// one side are in the order of where they go, so that they don't cross at once.
fn ports(rows: &Rows, x: &[f64]) -> Vec<(usize, bool, f64)> {
    let mut out = Vec::new();
    for (index, _) in rows.items.iter().enumerate().filter(|(index, _)| rows.is_box(*index)) {
        for upper in [true, false] {
            let mut ends: Vec<(f64, usize)> = Vec::new();
            for (line, chain) in rows.chains.iter().enumerate() {
                let (here, next) = match (upper, chain.as_slice()) {
                    (true, [first, next, ..]) => (*first, *next),
                    (false, [.., next, last]) => (*last, *next),
                    _ => continue,
                };
                if here == index {
                    ends.push((at(x, next), line));
                }
            }
            ends.sort_by(|a, b| a.0.total_cmp(&b.0));
            let room = rows.size(index).width * 0.7;
            let step = (room / length(ends.len().max(1))).min(22.0);
            let first = -step * (length(ends.len()) - 1.0) / 2.0;
            out.extend(
                ends.iter().enumerate().map(|(at, (_, line))| (*line, upper, first + step * length(at))),
            );
        }
    }
    out
}
