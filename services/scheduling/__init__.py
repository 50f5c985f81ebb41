"""Scheduling owns time: clinics and the zone their clocks follow, who works there and when, the kinds
of appointment, and which patient has which hour. Slots are computed from the hours and never stored;
that nobody gets an hour twice is a constraint of its database. It refuses to own who a patient is
(records), advice (triage) and money (billing)."""
