"""Plexus for Python: the compiled contracts, their reader, and the client stack.

    from plexus.client import channel
    from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub

    stub = RecordsServiceStub(channel("xds:///records", credentials))

Inside the mesh and outside it is the same stack: only target and credentials differ.
"""
