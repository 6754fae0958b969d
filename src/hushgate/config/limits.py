"""`[*.limits]`: how much one section's program may hold."""

from dataclasses import asdict

from hushgate.config import values
from hushgate.config.model import Limits, SessionLimits
from hushgate.config.table import Table
from hushgate.protocol.limits import MESSAGE_MAX, WINDOW_INITIAL


def read_session_limits(section: Table) -> SessionLimits:
    """`[client.limits]` or `[access.limits]`."""
    table = section.table("limits")
    if table is None:
        return SessionLimits()
    limits = _of_sessions(table)
    table.done()
    return limits


def read_server_limits(section: Table) -> Limits:
    """`[server.limits]`, which has some keys more."""
    default = Limits()
    table = section.table("limits")
    if table is None:
        return default
    limits = Limits(
        **asdict(_of_sessions(table)),
        replay_detached=table.value("replay_detached", values.size(MESSAGE_MAX), default.replay_detached),
        visitors_waiting=table.value("visitors_waiting", values.count(0), default.visitors_waiting),
        visitors_waiting_address=table.value(
            "visitors_waiting_address", values.count(0), default.visitors_waiting_address
        ),
        connections=table.value("connections", values.count(1), default.connections),
        connections_address=table.value("connections_address", values.count(1), default.connections_address),
    )
    table.done()
    return limits


def _of_sessions(table: Table) -> SessionLimits:
    default = SessionLimits()
    return SessionLimits(
        streams=table.value("streams", values.count(1), default.streams),
        replay=table.value("replay", values.size(MESSAGE_MAX), default.replay),
        window=table.value("window", values.size(WINDOW_INITIAL), default.window),
        growth=table.value("growth", values.size(0), default.growth),
        unread=table.value("unread", values.size(MESSAGE_MAX), default.unread),
    )
