#!/usr/bin/env python3
"""Merges of the size of a 7B Mistral: three sources and a base as sparse files, with real numbers in a few layers, by methods that need different things, under a memory budget.
Prints the peak of anonymous memory, and where the kernel lets a cgroup be made, whether memory.max = 4G holds. usage: large.py [WORK=build/large] [METHOD...]"""
import json, os, random, shutil, struct, subprocess, sys, time

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(root)
work = sys.argv[1] if len(sys.argv) > 1 else "build/large"
methods = sys.argv[2:] or ["linear", "ties", "dare_ties", "della"]
os.makedirs(work, exist_ok=True)
H, I, L, V, KV = 4096, 14336, 32, 32000, 1024
CONFIG = dict(architectures=["MistralForCausalLM"], model_type="mistral", hidden_size=H, intermediate_size=I, num_hidden_layers=L, num_attention_heads=32, num_key_value_heads=8,
              vocab_size=V, rms_norm_eps=1e-5, rope_theta=10000.0, torch_dtype="bfloat16", tie_word_embeddings=False)


def tensors():
    yield "model.embed_tokens.weight", [V, H]
    for l in range(L):
        p = f"model.layers.{l}."
        for n, s in [("self_attn.q_proj", [H, H]), ("self_attn.k_proj", [KV, H]), ("self_attn.v_proj", [KV, H]), ("self_attn.o_proj", [H, H]), ("mlp.gate_proj", [I, H]), ("mlp.up_proj", [I, H]),
                     ("mlp.down_proj", [H, I]), ("input_layernorm", [H]), ("post_attention_layernorm", [H])]:
            yield p + n + ".weight", s
    yield "model.norm.weight", [H]
    yield "lm_head.weight", [V, H]


def make(name, seed):
    folder = f"{work}/{name}"
    if os.path.exists(folder):
        return
    os.makedirs(folder + ".new")
    header, at, spans = {"__metadata__": {"format": "pt"}}, 0, {}
    for n, s in tensors():
        size = 2 * s[0] * (s[1] if len(s) > 1 else 1)
        header[n] = dict(dtype="BF16", shape=s, data_offsets=[at, at + size])
        spans[n] = (at, size)
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = random.Random(seed)
    with open(f"{folder}.new/model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        base = f.tell()
        f.truncate(base + at)
        for n, (begin, size) in spans.items():
            if any(f".layers.{l}." in n for l in (0, 15, 31)):
                f.seek(base + begin)
                while size:
                    block = min(size, 1 << 24)
                    # bf16 of size 0.5 to 2 with random mantissas and signs
                    raw = bytearray(rng.randbytes(block))
                    raw[1::2] = raw[1::2].translate(bytes(0x3F if b < 128 else 0xBF for b in range(256)))
                    f.write(raw)
                    size -= block
    json.dump(CONFIG, open(f"{folder}.new/config.json", "w"))
    os.rename(folder + ".new", folder)


def peak(argv):
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    most, began = 0, time.time()
    while p.poll() is None:
        try:
            most = max([most] + [int(l.split()[1]) for l in open(f"/proc/{p.pid}/status") if l.startswith("RssAnon")])
        except (FileNotFoundError, ProcessLookupError):
            pass
        time.sleep(0.05)
    return p.returncode, most / 1024, time.time() - began


def cgroup():
    """A group of 4G in either version's hierarchy, where this machine has one that can be written."""
    for folder, limit in (("/sys/fs/cgroup/memory/merganser-large", "memory.limit_in_bytes"), ("/sys/fs/cgroup/merganser-large", "memory.max")):
        try:
            os.makedirs(folder, exist_ok=True)
            if os.path.exists(f"{folder}/{limit}"):
                open(f"{folder}/{limit}", "w").write(str(4 << 30))
                return folder
            os.rmdir(folder)
        except OSError:
            pass
    return None


for i, name in enumerate(["base", "a", "b", "c"]):
    make(name, i)
group = cgroup()
print("cgroup:", group or "none can be made here: the peak of RssAnon stands for it")
for method in methods:
    recipe = f"{work}/{method}.yml"
    extra = "" if method == "linear" else ", density: 0.5"
    open(recipe, "w").write("models:\n" + "".join(f"- {{model: {m}, parameters: {{weight: 0.4{extra}}}}}\n" for m in "abc") + f"merge_method: {method}\n" + ("" if method == "linear" else "base_model: base\n"))
    argv = ["build/release/merganser", "merge", recipe, f"{work}/out", "--force", "--memory", "2GB"]
    if group:
        argv = ["sh", "-c", f"echo $$ > {group}/cgroup.procs && exec \"$0\" \"$@\""] + argv
    status, mib, seconds = peak(argv)
    size = sum(os.path.getsize(f"{work}/out/{f}") for f in os.listdir(f"{work}/out")) if status == 0 else 0
    print(f"{method}: status {status}, {size / 1e9:.1f} GB written in {seconds:.0f} s, peak RssAnon {mib:.0f} MiB", flush=True)
    shutil.rmtree(f"{work}/out", ignore_errors=True)
    assert status == 0 and mib < 4096
