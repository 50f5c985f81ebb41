"""The control plane: serves xDS derived from the contracts, holds the leases, signs identities.

It may die. Clients go on with what they have; it comes back from disk and publishes no less
than what was alive.
"""
