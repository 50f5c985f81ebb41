"""Tables of records and the statements on them, each file one purpose. No rules."""
