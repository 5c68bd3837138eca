"""The peer of bench/candidate in one warm Python process: mergekit's API for the merge (to a folder in memory), transformers' generate for the answers.
usage: peer_hf.py BASE SOURCE,SOURCE,... PROMPTS.json NEW STOPS(0|1) THREADS REPEAT. Prints one JSON line of medians in milliseconds.
       peer_hf.py run MODEL THREADS decode:BATCH:STEPS [DTYPE]: the peer of bench/engine where llama.cpp is not; the better of f32 and bf16, or DTYPE."""
import json, os, shutil, statistics, sys, time

if sys.argv[1] == "run":
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from transformers import AutoModelForCausalLM, logging
    logging.set_verbosity_error(); logging.disable_progress_bar()
    model, threads, mode = sys.argv[2:5]
    torch.set_num_threads(int(threads)); torch.manual_seed(1)
    batch, steps = map(int, mode.split(":")[1:]); best = {"tokens_per_s": 0}
    for dtype in sys.argv[5:] or ("float32", "bfloat16"):
        m = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype)).eval()
        ids = torch.randint(3, m.config.vocab_size, (batch, 8))
        for n in (2, steps):   # the first to warm up
            t = time.perf_counter()
            with torch.inference_mode():
                m.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, min_new_tokens=n, do_sample=False, pad_token_id=0, eos_token_id=None)
            seconds = time.perf_counter() - t
        if batch * steps / seconds > best["tokens_per_s"]: best = {"mode": mode, "dtype": dtype, "tokens_per_s": batch * steps / seconds, "seconds": seconds}
    print(json.dumps(best)); sys.exit()

t0 = time.perf_counter()
os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from transformers import AutoModelForCausalLM, logging
logging.set_verbosity_error(); logging.disable_progress_bar()
imports = time.perf_counter() - t0

base, sources, prompts, new, stops, threads, repeat = sys.argv[1:]
torch.set_num_threads(int(threads)); new, repeat = int(new), int(repeat)
prompts = json.load(open(prompts))
out = "/dev/shm/merganser-peer"
config = MergeConfiguration.model_validate({"merge_method": "dare_ties", "base_model": base, "dtype": "bfloat16",
    "models": [{"model": s, "parameters": {"weight": .5, "density": .5}} for s in sources.split(",")]})

def merge():
    shutil.rmtree(out, ignore_errors=True)
    run_merge(config, out, MergeOptions(copy_tokenizer=False, write_model_card=False, random_seed=1, quiet=True, lazy_unpickle=True))

def generate(model, batch):
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i])); n = 0
    for at in range(0, len(order), batch):
        b = [prompts[i] for i in order[at:at + batch]]; w = max(map(len, b))
        ids = torch.tensor([[0] * (w - len(p)) + p for p in b]); mask = torch.tensor([[0] * (w - len(p)) + [1] * len(p) for p in b])
        with torch.inference_mode():
            y = model.generate(ids, attention_mask=mask, max_new_tokens=new, min_new_tokens=None if stops == "1" else new, do_sample=False, pad_token_id=0,
                               eos_token_id=2 if stops == "1" else None)
        n += int((y[:, w:] != 0).sum())
    return n

def clock(f, *a):
    t = time.perf_counter(); f(*a); return 1e3 * (time.perf_counter() - t)

merge()
best = None
for dtype in (torch.float32, torch.bfloat16):
    m = AutoModelForCausalLM.from_pretrained(out, dtype=dtype).eval()
    for batch in (25, 50, 100):
        ms = clock(generate, m, batch)
        if best is None or ms < best[0]: best = (ms, dtype, batch)
ms, dtype, batch = best
merges, loads, gens = [], [], []
for _ in range(repeat):
    merges.append(clock(merge))
    t = time.perf_counter(); m = AutoModelForCausalLM.from_pretrained(out, dtype=dtype).eval(); loads.append(1e3 * (time.perf_counter() - t))
    gens.append(clock(generate, m, batch))
shutil.rmtree(out, ignore_errors=True)
med = statistics.median
print(json.dumps({"imports_ms": 1e3 * imports, "dtype": str(dtype), "batch": batch, "merge_ms": med(merges), "load_ms": med(loads), "generate_ms": med(gens),
                  "total_ms": med([a + b + c for a, b, c in zip(merges, loads, gens)])}))
