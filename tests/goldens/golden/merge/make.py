"""Makes sources/, NAME.yml and expected/ again: python make.py .    (torch, transformers, peft, safetensors; see README.md)

Weights are random. What a merge must give is plain arithmetic in f64 here, rounded once to the result's dtype; what peft's
merge_and_unload gives is asserted to be near, so that names, scales and transpositions are peft's.
"""
import json, os, shutil, sys, zipfile
import torch
from safetensors.torch import load_file, save_file

ROOT = sys.argv[1]
BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32


def at(*parts):
    path = os.path.join(ROOT, *parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def put(name, tensors, config, file="model.safetensors"):
    path = at("sources", name, file)
    tensors = {k: v.contiguous() for k, v in tensors.items()}
    torch.save(tensors, path) if file.endswith(".bin") else save_file(tensors, path, {"format": "pt"})
    with open(at("sources", name, "config.json"), "w") as f:
        json.dump(config, f, indent=1)


def recipe(name, text, expected):
    with open(at(name + ".yml"), "w") as f:
        f.write(text)
    save_file({k: v.contiguous() for k, v in expected.items()}, at("expected", name + ".safetensors"), {"format": "pt"})


def near(tensors, seed, amount=0.02):
    g = torch.Generator().manual_seed(seed)
    return {k: (v.double() + amount * torch.randn(v.shape, generator=g, dtype=torch.float64)).to(v.dtype) if v.is_floating_point() else v.clone()
            for k, v in tensors.items()}


# ---- merges ----

def of_floats(base, each):
    return {k: each(k).to(v.dtype) if v.is_floating_point() else v for k, v in base.items()}


def linear(models, weights):
    return of_floats(models[0], lambda k: sum(w * m[k].double() for m, w in zip(models, weights)) / sum(weights))


def task_arithmetic(base, models, weights):
    return of_floats(base, lambda k: base[k].double() + sum(w * (m[k].double() - base[k].double()) for m, w in zip(models, weights)))


def keep_largest(d, density):
    k = max(1, int(density * d.numel()))
    order = torch.argsort(d.abs().flatten(), descending=True, stable=True)[:k]
    mask = torch.zeros(d.numel(), dtype=torch.float64)
    mask[order] = 1
    return d * mask.view(d.shape)


def ties(base, models, weights, densities):
    def one(k):
        p = [w * keep_largest(m[k].double() - base[k].double(), q) for m, w, q in zip(models, weights, densities)]
        sign = torch.where(sum(p) >= 0, 1.0, -1.0)
        agree = [(x.sign() == sign).double() for x in p]
        total = sum(w * a for w, a in zip(weights, agree))
        total = torch.where(total == 0, torch.ones_like(total), total)
        return base[k].double() + sum(x * a for x, a in zip(p, agree)) / total
    return of_floats(base, one)


def merges(name, base, a, b, path="sources/{}"):
    m = {s: path.format(f"{name}-{s}") for s in ("base", "a", "b")}
    recipe(f"{name}-linear", f"merge_method: linear\nmodels:\n- {{model: {m['a']}, parameters: {{weight: 0.7}}}}\n- {{model: {m['b']}, parameters: {{weight: 0.4}}}}\n",
           linear([a, b], [0.7, 0.4]))
    recipe(f"{name}-task-arithmetic", f"merge_method: task_arithmetic\nbase_model: {m['base']}\nmodels:\n- {{model: {m['a']}, parameters: {{weight: 0.8}}}}\n"
           f"- {{model: {m['b']}, parameters: {{weight: 0.5}}}}\n", task_arithmetic(base, [a, b], [0.8, 0.5]))
    recipe(f"{name}-ties", f"merge_method: ties\nbase_model: {m['base']}\nmodels:\n- {{model: {m['a']}, parameters: {{weight: 0.6, density: 0.5}}}}\n"
           f"- {{model: {m['b']}, parameters: {{weight: 1.1, density: 0.3}}}}\n", ties(base, [a, b], [0.6, 1.1], [0.5, 0.3]))


def family(name, base, config, file="model.safetensors"):
    models = {"base": base, "a": near(base, 1), "b": near(base, 2)}
    for s, tensors in models.items():
        put(f"{name}-{s}", tensors, config, file)
    merges(name, *models.values())
    return models


def saved(model, dtype):
    """What save_pretrained writes, as the tensors of the file."""
    folder = at("tmp", "x")[:-2]
    model.to(dtype).save_pretrained(folder)
    tensors, config = load_file(os.path.join(folder, "model.safetensors")), json.load(open(os.path.join(folder, "config.json")))
    shutil.rmtree(folder)
    config.pop("transformers_version", None)
    return tensors, config


def architectures():
    import transformers as t
    text = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
    vision = dict(text, image_size=8, patch_size=4, num_channels=3)
    gpt2 = t.GPT2LMHeadModel(t.GPT2Config(vocab_size=40, n_positions=16, n_embd=16, n_layer=2, n_head=2))
    mixtral = t.MixtralForCausalLM(t.MixtralConfig(vocab_size=40, num_key_value_heads=1, num_local_experts=4, num_experts_per_tok=2, **text))
    clip = t.CLIPModel(t.CLIPConfig(text_config=dict(text, vocab_size=40, max_position_embeddings=12, projection_dim=8), vision_config=dict(vision, projection_dim=8),
                                    projection_dim=8))
    llava = t.LlavaForConditionalGeneration(t.LlavaConfig(
        vision_config=t.CLIPVisionConfig(**vision), text_config=t.LlamaConfig(vocab_size=40, num_key_value_heads=1, **text), image_token_index=39))
    for name, model, dtype in (("gpt2", gpt2, F32), ("mixtral", mixtral, BF16), ("clip", clip, F16), ("llava", llava, BF16)):
        family(name, *saved(model, dtype))


def unet():
    """Names and ranks of diffusers' UNet2DConditionModel."""
    shapes = {"conv_in.weight": (8, 4, 3, 3), "conv_in.bias": (8,), "time_embedding.linear_1.weight": (16, 8), "time_embedding.linear_1.bias": (16,),
              "conv_norm_out.weight": (8,), "conv_norm_out.bias": (8,), "conv_out.weight": (4, 8, 3, 3), "conv_out.bias": (4,)}
    for block in ("down_blocks.0", "mid_block", "up_blocks.1"):
        for part, shape in (("resnets.0.norm1.weight", (8,)), ("resnets.0.conv1.weight", (8, 8, 3, 3)), ("resnets.0.time_emb_proj.weight", (8, 16)),
                            ("attentions.0.proj_in.weight", (8, 8, 1, 1)), ("attentions.0.transformer_blocks.0.attn1.to_q.weight", (8, 8)),
                            ("attentions.0.transformer_blocks.0.attn2.to_k.weight", (8, 12)), ("attentions.0.transformer_blocks.0.ff.net.0.proj.weight", (64, 8)),
                            ("attentions.0.transformer_blocks.0.norm1.bias", (8,))):
            shapes[f"{block}.{part}"] = shape
    g = torch.Generator().manual_seed(7)
    base = {k: (0.1 * torch.randn(s, generator=g)).to(F16) for k, s in shapes.items()}
    family("unet", base, {"_class_name": "UNet2DConditionModel", "in_channels": 4}, "diffusion_pytorch_model.safetensors")


# ---- the language part of a model that also sees ----

WORDS = 37      # of the language models; the model that sees has 40


def spelled(tensors, pairs):
    """Under the names of another writer: the first beginning that matches counts."""
    return {next((new + k.removeprefix(old) for old, new in pairs if k.startswith(old)), k): v for k, v in tensors.items()}


NOW = (("language_model.lm_head.", "lm_head."), ("language_model.model.", "model.language_model."), ("vision_tower.", "model.vision_tower."),
       ("multi_modal_projector.", "model.multi_modal_projector."), ("image_newline", "model.image_newline"))
ORIGINAL = (("language_model.", ""), ("vision_tower.", "model.vision_tower.vision_tower.vision_model."), ("multi_modal_projector.linear_1.", "model.mm_projector.0."),
            ("multi_modal_projector.linear_2.", "model.mm_projector.2."), ("image_newline", "model.image_newline"))
HUB = (("vision_tower.", "vision_tower.vision_model."),)


def language_of(tensors):
    return {k.removeprefix("language_model."): v for k, v in tensors.items() if k.startswith("language_model.")}


def is_vocabulary(k):
    return "embed_tokens" in k or "lm_head" in k


def of_component(frame, merge, *models):
    """merge of the language parts with the rows that all have; everything else is the frame's."""
    cut = [{k: v[:WORDS] if is_vocabulary(k) else v for k, v in m.items()} for m in (language_of(frame), *models)]
    merged = {k: torch.cat([v, language_of(frame)[k][WORDS:]]) if is_vocabulary(k) else v for k, v in merge(*cut).items()}
    return {k: merged.get(k.removeprefix("language_model."), v) for k, v in frame.items()}


def components():
    frame = load_file(at("sources", "llava-a", "model.safetensors"))
    g = torch.Generator().manual_seed(13)
    frame["image_newline"] = (0.1 * torch.randn(16, generator=g)).to(BF16)
    config = json.load(open(at("sources", "llava-a", "config.json")))
    base = {k: v[:WORDS].clone() if is_vocabulary(k) else v.clone() for k, v in near(language_of(frame), 14).items()}
    ja = near(base, 15)
    text = dict(config["text_config"], architectures=["LlamaForCausalLM"], vocab_size=WORDS, dtype="bfloat16", tie_word_embeddings=False)
    put("words-base", base, text)
    put("words-ja", ja, text)
    put("sees-hub", spelled(frame, HUB), config)
    put("sees-now", spelled(frame, NOW), config)
    put("sees-original", spelled(frame, ORIGINAL), dict(text, architectures=["LlavaMistralForCausalLM"], model_type="llava_mistral", mm_projector_type="mlp2x_gelu"))
    task = ("component: language_model\nmerge_method: task_arithmetic\nbase_model: sources/words-base\nmodels:\n- {{model: sources/{}, parameters: {{weight: 0.8}}}}\n"
            "- {{model: sources/words-ja, parameters: {{weight: 0.5}}}}\n")
    wanted = of_component(frame, lambda m, b, j: task_arithmetic(b, [m, j], [0.8, 0.5]), base, ja)
    for name, pairs in (("sees-hub", HUB), ("sees-now", NOW), ("sees-original", ORIGINAL)):
        recipe(f"component-{name.removeprefix('sees-')}", task.format(name), spelled(wanted, pairs))
    recipe("component-ties", "component: language_model\nmerge_method: ties\nbase_model: sources/words-base\nmodels:\n"
           "- {model: sources/words-ja, parameters: {weight: 0.6, density: 0.5}}\n- {model: sources/sees-hub, parameters: {weight: 1.1, density: 0.3}}\n",
           spelled(of_component(frame, lambda m, b, j: ties(b, [j, m], [0.6, 1.1], [0.5, 0.3]), base, ja), HUB))
    recipe("component-base-sees", "component: language_model\nmerge_method: task_arithmetic\nbase_model: sources/sees-hub\nmodels:\n"
           "- {model: sources/words-ja, parameters: {weight: 0.5}}\n", spelled(of_component(frame, lambda m, j: task_arithmetic(m, [j], [0.5]), ja), HUB))
    stacked = dict(frame)
    for k, v in language_of(frame).items():
        if k.startswith("model.layers.1."):
            stacked["language_model." + k.replace("layers.1.", "layers.2.")] = ja[k]
            stacked["language_model." + k] = ja[k.replace("layers.1.", "layers.0.")]
    stacked["language_model.model.norm.weight"] = ja["model.norm.weight"]
    stacked["language_model.lm_head.weight"] = torch.cat([ja["lm_head.weight"], frame["language_model.lm_head.weight"][WORDS:]])
    recipe("component-slices", "component: language_model\nmerge_method: passthrough\nslices:\n- sources:\n  - {model: sources/sees-hub, layer_range: [0, 1]}\n"
           "- sources:\n  - {model: sources/words-ja, layer_range: [0, 2]}\n", spelled(stacked, HUB))


# ---- PyTorch's own files ----

def pickles(llama, config):
    """The same tensors in every way that torch.save may write them; the merge must not see a difference."""
    a, b = near(llama, 11), near(llama, 12)
    expected = linear([a, b], [0.5, 0.25])
    odd = {k: v.t().contiguous().t() if v.dim() == 2 else v for k, v in a.items()}                  # columns side by side
    whole = torch.cat([v.flatten() for v in b.values()] + [torch.zeros(3, dtype=BF16)])              # one storage, offsets
    views, at_element = {}, 0
    for k, v in b.items():
        views[k] = whole[at_element:at_element + v.numel()].view(v.shape)
        at_element += v.numel()
    for name in ("bin-odd", "bin-views"):
        put(name, {}, config)
        os.remove(at("sources", name, "model.safetensors"))
    torch.save(odd, at("sources", "bin-odd", "pytorch_model.bin"))
    torch.save({"state_dict": views, "epoch": 3, "loss": [0.5, None, True, (1, 2)]}, at("sources", "bin-views", "pytorch_model.bin"))
    names, folder = sorted(a), "bin-shards"
    halves = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    put(folder, {}, config)
    os.remove(at("sources", folder, "model.safetensors"))
    for file, part in halves.items():
        torch.save({k: torch.nn.Parameter(a[k]) for k in part}, at("sources", folder, file), pickle_protocol=4)
    with open(at("sources", folder, "pytorch_model.bin.index.json"), "w") as f:
        json.dump({"metadata": {"total_size": sum(v.nbytes for v in a.values())}, "weight_map": {k: f for f, part in halves.items() for k in part}}, f)
    for name in ("bin-odd", "bin-shards"):
        recipe(name, f"merge_method: linear\nmodels:\n- {{model: sources/{name}, parameters: {{weight: 0.5}}}}\n- {{model: sources/bin-views, parameters: {{weight: 0.25}}}}\n",
               expected)


# ---- adapters ----

def opened(factory, tensors, dtype):
    model = factory().to(dtype)
    missing = model.load_state_dict(tensors, strict=False).unexpected_keys
    assert not missing or factory is make_llava, missing
    model.tie_weights()
    return model


def train(model, dtype, seed):
    """Every trainable number moves."""
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        if "lora_magnitude_vector" in name:
            p.data *= 1 + 0.2 * torch.rand(p.shape, generator=g, dtype=torch.float32).to(p.dtype)
        elif p.requires_grad:
            p.data += (0.2 * torch.randn(p.shape, generator=g)).to(p.dtype)
        if "lora_" in name:
            p.data = p.data.to(dtype)


def plain_merge(base, folder, options):
    """peft's formulas on the files, in f64."""
    c = json.load(open(os.path.join(folder, "adapter_config.json")))
    path = os.path.join(folder, "adapter_model.safetensors")
    ad = load_file(path) if os.path.exists(path) else torch.load(path.replace("safetensors", "bin"))
    names = options.get("names", lambda k: k)
    ad = {names(k.removeprefix("base_model.model.").replace(".default", "")): v.double() for k, v in ad.items()}
    out, dtypes = {k: v.double() for k, v in base.items()}, {k: v.dtype for k, v in base.items()}
    for k, v in ad.items():
        k = k.replace(".base_layer", "")
        if "lora_" not in k:
            out[k] = v
            dtypes.setdefault(k, next(iter(dtypes.values())))
    for k in ad:
        if k.endswith(".lora_A.weight") or k.endswith(".lora_embedding_A"):
            embedding = k.endswith("_embedding_A")
            module = k.split(".lora_")[0]
            a, b = ad[k], ad[k.replace("lora_A", "lora_B").replace("embedding_A", "embedding_B")]
            alpha = options.get("alphas", {}).get(module, c["lora_alpha"])
            scale = alpha / (a.shape[0] ** 0.5 if c["use_rslora"] else a.shape[0])
            delta = scale * (b.flatten(1) @ a.flatten(1))
            delta = delta.t() if embedding or c["fan_in_fan_out"] else delta
            w = out[module + ".weight"]
            w = w + delta.reshape(w.shape)
            if c["use_dora"]:
                rows = w.flatten(1)
                w = (rows * (ad[module + ".lora_magnitude_vector"].flatten() / rows.norm(dim=1))[:, None]).reshape(w.shape)
            out[module + ".weight"] = w
            if module + ".lora_B.bias" in ad:
                out[module + ".bias"] = out[module + ".bias"] + scale * ad[module + ".lora_B.bias"]
    return {k: v.to(dtypes[k]) for k, v in out.items()}


def places(a, b):
    """The largest difference, in units of the largest value's last place."""
    unit = torch.finfo(a.dtype).eps * b.double().abs().max().clamp(min=1e-30)
    return ((a.double() - b.double()).abs().max() / unit).item()


def adapt(name, base_name, base, factory, dtype, adapter_dtype=F32, file="safetensors", options=None, old_names=False, seed=5, **lora):
    import peft
    options = options or {}
    model = peft.get_peft_model(opened(factory, base, dtype), peft.LoraConfig(**lora), autocast_adapter_dtype=False)
    train(model, adapter_dtype, seed)
    folder = at("sources", name, "x")[:-2]
    model.save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    config = json.load(open(os.path.join(folder, "adapter_config.json")))
    with open(os.path.join(folder, "adapter_config.json"), "w") as f:
        json.dump(dict(config, base_model_name_or_path=None, target_modules=sorted(config["target_modules"])), f, indent=1)
    path = os.path.join(folder, "adapter_model.safetensors")
    tensors = load_file(path)
    if old_names:
        tensors = {k.replace(".weight", ".default.weight") if "lora_" in k else k: v for k, v in tensors.items()}
        save_file(tensors, path, {"format": "pt"})
    if file == "bin":
        os.remove(path)
        torch.save(tensors, path.replace("safetensors", "bin"))
    expected = plain_merge(base, folder, options)
    merged = {options.get("names", lambda k: k)(k): v for k, v in model.merge_and_unload().state_dict().items()}
    worst = max(places(merged[k], v) for k, v in expected.items())
    print(f"{name}: peft differs by {worst:.2f} units of the last place of the largest value", {str(v.dtype) for v in tensors.values()})
    assert worst < (8 if dtype == F32 else 3), name
    recipe(name, f"merge_method: linear\nmodels:\n- {{model: sources/{base_name}+sources/{name}, parameters: {{weight: 1}}}}\n", expected)
    return expected


def make_llava():
    import transformers
    return transformers.LlavaForConditionalGeneration.from_pretrained(at("sources", "llava-base", "x")[:-2], dtype=BF16)


def llava_name(module):
    """What transformers 5 calls a tensor while it is loaded, as the file has it."""
    for now, file in (("model.language_model.", "language_model.model."), ("model.", ""), ("lm_head.", "language_model.lm_head.")):
        if module.startswith(now):
            return file + module.removeprefix(now)
    return module


class Convolutions(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.line = torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 5, 1), torch.nn.Conv1d(4, 6, 3)

    def tie_weights(self):
        pass


def adapters(llama, make_llama, gpt2, make_gpt2):
    every = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    f32 = {k: v.float() for k, v in near(llama, 21).items()}
    config = json.load(open(at("sources", "llama-base", "config.json")))
    put("llama-f32", f32, dict(config, dtype="float32"))
    bf16 = ("llama-base", llama, make_llama, BF16)
    plain = adapt("peft-plain", *bf16, r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"])
    adapt("peft-bf16", *bf16, adapter_dtype=BF16, r=4, lora_alpha=8, target_modules=every)
    adapt("peft-rslora", "llama-f32", f32, make_llama, F32, r=3, lora_alpha=6, use_rslora=True, target_modules=every)
    adapt("peft-patterns", "llama-f32", f32, make_llama, F32, r=4, lora_alpha=8, target_modules=every,
          rank_pattern={r"layers\.1\.self_attn\.q_proj": 2, "down_proj": 6}, alpha_pattern={r"^model.layers.\d+.self_attn.k_proj": 5},
          options={"alphas": {f"model.layers.{i}.self_attn.k_proj": 5 for i in range(2)}})
    adapt("peft-bias-all", *bf16, r=2, lora_alpha=4, bias="all", target_modules=["q_proj"])
    adapt("peft-bias-lora-only", *bf16, r=2, lora_alpha=4, bias="lora_only", target_modules=["q_proj"])
    adapt("peft-lora-bias", *bf16, r=2, lora_alpha=4, lora_bias=True, target_modules=["k_proj"])
    adapt("peft-modules", *bf16, r=2, lora_alpha=4, modules_to_save=["lm_head", "norm"], target_modules=["o_proj"])
    adapt("peft-embedding", *bf16, r=2, lora_alpha=4, target_modules=["embed_tokens", "up_proj"])
    adapt("peft-dora", "llama-f32", f32, make_llama, F32, r=4, lora_alpha=8, use_dora=True, target_modules=["q_proj", "down_proj"])
    adapt("peft-old-names", *bf16, r=4, lora_alpha=8, target_modules=["q_proj"], old_names=True, file="bin")
    adapt("peft-fan-in", "gpt2-base", gpt2, make_gpt2, F32, r=2, lora_alpha=4, fan_in_fan_out=True, target_modules=["c_attn", "c_proj", "c_fc"])
    adapt("peft-untied", "gpt2-base", gpt2, make_gpt2, F32, r=2, lora_alpha=4, fan_in_fan_out=True, modules_to_save=["lm_head"], target_modules=["c_attn"])
    llava = load_file(at("sources", "llava-base", "model.safetensors"))
    adapt("peft-llava", "llava-base", llava, make_llava, BF16, r=2, lora_alpha=4, target_modules=["q_proj", "down_proj", "linear_1", "lm_head"],
          options={"names": llava_name})
    torch.manual_seed(9)
    convolutions = {k: v.to(F16) for k, v in Convolutions().state_dict().items()}
    put("conv-base", convolutions, {"model_type": "convolutions"})
    adapt("peft-conv", "conv-base", convolutions, Convolutions, F16, adapter_dtype=F16, r=2, lora_alpha=3, target_modules=["conv1", "conv2", "line"])
    twice = plain_merge(plain, at("sources", "peft-bf16", "x")[:-2], {})
    recipe("peft-two", "merge_method: linear\nmodels:\n- {model: sources/llama-base+sources/peft-plain+sources/peft-bf16, parameters: {weight: 1}}\n", twice)
    other = plain_merge(llama, at("sources", "peft-bf16", "x")[:-2], {})
    recipe("peft-task-arithmetic", "merge_method: task_arithmetic\nbase_model: sources/llama-base\nmodels:\n- {model: sources/llama-base+sources/peft-plain, parameters: {weight: 0.75}}\n"
           "- {model: sources/llama-base+sources/peft-bf16, parameters: {weight: 0.5}}\n", task_arithmetic(llama, [plain, other], [0.75, 0.5]))


def main():
    import transformers as t
    torch.manual_seed(1)
    torch.set_num_threads(1)
    for name in ("sources", "expected"):
        shutil.rmtree(os.path.join(ROOT, name), ignore_errors=True)
    architectures()
    components()
    unet()
    def make_llama():
        return t.LlamaForCausalLM(t.LlamaConfig(vocab_size=48, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                                                attention_bias=True, tie_word_embeddings=False))
    def make_gpt2():
        return t.GPT2LMHeadModel(t.GPT2Config(vocab_size=40, n_positions=16, n_embd=16, n_layer=2, n_head=2))
    llama, config = saved(make_llama(), BF16)
    llama = near(llama, 3)
    put("llama-base", llama, config)
    pickles(llama, config)
    adapters(llama, make_llama, load_file(at("sources", "gpt2-base", "model.safetensors")), make_gpt2)


main()
