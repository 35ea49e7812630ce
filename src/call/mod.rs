//! One call: its legs, its flow run, its media and its record.
