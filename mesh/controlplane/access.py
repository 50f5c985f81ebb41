"""Who may call what on the control plane: decided by the contract's `audience`, before anything
else is revealed, and only then is the request read and checked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from time import perf_counter
from typing import Any, NoReturn

import grpc
import grpc.aio
import protovalidate
from google.protobuf.message import DecodeError, Message

from mesh.identity.spiffe import workload_of
from mesh.topology import OPERATOR, Topology
from observability.metrics import CallMetrics
from observability.metrics.answered import Record
from plexus.contract import Audience, Contract
from plexus.errors import STATUS_DETAILS, Fault, Violation, status_code, to_status
from plexus.type.v1.errors_pb2 import PlatformError

_log = logging.getLogger(__name__)

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"


class Access(grpc.aio.ServerInterceptor):
    """Lets in on one port whom the contract lets in, and counts what became of the calls.

    *open_to* are the audiences of that port.
    """

    def __init__(
        self,
        contract: Contract,
        topology: Topology,
        open_to: frozenset[Audience],
        metrics: CallMetrics,
    ) -> None:
        self._topology = topology
        self._records = {m.wire_path: metrics.recorder(m.path) for m in contract.methods.values()}
        stated = {method.wire_path: method.audience for method in contract.methods.values()}
        # Discovery is no contract of ours; every workload of the mesh needs it.
        everything = {**stated, ADS: Audience.WORKLOADS}
        self._audiences: Mapping[str, Audience] = {
            path: audience for path, audience in everything.items() if audience in open_to
        }

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The method's handler behind its check; for what is not there, the same refusal."""
        audience = self._audiences.get(str(handler_call_details.method))
        handler = await continuation(handler_call_details)
        if audience is None or handler is None:
            return grpc.stream_stream_rpc_method_handler(_refuse_everyone)
        record = self._records.get(str(handler_call_details.method), _discovery)
        if handler.unary_unary:
            return self._guard_unary(handler, audience, record)
        return self._guard_stream(handler, audience, record)

    def _guard_unary(self, handler: Any, audience: Audience, record: Record) -> Any:
        async def guarded(content: bytes, context: Any) -> Any:
            try:
                with self._measured(context, record):
                    self._admit(context, audience)
                    return await handler.unary_unary(
                        _read(handler.request_deserializer, content), context
                    )
            except (Fault, Exception) as error:  # noqa: BLE001
                await _fail(context, error)

        return grpc.unary_unary_rpc_method_handler(
            guarded, response_serializer=handler.response_serializer
        )

    def _guard_stream(self, handler: Any, audience: Audience, record: Record) -> Any:
        async def guarded(contents: AsyncIterator[bytes], context: Any) -> None:
            async def requests() -> AsyncIterator[Any]:
                async for content in contents:
                    yield _read(handler.request_deserializer, content)

            try:
                with self._measured(context, record):
                    self._admit(context, audience)
                    # Closed here and now, however the call ends: what it holds is a lease.
                    async with aclosing(handler.stream_stream(requests(), context)) as responses:
                        async for response in responses:
                            await context.write(response)
            except (Fault, Exception) as error:  # noqa: BLE001
                await _fail(context, error)

        return grpc.stream_stream_rpc_method_handler(
            guarded, response_serializer=handler.response_serializer
        )

    @contextmanager
    def _measured(self, context: Any, record: Record) -> Iterator[None]:
        caller = peer_workload(context, self._topology.trust_domain)
        began = perf_counter()
        outcome = grpc.StatusCode.OK.name
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            outcome = grpc.StatusCode.CANCELLED.name
            raise
        except (Fault, Exception) as error:
            outcome = _outcome(error)
            raise
        finally:
            record(caller, outcome, perf_counter() - began)

    def _admit(self, context: Any, audience: Audience) -> None:
        if audience is Audience.JOINING:
            return
        caller = peer_workload(context, self._topology.trust_domain)
        known = caller in self._topology.workloads
        if audience is Audience.WORKLOADS and known:
            return
        if audience is Audience.OPERATOR and caller == OPERATOR:
            return
        raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_CALLER_NOT_ALLOWED)


def peer_workload(context: Any, trust_domain: str) -> str:
    """The workload that the caller's certificate names; empty when it names none of this mesh."""
    ids = context.auth_context().get("peer_spiffe_id", ())
    return (workload_of(ids[0].decode(), trust_domain) or "") if len(ids) == 1 else ""


async def _refuse_everyone(_: AsyncIterator[bytes], context: Any) -> None:
    await _abort(context, Fault(PlatformError, PlatformError.PLATFORM_ERROR_CALLER_NOT_ALLOWED))


def _discovery(caller: str, outcome: str, seconds: float) -> None:
    # A discovery stream lives as long as its client: what goes over it is counted, in `figures`.
    del caller, outcome, seconds


def _outcome(error: BaseException) -> str:
    if isinstance(error, Fault):
        return status_code(error.reason.code).name
    return grpc.StatusCode.INTERNAL.name


def _read(deserialize: Callable[[bytes], Message], content: bytes) -> Message:
    try:
        message = deserialize(content)
    except DecodeError:
        raise Fault(PlatformError, PlatformError.PLATFORM_ERROR_REQUEST_INVALID) from None
    # Discovery requests are Envoy's and state no rules of ours.
    if message.DESCRIPTOR.full_name.startswith("plexus."):
        _validate(message)
    return message


def _validate(message: Message) -> None:
    try:
        protovalidate.validate(message)
    except protovalidate.ValidationError as error:
        raise Fault(
            PlatformError,
            PlatformError.PLATFORM_ERROR_REQUEST_INVALID,
            violations=tuple(_violation(each.proto) for each in error.violations),
        ) from None


def _violation(found: Any) -> Violation:
    path = ".".join(element.field_name for element in found.field.elements)
    return Violation(field=path, description=found.message, rule=found.rule_id)


async def _fail(context: Any, error: Exception) -> NoReturn:
    if isinstance(error, Fault):
        await _abort(context, error)
    if isinstance(error, grpc.aio.AbortError):
        raise error
    _log.error("call_failed", exc_info=error)
    await _abort(context, Fault(PlatformError, PlatformError.PLATFORM_ERROR_INTERNAL))


async def _abort(context: Any, fault: Fault) -> NoReturn:
    details = to_status(fault).SerializeToString()
    await context.abort(
        status_code(fault.reason.code), fault.reason.name, ((STATUS_DETAILS, details),)
    )
    raise AssertionError("abort returns never")
