"""The rules of time: what a slot is, what an appointment may become. Plain functions without I/O."""
