"""An MCP server at home with a public address of its own on TLS, which asks for a key, and a laptop's local port."""

import re
import sys
from dataclasses import dataclass, field

from tests.e2e import mcp_server
from tests.e2e.access import Laptop
from tests.e2e.hushgate import ENVIRON, Tunnel
from tests.e2e.programs import Program, Programs, free_port

KEY = "a key of the editor's own, 0123456789"
WRONG = "a key of somebody else's, 0123456789"
RULES = f'type = "http"\ntls = true\nprofile = "mcp"\nkeys = ["{KEY}"]\n'


@dataclass
class Public:
    """`port` is the MCP server's own."""

    programs: Programs
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.tunnel = Tunnel(
            self.programs,
            {"mcp": ("127.0.0.1", self.port)},
            server_lines={"mcp": RULES},
            client_lines={"mcp": 'type = "http"'},
        ).use_tls()

    def start(self) -> "Public":
        """The MCP server, the tunnel and the laptop; home is there."""
        argv = [sys.executable, "-m", mcp_server.__name__, str(self.port)]
        self.service: Program = self.programs.start("mcp", argv, ENVIRON)
        self.service.wait_listening(("127.0.0.1", self.port), timeout=30)
        self.tunnel.start().client.wait_log("client: connected ")
        self.laptop = Laptop(self.tunnel, ["mcp"]).start()
        return self

    def lose_home(self, how: str = "stop") -> None:
        """Stops or kills the client; on return the server has noticed. A request that came in between would have left
        for home already, and could not be asked again."""
        server = self.tunnel.server
        who = re.findall(r"client connected client=(\w+)", server.log())[-1]
        getattr(self.tunnel.client, how)()
        server.wait_log(f"(link lost|session ended).* client={who}")

    @property
    def url(self) -> str:
        return f"https://localhost:{self.tunnel.ports['mcp']}/mcp"

    @property
    def local(self) -> str:
        return f"http://127.0.0.1:{self.laptop.ports['mcp']}/mcp"

    @property
    def direct(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def trust(self) -> dict[str, str]:
        """The environment in which programs on Node, and on Python, trust the certificate."""
        root = str(self.tunnel.directory / "tls" / "root.pem")
        return {"NODE_EXTRA_CA_CERTS": root, "SSL_CERT_FILE": root}
