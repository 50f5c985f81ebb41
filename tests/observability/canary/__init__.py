"""Unmistakable patient values, seeded through every RPC, and the search for them everywhere else."""
