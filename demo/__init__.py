"""What `make demo` plays: synthetic patients. Nothing imports this package but the demo itself."""
