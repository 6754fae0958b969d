"""Which event loop and which socket layer: uvloop and aiofastnet where they are installed, plain asyncio always works.

HUSHGATE_LOOP=asyncio and HUSHGATE_FAST=0 turn them off, for the tests that run on both.
"""

import asyncio
import importlib.util
import os
import sys

from hushgate.transports.resolve import Resolver


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new loop: uvloop's, else the selector loop, which every platform's `add_reader` needs. It looks names up as
    `resolve.py` says; uvloop's own `create_connection` does not ask it."""
    loop = _new_loop()
    vars(loop)["getaddrinfo"] = Resolver(loop).getaddrinfo
    return loop


def _new_loop() -> asyncio.AbstractEventLoop:
    if os.environ.get("HUSHGATE_LOOP") != "asyncio" and sys.platform != "win32":
        try:
            import uvloop
        except ImportError:
            pass
        else:
            return uvloop.new_event_loop()
    return asyncio.SelectorEventLoop()


def fast_sockets() -> bool:
    """Whether aiofastnet is to carry the links."""
    return os.environ.get("HUSHGATE_FAST") != "0" and importlib.util.find_spec("aiofastnet") is not None


def fast_libssl() -> str | None:
    """The OpenSSL library that aiofastnet's TLS engine works on, or None when TLS is Python's own."""
    if not fast_sockets():
        return None
    import aiofastnet

    return aiofastnet.OPENSSL_DYN_LIBS.libssl if aiofastnet.OPENSSL_DYN_LIBS else None
