//! `subjects.key`: every subject's share of its own key, in a form from which single shares can be taken out
//! for ever.
//!
//! A subject's key is wrapped under the tenant's key **and** under its share. The shares are the leaves of a
//! binary tree of 2^64, each node made from the one above by HMAC (Goldreich, Goldwasser, Micali, "How to
//! construct random functions", 1986). At first the file holds the root alone, so that it does not change when
//! subjects are added and one copy of it is enough. To erase a subject, every node above its leaf is replaced by
//! that node's other child ("puncturing"): all other shares can still be made and this one cannot, whoever has
//! the file, the master key and any backup of the database.
//!
//! The file also says which leaves are gone. When a backup is put back, those rows are removed from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use sha2::{Digest, Sha256};

use super::file::{self, bytes32};
use super::{KeysError, Lock};
use crate::auth::SubjectKey;
use crate::driver::seal::{Key, keyed_hash, random};
use crate::secret::Secret;
use crate::units::UnixTime;

/// The file in the data folder.
pub(crate) const SHARES_FILE: &str = "subjects.key";
/// Two subjects of a million share a leaf, and an erasure, with a chance of 3e-8.
const DEPTH: u8 = 64;

/// The shares of all subjects.
pub(crate) struct Shares {
    path: PathBuf,
    tree: RwLock<Tree>,
}

/// A subject that was erased, as far as it must be known to remove it from a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Erased {
    /// The first half of its pseudonym.
    pub(crate) leaf: u64,
    /// When.
    pub(crate) at: UnixTime,
    /// Keyed hashes of its number: as the owner of what is remembered, and as a caller.
    pub(crate) traces: Option<[[u8; 32]; 2]>,
}

#[derive(Default)]
struct Tree {
    id: String,
    /// By the first leaf below: the depth, and the seed that all leaves below are made from.
    nodes: BTreeMap<u64, (u8, Key)>,
    erased: Vec<Erased>,
}

pub(crate) const fn leaf_of(subject: SubjectKey) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = subject.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Shares {
    pub(super) fn load(data: &Path) -> Result<Option<Self>, KeysError> {
        let path = data.join(SHARES_FILE);
        let tree = Tree::load(&path)?;
        Ok(tree.map(|tree| Self { path, tree: RwLock::new(tree) }))
    }

    pub(super) fn make(data: &Path) -> Result<Self, KeysError> {
        let path = data.join(SHARES_FILE);
        let tree = Tree::fresh()?;
        if file::create(&path, tree.text().expose().as_bytes())? {
            return Ok(Self { path, tree: RwLock::new(tree) });
        }
        Self::load(data)?.ok_or(KeysError::Malformed { path })
    }

    /// What the database knows the tree by.
    pub(crate) fn id(&self) -> String {
        self.read(|tree| tree.id.clone())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A subject's share; `None` when it was erased. Costs the same wherever the subject is in the tree.
    pub(crate) fn share(&self, subject: SubjectKey) -> Option<Key> {
        self.read(|tree| tree.share(subject))
    }

    /// Who was erased.
    pub(crate) fn erased(&self) -> Vec<Erased> {
        self.read(|tree| tree.erased.clone())
    }

    /// Takes a subject's share out for ever; it is on the disk when this returns. `false`: it was out already.
    pub(crate) fn erase(
        &self,
        subject: SubjectKey,
        at: UnixTime,
        traces: Option<[[u8; 32]; 2]>,
    ) -> Result<bool, KeysError> {
        let _lock = Lock::of(self.path.parent().unwrap_or(Path::new(".")))?;
        // Another process may have erased others meanwhile: their shares must not come back.
        let mut tree =
            Tree::load(&self.path)?.ok_or_else(|| KeysError::Malformed { path: self.path.clone() })?;
        let leaf = leaf_of(subject);
        let new = tree.puncture(leaf);
        if new {
            tree.erased.push(Erased { leaf, at, traces });
            file::replace(&self.path, tree.text().expose().as_bytes())?;
        }
        *self.tree.write().unwrap_or_else(PoisonError::into_inner) = tree;
        Ok(new)
    }

    fn read<T>(&self, of: impl FnOnce(&Tree) -> T) -> T {
        of(&self.tree.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tree {
    fn fresh() -> Result<Self, KeysError> {
        let seed = Secret::new(random::<32>().map_err(|_| KeysError::Random)?);
        let id = data_encoding::HEXLOWER.encode(&random::<8>().map_err(|_| KeysError::Random)?);
        Ok(Self { id, nodes: BTreeMap::from([(0, (0, seed))]), erased: Vec::new() })
    }

    /// The node that `leaf` lies below.
    fn above(&self, leaf: u64) -> Option<(u64, u8, &Key)> {
        let (start, (depth, seed)) = self.nodes.range(..=leaf).next_back()?;
        (prefix(leaf, *depth) == *start).then_some((*start, *depth, seed))
    }

    fn share(&self, subject: SubjectKey) -> Option<Key> {
        let leaf = leaf_of(subject);
        let (_, depth, seed) = self.above(leaf)?;
        let mut seed = seed.clone();
        for level in 0..DEPTH {
            let next = child(&seed, bit(leaf, level));
            if level >= depth {
                seed = next;
            }
        }
        Some(Secret::new(keyed_hash(&seed, &[b"share", &subject.0])))
    }

    fn puncture(&mut self, leaf: u64) -> bool {
        let Some((start, depth, _)) = self.above(leaf) else { return false };
        let Some((_, mut seed)) = self.nodes.remove(&start) else { return false };
        for level in depth..DEPTH {
            let side = bit(leaf, level);
            let other = prefix(leaf, level) | (u64::from(!side) << (DEPTH - 1 - level));
            self.nodes.insert(other, (level + 1, child(&seed, !side)));
            seed = child(&seed, side);
        }
        true
    }

    fn text(&self) -> Secret<String> {
        let mut body = Secret::new(format!("id: {}\n", self.id));
        for (start, (depth, seed)) in &self.nodes {
            let seed = Secret::new(data_encoding::HEXLOWER.encode(seed.expose()));
            // Writing into a string does not fail.
            let _ = writeln!(body.expose_mut(), "node: {depth} {start:016x} {}", seed.expose());
        }
        for Erased { leaf, at, traces } in &self.erased {
            let hex = |hash: &[u8; 32]| format!(" {}", data_encoding::HEXLOWER.encode(hash));
            let traces: String = traces.iter().flatten().map(hex).collect();
            let _ = writeln!(body.expose_mut(), "gone: {leaf:016x} {}{traces}", at.0);
        }
        let sum = sum(body.expose());
        body.expose_mut().insert_str(0, NOTE);
        let _ = writeln!(body.expose_mut(), "sum: {sum}");
        body
    }

    fn load(path: &Path) -> Result<Option<Self>, KeysError> {
        let Some(text) = file::read_private(path)? else { return Ok(None) };
        let malformed = || KeysError::Malformed { path: path.to_owned() };
        Self::parse(text.expose()).ok_or_else(malformed).map(Some)
    }

    fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(NOTE)?;
        let (body, found) = body.split_at_checked(body.find("sum: ")?)?;
        if found.trim_end() != format!("sum: {}", sum(body)) {
            return None;
        }
        let mut tree = Self::default();
        for line in body.lines() {
            let (name, rest) = line.split_once(": ")?;
            let words: Vec<&str> = rest.split(' ').collect();
            match (name, words.as_slice()) {
                ("id", [id]) => tree.id = (*id).to_owned(),
                ("node", [depth, start, seed]) => {
                    let (depth, start) = (depth.parse().ok()?, u64::from_str_radix(start, 16).ok()?);
                    tree.nodes.insert(start, (depth, bytes32(seed)?));
                }
                ("gone", [leaf, at, traces @ ..]) => {
                    let traces: Vec<[u8; 32]> =
                        traces.iter().map(|hex| Some(*bytes32(hex)?.expose())).collect::<Option<_>>()?;
                    let leaf = u64::from_str_radix(leaf, 16).ok()?;
                    let at = UnixTime(at.parse().ok()?);
                    tree.erased.push(Erased { leaf, at, traces: traces.try_into().ok() });
                }
                _ => return None,
            }
        }
        (!tree.id.is_empty()).then_some(tree)
    }
}

const NOTE: &str = "# The subjects' shares of their keys. Copy it apart from the database's backups, anew after each \
                    erasure, and destroy the copies from before.\n";

fn sum(body: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(body.as_bytes()))
}

/// The way down at this level.
const fn bit(leaf: u64, level: u8) -> bool {
    (leaf >> (DEPTH - 1 - level)) & 1 == 1
}

/// The first leaf below the node at this depth above `leaf`.
const fn prefix(leaf: u64, depth: u8) -> u64 {
    match depth {
        0 => 0,
        _ => leaf & (u64::MAX << (DEPTH - depth)),
    }
}

fn child(seed: &Key, side: bool) -> Key {
    Secret::new(keyed_hash(seed, &[b"node", &[u8::from(side)]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(leaf: u64) -> SubjectKey {
        let mut key = [7; 16];
        key[..8].copy_from_slice(&leaf.to_be_bytes());
        SubjectKey(key)
    }

    #[test]
    fn an_erased_share_is_gone_and_every_other_stays_what_it_was() {
        let mut tree = Tree::fresh().expect("random");
        let leaves = [0, 1, 2, 3, u64::MAX, u64::MAX - 1, 0x8000_0000_0000_0000, 0x1234_5678_9abc_def0];
        let share = |tree: &Tree, leaf| tree.share(subject(leaf)).map(|key| *key.expose());
        let before: Vec<_> = leaves.iter().map(|leaf| share(&tree, *leaf)).collect();
        let distinct: std::collections::BTreeSet<_> = before.iter().flatten().collect();
        assert_eq!(distinct.len(), leaves.len());
        for gone in 0..leaves.len() {
            assert!(tree.puncture(leaves[gone]));
            assert!(!tree.puncture(leaves[gone]), "once");
            let tree = Tree::parse(tree.text().expose()).expect("reads");
            for (at, leaf) in leaves.iter().enumerate() {
                assert_eq!(share(&tree, *leaf), if at <= gone { None } else { before[at] }, "{leaf:x}");
            }
        }
    }

    #[test]
    fn no_node_above_an_erased_leaf_is_kept() {
        let mut tree = Tree::fresh().expect("random");
        let leaf = 0x1234_5678_9abc_def0;
        tree.puncture(leaf);
        assert_eq!(tree.nodes.len(), usize::from(DEPTH));
        for (start, (depth, _)) in &tree.nodes {
            assert_ne!(prefix(leaf, *depth), *start);
        }
    }

    #[test]
    fn a_file_that_was_cut_or_changed_is_refused() {
        let mut tree = Tree::fresh().expect("random");
        tree.puncture(5);
        tree.erased.push(Erased { leaf: 5, at: UnixTime(9), traces: Some([[1; 32], [2; 32]]) });
        let text = tree.text();
        let read = Tree::parse(text.expose()).expect("reads");
        assert_eq!(read.erased, tree.erased);
        let lines: Vec<&str> = text.expose().lines().collect();
        for without in 1..lines.len() {
            let mut cut = lines.clone();
            cut.remove(without);
            assert!(Tree::parse(&format!("{}\n", cut.join("\n"))).is_none(), "without line {without}");
        }
    }
}
