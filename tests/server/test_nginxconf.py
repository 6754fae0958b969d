"""nginx's blocks; tests/e2e/test_gateway.py runs them in a real nginx."""

from pathlib import Path

from hushgate.config.model import Address, Certificate, Http, Secret, ServerConfig, ServerService
from hushgate.server.nginxconf import nginx_blocks


def config(*services: Http | None, bind: str = "127.0.0.1", certificate: Certificate | None = None) -> ServerConfig:
    named = {
        f"s{number}": ServerService(f"s{number}", (Secret("t"),), http=http) for number, http in enumerate(services)
    }
    return ServerConfig(Address(bind, 8443), named, certificate=certificate)


def test_nothing_on_the_door_needs_nothing() -> None:
    assert nginx_blocks(config(None, Http())) == ""


def test_a_name_is_a_server_and_a_path_a_location() -> None:
    text = nginx_blocks(config(Http(("a.org",)), Http(path="/x.y")))
    assert text.count("server {") == 1 and text.count("location ") == 4
    assert "server_name a.org;" in text and "ssl_certificate /etc/letsencrypt/live/a.org/fullchain.pem;" in text
    assert "location ~ ^/x\\.y(/|$) {\n    proxy_pass http://127.0.0.1:8443;" in text
    assert text.startswith("# s1: in the server block of the tunnel's own name, for /x.y/")


def test_services_of_one_name_share_its_server() -> None:
    text = nginx_blocks(config(Http(("a.org", "b.org"), "/x"), Http(("a.org",))))
    assert text.count("server {") == 2 and text.count("location ") == 5
    assert "# s0, s1: beside" in text


def test_our_own_certificate_and_any_address() -> None:
    pair = Certificate(Path("/c.pem"), Path("/k.pem"))
    text = nginx_blocks(config(Http(("a.org",)), bind="::", certificate=pair))
    assert "ssl_certificate_key /k.pem;" in text and "proxy_pass http://[::1]:8443;" in text


def test_where_clients_look_for_oauth() -> None:
    text = nginx_blocks(config(Http(path="/x.y"), Http(path="/register"), Http(("a.org",)), Http(("a.org",), "/z")))
    assert "# s0, s1: there as well, where clients look for OAuth\nlocation ~ ^/\\.well-known/(" in text
    assert "((/x\\.y|/register)(/|$)|$) {" in text and text.count("return 404 '") == 1, "a.org has its own root"
    assert "location = /register {\n" in nginx_blocks(config(Http(path="/x")))
