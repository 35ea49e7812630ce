//! Reading a PyTorch state dict: a ZIP whose entries are stored as they are, in it one pickle that names the
//! tensors and one file of numbers for each.
//!
//! A pickle is a program. Only the few instructions that a state dict is made of are carried out, and of what it
//! may call only the rebuilding of a tensor is known; anything else is refused by its name. Nothing is made that
//! is larger than the file itself, so that what is read is bounded by what was given.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::model::half;
use super::zip;

/// Numbers with a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// How many along each axis, the slowest first.
    pub shape: Vec<usize>,
    /// All of them, the last axis fastest.
    pub values: Vec<f32>,
}

/// Why a state dict cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateDictError {
    /// It is no ZIP, or one that is not whole.
    #[error("this is no state dict: {0}")]
    Archive(&'static str),
    /// The pickle is cut short or leaves its stack empty.
    #[error("the state dict is damaged: {0}")]
    Damaged(&'static str),
    /// The pickle has an instruction that no state dict needs.
    #[error("the state dict has the instruction 0x{0:02x}, which none needs: it is not read")]
    Instruction(u8),
    /// The pickle names something to call that is not known.
    #[error("the state dict wants `{0}`, which none needs: it is not read")]
    Callable(String),
    /// A tensor is larger than its numbers.
    #[error("the tensor `{0}` does not fit its numbers")]
    Shape(String),
}

/// The most that a state dict names.
const MOST_TENSORS: usize = 16_384;
/// The most that its stack or its notes hold.
const MOST_ITEMS: usize = 1 << 16;
/// The most that a tuple holds: a tensor has fewer axes, and a call fewer arguments.
const LONGEST_TUPLE: usize = 8;
/// The longest text in it.
const LONGEST_TEXT: usize = 1 << 10;

/// The tensors of floating point numbers, by name. Whole numbers (counters) are left out.
///
/// # Errors
/// When it is none, damaged, or has anything that a state dict does not need.
pub fn read(file: &[u8]) -> Result<BTreeMap<String, Tensor>, StateDictError> {
    let entries = entries(file)?;
    let (root, pickle) = entries
        .iter()
        .find_map(|(name, bytes)| name.strip_suffix("data.pkl").map(|root| (root, *bytes)))
        .ok_or(StateDictError::Archive("it has no data.pkl"))?;
    let order = entries.get(format!("{root}byteorder").as_str());
    if order.is_some_and(|order| order.trim_ascii() != b"little") {
        return Err(StateDictError::Archive("its numbers are not little-endian"));
    }
    let mut tensors = BTreeMap::new();
    // Each number is one tensor's: many that share theirs would fill the memory out of a small file.
    let mut left = file.len();
    for (name, tensor) in Machine::new(pickle).run()? {
        let Some(named) = tensor else { continue };
        let bytes = entries
            .get(format!("{root}data/{}", named.storage).as_str())
            .ok_or(StateDictError::Damaged("a tensor's numbers are missing"))?;
        let tensor = named.filled(bytes).ok_or_else(|| StateDictError::Shape(name.clone()))?;
        let octets = tensor.values.len().saturating_mul(if named.half { 2 } else { 4 });
        left = left.checked_sub(octets).ok_or(StateDictError::Damaged("its tensors share their numbers"))?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

/// A tensor as the pickle tells it: where its numbers are and how they lie.
#[derive(Clone, Debug)]
struct Named {
    storage: Rc<str>,
    half: bool,
    offset: usize,
    shape: Vec<usize>,
    steps: Vec<usize>,
}

impl Named {
    fn filled(&self, bytes: &[u8]) -> Option<Tensor> {
        let size = if self.half { 2 } else { 4 };
        let available = bytes.len() / size;
        let count = self.shape.iter().try_fold(1_usize, |all, &axis| all.checked_mul(axis))?;
        // Only what lies one behind the other: a state dict keeps its tensors so.
        let mut step = 1;
        for (&axis, &named) in self.shape.iter().zip(&self.steps).rev() {
            if axis > 1 && named != step {
                return None;
            }
            step *= axis;
        }
        let end = self.offset.checked_add(count)?;
        if self.shape.len() != self.steps.len() || end > available {
            return None;
        }
        let bytes = bytes.get(self.offset * size..end * size)?;
        let values = if self.half {
            bytes.chunks_exact(2).map(|two| half(u16::from_le_bytes([two[0], two[1]]))).collect()
        } else {
            bytes
                .chunks_exact(4)
                .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
                .collect()
        };
        Some(Tensor { shape: self.shape.clone(), values })
    }
}

/// What the archive holds; none may be compressed.
fn entries(file: &[u8]) -> Result<HashMap<&str, &[u8]>, StateDictError> {
    use StateDictError::Archive;
    let listed = zip::entries(file).ok_or(Archive("it is no ZIP, or not whole"))?;
    if listed.len() > MOST_TENSORS {
        return Err(Archive("it has too many entries"));
    }
    if listed.iter().any(|entry| entry.method != 0 || entry.packed.len() != entry.size) {
        return Err(Archive("an entry is compressed"));
    }
    Ok(listed.into_iter().map(|entry| (entry.name, entry.packed)).collect())
}

/// What can be on the stack.
#[derive(Clone, Debug)]
enum Item {
    Mark,
    Nothing,
    Whole(usize),
    Text(Rc<str>),
    Tuple(Rc<[Item]>),
    Callable(Known),
    /// Where numbers lie: the entry's name, and how they are written.
    Storage(Rc<str>, Numbers),
    Tensor(Option<Rc<Named>>),
    /// A dictionary that is not the outermost: hooks, which a state dict leaves empty.
    Empty,
}

/// What a pickle may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Rebuild,
    OrderedDict,
    Storage(Numbers),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbers {
    Single,
    Half,
    Whole,
}

/// Names and what they stand for; nothing for whole numbers, which are left out.
type Found = Vec<(String, Option<Rc<Named>>)>;

/// The pickle machine, with the instructions of a state dict only.
struct Machine<'a> {
    code: &'a [u8],
    stack: Vec<Item>,
    notes: HashMap<usize, Item>,
    found: Found,
}

impl<'a> Machine<'a> {
    fn new(code: &'a [u8]) -> Self {
        Self { code, stack: Vec::new(), notes: HashMap::new(), found: Vec::new() }
    }

    fn run(mut self) -> Result<Found, StateDictError> {
        loop {
            let instruction = self.take(1)?[0];
            if instruction == b'.' {
                return match self.stack.as_slice() {
                    [Item::Empty] => Ok(self.found),
                    _ => Err(StateDictError::Damaged("it does not end with a dictionary")),
                };
            }
            self.step(instruction)?;
            if self.stack.len().max(self.notes.len()) > MOST_ITEMS || self.found.len() > MOST_TENSORS {
                return Err(StateDictError::Damaged("it is too large"));
            }
        }
    }

    fn step(&mut self, instruction: u8) -> Result<(), StateDictError> {
        let item = match instruction {
            0x80 => return self.take(1).map(drop),
            b'}' => Item::Empty,
            b'(' => Item::Mark,
            b')' => tuple(Vec::new())?,
            b'N' => Item::Nothing,
            0x88 | 0x89 => Item::Whole(usize::from(instruction == 0x88)),
            b'K' => Item::Whole(self.whole(1)?),
            b'M' => Item::Whole(self.whole(2)?),
            b'J' => Item::Whole(self.whole(4)?),
            b'X' => Item::Text(self.text()?),
            b'c' => Item::Callable(self.callable()?),
            b'q' | b'r' => {
                let at = self.whole(if instruction == b'q' { 1 } else { 4 })?;
                let top = self.stack.last().cloned().ok_or(EMPTY)?;
                self.notes.insert(at, top);
                return Ok(());
            }
            b'h' | b'j' => {
                let at = self.whole(if instruction == b'h' { 1 } else { 4 })?;
                self.notes.get(&at).cloned().ok_or(StateDictError::Damaged("a note is missing"))?
            }
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(instruction - 0x84)).ok_or(EMPTY)?;
                tuple(self.stack.split_off(from))?
            }
            b't' => tuple(self.since_mark()?)?,
            b'Q' => storage(self.stack.pop())?,
            b'R' => {
                let arguments = self.stack.pop();
                called(self.stack.pop(), arguments)?
            }
            b's' | b'u' => return self.set_items(instruction == b's'),
            other => return Err(StateDictError::Instruction(other)),
        };
        self.stack.push(item);
        Ok(())
    }

    /// Puts pairs of a name and a tensor into the dictionary below them.
    fn set_items(&mut self, one: bool) -> Result<(), StateDictError> {
        let items = if one {
            let from = self.stack.len().checked_sub(2).ok_or(EMPTY)?;
            self.stack.split_off(from)
        } else {
            self.since_mark()?
        };
        if self.stack.len() != 1 || !matches!(self.stack.last(), Some(Item::Empty)) {
            return Err(StateDictError::Damaged("only the outermost dictionary holds anything"));
        }
        let mut items = items.into_iter();
        while let Some(name) = items.next() {
            match (name, items.next()) {
                (Item::Text(name), Some(Item::Tensor(tensor))) => self.found.push((name.to_string(), tensor)),
                _ => return Err(StateDictError::Damaged("it holds something that is no tensor")),
            }
        }
        Ok(())
    }

    fn since_mark(&mut self) -> Result<Vec<Item>, StateDictError> {
        let mark = self.stack.iter().rposition(|item| matches!(item, Item::Mark)).ok_or(EMPTY)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], StateDictError> {
        let (taken, rest) =
            self.code.split_at_checked(count).ok_or(StateDictError::Damaged("it is cut off"))?;
        self.code = rest;
        Ok(taken)
    }

    fn whole(&mut self, octets: usize) -> Result<usize, StateDictError> {
        let taken = self.take(octets)?;
        Ok(taken.iter().rev().fold(0, |all, &octet| all << 8 | usize::from(octet)))
    }

    fn text(&mut self) -> Result<Rc<str>, StateDictError> {
        let length = self.whole(4)?;
        if length > LONGEST_TEXT {
            return Err(StateDictError::Damaged("a text in it is too long"));
        }
        let text = std::str::from_utf8(self.take(length)?);
        text.map(Rc::from).map_err(|_| StateDictError::Damaged("a text in it is not UTF-8"))
    }

    fn line(&mut self) -> Result<&'a str, StateDictError> {
        let length = self.code.iter().take(LONGEST_TEXT).position(|&octet| octet == b'\n');
        let line = self.take(length.ok_or(StateDictError::Damaged("a name in it does not end"))?)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| StateDictError::Damaged("a name in it is not UTF-8"))
    }

    fn callable(&mut self) -> Result<Known, StateDictError> {
        let (module, name) = (self.line()?, self.line()?);
        match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") => Ok(Known::Rebuild),
            ("collections", "OrderedDict") => Ok(Known::OrderedDict),
            ("torch", "FloatStorage") => Ok(Known::Storage(Numbers::Single)),
            ("torch", "HalfStorage") => Ok(Known::Storage(Numbers::Half)),
            ("torch", "LongStorage") => Ok(Known::Storage(Numbers::Whole)),
            _ => Err(StateDictError::Callable(format!("{module}.{name}"))),
        }
    }
}

const EMPTY: StateDictError = StateDictError::Damaged("it takes what is not there");

/// A tuple of what a state dict has in one: a call's arguments, with the axes of a tensor among them.
fn tuple(items: Vec<Item>) -> Result<Item, StateDictError> {
    let deep = |item: &Item| matches!(item, Item::Tuple(inner) if inner.iter().any(|item| matches!(item, Item::Tuple(_))));
    if items.len() > LONGEST_TUPLE || items.iter().any(deep) {
        return Err(StateDictError::Damaged("a tuple in it is too long or too deep"));
    }
    Ok(Item::Tuple(items.into()))
}

/// `("storage", kind, name, device, count)` as the place of numbers.
fn storage(item: Option<Item>) -> Result<Item, StateDictError> {
    if let Some(Item::Tuple(items)) = item
        && let [Item::Text(word), Item::Callable(Known::Storage(numbers)), Item::Text(name), ..] = &*items
        && &**word == "storage"
    {
        return Ok(Item::Storage(name.clone(), *numbers));
    }
    Err(StateDictError::Damaged("it refers to something that is no storage"))
}

fn called(callable: Option<Item>, arguments: Option<Item>) -> Result<Item, StateDictError> {
    let (Some(Item::Callable(callable)), Some(Item::Tuple(arguments))) = (callable, arguments) else {
        return Err(StateDictError::Damaged("it calls what cannot be called"));
    };
    match (callable, &*arguments) {
        (Known::OrderedDict, []) => Ok(Item::Empty),
        (
            Known::Rebuild,
            [Item::Storage(name, numbers), Item::Whole(offset), Item::Tuple(shape), Item::Tuple(steps), ..],
        ) => {
            let whole = |items: &[Item]| -> Option<Vec<usize>> {
                items.iter().map(|item| if let Item::Whole(n) = item { Some(*n) } else { None }).collect()
            };
            let (shape, steps) =
                whole(shape).zip(whole(steps)).ok_or(StateDictError::Damaged("a tensor has no shape"))?;
            let named = Named {
                storage: name.clone(),
                half: *numbers == Numbers::Half,
                offset: *offset,
                shape,
                steps,
            };
            Ok(Item::Tensor((*numbers != Numbers::Whole).then(|| Rc::new(named))))
        }
        _ => Err(StateDictError::Damaged("it calls something with what that does not take")),
    }
}

#[cfg(test)]
#[path = "state_dict_tests.rs"]
mod tests;
