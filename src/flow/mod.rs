//! The flow language: its documents, its checks, its runtime.
