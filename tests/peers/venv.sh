#!/usr/bin/env bash
# Makes tests/peers/venv with the peers (several GB, some minutes; llama.cpp is built for this machine) and prints its python.
# PEERS_VENV=DIR uses or makes it elsewhere.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=${PEERS_VENV:-$here/venv}
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import mergekit, transformers, llama_cpp, optuna, cma, gguf, PIL, lm_eval' 2> /dev/null; then
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install -q -r "$here/requirements.txt" >&2
    CMAKE_ARGS="-DGGML_NATIVE=ON" "$venv/bin/pip" install -q --no-binary llama-cpp-python llama-cpp-python==0.3.36 >&2
fi
echo "$venv/bin/python"
