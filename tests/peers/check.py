"""usage: check.py MERGANSER      run from the repository's root by tests/peers/run"""
import json, os, shutil, subprocess, sys, tempfile, warnings

os.environ["HF_HUB_OFFLINE"] = "1"
exe = sys.argv[1]
work = tempfile.mkdtemp()
failed = 0


def check(name, ok, detail=""):
    global failed
    failed += not ok
    print(f"{'ok    ' if ok else 'FAILED'} {name} {detail}", flush=True)


def run(*words, **more):
    return subprocess.run([exe, *map(str, words)], check=True, capture_output=True, text=True, **more)


import importlib.metadata as meta
print(", ".join(f"{p} {meta.version(p)}" for p in ("transformers", "torch", "mergekit", "optuna")))

# A study of two generations, in the engine.
study = open("miniature/study.yml").read().replace("population: 20, generations: 24", "population: 6, generations: 2").replace("questions: 64", "questions: 16")
open(f"{work}/study.yml", "w").write(study)
run("evolve", f"{work}/study.yml", "-o", f"{work}/out", "--baselines", "none", "--quiet")

r = subprocess.run([sys.executable, "tests/goldens/golden/study/check_study.py", f"{work}/out/study.db"], capture_output=True, text=True)
check("Optuna reads study.db", r.returncode == 0, (r.stdout + r.stderr).strip().replace("\n", "; "))

# best/ in transformers: no warning, and the same greedy answers as `generate`.
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, logging
logging.set_verbosity_warning()


def loads_quietly(folder):
    """The class that config.json names, and the tokenizer where there is one, say nothing when they are loaded."""
    loaders = json.load(open(f"{folder}/config.json"))["architectures"] + ["AutoTokenizer"] * os.path.exists(f"{folder}/tokenizer.json")
    load = "import transformers as t; " + "; ".join(f"t.{l}.from_pretrained({folder!r})" for l in loaders)
    r = subprocess.run([sys.executable, "-W", "error", "-c", load], capture_output=True, text=True)
    noise = [l for l in r.stderr.splitlines() if l.strip() and "Loading weights" not in l]
    return r.returncode == 0 and not noise, "; ".join(noise[:3])


def answers_equal(theirs, ours, questions):
    """How many greedy answers of the folder `theirs` in transformers, in f32, are those of `generate ours`."""
    model = AutoModelForCausalLM.from_pretrained(theirs, dtype=torch.float32).eval()
    tok = AutoTokenizer.from_pretrained(theirs)
    same = 0
    for q in questions:
        text = prompt.replace("{q}", q)
        ids = tok(text, return_tensors="pt").input_ids
        wanted = model.generate(ids, max_new_tokens=80, do_sample=False)[0, ids.shape[1]:].tolist()
        same += wanted == json.loads(run("generate", ours, "-p", text, "--max-new", 80, "--json", "--quiet").stdout)["tokens"]
    return same


check("best/ loads in transformers without a warning", *loads_quietly(f"{work}/out/best"))
prompt = "以下の指示に日本語で答えてください。一歩一歩考えましょう。\n\n### 指示:\n{q}\n\n### 応答:\n"
questions = [json.loads(l)["question"] for l in open("miniature/questions/math-ja-test.jsonl")][:20]
same = answers_equal(f"{work}/out/best", f"{work}/out/best", questions)
check("greedy answers of best/ equal transformers'", same >= 19, f"{same} of 20")

# recipe.yml in mergekit: read and merged (its masks differ, so only shapes and names are compared).
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from safetensors import safe_open
from safetensors.torch import save_file
import yaml
config = MergeConfiguration.model_validate(yaml.safe_load(open(f"{work}/out/recipe.yml")))
run_merge(config, f"{work}/theirs", MergeOptions(write_model_card=False, quiet=True, random_seed=1))
names = lambda f: {k: tuple(safe_open(f, "pt").get_slice(k).get_shape()) for k in safe_open(f, "pt").keys()}
check("recipe.yml merges in mergekit to the same tensors", names(f"{work}/theirs/model.safetensors") == names(f"{work}/out/best/model.safetensors"))

# Deterministic methods against mergekit on the miniature. Exact sums round otherwise than torch's; compat has no difference at all. Where
# many magnitudes equal TIES' threshold, torch.topk keeps any of them and we the first: those elements are left out, and counted.
base, (a, b, c) = "miniature/models/base", [f"miniature/models/{m}" for m in ("ja", "math-a", "math-b")]
tensors = lambda folder: safe_open(f"{folder}/model.safetensors", "pt")


def at_threshold(k):
    out = False
    for s in sources:
        size = (s.get_tensor(k).float() - origin.get_tensor(k).float()).abs()
        out = out | (size == size.flatten().topk(size.numel() // 2).values[-1])
    return out


origin, sources = tensors(base), [tensors(m) for m in (a, b, c)]
for method, extra in (("linear", {}), ("task_arithmetic", {"base_model": base}), ("ties", {"base_model": base})):
    recipe = {"merge_method": method, "dtype": "float32", "out_dtype": "bfloat16", **extra,
              "models": [{"model": m, "parameters": {"weight": w, **({"density": .5} if method == "ties" else {})}} for m, w in ((a, .5), (b, .7), (c, .9))]}
    run_merge(MergeConfiguration.model_validate(recipe), f"{work}/theirs", MergeOptions(write_model_card=False, quiet=True))
    for mode, allowed in (("exact", 1e-3), ("compat", 0)):
        yaml.safe_dump({**recipe, "merganser": {"mode": mode}}, open(f"{work}/r.yml", "w"))
        run("merge", f"{work}/r.yml", f"{work}/ours", "--quiet", "--force")
        x, y = tensors(f"{work}/ours"), tensors(f"{work}/theirs")
        differ = total = left_out = 0
        for k in y.keys():
            d = x.get_tensor(k).view(torch.int16) != y.get_tensor(k).view(torch.int16)
            if method == "ties":
                left_out += int((d & at_threshold(k)).sum()); d &= ~at_threshold(k)
            differ += int(d.sum()); total += d.numel()
        check(f"{method}, {mode}, against mergekit", differ <= allowed * total, f"{differ} of {total} differ" + (f", {left_out} more at the threshold" if left_out else ""))

# What is merged loads in transformers without a warning, whatever it was merged of. GPT-2's ids of its end are put inside the vocabulary of the
# small sources, which transformers warns of in the sources too.
small, others = "tests/goldens/golden/mergekit/sources", "tests/goldens/golden/merge/sources"
for m in ("gpt2-a", "gpt2-b", "gpt2-base"):
    shutil.copytree(f"{others}/{m}", f"{work}/{m}")
    config = json.load(open(f"{work}/{m}/config.json"))
    json.dump({**config, "bos_token_id": 0, "eos_token_id": 0}, open(f"{work}/{m}/config.json", "w"))


def linear(*models):
    return {"merge_method": "linear", "models": [{"model": m, "parameters": {"weight": 1 / len(models)}} for m in models]}


def of_layers(first, end):
    return {"sources": [{"model": f"{small}/m-{m}", "layer_range": [first, end], "parameters": {"weight": 0.5}} for m in "ab"]}


shutil.copytree("tests/data/vlm/sees", f"{work}/now")
renamed = {k.replace("language_model.model.", "model.language_model.").replace("language_model.lm_head.", "lm_head.")
           if k.startswith("language_model.") else "model." + k: tensors("tests/data/vlm/sees").get_tensor(k) for k in tensors("tests/data/vlm/sees").keys()}
save_file(renamed, f"{work}/now/model.safetensors", {"format": "pt"})

merges = {
    "Mistral": linear(f"{small}/m-a", f"{small}/m-b"),
    "Llama, tied": linear(f"{small}/l-a", f"{small}/l-b"),
    "Qwen2": linear(f"{small}/q-a", f"{small}/q-b"),
    "GPT-2": linear(f"{work}/gpt2-a", f"{work}/gpt2-b"),
    "slices": {"merge_method": "linear", "slices": [of_layers(0, 3), of_layers(1, 4)]},
    "a built tokenizer": {**linear(f"{small}/m-a", f"{small}/m-c100"), "base_model": f"{small}/m-a", "tokenizer": {"source": "union", "pad_to_multiple_of": 64}},
    "BASE+ADAPTER": linear(f"{others}/llama-base+{others}/peft-plain"),
    "BASE+ADAPTER with a head of its own": linear(f"{work}/gpt2-base+{others}/peft-untied"),
    "pytorch_model.bin": linear(f"{others}/bin-odd", f"{others}/bin-shards"),
    "the language part of LLaVA": {**linear("tests/data/vlm/sees", "tests/data/vlm/ja"), "component": "language_model"},
    "the language part of LLaVA, as transformers names it in memory": {**linear(f"{work}/now", "tests/data/vlm/ja"), "component": "language_model"},
    "layers of LLaVA and of a language model": {"merge_method": "passthrough", "component": "language_model", "slices": [
        {"sources": [{"model": f"tests/data/vlm/{m}", "layer_range": r}]} for m, r in (("sees", [0, 2]), ("ja", [1, 3]), ("sees", [2, 3]))]},
    "the language part of LLaVA with a tokenizer": {**linear("tests/data/vlm/sees", "tests/data/vlm/shifted"), "component": "language_model", "tokenizer_source": "tests/data/vlm/sees"},
}
for name, recipe in merges.items():
    yaml.safe_dump(recipe, open(f"{work}/merge.yml", "w"))
    run("merge", f"{work}/merge.yml", f"{work}/merged", "--force", "--quiet")
    check(f"a merge of {name} loads in transformers without a warning", *loads_quietly(f"{work}/merged"))

# A path of hops, folded: the same tensors as mergekit's slices, bit for bit, and in transformers the greedy answers of the path as the engine runs it.
paths = {"ends of its first model": "hops: [[ja, 0-1], [math, 2-6, 1.03], [ja, 7, 0.9]]\n", "ends of the other": "hops: [[math, 1, 1.4], [math, 2-3], [ja, 3, 0.8], [math, 6-7, -0.4]]\n"}
all_tensors = lambda folder: {k: tensors(folder).get_tensor(k) for k in tensors(folder).keys()}
for name, hops in paths.items():
    open(f"{work}/path.yml", "w").write(f"sources: {{ja: {a}, math: {c}}}\n{hops}")
    for dtype in ("bfloat16", "float32"):
        run("merge", f"{work}/path.yml", f"{work}/folded", "--dtype", dtype, "--force", "--quiet")
        run_merge(MergeConfiguration.model_validate(yaml.safe_load(open(f"{work}/folded/recipe.yml"))), f"{work}/theirs", MergeOptions(write_model_card=False, quiet=True))
        x, y = all_tensors(f"{work}/folded"), all_tensors(f"{work}/theirs")
        same = sum(k in y and y[k].dtype == x[k].dtype and torch.equal(x[k], y[k]) for k in x)
        check(f"path with {name}, {dtype}, against mergekit", x.keys() == y.keys() and same == len(x), f"{same} of {len(x)} tensors equal")
        check(f"path with {name}, {dtype}, loads in transformers without a warning", *loads_quietly(f"{work}/folded"))
    same = answers_equal(f"{work}/folded", f"{work}/path.yml", questions[:5])
    check(f"greedy answers of a path with {name} equal transformers' of it folded", same == 5, f"{same} of 5")

# GGUF outputs in llama.cpp: the same tokens of a prompt, and from F32 the same greedy answers, all of them: with keys and values in F32 nothing is rounded
# beyond f32 there, and the two best logits of these questions are never nearer than 0.01. Of the other types some may differ: llama.cpp rounds the
# activations to the weights' type there.
from llama_cpp import Llama


def llama_answers(path, questions):
    """How many prompts have the ids, and how many greedy answers are those, of `generate` with the same file."""
    model = Llama(path, n_ctx=512, verbose=False, seed=0, type_k=0, type_v=0)   # keys and values in F32, as here
    same = 0
    for q in questions:
        text, answer = prompt.replace("{q}", q), []
        for token in model.generate(model.tokenize(text.encode(), add_bos=True, special=False), temp=0.0, top_k=1, repeat_penalty=1.0):
            answer.append(token)
            if token == model.token_eos() or len(answer) == 80:
                break
        same += answer == json.loads(run("generate", path, "-p", text, "--max-new", 80, "--json", "--quiet").stdout)["tokens"]
    return same


for model in ("ja", "math-b"):
    for kind in ("f32", "f16", "bf16", "q8_0"):
        out = f"{work}/{model}-{kind}.gguf"
        run("export", f"miniature/models/{model}", out, "--gguf-type", kind, "--quiet")
        same = llama_answers(out, questions)
        check(f"{model} as GGUF {kind} in llama.cpp: greedy answers", same >= (20 if kind == "f32" else 16), f"{same} of 20")
run("merge", f"{work}/r.yml", f"{work}/merged.gguf", "--dtype", "float32", "--quiet")
same = llama_answers(f"{work}/merged.gguf", questions)
check("a merge into a GGUF file in llama.cpp: greedy answers", same == 20, f"{same} of 20")
# A mergekit-evolve file: the recipe of what its study has found says, tensor by tensor, what mergekit's genome says of the same numbers.
from mergekit.evo.genome import ModelGenome, ModelGenomeDefinition
filters, layers = ["self_attn", "down_proj"], 8
for smooth in (False, True):
    genome = {"models": [a, c], "merge_method": "ties", "base_model": base, "layer_granularity": 2, "filters": filters, "smooth": smooth}
    yaml.safe_dump({"genome": genome, "tasks": ["mini-math-ja"], "limit": 2, "max_fevals": 4, "force_population_size": 4, "baselines": "none"}, open(f"{work}/evolve.yml", "w"))
    run("evolve", f"{work}/evolve.yml", "-o", f"{work}/evolved-{smooth}", "--quiet")
    recipe = yaml.safe_load(open(f"{work}/evolved-{smooth}/recipe.yml"))
    numbers = torch.zeros(layers // 2, 2, len(filters) + 1, 2, dtype=torch.float64)
    for m, model in enumerate(recipe["models"]):
        for p, parameter in enumerate(("weight", "density")):
            for entry in model["parameters"][parameter]:
                if entry.get("filter") in filters + [None]:
                    values = torch.tensor(entry["value"], dtype=torch.float64)
                    numbers[:, m, (filters + [None]).index(entry.get("filter")), p] = values if smooth else values[::2]
    wanted = ModelGenome(ModelGenomeDefinition.model_validate(genome)).genotype_merge_config(numbers)
    for config, folder in ((MergeConfiguration.model_validate({**recipe, "dtype": "bfloat16"}), "ours"), (wanted, "theirs")):
        run_merge(config, f"{work}/genome-{folder}", MergeOptions(write_model_card=False, quiet=True))
    x, y = all_tensors(f"{work}/genome-ours"), all_tensors(f"{work}/genome-theirs")
    same = sum(torch.equal(x[k], y[k]) for k in y)
    check(f"a genome of mergekit-evolve{', smooth,' if smooth else ''} as our recipe, both in mergekit", x.keys() == y.keys() and same == len(y), f"{same} of {len(y)} tensors equal")
sys.exit(1 if failed else 0)
