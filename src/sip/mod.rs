//! SIP (RFC 3261): messages, transactions, dialogs. No I/O.
