"""The `llama-server` that Ollama starts for a model, in Python: llama.cpp's own HTTP server from PyPI's xllamacpp.

Ollama's flags are those of llama.cpp's program; the ones that matter to a model of 300 KB are taken over. Run as a
program: `python -m tests.e2e.llama_server --model FILE --port PORT …`. Without a model (Ollama asks so for graphics
cards) there is nothing to tell. TINY_LOAD_SECONDS makes loading slow.
"""

import argparse
import os
import signal
import time

import xllamacpp


def serve(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--model")
    parser.add_argument("--port", type=int)
    parser.add_argument("-c", dest="context", type=int)
    parser.add_argument("-np", dest="parallel", type=int, default=1)
    parser.add_argument("--embedding", action="store_true")
    parser.add_argument("--context-shift", action="store_true")
    asked, _ = parser.parse_known_args(argv)
    if not asked.model:
        return
    params = xllamacpp.CommonParams()
    params.model.path = asked.model
    params.hostnames = ["127.0.0.1"]
    params.port = asked.port
    params.n_ctx = asked.context
    params.n_parallel = asked.parallel
    params.embedding = asked.embedding
    params.ctx_shift = asked.context_shift
    params.cpuparams.n_threads = 1
    params.warmup = False
    params.fit_params = False
    time.sleep(float(os.environ.get("TINY_LOAD_SECONDS", "0")))
    server = xllamacpp.Server(params)
    print(f"listening on {server.listening_address}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    serve()
