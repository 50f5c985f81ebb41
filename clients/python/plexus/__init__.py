"""Plexus for Python: the compiled contracts, their reader, and the client stack.

    from plexus import connect
    from plexus.records.v1 import records_service_pb2 as records

    with connect("records", credentials) as channel: ...

Services inside the mesh and partners outside use the same stack; only target and credentials differ.
"""
