//! Shares of a mailbox: how many messages of a kind may wait in it, so that a flood of them leaves room for the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many wait, and may.
#[derive(Clone, Debug)]
pub struct Places {
    taken: Arc<AtomicUsize>,
    most: usize,
}

/// The place of one message; given back when it is read or dropped.
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
        let place = Place(Arc::clone(&self.taken));
        // Taken first, so that two senders never share the last place; dropping `place` gives it back.
        (self.taken.fetch_add(1, Ordering::Relaxed) < self.most).then_some(place)
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
        assert_eq!(held.len(), 3);
        assert!(places.take().is_none());
        held.pop();
        assert!(places.take().is_some());
    }
}
