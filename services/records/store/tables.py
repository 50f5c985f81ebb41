"""The tables. A resource is kept twice: as its part of the chart, to be read fast, and as the
original it was read from, to be given back."""

from typing import Final

import sqlalchemy as sa

from mesh.persistence import Outbox

metadata: Final = sa.MetaData()

# By code point on both databases, so that a page ends and a range of prefixes is cut at one place.
TEXT: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_ID: Final = sa.String(32)

resources: Final = sa.Table(
    "resources",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("source_id", sa.String(64), nullable=False),
    # Of the original; with meta.versionId and meta.lastUpdated (microseconds since 1970, UTC).
    sa.Column("digest", sa.LargeBinary(16), nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("last_updated", sa.BigInteger),
    # The key of the patient it is about: an id, here already or not, or an alias. NULL: of nobody.
    sa.Column("patient_key", _ID),
    # The field of the chart that it adds to, and its place in it: microseconds before 1970.
    sa.Column("kind", sa.SmallInteger, nullable=False),
    sa.Column("place", sa.BigInteger, nullable=False),
    # A Chart with that field alone; `names_by` is the key of what it still lacks a name from.
    sa.Column("part", sa.LargeBinary, nullable=False),
    sa.Column("names_by", _ID),
    # The keys of what the original refers to, separated by spaces.
    sa.Column("refers_to", sa.Text, nullable=False),
    sa.Index("resources_by_patient", "patient_key", "kind", "place"),
)

# The digests of versions that were replaced. They outlive the rows of their resources.
superseded: Final = sa.Table(
    "superseded",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("digest", sa.LargeBinary(16), primary_key=True),
)

# Beside the resources, so that reading a chart does not pass by the originals.
originals: Final = sa.Table(
    "originals",
    metadata,
    sa.Column("id", _ID, sa.ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    # JSON in UTF-8, deflated (RFC 1950).
    sa.Column("content", sa.LargeBinary, nullable=False),
)

# By which keys a patient, or a resource of nobody, is found. Its id is one of them.
aliases: Final = sa.Table(
    "aliases",
    metadata,
    sa.Column("key", _ID, primary_key=True),
    sa.Column("id", _ID, sa.ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    sa.Index("aliases_by_id", "id"),
)

# What others are shown by: a Code of a medicine, or of an organization's name.
labels: Final = sa.Table(
    "labels",
    metadata,
    sa.Column("id", _ID, sa.ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("label", sa.LargeBinary, nullable=False),
)

patients: Final = sa.Table(
    "patients",
    metadata,
    sa.Column("id", _ID, sa.ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True),
    # Folded, for the order of pages.
    sa.Column("family", TEXT, nullable=False),
    # YYYY, YYYY-MM, YYYY-MM-DD or empty.
    sa.Column("birth_date", TEXT, nullable=False),
    sa.Column("message", sa.LargeBinary, nullable=False),
    sa.Index("patients_by_family", "family", "id"),
    sa.Index("patients_by_birth_date", "birth_date"),
)

patient_names: Final = sa.Table(
    "patient_names",
    metadata,
    # Folded: family and given names, and both together.
    sa.Column("name", TEXT, primary_key=True),
    sa.Column(
        "patient_id", _ID, sa.ForeignKey("patients.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Index("patient_names_by_patient", "patient_id"),
)

patient_identifiers: Final = sa.Table(
    "patient_identifiers",
    metadata,
    sa.Column("value", TEXT, primary_key=True),
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column(
        "patient_id", _ID, sa.ForeignKey("patients.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Index("patient_identifiers_by_patient", "patient_id"),
)

events: Final = Outbox("record_events", metadata)

# Who touched what of whom, as the audit journals of all services tell it. Listed by patient, so stored by
# patient: one tree, and an access told twice finds its place taken.
accesses: Final = sa.Table(
    "accesses",
    metadata,
    # A patient that anybody asked for: not one of ours, perhaps.
    sa.Column("patient_id", sa.String(50), primary_key=True),
    # Microseconds since 1970, UTC.
    sa.Column("time", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("journal_id", sa.String(50), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("service", sa.String(63), nullable=False),
    # An Access, without its service.
    sa.Column("message", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# Up to which sequence each journal is known.
access_journals: Final = sa.Table(
    "access_journals",
    metadata,
    sa.Column("service", sa.String(63), primary_key=True),
    sa.Column("journal_id", sa.String(50), primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
)
