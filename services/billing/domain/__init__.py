"""The rules of billing: prices, shares, double entry, and what a claim allows. No I/O here."""
