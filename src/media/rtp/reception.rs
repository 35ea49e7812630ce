//! reception
