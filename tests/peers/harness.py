#!/usr/bin/env python3
"""The Japanese leaderboard tasks here and in lm-eval 0.4.13 (transformers, on this machine's CPU): every log-likelihood, answer, score and
figure, and the time that each takes.

    python tests/peers/harness.py [--merganser build/release/merganser] [--model miniature/models/ja] [--threads 2] [--batch 1] [--repeat 1]

JCommonsenseQA, JNLI, JSQuAD with one example and XWinograd without: the first 50 rows of each set are the pool of examples; 100 others fit
into the model's positions, 10 more do not and are cut from the left (of XWinograd, whose sentences are what is scored, 10 more that fit). Python: tests/peers/venv with lm-eval==0.4.13."""
import argparse
import glob
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TASKS = {  # task -> data set, evaluated split, shots, the field that is made long
    "ja_leaderboard_jcommonsenseqa": ("Rakuten/JGLUE/JCommonsenseQA", "validation", 1, "question"),
    "ja_leaderboard_jnli": ("Rakuten/JGLUE/JNLI", "validation", 1, "sentence1"),
    "ja_leaderboard_jsquad": ("Rakuten/JGLUE/JSQuAD", "validation", 1, "context"),
    "ja_leaderboard_xwinograd": ("polm-stability/xwinograd-ja", "test", 0, None),
}
TOLERANCE = 1e-3


def cpu(who):
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def rows_of(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def tokens(tokenizer, row):
    text = "".join(v for v in row.values() if isinstance(v, str))
    return len(tokenizer(text)["input_ids"])


def lengthen(row, field, wanted, tokenizer):
    """A question that does not fit: its text again and again."""
    row = dict(row)
    keys = [k for k in row if k.startswith(field) and isinstance(row[k], str)]
    before = {k: row[k] for k in keys}
    while min(len(tokenizer(row[k])["input_ids"]) for k in keys) < wanted:
        for k in keys:
            row[k] = before[k] + row[k]
    return row


def make_data(folder, tokenizer, positions):
    """Examples and questions in the layout that merganser's tasks look for."""
    for name, (data, split, shots, field) in TASKS.items():
        rows = rows_of(os.path.join(ROOT, "recipes/data", data, split + ".jsonl"))
        rest = [r for r in rows[50:] if tokens(tokenizer, r) < positions / 2 - 300]
        chosen, longer = rest[:100], [lengthen(r, field, positions + 50, tokenizer) if field else r for r in rest[100:110]]
        assert len(chosen) == 100 and len(longer) == 10, name
        os.makedirs(os.path.join(folder, data), exist_ok=True)
        for which, part in (("train", rows[:50]), (split, chosen + longer)):
            with open(os.path.join(folder, data, which + ".jsonl"), "w", encoding="utf-8") as f:
                f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in part)


def run_lmeval(a, folder, out):
    """In a process of its own, so that its imports do not count."""
    import datasets
    import torch
    torch.set_num_threads(a.threads)

    def load_dataset(path=None, name=None, **kw):
        d = os.path.join(folder, path, name or "")
        return datasets.DatasetDict({os.path.basename(f)[:-6]: datasets.Dataset.from_list(rows_of(f)) for f in glob.glob(d + "/*.jsonl")})

    datasets.load_dataset = load_dataset
    import lm_eval.tasks
    from lm_eval import evaluator
    own = os.path.join(folder, "lm-eval")
    os.makedirs(own, exist_ok=True)
    for t in TASKS:
        with open(os.path.join(own, t + ".yaml"), "w") as f:
            f.write("include: %s\ntask: %s_peer\nnum_fewshot: %d\n"
                    % (os.path.join(os.path.dirname(lm_eval.tasks.__file__), "japanese_leaderboard", t + ".yaml"), t, TASKS[t][2]))
    manager = lm_eval.tasks.TaskManager(include_path=own)
    start, busy = time.time(), cpu(resource.RUSAGE_SELF)
    res = evaluator.simple_evaluate(model="hf", model_args={"pretrained": a.model, "dtype": "float32"}, tasks=[t + "_peer" for t in TASKS], task_manager=manager, batch_size=a.batch, device="cpu",
                                    bootstrap_iters=0)
    seconds, busy = time.time() - start, cpu(resource.RUSAGE_SELF) - busy
    keep = {t: {"results": res["results"][t + "_peer"], "samples": [{k: s[k] for k in ("doc_id", "resps", "filtered_resps", "metrics") + tuple(s["metrics"])} for s in res["samples"][t + "_peer"]]}
            for t in TASKS}
    json.dump({"seconds": seconds, "cpu": busy, "tasks": keep}, open(out, "w"), ensure_ascii=False)


def run_ours(a, folder):
    tasks = []
    for t in TASKS:
        path = os.path.join(folder, t + ".yml")
        with open(path, "w") as f:
            f.write("include: %s\nnum_fewshot: %d\n" % (os.path.join(ROOT, "recipes/tasks/ja-leaderboard", t + ".yaml"), TASKS[t][2]))
        tasks += ["-t", path]
    results = os.path.join(folder, "results")
    start, busy = time.time(), cpu(resource.RUSAGE_CHILDREN)
    subprocess.run([a.merganser, "eval", a.model, "--results", results, "--threads", str(a.threads), "--quiet", "--json"] + tasks, check=True, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, MERGANSER_DATASETS=folder))
    seconds, busy = time.time() - start, cpu(resource.RUSAGE_CHILDREN) - busy
    out = {t: {"samples": rows_of(glob.glob("%s/samples_%s_*.jsonl" % (results, t))[-1])} for t in TASKS}
    whole = json.load(open(sorted(glob.glob(results + "/results_*.json"))[-1]))
    for t in TASKS:
        out[t]["results"] = whole["results"][t]
    return seconds, busy, out


def compare(theirs, ours):
    bad = 0
    for t in TASKS:
        far = answers = scores = 0
        worst = 0.0
        for x, y in zip(theirs[t]["samples"], ours[t]["samples"], strict=True):
            assert x["doc_id"] == y["doc_id"]
            if isinstance(x["filtered_resps"][0], str):
                answers += x["filtered_resps"] != y["filtered_resps"]
            else:
                for (ll, greedy), (mine, also) in zip(x["filtered_resps"], y["filtered_resps"], strict=True):
                    gap = abs(ll - float(mine))
                    worst = max(worst, gap)
                    far += gap > TOLERANCE
                    answers += str(greedy) != also
            scores += any(x[m] != y[m] for m in x["metrics"])
        figures = [(k, v, ours[t]["results"].get(k)) for k, v in theirs[t]["results"].items() if isinstance(v, float) and "stderr" not in k]
        off = [f for f in figures if f[2] is None or abs(f[1] - f[2]) > 1e-12]
        bad += far + answers + scores + len(off)
        print("%-32s %3d questions: log-likelihoods differ by at most %.2g, %d beyond %g; %d answers, %d scores, %d figures differ; %s"
              % (t, len(theirs[t]["samples"]), worst, far, TOLERANCE, answers, scores, len(off), ", ".join("%s %.4f" % f[:2] for f in figures)))
        for f in off:
            print("    %s: %r there, %r here" % f)
    return bad


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--merganser", default=os.path.join(ROOT, "build/release/merganser"))
    p.add_argument("--model", default=os.path.join(ROOT, "miniature/models/ja"))
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--repeat", type=int, default=1, help="runs of each, the fastest counts")
    p.add_argument("--lmeval", nargs=2, help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.lmeval:
        return run_lmeval(a, *a.lmeval)
    from transformers import AutoTokenizer
    positions = json.load(open(os.path.join(a.model, "config.json")))["max_position_embeddings"]
    with tempfile.TemporaryDirectory() as folder:
        make_data(folder, AutoTokenizer.from_pretrained(a.model), positions)
        theirs, here = [], []
        for i in range(a.repeat):
            out = os.path.join(folder, "lmeval.json")
            subprocess.run([sys.executable, __file__, "--model", a.model, "--threads", str(a.threads), "--batch", str(a.batch), "--lmeval", folder, out], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, OMP_NUM_THREADS=str(a.threads), HF_HUB_OFFLINE="1"))
            res = json.load(open(out))
            theirs.append((res["seconds"], res["cpu"]))
            seconds, busy, ours = run_ours(a, folder)
            here.append((seconds, busy))
        bad = compare(res["tasks"], ours)
    there, here = min(theirs), min(here)
    print("lm-eval (hf, batch %d, %d threads, without its imports): %.1f s, of the CPUs %.1f; merganser, the whole command: %.2f s, of the CPUs %.2f; %.1f times faster, "
          "of the CPUs %.1f" % ((a.batch, a.threads) + there + here + (there[0] / here[0], there[1] / here[1])))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
