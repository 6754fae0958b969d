"""What the server's answers are called in logs and error messages, for home and for a laptop."""

from typing import Final

from hushgate.protocol.hello import Status
from hushgate.protocol.keys import Role

SECRET: Final = {Role.CLIENT: "token", Role.ACCESS: "access key"}
"""What a program of this role proves."""

COMPLAINTS: Final = {
    (Role.CLIENT, Status.UNKNOWN): "the server has no such service in its file",
    (Role.CLIENT, Status.MISMATCH): "token mismatch: the server has another token for the service",
    (Role.CLIENT, Status.REFUSED): "another home holds the service",
    (Role.ACCESS, Status.UNKNOWN): "the server has no service of this name with an access key",
    (Role.ACCESS, Status.MISMATCH): "access key mismatch: the server has another one for the service",
    (Role.ACCESS, Status.REFUSED): "the server does not give the service to laptops now",
}
"""What is wrong with a service that was not proved."""
