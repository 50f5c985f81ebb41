"""Traces, metrics and logs, and the redaction without which no message enters any of them."""
