"""The mesh: who is who, who is where, and how a call gets there, derived from the contracts."""
