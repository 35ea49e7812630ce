//! telephone_event_receive
