//! Agents and queues: who gets the next call.
