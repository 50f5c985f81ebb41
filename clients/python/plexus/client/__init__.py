"""The client stack: the same for a service in the mesh and for a partner outside."""

from plexus.client.breaker import BreakerView
from plexus.client.channel import Channel, channel
from plexus.client.counts import CountsView
from plexus.client.inbound import Inbound, go_on, inbound, working
from plexus.client.optional import optional
from plexus.client.tuning import Tuning

__all__ = [
    "BreakerView",
    "Channel",
    "CountsView",
    "Inbound",
    "Tuning",
    "channel",
    "go_on",
    "inbound",
    "optional",
    "working",
]
