"""Every number of the protocol: first what docs/protocol.md fixes, then what an implementation may tune.

Sizes are bytes, times are seconds, unless the name says otherwise. A test compares the first block with the
specification.
"""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# --- Specification (docs/protocol.md §12): changing one of these makes another protocol. ---

FRAME_HEADER: Final = 8
MESSAGE_MAX: Final = 64 * KIB
"""Largest WebSocket message, and the reason for PAYLOAD_MAX: the largest frame fits one."""
PAYLOAD_MAX: Final = 0xFFFF - FRAME_HEADER
REQUEST_LINE_MAX: Final = 8 * KIB
REQUEST_HEAD_MAX: Final = 32 * KIB
UPGRADE_PROOFS_MAX: Final = 8
"""Proofs in an upgrade: it must stay a header that every proxy forwards (8 × 96 bytes in base64 are 1 KiB)."""
WINDOW_INITIAL: Final = 64 * KIB
WINDOW_MAX: Final = 8 * MIB
"""670 Mbit/s for one stream at 100 ms."""
STREAM_ID_MAX: Final = 2**31 - 1
SERVICE_NAME_MAX: Final = 255
TEXT_MAX: Final = 200
PROVE_SERVICES_MAX: Final = 512
HOPS_MAX: Final = 8
"""Relays that a stream may pass; more are a loop."""

PROOF_SKEW: Final = 90.0
"""An upgrade proof is good for this long before and after the server's time."""
NONCE_KEPT: Final = 2 * PROOF_SKEW
WEAK_TOKEN: Final = 22
"""A token with fewer characters (22 of base64 are 128 bits) goes through scrypt."""

# --- Implementation: both ends may differ. ---

GROWTH_BUDGET: Final = 32 * MIB
"""Sum of what the windows of a session may have grown beyond WINDOW_INITIAL."""
GROWTH_RTT_FLOOR: Final = 0.002
"""Below this a round trip measures our own scheduling, not the path."""
GROWTH_IDLE: Final = 10.0
"""A stream that received nothing for this long gives its growth back."""
WINDOW_STEP_MIN: Final = 16 * KIB

REPLAY_LIMIT: Final = 16 * MIB
REPLAY_DETACHED_LIMIT: Final = 64 * MIB
"""Sum over all detached sessions of a process; the oldest is evicted."""
STREAMS_MAX: Final = 16_384
STREAM_IDS_RESERVE: Final = 2**20
"""When so few are left another session is begun: half of them are one side's own, for 80 s at 6,500 new streams a
second."""
BUFFERED_MAX: Final = 128 * MIB
"""Bytes received and not yet taken, in a process (or an eighth of its memory, when that is less)."""
BACKLOG_PIECE: Final = 4 * KIB
"""What waits unread is joined up to this size, so that an object's overhead stays a small share."""

QUANTUM_MIN: Final = 4 * KIB
QUANTUM_TIME: Final = 0.005
"""A frame should not hold the path longer than this."""
FAIR_BATCHES: Final = 2

QUANTUM_START: Final = 16 * KIB
"""Before the rate is known."""
CAP_START: Final = 64 * KIB
CAP_MIN: Final = 16 * KIB
"""130 ms at 1 Mbit/s."""
CAP_GAIN: Final = 1.15
CAP_SLACK: Final = 0.010
"""Covers the receiver's ACK_DELAY and one scheduling turn at each end."""
CAP_SPARE: Final = 2 * KIB
"""Some dozens of keystrokes, beside one quantum of a download that just became ready."""
RATE_WINDOW: Final = 1.0
MIN_RTT_WINDOW: Final = 10.0

ACK_BYTES: Final = 256 * KIB
"""An ACK costs a write here and a wake-up there; at 400 Mbit/s and more this many bytes come before ACK_DELAY."""
ACK_FRAMES: Final = 256
ACK_SHARE: Final = 4
"""A quarter of that is enough to go along with other frames: as much as CAP_START lets a peer send."""
ACK_DELAY: Final = 0.005

PING_AFTER: Final = 20.0
PING_JITTER: Final = 0.1
SILENCE_MAX: Final = 45.0
"""Two pings and their answers may get lost in a stall before a link is given up."""
PROGRESS_MIN: Final = 10.0
PROGRESS_RTTS: Final = 4
PINGS_PER_SECOND: Final = 100

HANDSHAKE_WAIT: Final = 10.0
GRACE: Final = 60.0
VISITOR_WAIT: Final = 20.0
"""A visitor who arrives while home is away waits this long; ssh's and browsers' patience is longer."""
DRAIN: Final = 30.0
"""Streams may go on this long after SIGTERM; systemd kills after 90 s."""
DATAGRAM_AGE: Final = 0.5
DATAGRAM_QUEUE: Final = 256 * KIB

RETRY_FIRST: Final = 0.25
RETRY_BASE: Final = 0.5
RETRY_MAX: Final = 30.0
STOOD_AFTER: Final = 1.0
"""A link that stood this long was no refusal: the next retries wait less than RETRY_BASE × 2."""
STABLE_AFTER: Final = 30.0
"""A link that stood this long counts as good: the next retry is quick again."""

NONCES_MAX: Final = 65_536
"""Logins in NONCE_KEPT before further ones are refused: 364 a second."""

VISITORS_WAITING: Final = 64
"""Visitors of one service who wait for home at a time."""
VISITORS_WAITING_ADDRESS: Final = 8

PATROL_EVERY: Final = 1.0
"""A local socket that breaks unseen is noticed within twice this. A look costs about a microsecond."""

SESSIONS: Final = 16
"""Sessions of one stdio service, each with a program of its own; one of Node takes 50 MB."""
SESSION_IDLE: Final = 1800.0
"""What the official SDK takes for idle."""

DOOR_CONNECTIONS: Final = 128
DOOR_CONNECTIONS_ADDRESS: Final = 8
DOOR_SILENT: Final = 60.0
"""nginx's client_header_timeout."""
DOOR_KEEPALIVE: Final = 75.0
DOOR_LINGER: Final = 5.0

HTTP_HEAD: Final = 60.0
"""For the head of a visitor's request, and between two reads of its body: nginx's client_header_timeout and
client_body_timeout."""
HTTP_BODY: Final = 60.0
HTTP_KEEPALIVE: Final = 75.0
PARK: Final = 20.0
"""A request that finds home away waits this long."""

WRITE_HIGH: Final = 64 * KIB
"""A pipe with more than this in its write buffer is full."""
WRITE_LOW: Final = 16 * KIB
END_WAIT: Final = 2.0
"""At its end a program waits this long for its last bytes to arrive: CAP_START, the most that is in flight on a slow
path, does so at 300 kbit/s."""
CLOSE_WAIT: Final = 10.0
"""A closed pipe may take this long to flush and to hear the peer's end."""
RECEIVE_FIRST: Final = 8 * KIB
RECEIVE_HEAD: Final = 64 * KIB
"""Most that a receive buffer grows to by itself: a request head with room behind it."""
RECEIVE_ROOMY: Final = 256 * KIB
"""Receive buffer of a link: several of the largest messages."""
JOIN_MAX: Final = 16 * KIB
"""Up to here one copy is cheaper than a gathered write."""
