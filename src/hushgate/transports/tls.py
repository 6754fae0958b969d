"""TLS from both sides: a client that always verifies, a server whose handshake looks like nginx's.

Every web server answers odd ClientHellos in its own way, and scanners tell servers apart by that (JARM). Python on the
OpenSSL that nginx uses gives nginx's answers once four settings are nginx's: the cipher list, no preference of the
server's among ciphers, an empty server_name extension in the reply (a callback that does nothing makes OpenSSL send
it), and its ALPN list.
"""

import asyncio.sslproto
import socket
import ssl
from pathlib import Path

from hushgate.errors import PipeError, SystemFault
from hushgate.protocol.limits import HANDSHAKE_WAIT
from hushgate.transports.alert import FirstFlight
from hushgate.transports.loop import fast_libssl, fast_sockets
from hushgate.transports.servername import echo_server_name
from hushgate.transports.stream import SocketPipe, describe
from hushgate.transports.tcp import adopt_socket, join_address, open_pipe, peer_address

_ASYNCIO_BUFFER = 16 * 1024
"""asyncio's own TLS allocates 256 KiB a connection at once, for strangers that have said nothing yet as well."""

_CERTIFICATE_FAULTS = {
    9: "its certificate is not valid yet: check both clocks",
    10: "its certificate has expired: renew it at the server, or check this machine's clock",
    18: "its certificate is self-signed: name it in `trusted_root`",
    19: "its certificate comes from an authority this machine does not know: name its root in `trusted_root`",
    20: "its certificate comes from an authority this machine does not know: name its root in `trusted_root`",
    21: "its certificate cannot be verified: send the whole chain, or name its root in `trusted_root`",
    62: "its certificate is for another host name",
    64: "its certificate does not name this IP address",
}
"""X509_V_ERR_* of OpenSSL's x509_vfy.h."""


def client_context(trusted_root: Path | None = None) -> ssl.SSLContext:
    """What a client trusts: the system's store, or only `trusted_root` (PEM). Raises SystemFault."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if trusted_root is None:
        context.load_default_certs()
        return context
    _require_readable(trusted_root)
    try:
        context.load_verify_locations(cafile=trusted_root)
    except (ssl.SSLError, OSError) as error:
        raise SystemFault(f"{trusted_root}: no PEM certificate can be read from it, check `trusted_root`") from error
    return context


async def connect(
    host: str, port: int, context: ssl.SSLContext, name: str | None = None, wait: float = HANDSHAKE_WAIT
) -> SocketPipe:
    """A TLS connection to `host`, whose certificate must be for `name` (default: `host`). Raises PipeError."""
    address = join_address(host, port)
    _shrink_asyncio_buffers()
    try:
        return await open_pipe(SocketPipe("tls", address), host, port, wait=wait, tls=context, name=name or host)
    except ssl.SSLCertVerificationError as error:
        cause = _CERTIFICATE_FAULTS.get(error.verify_code, f"its certificate was refused: {error.verify_message}")
        raise PipeError(f"{address}: {cause}") from error
    except OSError as error:
        raise PipeError(f"{address}: {describe(error)}") from error


async def accept(
    sock: socket.socket, server: "TlsServer", peer: str | None = None, wait: float = HANDSHAKE_WAIT
) -> SocketPipe:
    """Shakes hands on an accepted socket; when that fails it is closed, after the alert for a ClientHello that has come
    already. Raises PipeError."""
    _shrink_asyncio_buffers()
    try:
        pipe = SocketPipe("tls", peer or peer_address(sock))
        with FirstFlight(sock, context := server.context):
            return await adopt_socket(pipe, sock, wait=wait, tls=context)
    except OSError as error:
        # Its traceback and the transport's future hold each other, and with them the buffers of a stranger.
        error.__traceback__ = None
        raise PipeError(f"{peer or 'a new connection'}: {describe(error)}") from error


class TlsServer:
    """The server's certificate, which may be renewed while it runs. `context` is for new connections."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Raises SystemFault when the pair cannot be used."""
        self._cert = cert
        self._key = key
        self.context = _server_context(cert, key)

    def reload(self) -> str | None:
        """Loads the pair again. New connections get it; when it is broken the old one stays, and the reason is
        returned."""
        try:
            self.context = _server_context(self._cert, self._key)
        except SystemFault as error:
            return str(error)
        return None


def _server_context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("HIGH:!aNULL:!MD5")
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    libssl = fast_libssl()
    if not libssl or not echo_server_name(context, libssl):
        context.sni_callback = lambda _socket, _name, _context: None
        # aiofastnet's own engine has no object for that callback: any ClientHello would crash the process.
        vars(context)["_aiofastnet_force_fallback_ssl"] = True
    context.set_alpn_protocols(["http/1.1", "http/1.0", "http/0.9"])
    _require_readable(cert)
    _require_readable(key)
    try:
        # The empty password keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(cert, key, password="")
    except (ssl.SSLError, OSError) as error:
        raise SystemFault(_pair_fault(cert, key, error)) from error
    return context


def _pair_fault(cert: Path, key: Path, error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return f"{key}: the key does not belong to the certificate {cert}"
    if b"ENCRYPTED" in key.read_bytes():
        return f"{key}: the key is protected by a password: store it without one, readable by this user only"
    return f"{cert} and {key}: not a PEM certificate (the chain, its own first) and its private key"


def _require_readable(path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise SystemFault(f"{path}: cannot be read ({describe(error)})") from error


def _shrink_asyncio_buffers() -> None:
    if not fast_sockets():
        asyncio.sslproto.SSLProtocol.max_size = _ASYNCIO_BUFFER
