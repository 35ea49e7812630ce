//! A bounded number of places that are given back when they are dropped: how many messages of a kind may wait in a mailbox, how
//! many calls a trunk may have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many are taken, and may be, over all threads.
#[derive(Clone, Debug)]
pub struct Places {
    taken: Arc<AtomicUsize>,
    most: usize,
}

/// One of them; given back when it is dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Places {
    /// So many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// A place for one more, if there is one.
    #[must_use]
    pub fn take(&self) -> Option<Place> {
        let more = |taken: usize| (taken < self.most).then_some(taken + 1);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Place(Arc::clone(&self.taken)))
    }

    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Place {
    /// How many are taken, this one among them.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_bounded_and_given_back() {
        let places = Places::new(3);
        let mut held: Vec<Place> = std::iter::from_fn(|| places.take()).take(10).collect();
        assert_eq!((held.len(), places.taken()), (3, 3));
        assert!(places.take().is_none());
        assert_eq!(held[0].taken(), 3);
        held.pop();
        assert!(places.take().is_some());
    }
}
