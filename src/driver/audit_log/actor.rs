//! Who is at work: the name of the program or person that records are written for, while one is named.
//!
//! An order that comes from outside is carried out whole by one thread; the name goes with the thread, so that no
//! change on the way can be recorded without it.

use std::cell::RefCell;

thread_local! {
    static ACTOR: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Puts back who was at work before.
struct Before(Option<String>);

impl Drop for Before {
    fn drop(&mut self) {
        ACTOR.set(self.0.take());
    }
}

/// What `work` records on this thread is recorded as done by this name.
pub(crate) fn acting_as<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let _before = Before(ACTOR.replace(Some(name.to_owned())));
    work()
}

pub(crate) fn current() -> Option<String> {
    ACTOR.with_borrow(Clone::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_for_its_work_only() {
        assert_eq!(current(), None);
        acting_as("crm", || {
            assert_eq!(current().as_deref(), Some("crm"));
            let inner = std::panic::catch_unwind(|| acting_as("other", || panic!("as it should")));
            assert!(inner.is_err());
            assert_eq!(current().as_deref(), Some("crm"));
        });
        assert_eq!(current(), None);
    }
}
