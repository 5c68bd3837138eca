"""usage: make.py LLAMA.CPP      LLAMA.CPP: the folder vendor/llama.cpp of llama-cpp-python's source package

Writes what lies beside this file: two tiny models as Hugging Face folders, GGUF files that llama.cpp's converter makes of them, the digest of
every tensor of its files of each type, and blocks of each quantised type with what gguf-py makes of them."""
import hashlib, json, os, shutil, subprocess, sys, tempfile

cpp = sys.argv[1]
sys.path.insert(0, os.path.join(cpp, "gguf-py"))
import gguf, numpy as np, torch
from safetensors.torch import save_file

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(17)
MARK = "\u2581"


def write(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    json.dump(value, open(path, "w"), ensure_ascii=False, indent=1)


def added(id, text, special=True):
    return dict(id=id, content=text, single_word=False, lstrip=False, rstrip=False, normalized=False, special=special)


def merged(vocab, pairs):
    for a, b in pairs:
        vocab.setdefault(a + b, len(vocab))
    return [[a, b] for a, b in pairs]


PAIRS = [("t", "h"), ("th", "e"), ("a", "n"), ("an", "d"), ("i", "n"), ("o", "u"), ("e", "r")]


def pieces():
    vocab = {w: i for i, w in enumerate(["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + [MARK] + list("abcdefghijklmnopqrstuvwxyz日本"))}
    pairs = [(MARK, "the"), (MARK, "and"), ("日", "本"), (MARK, "t"), (MARK + "t", "h")]
    merges = merged(vocab, PAIRS[:2] + pairs[:1] + PAIRS[2:] + pairs[1:])
    post = dict(type="TemplateProcessing", single=[dict(SpecialToken=dict(id="<s>", type_id=0)), dict(Sequence=dict(id="A", type_id=0))],
                pair=[dict(SpecialToken=dict(id="<s>", type_id=0)), dict(Sequence=dict(id="A", type_id=0)), dict(Sequence=dict(id="B", type_id=1))],
                special_tokens={"<s>": dict(id="<s>", ids=[1], tokens=["<s>"])})
    return len(vocab), dict(
        version="1.0", truncation=None, padding=None, added_tokens=[added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")],
        normalizer=dict(type="Sequence", normalizers=[dict(type="Prepend", prepend=MARK), dict(type="Replace", pattern=dict(String=" "), content=MARK)]),
        pre_tokenizer=None, post_processor=post,
        decoder=dict(type="Sequence", decoders=[dict(type="Replace", pattern=dict(String=MARK), content=" "), dict(type="ByteFallback"), dict(type="Fuse"),
                                                dict(type="Strip", content=" ", start=1, stop=0)]),
        model=dict(type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=True, byte_fallback=True,
                   ignore_merges=False, vocab=vocab, merges=merges)), dict(tokenizer_class="PreTrainedTokenizerFast", bos_token="<s>", eos_token="</s>", unk_token="<unk>",
                                                                          add_bos_token=True, add_eos_token=False)


def bytes_():
    letters = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    letters = [chr(b) for b in letters] + [chr(256 + n) for n in range(256 - len(letters))]
    vocab = {c: i for i, c in enumerate(letters)}
    merges = merged(vocab, PAIRS + [("\u0120", "the"), ("\u0120", "and")])
    n = len(vocab)
    pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=False, use_regex=False)
    return n + 2, dict(
        version="1.0", truncation=None, padding=None, added_tokens=[added(n, "<|endoftext|>"), added(n + 1, "<|im_start|>")], normalizer=dict(type="NFC"),
        pre_tokenizer=dict(type="Sequence", pretokenizers=[dict(type="Split", pattern=dict(Regex=pattern), behavior="Isolated", invert=False), level]),
        post_processor=level, decoder=level,
        model=dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix="", end_of_word_suffix="", fuse_unk=False, byte_fallback=False,
                   ignore_merges=False, vocab=vocab, merges=merges)), dict(tokenizer_class="PreTrainedTokenizerFast", eos_token="<|endoftext|>", pad_token="<|endoftext|>",
                                                                          add_bos_token=False, chat_template="{{ messages }}")


def model(name, vocabulary, tokenizer, config, rows, bias, tied, **more):
    folder, hidden, inner, heads, kv, layers = f"{here}/{name}", 32, 48, 4, 2, 2
    write(f"{folder}/tokenizer.json", tokenizer)
    write(f"{folder}/tokenizer_config.json", config)
    write(f"{folder}/config.json", dict(
        model_type=name, hidden_size=hidden, intermediate_size=inner, num_attention_heads=heads, num_key_value_heads=kv, num_hidden_layers=layers,
        vocab_size=rows, max_position_embeddings=512, rms_norm_eps=1e-5, hidden_act="silu", tie_word_embeddings=tied, dtype="bfloat16", **more))
    size = hidden // heads
    shapes = {"model.embed_tokens.weight": (rows, hidden), "model.norm.weight": (hidden,)}
    if not tied:
        shapes["lm_head.weight"] = (rows, hidden)
    for l in range(layers):
        p = f"model.layers.{l}."
        shapes |= {p + "input_layernorm.weight": (hidden,), p + "post_attention_layernorm.weight": (hidden,), p + "self_attn.q_proj.weight": (heads * size, hidden),
                   p + "self_attn.k_proj.weight": (kv * size, hidden), p + "self_attn.v_proj.weight": (kv * size, hidden), p + "self_attn.o_proj.weight": (hidden, heads * size),
                   p + "mlp.gate_proj.weight": (inner, hidden), p + "mlp.up_proj.weight": (inner, hidden), p + "mlp.down_proj.weight": (hidden, inner)}
        if bias:
            shapes |= {p + f"self_attn.{x}_proj.bias": (n * size,) for x, n in (("q", heads), ("k", kv), ("v", kv))}
    tensors = {k: torch.from_numpy(rng.normal(0, .2, s).astype(np.float32)).to(torch.bfloat16) for k, s in sorted(shapes.items())}
    save_file(tensors, f"{folder}/model.safetensors", {"format": "pt"})


n, tokenizer, config = pieces()
model("llama", n, tokenizer, config, n, False, False, architectures=["LlamaForCausalLM"], bos_token_id=1, eos_token_id=2,
      rope_parameters=dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192))
n, tokenizer, config = bytes_()
model("qwen2", n, tokenizer, config, n + 3, True, True, architectures=["Qwen2ForCausalLM"], bos_token_id=None, eos_token_id=n - 2,
      rope_parameters=dict(rope_type="default", rope_theta=10000.0))

# The converter knows byte-level tokenizers by what they make of a text; of one that it has never seen it has to be told the name.
convert = f"""import sys
sys.path.insert(0, {cpp!r}); sys.path.insert(0, {os.path.join(cpp, "gguf-py")!r})
from conversion import base
base.TextModel.get_vocab_base_pre = lambda self, tokenizer: "qwen2"
import convert_hf_to_gguf
convert_hf_to_gguf.main()
"""
digests = {}
with tempfile.TemporaryDirectory() as work:
    for name in ("llama", "qwen2"):
        for kind in ("f32", "f16", "bf16", "q8_0"):
            out = f"{work}/{name}-{kind}.gguf"
            subprocess.run([sys.executable, "-c", convert, f"{here}/{name}", "--outtype", kind, "--outfile", out], check=True, capture_output=True)
            digests[f"{name}-{kind}"] = {t.name: [t.tensor_type.name, hashlib.sha256(t.data.tobytes()).hexdigest()] for t in gguf.GGUFReader(out).tensors}
        shutil.copy(f"{work}/{name}-bf16.gguf", here)
write(f"{here}/digests.json", digests)

# Blocks: random bytes, their scales made small and finite, and what they stand for.
writer = gguf.GGUFWriter(f"{here}/blocks.gguf", "blocks")
for kind, scales in (("Q8_0", [0]), ("Q4_0", [0]), ("Q4_K", [0, 2]), ("Q6_K", [208])):
    type_ = gguf.GGMLQuantizationType[kind]
    per, size = gguf.GGML_QUANT_SIZES[type_]
    blocks = rng.integers(0, 256, (3, 512 // per, size), dtype=np.uint8)
    for at in scales:
        blocks[..., at:at + 2] = rng.normal(0, .01, blocks.shape[:2]).astype(np.float16).view(np.uint8).reshape(*blocks.shape[:2], 2)
    blocks = blocks.reshape(3, -1)
    writer.add_tensor(kind, blocks, raw_dtype=type_)
    writer.add_tensor(f"{kind}.f32", gguf.dequantize(blocks, type_).reshape(3, 512))
plain = rng.normal(0, 1, (8, 128)).astype(np.float32)
plain[1, :32], plain[2, :64], plain[3, :32] = 0, 1e-42, np.arange(-16, 16) / 2
plain[3, 0] = 127
writer.add_tensor("plain", plain)
writer.add_tensor("plain.q8_0", gguf.quantize(plain, gguf.GGMLQuantizationType.Q8_0), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
writer.write_header_to_file(); writer.write_kv_data_to_file(); writer.write_tensors_to_file(); writer.close()
