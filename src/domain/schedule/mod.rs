//! Calendars and due dates.
