"""README.md from its laptops on: real ssh, Ollama and MCP programs, with the set-up of every section in place."""

import json
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.e2e.nginx import Nginx
from tests.e2e.node import node
from tests.e2e.ollama import MODEL, Ollama, ollama_binary
from tests.e2e.programs import Program, programs_in
from tests.e2e.readme import DOMAIN, Machine, Reader, reading, with_nginx_blocks
from tests.readme import as_written, put, snippets

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

LISTED = "llama3.2"
"""The model that the text asks; `models` of the text lets it be used, and not the other one."""
ASK = f"""\
import openai
chat = openai.OpenAI(max_retries=0).chat.completions
print(chat.create(model="{LISTED}", messages=[{{"role": "user", "content": "hello"}}]).choices[0].message.content)
"""


class Scene(NamedTuple):
    reader: Reader
    nginx: Nginx
    server: Program
    client: Program
    access: Program


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with programs_in(tmp_path_factory.mktemp("readme")) as programs, reading(programs) as reader:
        vps, home, laptop = reader.vps, reader.home, reader.laptop
        ollama = Ollama(programs)
        brief = {"num_predict": 8}
        ollama.ask("POST", "/api/create", {"model": LISTED, "from": MODEL, "parameters": brief, "stream": False})
        ollama.move(home.host)
        laptop.program("ollama", f'exec "{ollama_binary()}" "$@"')
        (home.home / "notes").mkdir()
        (home.home / "notes" / "note.txt").write_text("a note at home\n")
        *filesystem, _ = map(str, node("server-filesystem", ""))
        # npx -y PACKAGE DIR: what it would download is there.
        home.program("npx", f'shift 2\nexec {" ".join(filesystem)} "$@"')
        parts = snippets()
        text = put(parts.guarded, put(parts.private, parts.server))
        reader.write(vps, "server.toml", text)
        # "At home add `type = "http"` to `[client.services.ollama]`".
        there = 'local_addr = "127.0.0.1:11434"'
        text = put(parts.program, parts.client).replace(there, f'{there}\ntype = "http"')
        reader.write(home, "client.toml", text)
        reader.write(laptop, ".config/hushgate/access.toml", put(parts.guarded_access, parts.access))
        nginx = reader.start_nginx()
        server = reader.start_server()
        server.wait_log("listening")
        client = reader.start_client()
        access = laptop.start("access", as_written("hushgate access ~/.config/hushgate/access.toml"))
        wait_for_ports(laptop, access)
        yield Scene(reader, nginx, server, client, access)


def wait_for_ports(laptop: Machine, access: Program) -> None:
    for port in (2222, 3000, 11434):
        laptop.host.wait_listening(("127.0.0.1", port), access)


def at_home(scene: Scene, line: str) -> None:
    """`line` is an ssh to home."""
    assert scene.reader.laptop.run(f"{scene.reader.typed(line)} echo at home") == "at home\n"


def test_ssh_through_the_local_port(scene: Scene) -> None:
    at_home(scene, "ssh -p 2222 you@localhost")


def test_ssh_without_a_port(scene: Scene) -> None:
    at_home(scene, as_written('ssh -o ProxyCommand="hushgate connect ssh --stdio" you@home'))


def test_ssh_through_another_port(scene: Scene) -> None:
    laptop = scene.reader.laptop
    connect = laptop.start("connect", as_written("hushgate connect ssh -L 2022"))
    laptop.host.wait_listening(("127.0.0.1", 2022), connect)
    at_home(scene, "ssh -p 2022 you@localhost")
    connect.stop()


def test_ssh_by_its_own_configuration(scene: Scene) -> None:
    scene.reader.laptop.run(as_written("hushgate config ssh --host home >> ~/.ssh/config"))
    at_home(scene, as_written("ssh you@home"))


def test_the_doctor_and_what_clients_of_mcp_are_given(scene: Scene) -> None:
    laptop = scene.reader.laptop
    told = laptop.run(as_written("hushgate doctor mcp http://127.0.0.1:3000/mcp"))
    assert {line.split()[0] for line in told.splitlines()} == {"ok"}
    # Claude Code's own command line, as far as it has to understand what is printed.
    laptop.program("claude", "printf '%s\\n' \"$@\"")
    given = laptop.run(f'eval "$({as_written("hushgate config claude http://127.0.0.1:3000/mcp --no-key")})"')
    assert given.split() == ["mcp", "add", "--transport", "http", "home", "http://127.0.0.1:3000/mcp"]
    laptop.run(as_written("hushgate config mcp-json http://127.0.0.1:3000/mcp --no-key") + " > .mcp.json")
    listed = json.loads(inspect(laptop, "tools/list"))["tools"]
    assert {"read_text_file", "write_file"} <= {tool["name"] for tool in listed}
    vscode = json.loads(laptop.run("hushgate config vscode http://127.0.0.1:3000/mcp --no-key"))
    assert vscode["servers"]["home"] == json.loads((laptop.home / ".mcp.json").read_text())["mcpServers"]["home"]


def inspect(laptop: Machine, method: str, *more: str, code: int = 0) -> str:
    """What the MCP inspector says, which finds the server in the project's .mcp.json."""
    project = ("--config", laptop.home / ".mcp.json", "--server", "home")
    command = node("inspector", "--cli", *project, "--method", method, *more)
    done = laptop.host.run(command, environ={"NO_COLOR": "1"}, code=code)
    return (done.stderr if code else done.stdout).decode()


def test_home_says_which_tools_may_be_called(scene: Scene) -> None:
    """As the text says it, in home's file alone; and the guard of Ollama as well."""
    reader, laptop = scene.reader, scene.reader.laptop
    text = (reader.home.home / "client.toml").read_text()
    ollama = text.replace('type = "http"', 'type = "http"\nprofile = "ollama"')
    rules = ollama.rstrip() + '\ntype = "http"\nprofile = "mcp"\nread_only = true\n'
    reader.write(reader.home, "client.toml", rules)
    scene.client.wait_log('configuration reloaded changed="mcp,ollama"')
    notes = reader.home.home / "notes"
    laptop.run("hushgate config mcp-json http://127.0.0.1:3000/mcp --no-key > .mcp.json")
    read = inspect(laptop, "tools/call", "--tool-name", "read_text_file", f"--tool-arg=path={notes}/note.txt")
    assert "a note at home" in read
    arguments = (f"--tool-arg=path={notes}/new.txt", "--tool-arg=content=x")
    assert "only tools that read" in inspect(laptop, "tools/call", "--tool-name", "write_file", *arguments, code=3)
    assert [path.name for path in notes.iterdir()] == ["note.txt"]
    assert len(laptop.run(f"ollama run {LISTED} hello").strip()) >= 4


def test_ollama_as_at_home(scene: Scene) -> None:
    laptop = scene.reader.laptop
    assert f"{LISTED}:latest" in laptop.run(as_written("ollama list"))
    assert len(laptop.run(as_written('ollama run llama3.2 "why is the sky blue"')).strip()) >= 4
    models = json.loads(laptop.run(as_written("curl localhost:11434/api/tags")))["models"]
    assert f"{LISTED}:latest" in {model["name"] for model in models}
    assert "not allowed here" in laptop.run(f"ollama run {MODEL} hello 2>&1", code=1)
    assert "not allowed here" in laptop.run("ollama pull llama3.2 2>&1", code=1)
    given = laptop.run('eval "$(hushgate config ollama http://127.0.0.1:11434 --no-key)"; ollama list')
    assert f"{LISTED}:latest" in given


def test_ollama_on_a_port_for_a_while(scene: Scene) -> None:
    laptop = scene.reader.laptop
    scene.access.stop()
    connect = laptop.start("connect", as_written("hushgate connect ollama -L 11434"))
    laptop.host.wait_listening(("127.0.0.1", 11434), connect)
    assert f"{LISTED}:latest" in laptop.run("ollama list")
    connect.stop()
    scene.access.start()
    wait_for_ports(laptop, scene.access)


def test_a_key_for_an_editor(scene: Scene) -> None:
    """In a place of its own behind nginx; the laptop goes on as before."""
    reader, laptop, vps = scene.reader, scene.reader.laptop, scene.reader.vps
    key, *_, hashed = vps.run(as_written("hushgate token key editor")).splitlines()
    reader.replaced['hash = "sha256:the hash"'] = hashed
    before = (vps.home / "server.toml").read_text()
    reader.write(vps, "server.toml", put(snippets().keyed, before))
    assert "warning" not in vps.run("hushgate check server.toml")
    scene.server.wait_log("configuration reloaded changed=ollama")
    conf = reader.programs.directory / "nginx.conf"
    conf.write_text(with_nginx_blocks(conf.read_text(), vps.run(as_written("hushgate nginx server.toml"))))
    scene.nginx.reload()
    laptop.program("ask", f"exec {sys.executable} -c '{ASK}'")
    url = "https://your-domain.com/ollama"
    assert laptop.run("ask", environ={"OPENAI_BASE_URL": f"https://{DOMAIN}/ollama/v1", "OPENAI_API_KEY": key}).strip()
    printed = f'eval "$(hushgate config openai {url})"; ask'
    assert laptop.run(printed, environ={"HUSHGATE_KEY": key}).strip()
    assert "AuthenticationError" in laptop.run(f"{printed} 2>&1", environ={"HUSHGATE_KEY": "0" * 64}, code=1)
    assert "ok " in laptop.run(f"hushgate doctor ollama {url}", environ={"HUSHGATE_KEY": key})
    assert scene.server.wait_log(r"request service=ollama .* key=editor .* path=/v1/chat/completions .*")
    assert f"{LISTED}:latest" in laptop.run("ollama list")
