"""What billing keeps: claims, payments and the ledger. Tables and SQL; the rules are elsewhere."""
