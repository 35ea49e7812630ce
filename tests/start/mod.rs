//! Where the tests inside the library get their first moment: the core asks nobody for one, and the driver alone has a clock.

use std::time::Instant;

/// A moment to start from; all others of a test are offsets from it.
pub(crate) fn test_start() -> Instant {
    crate::driver::os::now()
}
