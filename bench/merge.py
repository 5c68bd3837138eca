#!/usr/bin/env python3
"""merganser merge against mergekit's API on random Mistral shapes: sources in the page cache, output in memory (/dev/shm), Python's start and imports not counted.
usage: merge.py [--runs 3] [--threads 2] [--work DIR] [--methods ties,della,...] [--disk DIR] [300m] [1b]      run with the python of tests/peers/venv.sh
--disk: ours alone, written below DIR, as it is and with fsync made to do nothing (Debian's package eatmydata).
The floor is the time to read the sources once and to write the result once, each at the speed measured here with as many threads."""
import argparse, json, os, shutil, subprocess, sys, threading, time

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
exe = f"{root}/build/release"
SHAPES = {"300m": ["24", "1024", "2816", "16", "4", "32000"], "1b": ["22", "2048", "5632", "32", "4", "32000"]}
TARGETS = {"ties": 30, "della": 30, "dare_ties": 10, "linear": 3, "slerp": 3}
OUT = "/dev/shm/merganser-bench-merge"

def recipe(method, base, sources):
    used = sources[:1] if method == "slerp" else sources
    given = {"linear": {"weight": 0.3}, "slerp": {}}.get(method, {"weight": 0.5, "density": 0.5})
    r = {"merge_method": method, "dtype": "bfloat16", "models": [{"model": s, "parameters": given} for s in used]}
    if method != "linear": r["base_model"] = base
    if method == "slerp": r["parameters"] = {"t": 0.4}
    return r, used + [base] * (method != "linear")

def rss_anon(pid):
    with open(f"/proc/{pid}/status") as f:
        return next((int(l.split()[1]) / 1024 for l in f if l.startswith("RssAnon")), 0)

def peer(path):
    """In a process of its own: one merge by mergekit, timed around run_merge alone."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions
    torch.set_num_threads(o.threads)
    config = MergeConfiguration.model_validate(json.load(open(path)))
    most, stop = [0], threading.Event()
    def watch():
        while not stop.wait(0.02): most[0] = max(most[0], rss_anon("self"))
    w = threading.Thread(target=watch); w.start()
    t = time.perf_counter()
    run_merge(config, OUT, MergeOptions(copy_tokenizer=False, write_model_card=False, random_seed=1, quiet=True, lazy_unpickle=True, low_cpu_memory=False))
    t = time.perf_counter() - t
    stop.set(); w.join(); shutil.rmtree(OUT)
    print(json.dumps({"s": t, "mib": most[0]}))

def ours(path, out=OUT, wrapper=()):
    most, t = 0, time.perf_counter()
    p = subprocess.Popen([*wrapper, f"{exe}/merganser", "merge", path, out, "--quiet", "--threads", str(o.threads)], stdout=subprocess.DEVNULL)
    while p.poll() is None:
        try: most = max(most, rss_anon(p.pid))
        except (OSError, StopIteration): pass
        time.sleep(0.005)
    t = time.perf_counter() - t
    if p.returncode: sys.exit(p.returncode)
    shutil.rmtree(out)
    return t, most

def spread(work):
    """Bytes a second of `work(thread)`, which returns bytes, by all threads at once."""
    done = [0] * o.threads
    def run(i): done[i] = work(i)
    t = time.perf_counter()
    ts = [threading.Thread(target=run, args=(i,)) for i in range(o.threads)]
    [x.start() for x in ts]; [x.join() for x in ts]
    return sum(done) / (time.perf_counter() - t)

def read_speed(file):
    size = os.path.getsize(file)
    def work(i):
        block = bytearray(8 << 20); n = 0
        with open(file, "rb", buffering=0) as f:
            f.seek(size * i // o.threads)
            while n < size // o.threads: n += f.readinto(block)
        return n
    return max(spread(work) for _ in range(3))

def write_speed(size):
    block = os.urandom(8 << 20)
    def work(i):
        n = 0
        with open(f"{OUT}-{i}", "wb", buffering=0) as f:
            while n < size // o.threads: n += f.write(block)
        return n
    speed = max(spread(work) for _ in range(2))
    for i in range(o.threads): os.remove(f"{OUT}-{i}")
    return speed

a = argparse.ArgumentParser()
a.add_argument("--runs", type=int, default=3); a.add_argument("--threads", type=int, default=2); a.add_argument("--work", default=f"{root}/build/bench")
a.add_argument("--methods", default=",".join(TARGETS)); a.add_argument("--peer"); a.add_argument("--disk"); a.add_argument("cases", nargs="*", default=["300m"])
o = a.parse_args()
if o.peer: peer(o.peer); sys.exit()
os.makedirs(o.work, exist_ok=True)
for case in o.cases:
    models = [f"{o.work}/{case}-{s}" for s in ("base", "a", "b", "c")]
    for i, m in enumerate(models):
        if not os.path.exists(m):
            subprocess.run([f"{exe}/bench-random_model", m, *SHAPES[case], str(i)] + ([models[0]] if i else []), check=True)
        with open(f"{m}/model.safetensors", "rb", buffering=0) as f:
            while f.read(64 << 20): pass
    size = os.path.getsize(f"{models[0]}/model.safetensors")
    if o.disk:
        print(f"{case}, {o.threads} threads, best of {o.runs}, {size / 1e6:.0f} MB written to disk\n| | with fsync s | without s |\n|---|---|---|")
        for method in o.methods.split(","):
            path = f"{o.work}/merge-{method}.yml"
            json.dump(recipe(method, models[0], models[1:])[0], open(path, "w"))
            times = [min(ours(path, f"{o.disk}/merganser-bench-merge", w)[0] for _ in range(o.runs)) for w in ((), ("eatmydata",))]
            print(f"| {method} | {times[0]:.2f} | {times[1]:.2f} |", flush=True)
        continue
    reads, writes = read_speed(f"{models[0]}/model.safetensors"), write_speed(min(size, 2 << 30))
    print(f"{case}, {o.threads} threads, best of {o.runs} (mergekit: of 1); reading {reads / 1e9:.1f} GB/s, writing {writes / 1e9:.1f} GB/s")
    print("| | ours s | mergekit s | times faster | at least | times the floor | ours RssAnon MiB | mergekit |\n|---|---|---|---|---|---|---|---|")
    for method in o.methods.split(","):
        r, used = recipe(method, models[0], models[1:])
        path = f"{o.work}/merge-{method}.yml"
        json.dump(r, open(path, "w"))       # JSON is YAML
        runs = [ours(path) for _ in range(o.runs)]
        x, mib = min(t for t, _ in runs), max(m for _, m in runs)
        floor = size * len(used) / reads + size / writes
        words = [sys.executable, __file__, "--threads", str(o.threads), "--peer", path]
        y = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.splitlines()[-1])
        print(f"| {method} | {x:.2f} | {y['s']:.1f} | {y['s'] / x:.1f} | {TARGETS[method]} | {x / floor:.2f} | {mib:.0f} | {y['mib']:.0f} |", flush=True)
