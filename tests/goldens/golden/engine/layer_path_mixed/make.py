"""Regenerates this folder: a path through layers of three models that share nothing but the hidden size (heads, head size, intermediate size, RoPE base,
window, biases and norm epsilon differ), computed hop by hop in plain PyTorch, without a KV cache, in f32 and in f64. The layout is layer_path's.
usage: make.py      (torch, transformers, and ../make_goldens.py for the seeded weights and prompts)"""
import json, math, sys
from pathlib import Path
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from make_goldens import randomise, prompts_for, round_bf16, T, torch, save_file, GenerationConfig

SEED = 411
common = dict(hidden_size=32, vocab_size=96, max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=None, tie_word_embeddings=False)
CONFIGS = {
    "A": (T.MistralForCausalLM, T.MistralConfig(**common, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=8, intermediate_size=64,
                                                sliding_window=None, rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": 10000.0})),
    "B": (T.LlamaForCausalLM, T.LlamaConfig(**common, num_hidden_layers=4, num_attention_heads=2, num_key_value_heads=1, head_dim=16, intermediate_size=48,
                                            attention_bias=True, mlp_bias=True, rms_norm_eps=1e-3, rope_parameters={"rope_type": "default", "rope_theta": 500000.0})),
    "C": (T.MistralForCausalLM, T.MistralConfig(**common, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=3, head_dim=4, intermediate_size=80,
                                                sliding_window=5, rms_norm_eps=1e-6, rope_parameters={"rope_type": "default", "rope_theta": 100.0})),
}
PATHS = {
    "main": (["A0", "B1", "C0", "B1", "A1", "C1", "B3", "A2"], [1.2, 0.8, 1.1, -0.6, 1.0, 1.4, 0.9, 1.05]),
    "ends": (["C1", "A0", "B0", "B2", "C0"], [0.7, 1.0, 1.3, 1.0, 0.5]),
}


def forward(models, path, scale, ids):
    n = len(ids)
    h = models["A"].model.embed_tokens(torch.tensor(ids))
    residual = None
    for hop, w in zip(path, scale):
        m = models[hop[0]]
        c, layer = m.config, m.model.layers[int(hop[1:])]
        hd, nh, nkv = c.head_dim, c.num_attention_heads, c.num_key_value_heads
        h = h * w
        residual = h if residual is None else residual + h
        norm = lambda x, weight: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + c.rms_norm_eps) * weight
        a = norm(residual, layer.input_layernorm.weight)
        split = lambda x, heads: x.view(n, heads, hd).transpose(0, 1)
        q, k, v = split(layer.self_attn.q_proj(a), nh), split(layer.self_attn.k_proj(a), nkv), split(layer.self_attn.v_proj(a), nkv)
        frequency = 1.0 / c.rope_parameters["rope_theta"] ** (torch.arange(0, hd, 2, dtype=h.dtype) / hd)
        angle = torch.outer(torch.arange(n, dtype=h.dtype), frequency)
        cos, sin = torch.cat((angle.cos(),) * 2, -1), torch.cat((angle.sin(),) * 2, -1)
        rotate = lambda x: x * cos + torch.cat((-x[..., hd // 2:], x[..., :hd // 2]), -1) * sin
        q, k = rotate(q), rotate(k)
        k, v = k.repeat_interleave(nh // nkv, 0), v.repeat_interleave(nh // nkv, 0)
        i, j = torch.arange(n)[:, None], torch.arange(n)[None]
        window = getattr(c, "sliding_window", None) or n
        scores = (q @ k.transpose(1, 2) / math.sqrt(hd)).masked_fill((j > i) | (j <= i - window), float("-inf"))
        residual = residual + layer.self_attn.o_proj((torch.softmax(scores, -1) @ v).transpose(0, 1).reshape(n, nh * hd))
        x = norm(residual, layer.post_attention_layernorm.weight)
        h = layer.mlp.down_proj(torch.nn.functional.silu(layer.mlp.gate_proj(x)) * layer.mlp.up_proj(x))
    A = models["A"]
    x = residual + h
    return A.lm_head(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + A.config.rms_norm_eps) * A.model.norm.weight)


def main():
    models = {}
    for name, (cls, config) in CONFIGS.items():
        m = randomise(cls(config).float(), SEED + ord(name)).eval()
        m.generation_config = GenerationConfig()
        m.config.dtype = "float32"
        m.save_pretrained(HERE / f"model_{name.lower()}")
        (HERE / f"model_{name.lower()}" / "generation_config.json").unlink(missing_ok=True)
        models[name] = m
    rounded = {}
    for name, m in models.items():
        rounded[name] = type(m)(m.config).float().eval()
        rounded[name].load_state_dict(round_bf16(m.state_dict()))
    prompts = prompts_for(SEED, common["vocab_size"])
    golden = {"format": 1, "name": HERE.name, "seed": SEED, "versions": {"torch": torch.__version__, "transformers": T.__version__}, "prompts": prompts, "paths": {}, "check": {}}
    tensors, worst, margin_of_all = {}, 0.0, math.inf
    for name, (path, scale) in PATHS.items():
        entry = {"path": path, "scale": scale, "results": {}}
        for kind, set_ in (("f32", models), ("bf16w", rounded)):
            doubles = {k: type(m)(m.config).double().eval() for k, m in set_.items()}
            for k, m in doubles.items():
                m.load_state_dict({a: b.double() for a, b in set_[k].state_dict().items()})
            entry["results"][kind] = []
            for i, prompt in enumerate(prompts):
                logits = forward(set_, path, scale, prompt)
                tensors[f"{name}.{kind}.p{i}.logits"] = logits.contiguous()
                worst = max(worst, (logits.double() - forward(doubles, path, scale, prompt)).abs().max().item())
                ids, margin = list(prompt), math.inf
                for _ in range(24):
                    top = forward(set_, path, scale, ids)[-1].topk(2)
                    margin = min(margin, (top.values[0] - top.values[1]).item())
                    ids.append(int(top.indices[0]))
                margin_of_all = min(margin_of_all, margin)
                entry["results"][kind].append({"greedy": ids[len(prompt):], "greedy_margin": margin})
        golden["paths"][name] = entry
    golden["check"] = {"f64_diff": worst, "min_margin": margin_of_all}
    print(golden["check"])
    save_file(tensors, str(HERE / "logits.safetensors"))
    (HERE / "golden.json").write_text(json.dumps(golden, indent=1))


with torch.no_grad():
    main()
