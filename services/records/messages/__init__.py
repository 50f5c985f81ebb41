"""Facts as the contract's messages. What a fact holds beyond them stays in the original."""

from services.records.messages.chart import COVERAGES, Told, tell
from services.records.messages.labels import fill_in, label
from services.records.messages.patient import names_in_order, patient_message

__all__ = ["COVERAGES", "Told", "fill_in", "label", "names_in_order", "patient_message", "tell"]
