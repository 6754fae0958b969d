"""Makes a server echo the empty server_name extension of RFC 6066 §3, as nginx does, under any TLS engine.

OpenSSL echoes it exactly when a server name callback is set that says OK. `SSLContext.sni_callback` sets one that
needs Python's own connection object; aiofastnet's engine has none, and the first ClientHello would crash the process.
So the callback is set in OpenSSL itself, through the same library file that aiofastnet uses, and does nothing.

The address of the SSL_CTX stands behind the object header of `ssl.SSLContext`; that is no public interface, so before
it is used it must answer as the context does.
"""

import ctypes
import ssl
import sys

_SET_SERVERNAME_CALLBACK = 53
"""SSL_CTRL_SET_TLSEXT_SERVERNAME_CB of openssl/ssl.h."""

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


def _acknowledge(_connection: int, _alert: int, _argument: int) -> int:
    return 0


_ACKNOWLEDGE = _Callback(_acknowledge)
"""Kept for ever: OpenSSL holds its address."""


def echo_server_name(context: ssl.SSLContext, libssl: str) -> bool:
    """Sets the callback on `context` with the functions of the library file `libssl`. False: not possible here, nothing
    was changed."""
    if sys.implementation.name != "cpython":
        return False
    library = ctypes.CDLL(libssl)
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    library.SSL_CTX_get_options.argtypes = (ctypes.c_void_p,)
    library.SSL_CTX_get_options.restype = ctypes.c_uint64
    if not pointer or library.SSL_CTX_get_options(pointer) != context.options & 0xFFFF_FFFF_FFFF_FFFF:
        return False
    library.SSL_CTX_callback_ctrl.argtypes = (ctypes.c_void_p, ctypes.c_int, _Callback)
    library.SSL_CTX_callback_ctrl.restype = ctypes.c_long
    return bool(library.SSL_CTX_callback_ctrl(pointer, _SET_SERVERNAME_CALLBACK, _ACKNOWLEDGE))
