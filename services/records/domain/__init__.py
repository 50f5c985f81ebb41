"""The rules of records, without I/O: ids, versions, names to search by, coverages that are one."""
