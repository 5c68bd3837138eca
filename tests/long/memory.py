#!/usr/bin/env python3
"""Memory and time of a study on a random 1.1B Mistral shape (22 x 2048, MLP 5632, vocabulary 32000): dare_ties of 3 sources over a base, one generation of 4
candidates, 8 questions of 64 new tokens. The anonymous memory (RssAnon) at its highest must stay under 1.3 times a candidate's bytes + KV + 0.5 GiB, and the whole run
within a factor of 2 of the time that was announced. usage: memory.py [WORK=build/memory]     needs 9 GB there; the models made are kept."""
import json, os, re, shutil, subprocess, sys, time

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(root)
work = sys.argv[1] if len(sys.argv) > 1 else "build/memory"
os.makedirs(work, exist_ok=True)
shape = ["22", "2048", "5632", "32", "4", "32000"]
for i, name in enumerate(("base", "a", "b", "c")):
    if not os.path.exists(f"{work}/{name}"):
        subprocess.run(["build/release/bench-random_model", f"{work}/{name}", *shape, str(i + 1)] + ([f"{work}/base"] if i else []), check=True)
    shutil.copy("tests/goldens/data/tokenizers/hf_json/llama2/tokenizer.json", f"{work}/{name}")
with open(f"{work}/questions.jsonl", "w") as f:
    for i in range(24):
        f.write(json.dumps({"question": f"What is {i} + {i * 7 + 3}?", "answer": str(i * 8 + 3)}) + "\n")
open(f"{work}/task.yml", "w").write(f"""splits:
  search: {{file: {work}/questions.jsonl, range: [0, 8]}}
  select: {{file: {work}/questions.jsonl, range: [8, 16]}}
  test: {{file: {work}/questions.jsonl, range: [16, 24]}}
prompt: "Question: {{question}} Answer:"
max_new_tokens: 64
metric: {{name: number}}
""")
models = ", ".join(f"{n}: {work}/{n}" for n in ("base", "a", "b", "c"))
open(f"{work}/study.yml", "w").write(f"""models: {{{models}}}
search: {{method: dare_ties, base_model: base, sources: [a, b, c], optimizer: {{name: cma-es, population: 4, generations: 1}}}}
tasks: [{{task: {work}/task.yml, split: search}}]
select: [{{task: {work}/task.yml, split: select}}]
held_out: [{{task: {work}/task.yml, split: test}}]
""")
began = time.time()
p = subprocess.Popen(["build/release/merganser", "evolve", f"{work}/study.yml", "-o", f"{work}/out", "--force", "--baselines", "none"], stdout=subprocess.DEVNULL,
                     stderr=open(f"{work}/log", "w"))
most = 0
while p.poll() is None:
    try:
        most = max(most, int(re.search(r"RssAnon:\s+(\d+) kB", open(f"/proc/{p.pid}/status").read()).group(1)) << 10)
    except (AttributeError, OSError):
        pass
    time.sleep(0.05)
took = time.time() - began
assert p.returncode == 0, open(f"{work}/log").read()[-2000:]
log = open(f"{work}/log").read()
candidate = os.path.getsize(f"{work}/base/model.safetensors")
kv = 8 * 128 * 2 * 22 * 4 * 64 * 4   # sequences x positions x (keys and values) x layers x kv heads x head_dim x f32
limit = 1.3 * candidate + kv + (1 << 29)
said = re.search(r"about .* a candidate, (.*) for the search, (.*) for the final choice", log)
unit = {"h": 3600, "min": 60, "s": 1}
announced = sum(float(n) * unit[u] for part in said.groups() for n, u in re.findall(r"([\d.]+) (h|min|s)", part))
print(f"RssAnon {most / 2**30:.2f} GiB at its highest, limit {limit / 2**30:.2f} (candidate {candidate / 2**30:.2f}, KV {kv / 2**30:.2f}); "
      f"announced {announced:.0f} s, took {took:.0f} s")
sys.exit(most > limit or not announced / 2 <= took <= announced * 2)
