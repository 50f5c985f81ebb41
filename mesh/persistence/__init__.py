"""What a service keeps, and how nothing of it is lost.

`Database` opens transactions, `migrate` brings the schema up, `once` gives a repeated request its
first answer, `Outbox` tells others of a write in the transaction that makes it, and `Follower`
applies what others tell, exactly once. SQLite and PostgreSQL behave the same through all of it.
"""

from mesh.persistence.bulk import insert_rows
from mesh.persistence.database import Database
from mesh.persistence.follower import Follower
from mesh.persistence.identifiers import derived_id, new_id
from mesh.persistence.migrations import migrate
from mesh.persistence.once import once
from mesh.persistence.outbox import Entry, Outbox
from mesh.persistence.periodic import Periodic

__all__ = [
    "Database",
    "Entry",
    "Follower",
    "Outbox",
    "Periodic",
    "derived_id",
    "insert_rows",
    "migrate",
    "new_id",
    "once",
]
