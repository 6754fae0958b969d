"""From an answer to its cause: who on the way gave it, and what is to be done."""

from hushgate.doctor.fetch import Answer
from hushgate.doctor.report import KEY, UNREACHABLE, Fault

_DECOY = {"status", "version"}
"""Keys of the decoy's `/` (edge.decoy), which by the article says nothing else."""
_NGINX = b"<center>nginx"
"""In every page of nginx's own, and so in the decoy's."""


def explain(answer: Answer, *, keyed: bool) -> None:
    """Raises Fault when the answer says that the service was not reached, or did not like how."""
    status, said = answer.status, answer.said
    if status == 401:
        told = "the key is wrong" if keyed else "a key is needed; put it into HUSHGATE_KEY"
        raise Fault("key", f"{told}: {said}", KEY)
    if status == 421:
        raise Fault("host", f"this Host is refused, by the gateway or by home's service behind it: {said}")
    if status == 403 and (not answer.body.strip() or "host" in said.lower()):
        raise Fault("host", 'home\'s service refuses the Host; use type = "http" with host_header = "local"')
    if status == 403:
        raise Fault("refused", f"this is not allowed: {said}")
    if status in (502, 503, 504):
        who = "the proxy in front reaches nobody" if isinstance(answer.value, type(None)) else said
        raise Fault("offline", f"the service is offline: {who}", UNREACHABLE)
    if 300 <= status < 400:
        raise Fault("redirect", f"the address redirects to {answer.headers.get('location', 'nowhere')}")
    if status == 429:
        raise Fault("limit", f"too much is asked for the moment: {said}")
    if is_decoy(answer):
        raise Fault(
            "decoy", "an ordinary web site answers here, the decoy perhaps: check host, port and path", UNREACHABLE
        )
    if answer.headers.get("content-type", "").startswith("text/html"):
        raise Fault("path", f"a web page answers here (status {status}), not a service for programs: check the path")


def is_decoy(answer: Answer) -> bool:
    """Whether the answer is the decoy's, or of an nginx like it."""
    if _NGINX in answer.body:
        return True
    return isinstance(answer.value, dict) and answer.value.keys() == _DECOY and answer.value["status"] == "ok"
