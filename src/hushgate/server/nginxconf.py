"""What nginx needs to know of the HTTP services on the door. Pure: a configuration to text.

The article's file passes `location = /` alone. A service with a hostname needs a server block beside the one of the
tunnel, one with a path alone a location in it. Requests go on with the visitor's Host and address; bodies pass both
ways as they come (buffering would hold streams back), and no clock of nginx's is shorter than the gateway's. Where
clients of a service below a path look for OAuth at the root, nginx answers as the door would (edge.discovery).
"""

import re
from collections.abc import Iterable

from hushgate.config.model import Address, Http, ServerConfig
from hushgate.edge.discovery import NOTHING, REGISTER, root_pattern

_LOCATION = """\
location {match} {{
    proxy_pass http://{door};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_read_timeout 86400;
    proxy_send_timeout 86400;
    client_max_body_size 0;
}}
"""
_NO_OAUTH = """\
location ~ {pattern} {{
    default_type application/json;
    return 404 '{nothing}';
}}
"""
_NO_REGISTER = """\
location = {register} {{
    default_type application/json;
    if ($request_method = POST) {{
        return 404 '{nothing}';
    }}
}}
"""
_SERVER = """\
server {{
    listen 443 ssl;
    server_name {name};
    ssl_certificate {cert};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    server_tokens off;

{locations}}}
"""
_LETSENCRYPT = "/etc/letsencrypt/live/{name}/{file}.pem"


def nginx_blocks(config: ServerConfig) -> str:
    """The blocks, with a comment above each that says where it belongs; empty when no service is on the door."""
    door = _door(config.bind)
    services = [(name, service.http) for name, service in config.services.items() if service.http]
    parts = []
    for name, http in services:
        if http.path and not http.hostnames:
            where = f"# {name}: in the server block of the tunnel's own name, for {http.path}/"
            parts.append(f"{where}\n{_location(http, door)}")
    if unnamed := [(name, http) for name, http in services if http.path and not http.hostnames]:
        names = ", ".join(name for name, _ in unnamed)
        parts.append(f"# {names}: there as well, where clients look for OAuth\n{_no_oauth(unnamed)}")
    hostnames = dict.fromkeys(hostname for _, http in services for hostname in http.hostnames)
    for hostname in hostnames:
        here = [(name, http) for name, http in services if hostname in http.hostnames]
        names = ", ".join(name for name, _ in here)
        parts.append(f"# {names}: beside the other server blocks\n{_server(hostname, config, _all(here, door))}")
    return "\n".join(parts)


def _all(services: Iterable[tuple[str, Http]], door: Address) -> str:
    return "".join(_location(http, door) for _, http in services) + _no_oauth(services)


def _no_oauth(services: Iterable[tuple[str, Http]]) -> str:
    """Nothing when one of the services has the root, and looks after it itself."""
    paths = [http.path for _, http in services]
    if not all(paths):
        return ""
    nothing = NOTHING.decode()
    register = "" if REGISTER in paths else _NO_REGISTER.format(register=REGISTER, nothing=nothing)
    return _NO_OAUTH.format(pattern=root_pattern(paths), nothing=nothing) + register


def _location(http: Http, door: Address) -> str:
    match = f"~ ^{re.escape(http.path)}(/|$)" if http.path else "/"
    return _LOCATION.format(match=match, door=door)


def _server(hostname: str, config: ServerConfig, locations: str) -> str:
    own = config.certificate
    cert = own.cert if own else _LETSENCRYPT.format(name=hostname, file="fullchain")
    key = own.key if own else _LETSENCRYPT.format(name=hostname, file="privkey")
    indented = "".join(f"    {line}" for line in locations.splitlines(keepends=True))
    return _SERVER.format(name=hostname, cert=cert, key=key, locations=indented)


def _door(bind: Address) -> Address:
    """Where nginx on the same machine reaches an address that is listened on."""
    return {"0.0.0.0": Address("127.0.0.1", bind.port), "::": Address("::1", bind.port)}.get(bind.host, bind)
