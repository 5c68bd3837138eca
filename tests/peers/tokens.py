"""usage: tokens.py MERGANSER      run from the repository's root by tests/peers/run
Merges of small models whose tokenizers differ, against mergekit: rows of embeddings and head by the tokens' texts (the ids of a union are in no fixed
order in mergekit), vocab_size, chat template, and how transformers encodes texts with both results."""
import copy, json, os, shutil, subprocess, sys, tempfile, traceback

os.environ["HF_HUB_OFFLINE"] = "1"
import torch, yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer

exe = sys.argv[1]
work = tempfile.mkdtemp()
failed = 0
# mergekit takes models in the order of a Python set: of several added tokens with one text the flags of any count. Here that of the recipe.
in_any_order = MergeConfiguration.referenced_models
MergeConfiguration.referenced_models = lambda self: sorted(in_any_order(self), key=lambda m: [str(m)] != [str(self.base_model)] and yaml_order(self).index(str(m)) + 1)
yaml_order = lambda c: [str(m.model) for m in (c.models or [x for s in c.slices or [] for x in s.sources] or [x for d in (c.modules or {}).values() for s in d.slices for x in s.sources])]
english = open("README.md").read().splitlines()
japanese = [json.loads(l)["question"] for l in open("miniature/questions/math-ja-train.jsonl")][:400]
texts = english[:60] + japanese[:60] + ["<s>a<|im_end|> b  c\n", "x<tool>y <|im_start|>user", "  two  spaces", "<pad><extra>Hello<mark>!", "\U0001F600 é ſ"]


def check(name, ok, detail=""):
    global failed
    failed += not ok
    print(f"{'ok    ' if ok else 'FAILED'} {name} {detail}", flush=True)


def special(text, **flags):
    return AddedToken(text, special=True, normalized=False, **flags)


def byte_level(corpus, size, added=()):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=size, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.add_tokens(list(added))
    return t


def pieces(corpus, size, added=(), last=()):
    """Like SentencePiece's. `last`: tokens of the vocabulary that are put behind the others, so that ids differ."""
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False))
    t.add_tokens(list(added))
    j = json.loads(t.to_str())
    words = sorted(j["model"]["vocab"], key=j["model"]["vocab"].get)
    words = words[:3] + sorted(words[3:], key=lambda w: w[::-1]) if last else words
    ids = {w: i for i, w in enumerate(words)}
    j["model"]["vocab"] = ids
    for a in j["added_tokens"]:
        a["id"] = ids.get(a["content"], a["id"])
    return Tokenizer.from_str(json.dumps(j))


def write(name, tok, seed, dtype=torch.bfloat16, tied=False, rows=None, kind="PreTrainedTokenizerFast", template=None, **config):
    folder = f"{work}/{name}"
    os.makedirs(folder, exist_ok=True)
    rows = rows or tok.get_vocab_size()
    g = torch.Generator().manual_seed(seed)
    h, inner, layers = 16, 24, 2
    shapes = {"model.embed_tokens.weight": (rows, h), "model.norm.weight": (h,)}
    if not tied:
        shapes["lm_head.weight"] = (rows, h)
    for i in range(layers):
        p = f"model.layers.{i}."
        shapes |= {p + "input_layernorm.weight": (h,), p + "post_attention_layernorm.weight": (h,), p + "mlp.gate_proj.weight": (inner, h), p + "mlp.up_proj.weight": (inner, h),
                   p + "mlp.down_proj.weight": (h, inner), **{p + f"self_attn.{q}_proj.weight": (h, h) for q in "qkvo"}}
    save_file({k: (torch.randn(s, generator=g) * .1).to(dtype) for k, s in shapes.items()}, f"{folder}/model.safetensors", {"format": "pt"})
    json.dump({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": h, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": 2,
               "num_key_value_heads": 2, "vocab_size": rows, "rms_norm_eps": 1e-5, "rope_theta": 1e4, "max_position_embeddings": 64, "tie_word_embeddings": tied,
               "torch_dtype": str(dtype)[6:], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu"}, open(f"{folder}/config.json", "w"))
    json.dump({"bos_token_id": 1, "eos_token_id": 2}, open(f"{folder}/generation_config.json", "w"))
    tok.save(f"{folder}/tokenizer.json")
    json.dump({"tokenizer_class": kind, "bos_token": "<s>", "eos_token": "</s>", "model_max_length": int(1e30), **({"chat_template": template} if template else {}), **config},
              open(f"{folder}/tokenizer_config.json", "w"))
    return folder


def load(folder):
    return load_file(f"{folder}/model.safetensors"), AutoTokenizer.from_pretrained(folder), json.load(open(f"{folder}/config.json"))


def differing(x, y):
    """How many elements differ; in f32 and in means of 16-bit rows by more than their sums' order can do."""
    if x.shape != y.shape or x.dtype != y.dtype:
        return max(x.numel(), 1)
    if x.dtype == torch.float32 and x.numel():
        return int(((x - y).abs() > 5e-7 * y.abs().max()).sum())
    return int((x.view(torch.int16) != y.view(torch.int16)).sum())


def compare(name, recipe):
    shutil.rmtree(f"{work}/theirs", ignore_errors=True)
    try:
        run_merge(MergeConfiguration.model_validate(copy.deepcopy(recipe)), f"{work}/theirs", MergeOptions(write_model_card=False, quiet=True, copy_tokenizer=True))
    except BaseException as e:
        return check(name, False, "mergekit: " + traceback.format_exception_only(e)[-1].strip()[:300])
    yaml.safe_dump({**recipe, "merganser": {"mode": "compat"}}, open(f"{work}/r.yml", "w"), allow_unicode=True, sort_keys=False)
    r = subprocess.run([exe, "merge", f"{work}/r.yml", f"{work}/ours", "--force", "--quiet"], capture_output=True, text=True)
    if r.returncode:
        return check(name, False, r.stderr.strip()[-300:])
    (a, ta, ca), (b, tb, cb) = load(f"{work}/ours"), load(f"{work}/theirs")
    va, vb = ta.get_vocab(), tb.get_vocab()
    wrong = []
    if set(va) != set(vb):
        wrong.append(f"tokens differ: {sorted(set(va) ^ set(vb))[:5]}")
    if ca["vocab_size"] != cb["vocab_size"]:
        wrong.append(f"vocab_size {ca['vocab_size']}, theirs {cb['vocab_size']}")
    if a.keys() != b.keys():
        wrong.append(f"tensors {sorted(a.keys() ^ b.keys())[:3]}")
    order = sorted(set(va) & set(vb))
    for k in a.keys() & b.keys():
        x, y = a[k], b[k]
        if k in ("model.embed_tokens.weight", "lm_head.weight") and not wrong:
            pad = differing(x[len(va):], y[len(vb):])
            x, y = x[[va[w] for w in order]], y[[vb[w] for w in order]]
            if pad > (x.shape[1] + 999) // 1000:
                wrong.append(f"{k}: {pad} elements of padding differ")
        n = differing(x, y)
        if n:
            wrong.append(f"{k}: {n} of {x.numel()} elements differ")
    for text in texts:
        i, j = (t.convert_ids_to_tokens(t(text).input_ids) for t in (ta, tb))
        if i != j:
            wrong.append(f"{text!r} is {i}, theirs {j}")
            break
        if ta.decode(ta(text).input_ids) != tb.decode(tb(text).input_ids):
            wrong.append(f"{text!r} decodes differently")
            break
    for key in ("bos_token", "eos_token", "pad_token", "unk_token"):
        if getattr(ta, key) != getattr(tb, key):
            wrong.append(f"{key} {getattr(ta, key)}, theirs {getattr(tb, key)}")
    named = {w: (str(ta.added_tokens_decoder[va[w]]), str(tb.added_tokens_decoder[vb[w]])) for w in ta.added_tokens_encoder if w in tb.added_tokens_encoder}
    flags = lambda t, i: (lambda x: (x.special, x.lstrip, x.rstrip, x.single_word, x.normalized))(t.added_tokens_decoder[i])
    for w in set(ta.added_tokens_encoder) | set(tb.added_tokens_encoder):
        if w not in named or flags(ta, va[w]) != flags(tb, vb[w]):
            wrong.append(f"added token {w!r}: {flags(ta, va[w]) if w in ta.added_tokens_encoder else None}, theirs {flags(tb, vb[w]) if w in tb.added_tokens_encoder else None}")
            break
    if recipe.get("chat_template") in (None, "auto", "chatml", "mistral") or "{" in recipe["chat_template"]:
        talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}, {"role": "user", "content": "so"}]
        said = [t.apply_chat_template(talk, tokenize=False, add_generation_prompt=True) if t.chat_template else None for t in (ta, tb)]
        if said[0] != said[1]:
            wrong.append(f"a conversation is {said[0]!r}, theirs {said[1]!r}")
    check(name, not wrong, f"{len(va)} tokens, vocab_size {ca['vocab_size']}" if not wrong else "; ".join(wrong[:4]))


def linear(*models, **more):
    return {"models": [{"model": m, "parameters": {"weight": w}} for m, w in zip(models, (.5, .3, .2, .4))], "merge_method": "linear", **more}


en, ja = english, japanese
for kind, make in (("bytes", byte_level), ("pieces", pieces)):
    again = {"last": (1,)} if make is pieces else {}
    base = write(f"{kind}-base", make(en, 320), 1)
    tuned = write(f"{kind}-tuned", make(en, 320, [special("<|im_start|>"), special("<|im_end|>"), special("<tool>")]), 2, template="{{ 'T' }}")
    other = write(f"{kind}-other", make(ja, 600, [special("<|im_start|>", lstrip=True), special("<mark>", rstrip=True), AddedToken("Hello", special=False)], **again), 3, template="{{ 'O' }}")
    third = write(f"{kind}-third", make(ja, 520, [special("<|im_start|>"), "user"]), 4, template=" {{ 'O' }}\n")
    tied = [write(f"{kind}-tied-{i}", make(c, n, [special("<pad>")], **m), 5 + i, tied=True, dtype=d) for i, (c, n, m, d) in
            enumerate(((en, 300, {}, torch.bfloat16), (ja, 500, again, torch.bfloat16), (en + ja, 450, {}, torch.float16)))]
    wide = write(f"{kind}-wide", make(en, 320, [special("<tool>")]), 9, dtype=torch.float32, rows=384)
    compare(f"{kind}: union of two", linear(base, tuned, base_model=base, tokenizer_source="union"))
    compare(f"{kind}: union of three, with means", linear(base, other, third, base_model=base, tokenizer_source="union"))
    compare(f"{kind}: union, task arithmetic, padded", {**linear(tuned, other, base_model=base), "merge_method": "task_arithmetic", "tokenizer": {"source": "union", "pad_to_multiple_of": 64}})
    compare(f"{kind}: union, ties, dtype float32", {**linear(tuned, third, base_model=base), "merge_method": "ties", "dtype": "float32", "tokenizer_source": "union"})
    compare(f"{kind}: the base's", linear(base, other, third, base_model=base, tokenizer_source="base"))
    compare(f"{kind}: the base's, which is the larger", linear(tuned, base, base_model=tuned, tokenizer_source="base"))
    compare(f"{kind}: one of the models'", linear(base, tuned, other, base_model=base, tokenizer_source=other, chat_template="chatml"))
    compare(f"{kind}: tied", linear(tied[0], tied[1], base_model=tied[0], tokenizer_source="union", chat_template="mistral"))
    compare(f"{kind}: tied, bfloat16 and float16", linear(tied[0], tied[1], tied[2], base_model=tied[0], tokenizer={"source": "union", "pad_to_multiple_of": 32}))
    compare(f"{kind}: one tied, one not", linear(tied[0], other, base_model=tied[0], tokenizer_source="union"))
    compare(f"{kind}: more rows than tokens, float32", linear(base, wide, base_model=base, tokenizer_source="union"))
    compare(f"{kind}: settings", linear(base, tuned, other, base_model=base, chat_template="auto", tokenizer={"source": "union", "pad_to_multiple_of": 16, "tokens": {
        "<|im_start|>": {"source": tuned}, "<|im_end|>": {"source": {"kind": "zero"}}, "<mark>": {"source": {"kind": "model_token", "model": tuned, "token": "<tool>"}},
        "Hello": {"source": {"kind": "model_token", "model": other, "token_id": 7}}, "<s>": {"source": other, "force": True}, "a": {"source": {"kind": "zero"}, "force": True},
        "e": {"source": {"kind": "model_token", "model": base, "token": "o"}, "force": True}, "<extra>": {"source": {"kind": "model_token", "model": base, "token": "</s>"}}}}))
    compare(f"{kind}: slices", {"slices": [{"sources": [{"model": m, "layer_range": r} for m in ms]} for ms, r in (((base, other), [0, 1]), ((base, third), [1, 2]))], "base_model": base,
                           "merge_method": "linear", "parameters": {"weight": .5}, "tokenizer_source": "union", "chat_template": "{{ 'a text of its own' }}"})
    named = write(f"{kind}-named", make(en, 310), 11, rows=make(en, 310).get_vocab_size() + 3, pad_token="<pad>", additional_special_tokens=["<|im_end|>", "<extra>"])
    compare(f"{kind}: tokens that only tokenizer_config.json names", linear(base, named, base_model=base, tokenizer_source="union"))
    compare(f"{kind}: the same, as the base", linear(named, tuned, base_model=named, tokenizer_source="union"))
    short = write(f"{kind}-short", make(en, 320, [special("<tool>"), special("<pad>")]), 12, rows=321, template="{{ 'T' }}")
    compare(f"{kind}: a base with tokens behind its rows", linear(short, base, base_model=short, tokenizer_source="base", chat_template="auto"))
classes = {"pieces": "LlamaTokenizer", "bytes": "GPT2Tokenizer"}
for kind, make in (("bytes", byte_level), ("pieces", pieces)):
    a = write(f"{kind}-class-a", make(en, 320, [special("<pad>")]), 21, kind=classes[kind], pad_token="<pad>", unk_token="</s>")
    b = write(f"{kind}-class-b", make(ja, 600, [special("<tool>")]), 22, kind=classes[kind], unk_token="</s>")
    compare(f"{classes[kind]}: union", linear(a, b, base_model=a, tokenizer_source="union"))
sys.exit(1 if failed else 0)
