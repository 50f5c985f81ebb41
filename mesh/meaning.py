"""What the words of the contracts mean in numbers, all of them, once. Durations are in seconds.

A contract says that a method is repeatable or vital; how often it is repeated is an operator's
matter and is said here. The measurements behind the numbers were made with grpcio 1.85 on two
cores; the reasons stand beside them.
"""

from __future__ import annotations

from typing import Final

# Repeatable: gRPC's own retry, by xDS, on UNAVAILABLE, and nowhere else.
# Three attempts survive the loss of one replica and of the one tried next; a fourth only adds
# load to a service that is down, which the breaker is for.
ATTEMPTS: Final = 3
# A chain of three required repeatable calls: 3 x 3 x 3. A longer one multiplies an outage.
MAX_ATTEMPTS_IN_CHAIN: Final = 27
# A retry goes to another replica, so it need not wait long; the spread keeps herds apart.
RETRY_BACKOFF_FIRST: Final = 0.02
RETRY_BACKOFF_MOST: Final = 0.2

# Outlier ejection. gRPC's defaults (5 hosts, 50 requests, 10 s) never eject with two replicas.
# gRPC counts every status but OK as a failure (gRFC A50), business errors too: only a replica
# at which nearly everything fails is sick.
OUTLIER_FAILURE_PERCENTAGE: Final = 85
OUTLIER_HOSTS: Final = 2
OUTLIER_REQUESTS: Final = 10
OUTLIER_INTERVAL: Final = 0.5
# Short: a wrong ejection costs little, and a sick replica is ejected again at once.
OUTLIER_EJECTION: Final = 2.0
OUTLIER_EJECTION_MOST: Final = 10.0
# gRPC has no panic mode: with more than half ejected there would be nobody left to ask.
OUTLIER_EJECTED_PERCENT: Final = 50

# Calls of one client process in flight to one service, streams included. Above what the
# replicas' handler threads hold in a burst of hundreds; beyond it a queue would only grow.
MAX_REQUESTS: Final = 512

# Admission: how many calls of one replica may be at work. It begins with what keeps two cores busy
# with handlers that wait now and then, and finds out; more than the most would only wait for the
# interpreter.
LIMIT_FIRST: Final = 16
LIMIT_LEAST: Final = 4
LIMIT_MOST: Final = 64
# Ended calls between two looks at the limit. Their median is taken, of time against the usual.
LIMIT_WINDOW: Final = 16
# What is slow: half as long again as usual, and by more than the interpreter's turns make of it.
LATENCY_TOLERANCE: Final = 1.3
LATENCY_SLACK: Final = 0.003
# The share of the places that only vital calls may take.
VITAL_SHARE: Final = 0.2
# The share of the places, and of the queue, that no single method may take, nor all that write
# together: when one hangs, or the database is locked, the others go on. What all of them wait for is
# found out by the limit.
OTHERS_SHARE: Final = 0.25
# The queue takes a burst of a hundred calls, and such a burst is through within a second. When
# it has stood for that long it is no burst, and a shorter wait is the better answer.
QUEUE_LENGTH: Final = 128
QUEUE_BURST: Final = 1.0
QUEUE_PATIENCE: Final = 0.25
# Feeds and transfers alive at once. A follower of another service holds one; exports and imports
# may take half.
STREAMS: Final = 32
# When those who were refused may come back.
PUSHBACK: Final = 1.0

# Pools. A handler is synchronous and holds a thread, so does a call that waits for its turn, and a
# stream for as long as it lives. gRPC queues what finds no thread, first come first served and without
# end: with a thread to spare for every place, nobody waits there for anything but the processor.
# When even refusing (0.3 ms of processor a call, nearly all of it gRPC's) is more than the processor
# can do, that queue would hold only calls that are too late: calls beyond this number gRPC refuses
# itself. Measured with 1,200 calls a second on two busy cores: vital success 95 % with it, 1 % without.
HANDLER_THREADS: Final = LIMIT_MOST + QUEUE_LENGTH + STREAMS + 32

# Bulkhead: calls of one replica under way to one dependency. Half of the places that a replica
# begins with: when it hangs, the others go on with what does not need it until its breakers open.
BULKHEAD: Final = LIMIT_FIRST // 2

# Breaker: per method of a dependency. Five in a row, with nobody answered since they began, are not
# chance; a second is about how long a replica takes to be replaced, and one probe each second is no load.
BREAKER_FAILURES: Final = 5
BREAKER_RESET: Final = 1.0

# Lease. A replica speaks at least this often; silence is asked about, not punished.
HEARTBEAT: Final = 0.5
LEASE_SILENCE: Final = 1.5
# HTTP/2 pings notice a hung peer only with the ping timeout set beside the interval. A replica's
# silence is noticed without them: they end the streams of clients that hang, and nobody waits for that.
KEEPALIVE_INTERVAL: Final = 0.5
KEEPALIVE_TIMEOUT: Final = LEASE_SILENCE
# How often a client may ping the control plane before it is told to calm down.
KEEPALIVE_PERMITTED: Final = 0.2
# A client pings seldom: what it loses with the control plane is not needed for its calls.
CLIENT_KEEPALIVE_INTERVAL: Final = 5.0
CLIENT_KEEPALIVE_TIMEOUT: Final = 2.0

# Probe of a replica whose lease broke. A refused connection is proof; a missing answer is proof
# only when it lasts, since a busy process answers late.
PROBE_INTERVAL: Final = 0.05
PROBE_INTERVAL_MOST: Final = 1.0
PROBE_TIMEOUT: Final = 0.7
PROBE_UNANSWERED: Final = 1.0

# Drain. How long the control plane waits for every client to have seen DRAINING, and how long a
# replica then still takes calls that were already on their way.
DRAIN_SETTLE: Final = 1.0
DRAIN_PAUSE: Final = 0.1

# Reconnecting to the control plane: at once, then slower, with jitter.
RECONNECT_FIRST: Final = 0.05
RECONNECT_MOST: Final = 1.0

# Certificates: the share of the lifetime after which a new one is asked for.
RENEW_AT: Final = 0.5
# How often gRPC looks for rotated files. It takes no less than a second.
CERTIFICATE_REFRESH: Final = 1

# The share of traces that is recorded where nobody says otherwise. A recorded call costs twice as much.
TRACE_SAMPLING: Final = 0.01

# What is told of calls that are not sampled: those that fail, of one method and for one reason at most so
# many in a second, and those that take this share of their deadline. What takes half of it is one
# bad moment away from failing.
SLOW_SHARE: Final = 0.5
TOLD_A_SECOND: Final = 20

# Audit journals. What a power cut can take from a disk is what was written in this time; a process that is
# killed loses nothing. One fdatasync for many calls costs none of them anything.
AUDIT_SYNC: Final = 0.1
# Until then an entry is in memory that outlives the process, of which a journal takes this much twice: two
# thousand calls and more while the disk takes in as many. When it is full a call waits for the disk.
AUDIT_TAIL_BYTES: Final = 1024 * 1024
# A signature vouches for all before it. More often would sign more than it says; a busy second is a
# thousand calls.
AUDIT_CHECKPOINT: Final = 1.0
AUDIT_CHECKPOINT_ENTRIES: Final = 1000
# A file of a journal: some fifty thousand calls, and never more than a day. Small enough to be looked at,
# and to be read anew when a process begins.
AUDIT_FILE_BYTES: Final = 16 * 1024 * 1024
# After a failed write (a full disk) calls are refused at once, and so often it is tried again.
AUDIT_RETRY: Final = 0.25
# How often the control plane writes down the ends of journals that it was told; with a heartbeat and the
# sync before it a record is vouched for within a second.
AUDIT_ANCHOR: Final = 0.25
# How often a replica tells its accesses to who lists them, and how many at a time: a transaction of some
# milliseconds there.
AUDIT_TELL: Final = 1.0
AUDIT_TELL_ENTRIES: Final = 500
# Records kept in memory until they are told, so that they need not be read again: a few seconds of a
# busy replica, about 4 MB. Beyond these the journal is read.
AUDIT_REMEMBERED: Final = 5000

# How many refusals of published resources are kept to be shown.
NACKS_KEPT: Final = 20
