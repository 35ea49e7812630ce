//! Paths through the blocks of one flow: which states were seen, how they were come to, which of them a
//! caller can come to again and again.

use std::collections::{BTreeMap, VecDeque};

use super::held::Held;
use crate::flow::document::{BlockId, OutcomeId};

/// Where a step leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// To the next step of its block.
    Next,
    /// To a block; of the main flow when an `always` key leaves a sub-flow.
    Goto(BlockId),
    /// Out of the sub-flow.
    Return(OutcomeId),
}

/// One way out of a step.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// By which outcome, for printing.
    pub(super) how: String,
    /// What is held afterwards.
    pub(super) held: Held,
    /// Where to.
    pub(super) exit: Exit,
    /// Whether the level was looked at on it.
    pub(super) check: bool,
}

impl Way {
    /// On with the next step.
    pub(super) const fn on(held: Held) -> Self {
        Self { how: String::new(), held, exit: Exit::Next, check: false }
    }
}

/// A step, and what is certain of a caller who comes to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State {
    pub(super) block: BlockId,
    pub(super) at: usize,
    pub(super) held: Held,
    /// Whether the level was looked at since the sub-flow was entered.
    pub(super) checked: bool,
}

/// A place on a path, for printing it.
struct Trail {
    before: Option<usize>,
    text: String,
}

/// The states of one walk.
pub(super) struct Walk {
    states: Vec<(State, Option<usize>)>,
    seen: BTreeMap<State, usize>,
    open: VecDeque<usize>,
    /// From state to state without a look at the level.
    edges: Vec<(usize, usize)>,
    trails: Vec<Trail>,
}

impl Walk {
    pub(super) fn new(start: BlockId, held: Held, checked: bool) -> Self {
        let mut walk = Self {
            states: Vec::new(),
            seen: BTreeMap::new(),
            open: VecDeque::new(),
            edges: Vec::new(),
            trails: Vec::new(),
        };
        walk.add(State { block: start, at: 0, held, checked }, None);
        walk
    }

    fn add(&mut self, state: State, trail: Option<usize>) -> (usize, bool) {
        if let Some(known) = self.seen.get(&state) {
            return (*known, false);
        }
        let number = self.states.len();
        self.states.push((state, trail));
        self.seen.insert(state, number);
        self.open.push_back(number);
        (number, true)
    }

    /// The next state that nobody has looked at.
    pub(super) fn next(&mut self) -> Option<(usize, State)> {
        let number = self.open.pop_front()?;
        self.states.get(number).map(|(state, _)| (number, *state))
    }

    /// The trail at a state; a block is named when it is entered.
    pub(super) fn enter(&mut self, number: usize, block: &str) -> Option<usize> {
        let (state, before) = self.states.get(number)?;
        match state.at {
            0 => self.step(*before, block.to_owned()),
            _ => *before,
        }
    }

    /// The trail behind a way out.
    pub(super) fn along(&mut self, trail: Option<usize>, how: &str) -> Option<usize> {
        if how.is_empty() { trail } else { self.step(trail, format!("({how})")) }
    }

    fn step(&mut self, before: Option<usize>, text: String) -> Option<usize> {
        self.trails.push(Trail { before, text });
        Some(self.trails.len() - 1)
    }

    /// A state that a way leads to.
    pub(super) fn push(&mut self, from: usize, to: (BlockId, usize), way: &Way, trail: Option<usize>) {
        let checked = way.check || self.states.get(from).is_some_and(|(state, _)| state.checked);
        let (number, _) = self.add(State { block: to.0, at: to.1, held: way.held, checked }, trail);
        if !way.check {
            self.edges.push((from, number));
        }
    }

    /// Adds to every state that a caller can come to again and again, without anybody looking at the level,
    /// one in which the level has ended; whether there is a new one.
    pub(super) fn grow_old(&mut self, lasting: impl Fn(Held) -> Held) -> bool {
        let mut new = false;
        for number in circular(self.states.len(), &self.edges) {
            let Some((state, trail)) = self.states.get(number) else { continue };
            let (state, trail) = (State { held: lasting(state.held), ..*state }, *trail);
            if !self.seen.contains_key(&state) {
                let trail = self.step(trail, "(again and again, until the level has ended)".to_owned());
                new |= self.add(state, trail).1;
            }
        }
        new
    }

    /// A trail as a caller would walk it.
    pub(super) fn print(&self, at: Option<usize>) -> String {
        let mut texts = Vec::new();
        let mut next = at;
        while let Some(trail) = next.and_then(|at| self.trails.get(at)) {
            texts.push(trail.text.as_str());
            next = trail.before;
        }
        texts.reverse();
        // Nobody reads more of it: `shortened` would leave it out.
        if texts.len() > MOST_SHOWN {
            texts.splice(MOST_SHOWN / 3..texts.len() - MOST_SHOWN / 3, ["…"]);
        }
        let mut out = String::new();
        for text in texts {
            // A block follows an arrow, how it was left follows its name.
            if !out.is_empty() {
                out.push_str(if text.starts_with('(') { " " } else { " → " });
            }
            out.push_str(text);
        }
        out
    }
}

/// Blocks and ways out of them on a path that is printed.
const MOST_SHOWN: usize = 60;

/// A path through a sub-flow, as it stands within the path of whoever runs it; a long one is left out, so that what
/// is printed grows by a bounded piece for each sub-flow within another.
pub(super) fn inner(told: &str) -> String {
    const LONGEST: usize = 160;
    if told.chars().nth(LONGEST).is_some() { "[…]".to_owned() } else { format!("[{told}]") }
}

/// A path that is too long for a line: its beginning and its end.
pub(super) fn shortened(path: &str) -> String {
    const LONGEST: usize = 360;
    if path.chars().count() <= LONGEST {
        return path.to_owned();
    }
    let blocks: Vec<&str> = path.split(" → ").collect();
    let mut kept = blocks.len();
    while kept > 2 {
        kept -= 1;
        let (head, tail) = (kept / 3 + 1, kept - kept / 3 - 1);
        let end = blocks.len() - tail;
        let shorter = format!(
            "{} → … → {}",
            blocks.get(..head).unwrap_or_default().join(" → "),
            blocks.get(end..).unwrap_or_default().join(" → ")
        );
        if shorter.chars().count() <= LONGEST {
            return shorter;
        }
    }
    format!("… → {}", blocks.last().copied().unwrap_or_default())
}

/// The nodes of a graph that lie on a circle.
fn circular(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut forth = vec![Vec::new(); nodes];
    let mut back = vec![Vec::new(); nodes];
    let mut own = vec![false; nodes];
    for (from, to) in edges {
        forth[*from].push(*to);
        back[*to].push(*from);
        own[*from] |= from == to;
    }
    // Kosaraju: in the reverse order of finishing, what is reached backwards is one component.
    let mut order = Vec::with_capacity(nodes);
    let mut seen = vec![false; nodes];
    for start in 0..nodes {
        depth_first(start, &forth, &mut seen, &mut |node| order.push(node));
    }
    let mut seen = vec![false; nodes];
    let mut out = Vec::new();
    for start in order.into_iter().rev() {
        let mut component = Vec::new();
        depth_first(start, &back, &mut seen, &mut |node| component.push(node));
        if component.len() > 1 || component.iter().any(|node| own[*node]) {
            out.extend(component);
        }
    }
    out.sort_unstable();
    out
}

/// Tells each node that was not seen before when all behind it are done.
fn depth_first(start: usize, edges: &[Vec<usize>], seen: &mut [bool], done: &mut impl FnMut(usize)) {
    if std::mem::replace(&mut seen[start], true) {
        return;
    }
    let mut stack = vec![(start, 0)];
    while let Some((node, at)) = stack.last_mut() {
        let here = *node;
        match edges[here].get(*at) {
            Some(next) => {
                *at += 1;
                if !std::mem::replace(&mut seen[*next], true) {
                    stack.push((*next, 0));
                }
            }
            None => {
                done(here);
                stack.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_on_a_circle_comes_again() {
        assert_eq!(circular(6, &[(0, 1), (1, 2), (2, 1), (2, 3), (4, 4), (3, 5)]), [1, 2, 4]);
        assert_eq!(circular(3, &[(0, 1), (1, 2)]), [0_usize; 0]);
    }

    #[test]
    fn a_long_path_keeps_its_beginning_and_its_end() {
        let path = (0..100).map(|at| format!("block_{at} (key 1)")).collect::<Vec<_>>().join(" → ");
        let short = shortened(&path);
        assert!(short.chars().count() <= 360, "{short}");
        assert!(
            short.starts_with("block_0 (key 1) → block_1") && short.ends_with("block_99 (key 1)"),
            "{short}"
        );
        assert_eq!(shortened("start → menu"), "start → menu");
    }
}
