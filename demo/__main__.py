"""The story, step by step."""

import http.client
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from demo.laptop import visit
from demo.screen import Failed, good, paint, title
from demo.services import Download, find_services, serve
from demo.transfer import download
from demo.tunnel import Tunnel
from demo.visitors import PROBES, ask_door

NEXT = """\
  On the VPS   put server.toml and nginx.conf of tests/e2e/article in place, with your domain and tokens
               (hushgate token new 3), then:  hushgate server server.toml
  At home      the same tokens in client.toml, then:  hushgate client client.toml --probe
                                                      hushgate client client.toml
  To check     hushgate check server.toml client.toml
  Everything else, such as a laptop's file, is in README.md."""


def show(tunnel: Tunnel) -> None:
    title("Services at home")
    services = find_services()
    for name, (port, what) in services.items():
        print(f"  {name:<7} 127.0.0.1:{port}  {what}")
    title("The two files of tests/e2e/article, and what differs because everything shares this machine")
    local = {name: port for name, (port, _) in services.items()}
    tunnel.configure(local)
    title("hushgate server server.toml · hushgate client client.toml")
    tunnel.start_server()
    good(f"server: door on 127.0.0.1:{tunnel.door} (TLS), services on {', '.join(map(str, tunnel.public.values()))}")
    tunnel.start_client()
    title("Through the tunnel")
    for name, ask in PROBES.items():
        good(f"{name:<7} 127.0.0.1:{tunnel.public[name]} → {ask(tunnel.public[name])}")
    good("all of them on one WebSocket" if tunnel.network.connections == 1 else "reconnected in between")
    title("A stranger asks for a WebSocket")
    good(ask_door(tunnel.door, tunnel.directory / "cert.pem"))
    title("A fourth service is added to both files while they run; its transfer loses the WebSocket twice")
    download(tunnel.add_service("transfer", serve(Download)), tunnel.network)
    title("A laptop takes over: the three services lose their public ports, and it gets a key for each")
    file = tunnel.leave_to_laptop(local)
    good(f"server.toml: access_key in place of bind_addr; {', '.join(map(str, tunnel.public.values()))} are closed now")
    good('server.toml: profile = "ollama", so that models can be used, and nothing else')
    good('client.toml: mcp is a program now, without a port: command = ["python", "demo/notes.py"]')
    title("hushgate access access.toml")
    tunnel.start_access()
    visit(tunnel.laptop, file)
    title("What to do next")
    print(NEXT)


def main() -> int:
    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)
    directory = Path(tempfile.mkdtemp(prefix="hushgate-demo-"))
    tunnel = Tunnel(directory)
    try:
        show(tunnel)
    except (Failed, OSError, ValueError, http.client.HTTPException, subprocess.TimeoutExpired) as error:
        print(f"\n{paint('✗', '31')} {error}\n{tunnel.logs()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        tunnel.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
