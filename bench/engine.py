#!/usr/bin/env python3
"""The engine against llama.cpp: random 1.1B shape (22 x 2048, MLP 5632, 32/4 heads, vocabulary 32000), the same bf16 weights, the same threads,
runs interleaved, medians. Beside each rate its limit: DRAM bandwidth for decoding one sequence, FMA rate for the rest.
usage: engine.py [--runs 5] [--threads 2] [--work DIR] [MODE ...]      run with the python of tests/peers/venv.sh
With --shapes qwen2,gemma2,... 300M shapes of those model types (24 x 1024, vocabulary 32000) against transformers' generate, prompts of 8 tokens
included: the better of f32 and bf16, the best of the runs on either side."""
import argparse, json, os, statistics, subprocess, sys

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
a = argparse.ArgumentParser()
a.add_argument("--runs", type=int, default=5); a.add_argument("--threads", type=int, default=2); a.add_argument("--work", default=f"{root}/build/bench")
a.add_argument("--shapes", default="")
a.add_argument("modes", nargs="*")
o = a.parse_args()
exe = f"{root}/build/release"
os.makedirs(o.work, exist_ok=True)

def call(*words):
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)

def against_transformers(shape, mode):
    model, heads = f"{o.work}/300m-{shape}", ["4", "2"] if shape.startswith("gemma") else ["16", "4"]
    if not os.path.exists(model):
        subprocess.run([f"{exe}/bench-random_model", "--type", shape, model, "24", "1024", "2816", *heads, "32000", "1"], check=True)
    batch, steps = map(int, mode.split(":")[1:])
    ours, theirs, dtype = 0, 0, []
    for _ in range(o.runs):
        ours = max(ours, batch * steps / call(f"{exe}/bench-engine", "--threads", str(o.threads), model, mode)["seconds"])
        peer = call(sys.executable, f"{root}/bench/peer_hf.py", "run", model, str(o.threads), mode, *dtype)
        theirs, dtype = max(theirs, peer["tokens_per_s"]), [peer["dtype"]]
    print(f"| {shape} {mode} | {ours:.1f} | {theirs:.1f} ({dtype[0]}) | {ours / theirs:.2f} |", flush=True)

if o.shapes:
    print(f"{o.threads} threads\n| shape, mode | ours tok/s | transformers tok/s | ratio |\n|---|---|---|---|")
    for shape in o.shapes.split(","):
        for mode in o.modes or ["decode:16:48"]:
            against_transformers(shape, mode)
    sys.exit()
o.modes = o.modes or ["decode:1:24", "decode:16:16", "decode:64:12", "prefill:256"]
model, gguf = f"{o.work}/1b", f"{o.work}/1b.gguf"
if not os.path.exists(model):
    subprocess.run([f"{exe}/bench-random_model", model, "22", "2048", "5632", "32", "4", "32000", "1"], check=True)
if not os.path.exists(gguf):
    subprocess.run([sys.executable, f"{root}/bench/peer_llama.py", "convert", model, gguf], check=True)

ours = lambda mode: call(f"{exe}/bench-engine", "--threads", str(o.threads), model, mode)
theirs = lambda mode: call(sys.executable, f"{root}/bench/peer_llama.py", "run", gguf, str(o.threads), mode)
limit = ours("limits")
layers, hidden, inter, kv, vocab = 22, 2048, 5632, 256, 32000
weights = layers * (2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * inter); head = hidden * vocab
print(f"limits, {o.threads} threads: {limit['gflops']:.0f} GFLOPS (f32 FMA), {limit['gbytes_per_s']:.1f} GB/s (DRAM read); "
      f"the peer's: {limit['bf16_gflops']:.0f} GFLOPS (bf16 dot products, which round activations)")
print("| mode | ours tok/s | llama.cpp tok/s | ratio | the limit | share of it |\n|---|---|---|---|---|---|")
for mode in o.modes:
    pairs = [(ours(mode)["tokens_per_s"], theirs(mode)["tokens_per_s"]) for _ in range(o.runs)]
    x, y = (statistics.median(v) for v in zip(*pairs))
    if mode == "decode:1" or mode.startswith("decode:1:"):
        share = f"{limit['gbytes_per_s']:.1f} GB/s DRAM | {x * 2 * (weights + head) / limit['gbytes_per_s'] / 1e9:.0%}"
    else:
        last = hidden * hidden + 3 * hidden * inter   # behind the last attention only a prompt's last token goes on
        flops = 2 * (weights - last if mode.startswith("prefill") else weights + head)
        share = f"{limit['gflops']:.0f} GFLOPS | {x * flops / limit['gflops'] / 1e9:.0%}"
    print(f"| {mode} | {x:.1f} | {y:.1f} | {x / y:.2f} | {share} |", flush=True)
