"""What goes wrong with a journal."""


class JournalUnavailable(Exception):
    """The journal cannot be written: nobody may be answered."""


class JournalTaken(Exception):
    """Another process writes the journals of this replica."""
