"""usage: vision.py MERGANSER      run from the repository's root by tests/peers/run
The miniature's model that sees and its Japanese one, merged by the program: what comes out loads in transformers without a warning, and answers the
first 50 Japanese questions about pictures with five beams as the program does, token for token."""
import json, os, subprocess, sys, tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
exe, work, failed = sys.argv[1], tempfile.mkdtemp(), 0
questions, number = "miniature/questions/pictures-ja-test.jsonl", 50


def check(name, ok, detail=""):
    global failed
    failed += not ok
    print(f"{'ok    ' if ok else 'FAILED'} {name} {detail}", flush=True)


def run(*words):
    return subprocess.run([exe, *map(str, words)], check=True, capture_output=True, text=True)


run("merge", "miniature/vlm-ja.yml", f"{work}/merged", "--quiet")
load = "import transformers as t; t.LlavaForConditionalGeneration.from_pretrained({0!r}); t.AutoTokenizer.from_pretrained({0!r})".format(f"{work}/merged")
r = subprocess.run([sys.executable, "-W", "error", "-c", load], capture_output=True, text=True)
noise = [l for l in r.stderr.splitlines() if l.strip() and "Loading weights" not in l]
check("a merge of a language part loads in transformers without a warning", r.returncode == 0 and not noise, "; ".join(noise[:3]))

import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration, logging

logging.set_verbosity_error()     # without torchvision the processor says that it takes Pillow
task = open("recipes/tasks/mini-vlm-ja.yml").read()
prompt = "以下の指示に日本語で答えてください。一歩一歩考えましょう。\n\n### 指示:\n<image>\n{question}\n\n### 応答:\n"
assert json.dumps(prompt, ensure_ascii=False) in task
model = LlavaForConditionalGeneration.from_pretrained(f"{work}/merged", dtype=torch.float32).eval()
processor = AutoProcessor.from_pretrained(f"{work}/merged")
for beams in (1, 5):
    run("eval", f"{work}/merged", "-t", "recipes/tasks/mini-vlm-ja.yml", "--questions", number, "--beams", beams, "--answers", f"{work}/answers.jsonl", "--quiet")
    ours = {a["id"]: a["tokens"] for a in map(json.loads, open(f"{work}/answers.jsonl"))}
    same, differ = 0, []
    for q in [json.loads(l) for l in open(questions)]:
        if str(q["id"]) not in ours and q["id"] not in ours:
            continue
        x = processor(text=prompt.replace("{question}", q["question"]), images=Image.open(f"miniature/questions/{q['image']}").convert("RGB"), return_tensors="pt")
        with torch.no_grad():
            wanted = model.generate(**x, max_new_tokens=48, do_sample=False, num_beams=beams, pad_token_id=0)[0, x["input_ids"].shape[1]:].tolist()
        while wanted and wanted[-1] == 0:
            wanted.pop()
        got = ours.get(q["id"], ours.get(str(q["id"])))
        same += wanted == got
        differ += [q["id"]] * (wanted != got)
    check(f"answers of the merge to {len(ours)} questions about pictures, {beams} beam{'s' * (beams > 1)}, equal transformers'", same == len(ours) == number, f"{same} of {number}, others: {differ[:8]}")
sys.exit(1 if failed else 0)
