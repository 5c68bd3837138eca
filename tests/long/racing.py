#!/usr/bin/env python3
"""Racing beside asking every candidate all questions, on the miniature: questions answered in the search, and acc_ja of what it found. Each run is a study, so this goes on
where it was stopped. usage: racing.py [STUDY=miniature/study.yml] [SEEDS=5] [WORK=build/racing] [QUESTIONS=64]"""
import json, os, re, sqlite3, subprocess, sys

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(root)
study = sys.argv[1] if len(sys.argv) > 1 else "miniature/study.yml"
seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
work = sys.argv[3] if len(sys.argv) > 3 else "build/racing"
questions = int(sys.argv[4]) if len(sys.argv) > 4 else 64
os.makedirs(work, exist_ok=True)


def run(racing, seed):
    name = f"{'race' if racing else 'all'}-{questions}-{seed}"
    text = re.sub(r"name: \S+", f"name: {name}", open(study).read(), count=1)
    text = text.replace("    optimizer:", f"    racing: {str(racing).lower()}\n    optimizer:").replace("questions: 64", f"questions: {questions}")
    open(f"{work}/{name}.yml", "w").write(re.sub(r"seed: \d+", f"seed: {seed}", text))
    out = subprocess.run(["build/release/merganser", "evolve", f"{work}/{name}.yml", "-o", f"{work}/{name}", "--baselines", "none", "--json", "--quiet"], capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(f"{name}: {out.stderr.strip()}")
    db = sqlite3.connect(f"file:{work}/{name}/study.db?mode=ro", uri=True)
    asked, = db.execute("select count(*) from mg_scores").fetchone()
    seconds, = db.execute("select sum(seconds) from mg_trials").fetchone()
    row = [r for r in json.loads(out.stdout)["table"]["rows"] if r["kind"] == "evolved"][-1]
    return asked, seconds, 100 * row["held_out"]["score"]


rows = {True: [], False: []}
for seed in range(1, seeds + 1):
    for racing in (False, True):
        rows[racing].append(run(racing, seed))
    (a, s, x), (b, t, y) = rows[False][-1], rows[True][-1]
    print(f"seed {seed}: {a} questions, {s:.0f} s, {x:.1f} / racing {b} ({100 * (1 - b / a):.1f} % fewer), {t:.0f} s, {y:.1f}", flush=True)
middle = lambda v: sorted(v)[len(v) // 2]
total = [sum(r[0] for r in rows[k]) for k in (False, True)]
print(f"{questions} questions a candidate: racing asks {100 * (1 - total[1] / total[0]):.1f} % fewer; medians {middle([r[2] for r in rows[False]]):.1f} / racing {middle([r[2] for r in rows[True]]):.1f}")
