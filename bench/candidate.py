#!/usr/bin/env python3
"""One candidate of a search (a dare_ties merge and the answers to 100 prompts) against mergekit's API + transformers' generate in one warm Python process.
usage: candidate.py [--runs 5] [--threads 2] [--work DIR] [mini] [300m]      run with the python of tests/peers/venv.sh"""
import argparse, json, os, random, subprocess, sys

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
a = argparse.ArgumentParser()
a.add_argument("--runs", type=int, default=5); a.add_argument("--threads", type=int, default=2); a.add_argument("--work", default=f"{root}/build/bench")
a.add_argument("cases", nargs="*", default=["mini", "300m"])
o = a.parse_args()
exe = f"{root}/build/release"
os.makedirs(o.work, exist_ok=True)

def mini():
    from tokenizers import Tokenizer
    m = f"{root}/miniature/models"
    t = Tokenizer.from_file(f"{m}/base/tokenizer.json")
    prompt = "以下の指示に日本語で答えてください。一歩一歩考えましょう。\n\n### 指示:\n{q}\n\n### 応答:\n"
    ids = [t.encode(prompt.replace("{q}", json.loads(l)["question"])).ids for l in open(f"{root}/miniature/questions/math-ja-train.jsonl")][:100]
    return f"{m}/base", [f"{m}/{s}" for s in ("ja", "math-a", "math-b")], ids, 80, 1

def big():
    shape = ["24", "1024", "2816", "16", "4", "32000"]
    names = [f"{o.work}/300m-{s}" for s in ("base", "a", "b", "c")]
    for i, n in enumerate(names):
        if not os.path.exists(n):
            subprocess.run([f"{exe}/bench-random_model", n, *shape, str(i)] + ([names[0]] if i else []), check=True)
    r = random.Random(1); shared = [1] + [r.randrange(3, 32000) for _ in range(49)]
    return names[0], names[1:], [shared + [r.randrange(3, 32000) for _ in range(50)] for _ in range(100)], 50, 0

for case in o.cases:
    base, sources, ids, new, stops = {"mini": mini, "300m": big}[case]()
    prompts = f"{o.work}/prompts-{case}.json"
    json.dump(ids, open(prompts, "w"))
    words = ["--threads", str(o.threads), "--repeat", str(o.runs), "--new", str(new)] + (["--stops"] if stops else [])
    ours = json.loads(subprocess.run([f"{exe}/bench-candidate", *words, base, ",".join(sources), prompts], check=True, stdout=subprocess.PIPE).stdout)
    peer = json.loads(subprocess.run([sys.executable, f"{root}/bench/peer_hf.py", base, ",".join(sources), prompts, str(new), str(stops), str(o.threads), str(o.runs)],
                                     check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.splitlines()[-1])
    print(f"{case}, {o.threads} threads; peer: mergekit + transformers, {peer['dtype']}, batches of {peer['batch']}, imports {peer['imports_ms']:.0f} ms apart")
    print("| | ours ms | peer ms | times faster |\n|---|---|---|---|")
    rows = (("merge", ours["merge_ms"], peer["merge_ms"]), ("generate (peer: with loading the merge)", ours["generate_ms"], peer["generate_ms"] + peer["load_ms"]),
            ("generate alone", ours["generate_ms"], peer["generate_ms"]), ("whole", ours["total_ms"], peer["total_ms"]))
    for name, x, y in rows:
        print(f"| {name} | {x:.1f} | {y:.1f} | {y / x:.1f} |")
    print(f"ours: prefill {ours['prefill_ms']:.0f} ms ({ours['prefill_tokens']} tokens, {ours['prefill_gflops']:.0f} GFLOPS), decode {ours['decode_ms']:.0f} ms "
          f"({ours['decode_tokens']} tokens, {ours['decode_gflops']:.0f} GFLOPS) of {ours['peak_gflops']:.0f} GFLOPS; merge {ours['merge_gbytes_per_s']:.1f} GB/s\n", flush=True)
