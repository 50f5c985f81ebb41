"""The audit trail: who touched what is known of which patient, and the proof that nobody changed it.

`Journal` writes a replica's records, chained and signed; `verify` finds every edit, deletion, insertion,
reorder and truncation, from the files alone; the control plane vouches for the ends (`anchors`).
"""
