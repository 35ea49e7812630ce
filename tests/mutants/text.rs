//! Mutations of a flow file, at the level of its lines: steps, blocks, arms, jumps, levels, keys, conditions.

use std::ops::Range;

/// A small generator of our own: the same mutations on every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        // Knuth's MMIX multiplier; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.roll(from.len()))
    }
}

/// A mutated text, and what was done to it.
pub(crate) fn mutate(text: &str, dice: &mut Dice) -> (String, String) {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // Not every mutation fits every flow.
    for _ in 0..50 {
        let changed = match dice.roll(12) {
            0 | 1 => delete(&lines, &steps(&lines), dice),
            2 => duplicate(&lines, &steps(&lines), dice),
            3 => swap(&lines, &steps(&lines), dice),
            4 => delete(&lines, &blocks(&lines), dice),
            5 => swap_bodies(&lines, dice),
            6 => swap_arms(&lines, dice),
            7 => another_target(&lines, dice),
            8 => another_level(&lines, dice),
            9 => another_condition(&lines, dice),
            10 => let_pass(&lines, dice),
            _ => another_key(&lines, dice),
        };
        if let Some((lines, what)) = changed {
            return (lines.join("\n") + "\n", what);
        }
    }
    (text.to_owned(), String::from("nothing"))
}

/// The text without each of the steps that begin with a verb, one at a time, with the line it stood in.
pub(crate) fn without_each(text: &str, verb: &str) -> Vec<(usize, String)> {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let begins = |range: &Range<usize>| lines[range.start].trim_start().starts_with(&format!("- {verb}:"));
    let without = |range: Range<usize>| {
        let mut rest = lines.clone();
        rest.drain(range.clone());
        (range.start + 1, rest.join("\n") + "\n")
    };
    steps(&lines).into_iter().filter(begins).map(without).collect()
}

type Changed = Option<(Vec<String>, String)>;

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_text(line: &str) -> bool {
    !line.trim().is_empty() && !line.trim_start().starts_with('#')
}

/// From a line to the last one that is further in.
fn whole(lines: &[String], start: usize) -> Range<usize> {
    let deeper = |line: &String| !is_text(line) || indent(line) > indent(&lines[start]);
    let mut end = start + 1 + lines[start + 1..].iter().take_while(|line| deeper(line)).count();
    while end > start + 1 && !is_text(&lines[end - 1]) {
        end -= 1;
    }
    start..end
}

/// Items of lists: steps, options, cases.
fn steps(lines: &[String]) -> Vec<Range<usize>> {
    let item = |at: &usize| lines[*at].trim_start().starts_with("- ");
    (0..lines.len()).filter(item).map(|at| whole(lines, at)).collect()
}

/// Keys of blocks: a name alone on its line, with a list below.
fn blocks(lines: &[String]) -> Vec<Range<usize>> {
    let block = |at: &usize| {
        let next = lines.get(at + 1).map_or("", |line| line.trim_start());
        is_text(&lines[*at]) && lines[*at].trim_end().ends_with(':') && next.starts_with("- ")
    };
    (0..lines.len()).filter(block).map(|at| whole(lines, at)).collect()
}

fn delete(lines: &[String], ranges: &[Range<usize>], dice: &mut Dice) -> Changed {
    let range = dice.pick(ranges)?.clone();
    let what = format!("without line {} `{}`", range.start + 1, lines[range.start].trim());
    let mut lines = lines.to_vec();
    lines.drain(range);
    Some((lines, what))
}

fn duplicate(lines: &[String], ranges: &[Range<usize>], dice: &mut Dice) -> Changed {
    let range = dice.pick(ranges)?.clone();
    let what = format!("line {} `{}` twice", range.start + 1, lines[range.start].trim());
    let copy = lines[range.clone()].to_vec();
    let mut lines = lines.to_vec();
    lines.splice(range.end..range.end, copy);
    Some((lines, what))
}

fn swap(lines: &[String], ranges: &[Range<usize>], dice: &mut Dice) -> Changed {
    let (one, other) = (dice.pick(ranges)?.clone(), dice.pick(ranges)?.clone());
    let (first, second) = if one.start < other.start { (one, other) } else { (other, one) };
    if first.end > second.start || indent(&lines[first.start]) != indent(&lines[second.start]) {
        return None;
    }
    let what = format!("lines {} and {} swapped", first.start + 1, second.start + 1);
    let parts = [&lines[..first.start], &lines[second.clone()], &lines[first.end..second.start]];
    let rest = [&lines[first.clone()], &lines[second.end..]];
    Some((parts.into_iter().chain(rest).flatten().cloned().collect(), what))
}

/// Two blocks change their names.
fn swap_bodies(lines: &[String], dice: &mut Dice) -> Changed {
    let blocks = blocks(lines);
    let (one, other) = (dice.pick(&blocks)?.start, dice.pick(&blocks)?.start);
    if one == other || indent(&lines[one]) != indent(&lines[other]) {
        return None;
    }
    let what = format!("blocks of lines {} and {} with each other's steps", one + 1, other + 1);
    let mut lines = lines.to_vec();
    lines.swap(one, other);
    Some((lines, what))
}

/// `proved: {goto: balance}`: name and value.
fn arm(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(": ")?;
    let value = value.trim();
    (is_text(line)
        && (value == "continue" || (value.starts_with('{') && value.ends_with('}')))
        && !name.trim_start().starts_with("- "))
    .then_some((name, value))
}

/// Two outcomes of one step lead where the other did.
fn swap_arms(lines: &[String], dice: &mut Dice) -> Changed {
    let arms: Vec<usize> = (0..lines.len()).filter(|at| arm(&lines[*at]).is_some()).collect();
    let at = *dice.pick(&arms)?;
    let other =
        arms.iter().copied().find(|other| *other > at && indent(&lines[*other]) == indent(&lines[at]))?;
    let ((name, value), (other_name, other_value)) = (arm(&lines[at])?, arm(&lines[other])?);
    let what = format!("lines {} and {} with each other's arms", at + 1, other + 1);
    let mut changed = lines.to_vec();
    changed[at] = format!("{name}: {other_value}");
    changed[other] = format!("{other_name}: {value}");
    Some((changed, what))
}

/// Every place in which one of some words stands after a mark.
fn places(lines: &[String], mark: &str) -> Vec<(usize, Range<usize>)> {
    let mut out = Vec::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_text(line)) {
        for (found, _) in line.match_indices(mark) {
            let start = found + mark.len();
            let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
            let end = line[start..].find(|c| !word(c)).map_or(line.len(), |length| start + length);
            out.push((at, start..end));
        }
    }
    out
}

fn replace(lines: &[String], at: usize, range: Range<usize>, by: &str) -> Changed {
    if &lines[at][range.clone()] == by {
        return None;
    }
    let what = format!("line {} `{}` with `{by}`", at + 1, lines[at].trim());
    let mut lines = lines.to_vec();
    lines[at].replace_range(range, by);
    Some((lines, what))
}

fn another_target(lines: &[String], dice: &mut Dice) -> Changed {
    let blocks = blocks(lines);
    let name = lines[dice.pick(&blocks)?.start].trim().trim_end_matches(':').to_owned();
    let (at, range) = dice.pick(&places(lines, "goto: "))?.clone();
    replace(lines, at, range, &name)
}

/// Another level that the flow names, or none.
fn another_level(lines: &[String], dice: &mut Dice) -> Changed {
    let marks = ["require: ", "level: ", "auth.level == ", "auth.level >= "];
    let found: Vec<_> =
        marks.iter().flat_map(|mark| places(lines, mark)).filter(|(_, r)| !r.is_empty()).collect();
    let word = |(at, range): &(usize, Range<usize>)| lines[*at][range.clone()].to_owned();
    let mut words: Vec<String> = found.iter().map(word).collect();
    words.push(String::from("none"));
    let to = dice.pick(&words)?.clone();
    let (at, range) = dice.pick(&found)?.clone();
    replace(lines, at, range, &to)
}

fn another_condition(lines: &[String], dice: &mut Dice) -> Changed {
    const SWAPS: [(&str, &str); 8] = [
        (" == ", " != "),
        (" != ", " == "),
        (" >= ", " < "),
        (" < ", " >= "),
        (" and ", " or "),
        (" or ", " and "),
        ("when: not ", "when: "),
        ("when: auth.level == ", "when: auth.level != "),
    ];
    let (from, to) = *dice.pick(&SWAPS)?;
    let holds =
        |at: &usize| is_text(&lines[*at]) && lines[*at].contains("when:") && lines[*at].contains(from);
    let found: Vec<usize> = (0..lines.len()).filter(holds).collect();
    let at = *dice.pick(&found)?;
    let start = lines[at].find(from)?;
    replace(lines, at, start..start + from.len(), to)
}

/// An arm that led elsewhere goes on with the next step.
fn let_pass(lines: &[String], dice: &mut Dice) -> Changed {
    let arms: Vec<usize> = (0..lines.len()).filter(|at| arm(&lines[*at]).is_some()).collect();
    let at = *dice.pick(&arms)?;
    let start = arm(&lines[at])?.0.len() + 2;
    replace(lines, at, start..lines[at].len(), "continue")
}

fn another_key(lines: &[String], dice: &mut Dice) -> Changed {
    let found: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains("{key: \"")).collect();
    let at = *dice.pick(&found)?;
    let start = lines[at].find("{key: \"")? + "{key: \"".len();
    let end = start + lines[at][start..].find('"')?;
    let key = dice.roll(10).to_string();
    replace(lines, at, start..end, &key)
}
