"""Double entry: every transaction debits what it credits.

CHARGE    debit patient receivable    credit revenue
TRANSFER  debit insurer receivable    credit patient receivable
PAYMENT   debit cash                  credit the payer's receivable
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plexus.billing.v1.ledger_entry_pb2 import Account, EntryKind
from plexus.billing.v1.payment_pb2 import Payer

PATIENT = Account.ACCOUNT_PATIENT_RECEIVABLE
INSURER = Account.ACCOUNT_INSURER_RECEIVABLE
REVENUE = Account.ACCOUNT_REVENUE
CASH = Account.ACCOUNT_CASH

RECEIVABLE: Mapping[Payer.ValueType, Account.ValueType] = {
    Payer.PAYER_PATIENT: PATIENT,
    Payer.PAYER_INSURER: INSURER,
}


class UnbalancedError(AssertionError):
    """A transaction whose entries do not sum to zero: a bug, never entered."""


@dataclass(frozen=True, slots=True)
class Posting:
    """One entry of a transaction, in minor units: positive debits the account, negative credits it."""

    account: Account.ValueType
    amount: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """Entries that are made together."""

    kind: EntryKind.ValueType
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        if sum(posting.amount for posting in self.postings):
            raise UnbalancedError("the entries of a transaction sum to zero")


@dataclass(frozen=True, slots=True)
class Balance:
    """What the ledger says about a patient, in minor units."""

    charged: int
    paid: int
    patient_owes: int
    insurer_owes: int


def charge(total: int) -> Transaction:
    """Care was given. The patient owes it until an insurer is known."""
    return _move(EntryKind.ENTRY_KIND_CHARGE, total, debit=PATIENT, credit=REVENUE)


def transfer(insurer_share: int) -> Transaction:
    """An insurer takes over its share of what the patient owed."""
    return _move(EntryKind.ENTRY_KIND_TRANSFER, insurer_share, debit=INSURER, credit=PATIENT)


def payment(payer: Payer.ValueType, amount: int) -> Transaction:
    """Money came in from *payer*."""
    return _move(EntryKind.ENTRY_KIND_PAYMENT, amount, debit=CASH, credit=RECEIVABLE[payer])


def balance(sums: Mapping[int, int]) -> Balance:
    """The balance that the sums of the accounts, by account, stand for."""
    return Balance(
        charged=-sums.get(REVENUE, 0),
        paid=sums.get(CASH, 0),
        patient_owes=sums.get(PATIENT, 0),
        insurer_owes=sums.get(INSURER, 0),
    )


def _move(
    kind: EntryKind.ValueType,
    amount: int,
    *,
    debit: Account.ValueType,
    credit: Account.ValueType,
) -> Transaction:
    return Transaction(kind, (Posting(debit, amount), Posting(credit, -amount)))
