#!/usr/bin/env python3
"""A merge on a disk that is full from its n-th write on, for every n, and a merge that is killed there: each failure is one line, the sources stay as they are, and
what is left never looks like a model; --resume then ends with the bytes of an undisturbed merge. usage: faults.py [WORK=build/faults]"""
import hashlib, os, shutil, subprocess, sys

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(root)
work = sys.argv[1] if len(sys.argv) > 1 else "build/faults"
shutil.rmtree(work, ignore_errors=True)
os.makedirs(work)
subprocess.run(["cc", "-O2", "-shared", "-fPIC", "tests/long/fault.c", "-o", f"{work}/fault.so", "-ldl"], check=True)
models = ["ja", "math-a", "math-b", "base"]
for m in models:
    shutil.copytree(f"miniature/models/{m}", f"{work}/{m}")
open(f"{work}/merge.yml", "w").write("models:\n" + "".join(f"- {{model: {m}, parameters: {{weight: 0.4, density: 0.6}}}}\n" for m in models[:3]) + "merge_method: dare_ties\nbase_model: base\n")
out = f"{work}/out"


def digests(folder):
    return {f: hashlib.sha256(open(os.path.join(d, f), "rb").read()).hexdigest() for d, _, files in os.walk(folder) for f in sorted(files)}


def merge(*more, **fault):
    env = dict(os.environ, LD_PRELOAD=os.path.abspath(f"{work}/fault.so"), **fault)
    return subprocess.run(["build/release/merganser", "merge", f"{work}/merge.yml", out, "--shard-size", "400KB", "--threads", "1", "--quiet", *more], env=env, capture_output=True, text=True)


def looks_whole():
    return os.path.exists(out) or os.path.exists(f"{out}.partial/config.json") and os.path.exists(f"{out}.partial/model.safetensors.index.json") and not any(
        f.endswith(".part") or "resume" in f for f in os.listdir(f"{out}.partial"))


sources = {m: digests(f"{work}/{m}") for m in models}
assert merge(FAULT_COUNT=f"{work}/count").returncode == 0
whole = digests(out)
total = int(open(f"{work}/count").read())
shutil.rmtree(out)
kept = finished = 0
for n in range(1, total + 1):
    r = merge(FAULT_AT=str(n))
    assert r.returncode == 1 and r.stderr.count("\n") == 1 and "No space" in r.stderr, (n, r)
    # The very last calls come behind the rename that publishes: then the whole model is there.
    if os.path.exists(out):
        assert digests(out) == whole, n
        finished += 1
        shutil.rmtree(out)
    else:
        assert not looks_whole(), n
        kept += os.path.exists(f"{out}.partial")
    shutil.rmtree(f"{out}.partial", ignore_errors=True)
    assert all(digests(f"{work}/{m}") == sources[m] for m in models), n
print(f"full disk at each of {total} calls: one line each, nothing that looks whole ({kept} kept complete shards, {finished} after the merge was in place)")
resumed = 0
moments = sorted({1 + (total - 1) * k // 19 for k in range(20)})
for n in moments:
    r = merge(FAULT_AT=str(n), FAULT_KILL="1")
    assert r.returncode == -9, (n, r)
    assert all(digests(f"{work}/{m}") == sources[m] for m in models), n
    if os.path.exists(out):    # killed behind the rename: the note for --resume may still lie there
        assert {f: d for f, d in digests(out).items() if f != "merganser-resume.json"} == whole, n
    else:
        assert not looks_whole(), n
        state = os.path.exists(f"{out}.partial/merganser-resume.json")
        r = merge(*(["--resume"] if state else []))
        resumed += state
        assert r.returncode == 0 and digests(out) == whole, (n, r)
    shutil.rmtree(out)
    shutil.rmtree(f"{out}.partial", ignore_errors=True)
print(f"SIGKILL at {len(moments)} of {total} calls: {resumed} resumed, every merge ends with the same bytes")
