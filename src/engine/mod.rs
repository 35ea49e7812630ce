//! All calls of a shard: demultiplexing, timers, limits.
