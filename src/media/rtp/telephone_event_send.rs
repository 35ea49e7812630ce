//! telephone_event_send
