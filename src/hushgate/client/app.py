"""The client's composition root: its services, on a session with the server that an uplink keeps."""

from hushgate.client.services import Services
from hushgate.config.model import ClientConfig, Loaded
from hushgate.edge.room import Room
from hushgate.link.budget import unread_max
from hushgate.log import logger
from hushgate.ops.program import serve
from hushgate.protocol.keys import Keys, Role, derive_keys
from hushgate.uplink.succession import Succession
from hushgate.uplink.uplink import Uplink

_log = logger("client")


class Client:
    """One client of one server (ops.program.Program, uplink.uplink.User)."""

    def __init__(self, config: ClientConfig) -> None:
        self.config = config
        self.services = Services(config.services, Room(unread_max(config.limits)))
        self.incoming = self.services.connect
        self.uplinks = Succession(Role.CLIENT, config, derive(config), self, _log)
        self.quiet = self.uplinks.quiet
        self.start = self.uplinks.start
        self.drain = self.uplinks.drain

    @property
    def uplink(self) -> Uplink:
        """The newest session."""
        return self.uplinks.newest

    async def stop(self) -> None:
        await self.uplinks.stop()
        await self.services.stop()

    def linked(self) -> None:
        pass

    def reload(self, config: ClientConfig) -> None:
        """Takes over another configuration; streams of unchanged services do not notice. Raises SystemFault, and then
        changes nothing."""
        old = self.config
        removed = [name for name in old.services if name not in config.services]
        changed = [name for name, service in config.services.items() if old.services.get(name) != service]
        self.uplinks.reload(config, derive(config), removed, changed)
        self.config = config
        self.services.offered = config.services
        _log.info("configuration reloaded", changed=",".join(sorted(changed + removed)) or "nothing")


def derive(config: ClientConfig) -> list[Keys]:
    """The keys of all services."""
    return [derive_keys(service.token.reveal(), service.name, Role.CLIENT) for service in config.services.values()]


def run(loaded: Loaded) -> int:
    """Runs the client until a signal; the exit code. Raises UserError."""
    return serve(loaded, lambda file: file.client, Client, _log)
