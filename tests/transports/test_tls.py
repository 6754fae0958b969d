"""Certificates that fail, and those that are renewed; the bytes are test_contract's."""

import asyncio
import os
import socket
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from hushgate.errors import PipeError, SystemFault
from hushgate.transports import tcp, tls
from hushgate.transports.base import Pipe
from hushgate.transports.stream import SocketPipe
from tests.aio import run
from tests.transports.certificates import write_pair
from tests.transports.pairs import Probe


async def shake_hands(server: tls.TlsServer, context: ssl.SSLContext, name: str | None = None) -> bytes:
    """The certificate that a client was shown. Raises what either side raised, the client's first."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        host, port = listener.getsockname()

        async def accept() -> SocketPipe:
            return await tls.accept((await loop.sock_accept(listener))[0], server)

        client, accepted = await asyncio.gather(
            tls.connect(host, port, context, name), accept(), return_exceptions=True
        )
    pipes = [pipe for pipe in (client, accepted) if isinstance(pipe, SocketPipe)]
    probes = []
    shown = b""
    for pipe in pipes:
        if pipe is client:
            shown = pipe._transport.get_extra_info("ssl_object").getpeercert(True)
        pipe.abort("done")
        pipe.switch(probe := Probe())
        probes.append(probe.over.wait())
    await asyncio.gather(*probes)
    for outcome in (client, accepted):
        if isinstance(outcome, BaseException):
            raise outcome
    return shown


def failure(server: tls.TlsServer, context: ssl.SSLContext, name: str | None = None) -> str:
    with pytest.raises(PipeError) as caught:
        run(shake_hands(server, context, name))
    return str(caught.value)


def test_a_certificate_nobody_vouches_for(tmp_path: Path) -> None:
    assert "trusted_root" in failure(tls.TlsServer(*write_pair(tmp_path)), tls.client_context())


def test_an_expired_certificate(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, days=-5)
    assert "has expired" in failure(tls.TlsServer(*pair), tls.client_context(pair[0]))


@pytest.mark.parametrize(("name", "dialled"), [("example.org", None), ("example.org", "example.com")])
def test_a_certificate_for_another_name(tmp_path: Path, name: str, dialled: str | None) -> None:
    pair = write_pair(tmp_path, name)
    message = failure(tls.TlsServer(*pair), tls.client_context(pair[0]), dialled)
    assert "another host name" in message or "IP address" in message


def test_a_server_that_does_not_speak_tls() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            host, port = listener.getsockname()

            async def greet() -> Pipe:
                pipe = await tcp.accept((await loop.sock_accept(listener))[0])
                pipe.write([[b"SSH-2.0-OpenSSH_9.6\r\n"]])
                return pipe

            client, pipe = await asyncio.gather(
                tls.connect(host, port, tls.client_context()), greet(), return_exceptions=True
            )
        assert isinstance(client, PipeError)
        assert "TLS failed" in str(client)
        assert isinstance(pipe, Pipe)
        pipe.switch(probe := Probe())
        pipe.abort("done")
        await probe.over.wait()

    run(main())


def test_the_name_is_what_the_certificate_must_hold(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, "example.org")
    assert run(shake_hands(tls.TlsServer(*pair), tls.client_context(pair[0]), "example.org"))


def test_a_renewed_pair_serves_new_connections_and_a_broken_one_does_not(tmp_path: Path) -> None:
    cert, key = write_pair(tmp_path)
    server = tls.TlsServer(cert, key)
    old = run(shake_hands(server, tls.client_context(cert)))

    other_cert, other_key = write_pair(tmp_path, label="renewed")
    old_pem = cert.read_bytes()
    os.replace(other_cert, cert)
    reason = server.reload()
    assert reason is not None
    assert "does not belong" in reason
    (tmp_path / "old.crt").write_bytes(old_pem)
    assert run(shake_hands(server, tls.client_context(tmp_path / "old.crt"))) == old

    os.replace(other_key, key)
    assert server.reload() is None
    assert run(shake_hands(server, tls.client_context(cert))) != old

    key.unlink()
    assert "cannot be read" in str(server.reload())


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    cert, key = write_pair(tmp_path)
    other_key = write_pair(tmp_path, label="other")[1]
    missing, junk, locked = tmp_path / "missing.pem", tmp_path / "junk.pem", tmp_path / "locked.pem"
    junk.write_text("not PEM")
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    for pair, path, words in [
        ((missing, key), missing, "cannot be read"),
        ((cert, missing), missing, "cannot be read"),
        ((cert, other_key), other_key, "does not belong"),
        ((junk, key), junk, "PEM"),
        ((cert, locked), locked, "password"),
    ]:
        with pytest.raises(SystemFault) as caught:
            tls.TlsServer(*pair)
        assert str(path) in str(caught.value)
        assert words in str(caught.value)
    for root in (missing, junk):
        with pytest.raises(SystemFault, match=root.name):
            tls.client_context(root)


def test_the_handshake_has_nginx_s_settings(tmp_path: Path) -> None:
    context = tls.TlsServer(*write_pair(tmp_path)).context
    assert not context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    expected = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    expected.set_ciphers("HIGH:!aNULL:!MD5")
    assert context.get_ciphers() == expected.get_ciphers()


def test_the_server_echoes_the_server_name_as_nginx_does(tmp_path: Path) -> None:
    server = tls.TlsServer(*write_pair(tmp_path))

    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            where = f"127.0.0.1:{listener.getsockname()[1]}"
            openssl = await asyncio.create_subprocess_exec(
                *("openssl", "s_client", "-connect", where, "-servername", "localhost", "-tls1_2", "-tlsextdebug"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            sock, _ = await loop.sock_accept(listener)
            pipe = await tls.accept(sock, server)
            printed, _ = await openssl.communicate()
            pipe.abort("done")
            await asyncio.sleep(0)
            return printed

    assert b'TLS server extension "server name" (id=0), len=0' in run(main())
