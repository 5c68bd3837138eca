#!/usr/bin/env python3
"""The paper's search of a path (preset: paper, its population scaled to 16) beside the default, on the miniature, at equal numbers of answered questions. Each run
is a study, so this goes on where it was stopped. usage: paths.py [SEEDS=5] [WORK=build/paths] [TRIALS=1920]"""
import json, os, sqlite3, subprocess, sys

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(root)
seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
work = sys.argv[2] if len(sys.argv) > 2 else "build/paths"
trials = int(sys.argv[3]) if len(sys.argv) > 3 else 1920
os.makedirs(work, exist_ok=True)
STEPS = {
    "paper": f"{{space: data-flow, sources: [ja, math-b], preset: paper, optimizer: {{population: 16, trials: {trials}}}}}",
    "default": f"{{space: data-flow, sources: [ja, math-b], max_hops: 12, optimizer: {{trials: {trials}}}}}",
}


def run(kind, seed):
    name = f"{kind}-{seed}"
    path = f"{work}/{name}.yml"
    text = open("recipes/mini-dfs.yml").read()
    head, tail = text.split("search:\n")[0], text.split("tasks:")[1]
    open(path, "w").write(head.replace("name: mini-dfs", f"name: {name}") + f"search: {STEPS[kind]}\nbaselines: none\ntasks:" + tail.replace("seed: 1", f"seed: {seed}"))
    out = subprocess.run(["build/release/merganser", "evolve", path, "-o", f"{work}/{name}", "--json", "--quiet"], capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(f"{name}: {out.stderr.strip()}")
    seconds, = sqlite3.connect(f"file:{work}/{name}/study.db?mode=ro", uri=True).execute("select sum(seconds) from mg_trials").fetchone()
    table = json.loads(out.stdout)["table"]
    row = next(r for r in table["rows"] if r["kind"] == "evolved")
    ablated = [r for r in table["rows"] if r["kind"] == "ablation"]
    return {"held_out": 100 * row["held_out"]["score"], "select": 100 * row["select"]["score"], "hops": len(row["hops"]),
            "scales 1": 100 * ablated[0]["held_out"]["score"] if ablated else 100 * row["held_out"]["score"], "seconds": seconds}


results = {}
for seed in range(1, seeds + 1):
    for kind in STEPS:
        r = results.setdefault(kind, [])
        r.append(run(kind, seed))
        print(f"{kind}, seed {seed}: " + ", ".join(f"{k} {v:.1f}" for k, v in r[-1].items()), flush=True)
print(f"\n{trials} candidates of 64 questions, acc_ja on 1200 held-out questions\n\n| search | each seed | median | all scales 1, median | hops | seconds of the search |\n|---|---|---|---|---|---|")
middle = lambda v: sorted(v)[len(v) // 2]
for kind, r in results.items():
    column = lambda key: [x[key] for x in r]
    print(f"| {kind} | {' '.join(f'{v:.1f}' for v in column('held_out'))} | {middle(column('held_out')):.1f} | {middle(column('scales 1')):.1f} | "
          f"{min(column('hops'))} to {max(column('hops'))} | {min(column('seconds')):.0f} to {max(column('seconds')):.0f} |")
