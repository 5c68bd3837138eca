#!/usr/bin/env python3
"""Models that see, beside transformers: the better of its f32 and bf16, the same bf16 weights and threads, runs interleaved, medians, CPU seconds of all threads
beside the clock's (which others' work on the machine stretches); and the limit.
see: LLaVA-1.6-Mistral-7B's shape with 2 layers of each part (all of them run on either side), random weights: tower, projector and prompt up to the first token.
beams: 8 questions of a 300M shape (24 x 1024, MLP 2816, 16/4 heads, vocabulary 32000) behind 64 rows of features, 5 beams, 32 new tokens, repetition penalty 1.5.
usage: vision.py [--runs 5] [--threads 2] [--work DIR] [MODE ...]      run with the python of tests/peers/venv.sh"""
import argparse, json, os, statistics, subprocess, sys, time

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
p = argparse.ArgumentParser()
p.add_argument("--runs", type=int, default=5); p.add_argument("--threads", type=int, default=2); p.add_argument("--work", default=f"{root}/build/bench")
p.add_argument("--peer", nargs=3, help="internal: MODEL MODE DTYPE"); p.add_argument("modes", nargs="*")
o = p.parse_args()
exe = f"{root}/build/release"
os.environ["HF_HUB_OFFLINE"] = "1"
numbers = lambda mode: list(map(int, mode.split(":")[1:]))

def torch_():
    import torch
    from transformers import logging
    logging.set_verbosity_error(); logging.disable_progress_bar()
    torch.set_num_threads(o.threads); torch.manual_seed(1)
    return torch

def make_llava(out):
    torch = torch_()
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration, MistralConfig
    text = MistralConfig(hidden_size=4096, intermediate_size=14336, num_hidden_layers=2, num_attention_heads=32, num_key_value_heads=8, vocab_size=32064,
                         rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": 1e6}, sliding_window=None, max_position_embeddings=32768)
    sight = CLIPVisionConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=2, num_attention_heads=16, image_size=336, patch_size=14, projection_dim=768)
    torch.set_default_dtype(torch.bfloat16)
    LlavaForConditionalGeneration(LlavaConfig(vision_config=sight, text_config=text, vision_feature_layer=-1, image_token_index=32000)).save_pretrained(out)

def peer(model, mode, dtype):
    torch = torch_()
    n = numbers(mode)
    if mode.startswith("see"):
        from transformers import LlavaForConditionalGeneration
        m = LlavaForConditionalGeneration.from_pretrained(model, dtype=getattr(torch, dtype)).eval()
        ids = torch.cat([torch.full((576 * n[0],), 32000), torch.randint(3, 32000, (n[1],))])[None]
        pixels = torch.randn(n[0], 3, 336, 336, dtype=m.dtype)
        run = lambda steps: m(input_ids=ids, pixel_values=pixels, logits_to_keep=1).logits
        parts = lambda: m.model.get_image_features(pixel_values=pixels, return_dict=True)
    else:
        from transformers import AutoModelForCausalLM
        m = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype)).eval()
        rows = (torch.rand(n[0], n[1] + 16, m.config.hidden_size) * .1 - .05).to(m.dtype)
        run = lambda steps: m.generate(inputs_embeds=rows, attention_mask=torch.ones(rows.shape[:2], dtype=torch.long), max_new_tokens=steps, min_new_tokens=steps,
                                       num_beams=n[2], do_sample=False, repetition_penalty=1.5, pad_token_id=0, eos_token_id=None)
        parts = None
    def clock(f, *a):
        t, c = time.perf_counter(), time.process_time()
        with torch.inference_mode(): f(*a)
        return time.perf_counter() - t, time.process_time() - c
    clock(run, 2)
    seconds, cpu = clock(run, n[3] if len(n) > 3 else 1)
    print(json.dumps({"seconds": seconds, "cpu_s": cpu, "features_s": clock(parts)[0] if parts else 0}))

if o.peer:
    peer(*o.peer); sys.exit()
os.makedirs(o.work, exist_ok=True)
call = lambda *words: json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
llava, small = f"{o.work}/llava-2-layers", f"{o.work}/300m-mistral"
if not os.path.exists(llava):
    make_llava(llava)
if not os.path.exists(small):
    subprocess.run([f"{exe}/bench-random_model", small, "24", "1024", "2816", "16", "4", "32000", "1"], check=True)

ours = lambda model, mode: call(f"{exe}/bench-vision", "--threads", str(o.threads), model, mode)
theirs = lambda model, mode, dtype: call(sys.executable, __file__, "--threads", str(o.threads), "--peer", model, mode, dtype)
limit = ours(llava, "limits")
print(f"limits, {o.threads} threads: {limit['gflops']:.0f} GFLOPS (f32 FMA), {limit['gbytes_per_s']:.1f} GB/s (DRAM read); "
      f"the peer's: {limit['bf16_gflops']:.0f} GFLOPS (bf16 dot products, which round activations)")

def flops(mode):   # of see; behind the last attention only the prompt's last token goes on, here as there
    n = numbers(mode); rows, all_rows = 577 * n[0], 576 * n[0] + n[1]
    tower = 2 * 576 * n[0] * 1024 * 588 + 2 * (2 * rows * 1024 * (4 * 1024 + 2 * 4096) + 4 * rows * 577 * 1024)
    projector = 2 * 576 * n[0] * 4096 * (1024 + 4096)
    layer = 4096 * (2 * 4096 + 2 * 1024 + 3 * 14336); last = 4096 * 2 * 1024 + 4096 * 4096
    return tower + projector, 2 * all_rows * (layer + last) + 2 * 32064 * 4096 + 2 * all_rows * all_rows * 4096

print("| mode | ours s (CPU s) | transformers s (CPU s) in f32 | in bf16 | ratio to its better (of CPU s) | of which features: ours / its | share of the FMA limit |\n|---|---|---|---|---|---|---|")
for mode in o.modes or ["see:1:40", "beams:8:64:5:32"]:
    model = llava if mode.startswith("see") else small
    runs = [(ours(model, mode), theirs(model, mode, "float32"), theirs(model, mode, "bfloat16")) for _ in range(o.runs)]
    x, y, z = (statistics.median(r[i]["seconds"] for r in runs) for i in range(3))
    best, cpu = 1 if y <= z else 2, [statistics.median(r[i]["cpu_s"] for r in runs) for i in range(3)]
    if mode.startswith("see"):
        f = [statistics.median(r[i]["features_s"] for r in runs) for i in (0, best)]
        parts, share = f"{f[0]:.3f} / {f[1]:.3f}", f"{sum(flops(mode)) / x / limit['gflops'] / 1e9:.0%}"
    else:
        parts = share = ""
    print(f"| {mode} | {x:.3f} ({cpu[0]:.2f}) | {y:.3f} ({cpu[1]:.2f}) | {z:.3f} ({cpu[2]:.2f}) | {min(y, z) / x:.2f} ({min(cpu[1:]) / cpu[0]:.2f}) | {parts} | {share} |", flush=True)
