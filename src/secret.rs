//! A value that must never be seen by accident.
//!
//! [`Secret`] has no `Debug`, `Display`, `Serialize` or `PartialEq`: a PIN, a one-time code or a key
//! inside it can't reach a log, an error text or a record by way of a derive. It is wiped when dropped,
//! compared in constant time, and read only through [`Secret::expose`], so a search for `expose` is
//! the audit of everything that touches a secret in clear.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Owns a secret value, wiped on drop.
///
/// ```compile_fail
/// let pin = countersign::secret::Secret::new(String::from("804215"));
/// println!("{pin:?}");
/// ```
///
/// ```compile_fail
/// let pin = countersign::secret::Secret::new(String::from("804215"));
/// println!("{pin}");
/// ```
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes ownership of a value that must not be shown.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Reads the value in clear. Every caller of this is part of the audit.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Changes the value in place, for a secret that is collected key by key.
    pub const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Compares with `other` in time that depends on the lengths only.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.as_ref().ct_eq(other).into()
    }
}

impl<T: Zeroize + Clone> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A number as those see it who only need to tell it from others: its last three digits behind as many dots as there are
/// others; of a short one nothing.
#[must_use]
pub fn masked_number(number: &str) -> String {
    let count = number.chars().count();
    let clear = if count > 5 { 3 } else { 0 };
    number.chars().enumerate().map(|(at, c)| if at + clear < count { '·' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_needs_every_byte() {
        let pin = Secret::new(String::from("80421537"));
        assert!(pin.matches(b"80421537"));
        assert!(!pin.matches(b"80421538"));
        assert!(!pin.matches(b"8042153"));
    }
}
