# shellcheck shell=bash
# Sourced by the scripts beside it: finds Python, makes .venv and installs the locked versions. Quick when nothing changed.
#
#   set_up run    what the product needs
#   set_up dev    that, and the tools of the tests
#   set_up_compiled   beside that: the package with its data path compiled, in $COMPILED
#
# Afterwards $PYTHON is the environment's interpreter. HUSHGATE_VENV names another place for the environment.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${HUSHGATE_VENV:-$ROOT/.venv}

say() { printf '%s\n' "$*" >&2; }

# Whether "$1" is a Python that is new enough and can make environments.
good_python() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    local name old=
    for name in ${HUSHGATE_PYTHON:+"$HUSHGATE_PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 python; do
        good_python "$name" || continue
        if "$name" -c 'import venv, ensurepip' >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
        old=$name
    done
    if [ -n "$old" ]; then
        say "$("$old" --version) is here, but cannot make environments: its venv module is missing."
        say "Install it, for example:  Debian, Ubuntu: sudo apt install python3-venv"
        return 1
    fi
    say "Hushgate needs Python 3.11 or newer, and there is none on this machine's PATH."
    say "Install it, for example:  Debian, Ubuntu: sudo apt install python3 python3-venv"
    say "                          Fedora: sudo dnf install python3    Arch: sudo pacman -S python"
    say "                          macOS: brew install python@3.13"
    say "or name one: HUSHGATE_PYTHON=/path/to/python3 $0"
    return 1
}

set_up() {
    local kind=$1 lock=$ROOT/requirements.lock python wanted stamp
    [ "$kind" = dev ] && lock=$ROOT/requirements-dev.lock
    stamp=$VENV/.hushgate-$kind
    PYTHON=$VENV/bin/python
    wanted=$(cat "$ROOT/pyproject.toml" "$lock" "$ROOT/src/hushgate/__init__.py" | cksum)
    if [ -x "$PYTHON" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        python=$(find_python) || return 1
        say "Making an environment in $VENV with $("$python" --version) …"
        rm -rf "$VENV"
        "$python" -m venv "$VENV" || return 1
    fi
    say "Installing the locked versions …"
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps -r "$lock" || return 1
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable "$ROOT" ||
        return 1
    printf '%s\n' "$wanted" >"$stamp"
}

# A wheel in DIR whose data path is compiled, for the environment's Python (docs/why/compiled.md). Built from a copy: what
# mypyc leaves beside its sources would be imported in their place from then on.
build_wheel() {
    local copy status=0
    copy=$(mktemp -d)
    say "Compiling the data path, which takes a minute …"
    (cd "$ROOT" && cp -r pyproject.toml README.md LICENSE src "$copy") &&
        HATCH_BUILD_HOOK_ENABLE_MYPYC=1 "$PYTHON" -m pip wheel --quiet --disable-pip-version-check --no-deps \
            --wheel-dir "$1" "$copy" || status=$?
    rm -rf "$copy"
    if [ $status -ne 0 ]; then
        say "It needs a C compiler and Python's headers, for example:  Debian, Ubuntu: sudo apt install gcc python3-dev"
    fi
    return $status
}

set_up_compiled() {
    local built newer=all
    COMPILED=$ROOT/build/compiled-$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || return 1
    [ -e "$COMPILED" ] && newer=$(find "$ROOT/src" "$ROOT/pyproject.toml" -name '*.py*' -not -name '*.pyc' \
        -newer "$COMPILED" -print -quit)
    [ -n "$newer" ] || return 0
    rm -rf "$COMPILED"
    built=$(mktemp -d)
    build_wheel "$built" && mkdir -p "$ROOT/build" && "$PYTHON" -m zipfile -e "$built"/*.whl "$COMPILED" &&
        touch "$COMPILED"
    rm -rf "$built"
    [ -e "$COMPILED" ]
}
