"""The handlers of billing, and how the service is assembled."""

# ruff: noqa: ARG002 - what a handler could ask of its context, the stack has asked

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from mesh.host import Built, Parts
from mesh.persistence import Database, new_id, once, pages
from plexus.billing.v1 import billing_service_pb2 as api
from plexus.billing.v1.billing_service_pb2_grpc import BillingServiceServicer
from plexus.billing.v1.errors_pb2 import BillingError
from plexus.errors import Fault
from plexus.records.v1.records_service_pb2_grpc import RecordsServiceStub
from plexus.scheduling.v1.scheduling_service_pb2_grpc import SchedulingServiceStub
from services.billing import messages
from services.billing.claims_task import ClaimsTask
from services.billing.coverage_task import CoverageTask
from services.billing.domain import claim as rules
from services.billing.domain.claim import Claim
from services.billing.domain.fees import FeeSchedule, parse
from services.billing.domain.ledger import balance, payment
from services.billing.store import claims, ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import grpc
    from sqlalchemy import Connection

_PAGE = 50


class Billing(BillingServiceServicer):
    """Translates, decides, translates."""

    def __init__(self, database: Database, currency: str, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._currency = currency
        self._clock = clock

    def GetClaim(
        self, request: api.GetClaimRequest, context: grpc.ServicerContext
    ) -> api.GetClaimResponse:
        """A claim."""
        with self._database.read() as tx:
            claim = _found(claims.get(tx, request.claim_id), request.claim_id)
        return api.GetClaimResponse(claim=messages.claim_message(claim))

    def ListClaims(
        self, request: api.ListClaimsRequest, context: grpc.ServicerContext
    ) -> api.ListClaimsResponse:
        """A page of claims, newest first."""
        query = pages.fingerprint(request)
        wanted = claims.Filter(request.patient_id, request.appointment_id, tuple(request.states))
        size = request.page_size or _PAGE
        before: tuple[int, str] | None
        match pages.decode(query, request.page_token):
            case (int(time), str(claim_id)):
                before = (time, claim_id)
            case _:
                before = None
        with self._database.read() as tx:
            found = claims.page(tx, wanted, size + 1, before)
        return api.ListClaimsResponse(
            claims=[messages.claim_message(claim) for claim in found[:size]],
            next_page_token=(
                pages.encode(query, *claims.page_key(found[size - 1])) if found[size:] else ""
            ),
        )

    def SubmitClaim(
        self, request: api.SubmitClaimRequest, context: grpc.ServicerContext
    ) -> api.SubmitClaimResponse:
        """The claim, submitted."""

        def work(tx: Connection) -> api.SubmitClaimResponse:
            claim = _found(claims.lock(tx, request.claim_id), request.claim_id)
            submitted = rules.submit(claim, self._clock())
            claims.save(tx, [submitted])
            return api.SubmitClaimResponse(claim=messages.claim_message(submitted))

        return once(self._database, request, api.SubmitClaimResponse, work)

    def RecordPayment(
        self, request: api.RecordPaymentRequest, context: grpc.ServicerContext
    ) -> api.RecordPaymentResponse:
        """The payment, and the claim after it."""
        return once(
            self._database,
            request,
            api.RecordPaymentResponse,
            lambda tx: self._record_payment(tx, request),
        )

    def GetBalance(
        self, request: api.GetBalanceRequest, context: grpc.ServicerContext
    ) -> api.GetBalanceResponse:
        """What is owed for a patient, from the ledger."""
        with self._database.read() as tx:
            sums = ledger.sums(tx, request.patient_id, self._currency)
        return messages.balance_message(balance(sums), self._currency)

    def ListLedgerEntries(
        self, request: api.ListLedgerEntriesRequest, context: grpc.ServicerContext
    ) -> api.ListLedgerEntriesResponse:
        """A page of the ledger, oldest first."""
        query = pages.fingerprint(request)
        size = request.page_size or _PAGE
        match pages.decode(query, request.page_token):
            case (int(position),):
                after = position
            case _:
                after = 0
        with self._database.read() as tx:
            found = ledger.page(tx, request.claim_id, request.account, size + 1, after)
        return api.ListLedgerEntriesResponse(
            entries=[messages.entry_message(entry) for entry in found[:size]],
            next_page_token=pages.encode(query, found[size - 1].position) if found[size:] else "",
        )

    def _record_payment(
        self, tx: Connection, request: api.RecordPaymentRequest
    ) -> api.RecordPaymentResponse:
        now = self._clock()
        claim = _found(claims.lock(tx, request.claim_id), request.claim_id)
        amount, currency = request.amount.minor_units, request.amount.currency
        paid = rules.pay(claim, request.payer, amount, currency, now)
        received = claims.Payment(
            new_id("pay"), claim.id, request.payer, currency, amount, request.reference, now
        )
        claims.save(tx, [paid])
        claims.add_payment(tx, received)
        entered = ledger.Happening(payment(request.payer, amount), paid, received.id, now)
        ledger.enter(tx, [entered])
        return api.RecordPaymentResponse(
            payment=messages.payment_message(received), claim=messages.claim_message(paid)
        )


def fee_schedule() -> FeeSchedule:
    """The prices that come with the service."""
    return parse(resources.files("services.billing").joinpath("fees.toml").read_text("utf-8"))


def build(parts: Parts) -> Built:
    """Billing, with its two tasks: claims from scheduling's feed, coverage from records."""
    schedule = fee_schedule()
    scheduling = SchedulingServiceStub(parts.channel("scheduling"))
    records = RecordsServiceStub(parts.channel("records"))
    following = ClaimsTask(scheduling.StreamAppointmentEvents, schedule, parts.clock)
    asking = CoverageTask(parts.database, records, parts.clock)
    servicer = Billing(parts.database, schedule.currency, parts.clock)
    return Built(
        servicers=((api.DESCRIPTOR.services_by_name["BillingService"], servicer),),
        tasks=(following.follower(parts.database), asking.periodic()),
    )


def _found(claim: Claim | None, claim_id: str) -> Claim:
    if claim is None:
        raise Fault(BillingError, BillingError.BILLING_ERROR_CLAIM_NOT_FOUND, claim_id=claim_id)
    return claim
