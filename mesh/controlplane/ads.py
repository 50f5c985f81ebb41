"""The aggregated discovery service, state of the world (gRFC A27): one stream for all types."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest

from mesh.controlplane.access import ADS
from mesh.controlplane.publisher import Publisher, Subscriber
from mesh.controlplane.resources import Kind

_log = logging.getLogger(__name__)

_KINDS = {kind.type_url: kind for kind in Kind}


class DiscoveryService:
    """Gives each client exactly what it subscribes to, and again when that changes.

    *handler* is what a server takes. Responses are bytes: they were serialised for everyone at once.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        stream: Any = grpc.stream_stream_rpc_method_handler(
            self.StreamAggregatedResources, request_deserializer=DiscoveryRequest.FromString
        )
        service, _, method = ADS.strip("/").partition("/")
        self.handler = grpc.method_handlers_generic_handler(service, {method: stream})

    async def StreamAggregatedResources(
        self, request_iterator: AsyncIterator[DiscoveryRequest], context: Any
    ) -> AsyncIterator[bytes]:
        """Serve one client until it leaves."""
        del context
        subscriber = Subscriber()
        self._publisher.join(subscriber)
        reading = asyncio.create_task(self._read(request_iterator, subscriber))
        try:
            while not reading.done():
                await subscriber.wake.wait()
                subscriber.wake.clear()
                for kind in Kind:
                    response = self._publisher.respond(subscriber, kind)
                    if response is not None:
                        yield response
        finally:
            reading.cancel()
            await self._publisher.leave(subscriber)

    async def _read(
        self, requests: AsyncIterator[DiscoveryRequest], subscriber: Subscriber
    ) -> None:
        try:
            async for request in requests:
                await self._take(request, subscriber)
        finally:
            subscriber.wake.set()

    async def _take(self, request: DiscoveryRequest, subscriber: Subscriber) -> None:
        kind = _KINDS.get(request.type_url)
        if kind is None:
            _log.warning("type_unknown", extra={"type": request.type_url})
            return
        subscriber.node = subscriber.node or request.node.id
        if request.response_nonce:
            sent = subscriber.sent.get(kind)
            if sent is None or sent.nonce != request.response_nonce:
                # It answers a response that was overtaken; the answer to the last one comes.
                return
            if request.HasField("error_detail"):
                self._publisher.refuse(subscriber, kind, request.error_detail.message)
            else:
                await self._publisher.accept(subscriber, kind)
        subscriber.ask(kind, frozenset(request.resource_names))
