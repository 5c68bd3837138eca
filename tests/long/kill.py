#!/usr/bin/env python3
"""A study of two steps, a merge and a path through what it found, killed (SIGKILL) at random moments and restarted each time ends as an undisturbed
one: parameters, values, per-question scores and optimiser state, bit for bit. usage: kill.py [KILLS=20] [WORK=build/kill]     resumable: the undisturbed study and the kills so far are kept in WORK."""
import hashlib, os, random, sqlite3, subprocess, sys, time

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(root)
kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
work = sys.argv[2] if len(sys.argv) > 2 else "build/kill"
os.makedirs(work, exist_ok=True)
study = open("miniature/study.yml").read().replace("population: 20, generations: 24", "population: 8, generations: 12").replace("questions: 64", "questions: 32")
study = study.replace("tasks:", "  - {space: data-flow, sources: [PS, ja], max_hops: 12, optimizer: {population: 8, generations: 12}}\ntasks:", 1)
open(f"{work}/study.yml", "w").write(study)


def evolve(out, kill_after=None):
    p = subprocess.Popen(["build/release/merganser", "evolve", f"{work}/study.yml", "-o", f"{work}/{out}", "--baselines", "none", "--quiet"], stdout=subprocess.DEVNULL)
    try:
        return p.wait(timeout=kill_after)
    except subprocess.TimeoutExpired:
        p.kill(); p.wait()
        return None


def record(out):
    """Everything that must not change, table by table; times and the order of commits left out."""
    d = sqlite3.connect(f"file:{work}/{out}/study.db?mode=ro", uri=True)
    h = {}
    for (table,) in d.execute("select name from sqlite_master where type = 'table' order by name").fetchall():
        columns = [c[1] for c in d.execute(f"pragma table_info({table})") if not any(w in c[1] for w in ("datetime", "seconds", "fence", "heartbeat", "elapsed"))]
        if table in ("trial_heartbeats", "sqlite_sequence"):
            continue
        h[table] = hashlib.sha256(repr(sorted(map(repr, d.execute(f"select {', '.join(chr(34) + c + chr(34) for c in columns)} from {table}")))).encode()).hexdigest()
    return h


if not os.path.exists(f"{work}/whole.done"):
    began = time.time()
    assert evolve("whole") == 0
    open(f"{work}/whole.done", "w").write(str(time.time() - began))
seconds = float(open(f"{work}/whole.done").read())
print(f"undisturbed: {seconds:.1f} s", flush=True)
count = f"{work}/kills"
done = int(open(count).read()) if os.path.exists(count) else 0
while done < kills:
    after = random.uniform(0.02, 1.6 * seconds / kills)
    status = evolve("killed", after)
    if status == 0:
        print(f"finished before kill {done + 1}: counting from 0, starting the killed study afresh", flush=True)
        subprocess.run(["rm", "-rf", f"{work}/killed"])
        done = 0
        continue
    assert status is None, f"evolve failed with {status}"
    done += 1
    open(count, "w").write(str(done))
    print(f"kill {done} after {after:.2f} s", flush=True)
assert evolve("killed") == 0
a, b = record("whole"), record("killed")
different = [t for t in a if a[t] != b.get(t)]
print("tables that differ:", different or "none", f"({len(a)} compared)")
sys.exit(1 if different else 0)
