//! The rim: sockets, clocks, randomness, files, stores, worker pools. Decides nothing.
