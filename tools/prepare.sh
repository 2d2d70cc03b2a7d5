# Sourced by tools/demo and tools/test: makes .venv in the repository root where there is none.
# shellcheck shell=bash

find_python() {
    local name
    for name in python3.13 python3.12 python3.11 python3 python; do
        if command -v "$name" >/dev/null &&
            "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "no Python >= 3.11 with venv found" >&2
    return 1
}

# prepare EXTRAS: install the package with these extras if pyproject.toml or EXTRAS changed
prepare() {
    local extras="$1" stamp=".venv/.installed-$1" want
    if [ ! -x .venv/bin/python ]; then
        local python
        python="$(find_python)" || return 1
        echo "== making .venv with $python" >&2
        "$python" -m venv .venv || return 1
    fi
    want="$(cksum <pyproject.toml)"
    if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$want" ]; then
        echo "== installing symgluon[$extras]" >&2
        .venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".[$extras]" || return 1
        echo "$want" >"$stamp"
    fi
}
