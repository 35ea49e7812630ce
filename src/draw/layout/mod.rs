//! Where boxes and lines go: a layered drawing after Sugiyama, Tagawa and Toda (1981), "Methods for visual
//! understanding of hierarchical system structures".
//!
//! Lines point down but for those that close a circle. `rank` gives every box a row, with a row between any
//! two for the labels of lines; `order` puts the boxes of a row so that few lines cross; `place` gives
//! coordinates. A label is a box of its own on its line, so nothing ever lies on anything else.

mod order;
mod place;
mod rank;
#[cfg(test)]
mod tests;

/// A width and a height.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Size {
    /// To the right.
    pub width: f64,
    /// Downwards.
    pub height: f64,
}

/// A place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

/// A box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// Its left edge.
    pub x: f64,
    /// Its top edge.
    pub y: f64,
    /// How big it is.
    pub size: Size,
}

impl Rect {
    /// Whether two boxes share any place.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.x < other.x + other.size.width
            && other.x < self.x + self.size.width
            && self.y < other.y + other.size.height
            && other.y < self.y + self.size.height
    }
}

/// A line from one box to another.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Index of the box where it begins.
    pub from: usize,
    /// Index of the box that it points to.
    pub to: usize,
    /// The size of its label; nothing when it has none.
    pub label: Size,
}

/// How a line runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// From the box where it begins to the one that it points to; each stretch is straight down, or a curve
    /// that leaves and arrives vertically.
    pub points: Vec<Point>,
    /// Where its label is.
    pub label: Option<Rect>,
    /// Whether it points up, against the order of the drawing.
    pub back: bool,
}

/// A drawing.
#[derive(Clone, Debug)]
pub struct Arranged {
    /// Where each box is.
    pub boxes: Vec<Rect>,
    /// How each line runs. A line from a box to itself has no points.
    pub routes: Vec<Route>,
    /// How much room it all needs.
    pub size: Size,
}

/// An item of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    /// A box.
    Box(usize),
    /// Where a line passes; the label of that line is here.
    Label(usize),
    /// Where a line passes.
    Bend(usize),
}

/// Rows of items, and how the items of neighbouring rows are joined.
struct Rows {
    rows: Vec<Vec<usize>>,
    items: Vec<(Item, Size)>,
    /// By item: those in the row above and below that it is joined to.
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
    /// By line: its items from the upper box to the lower one, both included; empty from a box to itself.
    chains: Vec<Vec<usize>>,
}

/// Arranges boxes of these sizes. Earlier boxes are rather above and to the left of later ones.
#[must_use]
pub fn arrange(boxes: &[Size], lines: &[Line]) -> Arranged {
    let ranked = rank::rank(boxes.len(), lines);
    let mut rows = rows(boxes, lines, &ranked);
    order::order(&mut rows);
    place::place(&rows, boxes.len(), lines, &ranked.back)
}

/// Puts every box into its row, and a chain of items for every line into the rows between.
fn rows(boxes: &[Size], lines: &[Line], ranked: &rank::Ranked) -> Rows {
    let depth = ranked.rows.iter().max().map_or(0, |last| 2 * last + 1);
    let mut rows = Rows {
        rows: vec![Vec::new(); depth],
        items: Vec::new(),
        above: Vec::new(),
        below: Vec::new(),
        chains: Vec::new(),
    };
    for (index, size) in boxes.iter().enumerate() {
        let row = ranked.rows.get(index).copied().unwrap_or(0);
        rows.add(2 * row, Item::Box(index), *size);
    }
    for (index, line) in lines.iter().enumerate() {
        let back = ranked.back.get(index).copied().unwrap_or(false);
        let (upper, lower) = if back { (line.to, line.from) } else { (line.from, line.to) };
        let row = |at: usize| ranked.rows.get(at).copied().unwrap_or(0) * 2;
        let mut chain = Vec::new();
        if upper != lower {
            // The label is beside the box where the line begins.
            let labelled = if back { row(lower).saturating_sub(1) } else { row(upper) + 1 };
            chain.push(upper);
            for at in row(upper) + 1..row(lower) {
                let label = at == labelled && line.label.width > 0.0;
                chain.push(if label {
                    rows.add(at, Item::Label(index), line.label)
                } else {
                    rows.add(at, Item::Bend(index), Size::default())
                });
            }
            chain.push(lower);
        }
        for pair in chain.windows(2) {
            if let [above, below] = *pair {
                rows.join(above, below);
            }
        }
        rows.chains.push(chain);
    }
    rows
}

impl Rows {
    fn add(&mut self, row: usize, item: Item, size: Size) -> usize {
        let index = self.items.len();
        self.items.push((item, size));
        self.above.push(Vec::new());
        self.below.push(Vec::new());
        if let Some(row) = self.rows.get_mut(row) {
            row.push(index);
        }
        index
    }

    fn join(&mut self, above: usize, below: usize) {
        if let Some(list) = self.below.get_mut(above) {
            list.push(below);
        }
        if let Some(list) = self.above.get_mut(below) {
            list.push(above);
        }
    }

    fn size(&self, item: usize) -> Size {
        self.items.get(item).map(|(_, size)| *size).unwrap_or_default()
    }

    fn is_box(&self, item: usize) -> bool {
        matches!(self.items.get(item), Some((Item::Box(_), _)))
    }
}

/// A number of things as a length.
fn length(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
