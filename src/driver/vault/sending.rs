//! The vault's way to the outside: who takes the letters that it writes.

use std::sync::{Arc, PoisonError};

use super::Vault;
use crate::driver::sender::Courier;

impl Vault {
    /// Gives it somebody who takes letters. Without one, factors that need a letter are unavailable.
    pub fn set_courier(&self, courier: Arc<dyn Courier>) {
        *self.courier.write().unwrap_or_else(PoisonError::into_inner) = Some(courier);
    }

    /// Who takes letters, if anybody does.
    #[must_use]
    pub fn courier(&self) -> Option<Arc<dyn Courier>> {
        self.courier.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
