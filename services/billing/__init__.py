"""Billing owns what care costs, who owes it and who has paid: one claim for each completed
appointment, and a double-entry ledger to which entries are only ever added. It refuses to own
appointments (scheduling), what is known of a patient (records) and the rules of insurers: it asks for
a plain share, and what an insurer makes of a claim is the insurer's to say."""
