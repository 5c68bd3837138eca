"""Makes corpus/bin, corpus/adapter, corpus/image, corpus/features and corpus/sentencepiece: python make_corpus.py corpus    (torch, safetensors, sentencepiece)"""
import io, json, os, pathlib, struct, sys, zipfile
import torch
from safetensors.torch import save

OUT = sys.argv[1]


def checkpoint(name, value, **options):
    torch.save(value, f"{OUT}/bin/{name}", **options)


def adapter(name, config, tensors):
    with open(f"{OUT}/adapter/{name}", "wb") as f:
        f.write(json.dumps(config).encode() + b"\0" + save(tensors))


class Evil:
    def __reduce__(self):
        return (os.system, ("id",))



def features(name, rows, width, n):
    with open(f"{OUT}/features/{name}", "wb") as f:
        f.write(b"MGFEAT1\n" + struct.pack("<qq", rows, width) + bytes(40 + n))


for name, *size in ("two-rows", 2, 3, 24), ("short", 2, 3, 20), ("huge", 2**62, 4, 16), ("negative", -2, -3, 24), ("head", 1, 1, 0):
    features(name, *size)


x = torch.arange(6.0).view(2, 3)
checkpoint("views", {"w": x, "t": x.t(), "s": x[:, 1:], "e": torch.zeros(0, 2), "n": torch.tensor(3), "h": x.bfloat16(), "p": torch.nn.Parameter(x),
                     "b": torch.tensor([True, False])})
checkpoint("wrapped", {"state_dict": {"w": x.half()}, "epoch": 1, "f": [0.5, None, (1,)]})
checkpoint("protocol4", {"w": x, "u": torch.zeros(2, dtype=torch.uint16)}, pickle_protocol=4)
checkpoint("module", torch.nn.Linear(2, 1).state_dict())
checkpoint("evil", {"w": x, "e": Evil()})
packed = io.BytesIO()
with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z, zipfile.ZipFile(f"{OUT}/bin/wrapped") as source:
    for entry in source.infolist():
        z.writestr(entry.filename, source.read(entry))
with open(f"{OUT}/bin/deflated", "wb") as f:
    f.write(packed.getvalue())
with open(f"{OUT}/bin/module", "rb") as whole, open(f"{OUT}/bin/cut", "wb") as f:
    f.write(whole.read()[:-30])

plain = {"peft_type": "LORA", "r": 2, "lora_alpha": 4}
ones = torch.ones
q = {"base_model.model.q.lora_A.weight": ones(2, 4), "base_model.model.q.lora_B.weight": ones(3, 2)}
adapter("plain", plain, q)
adapter("rslora", dict(plain, use_rslora=True, rank_pattern={"q": 2}, alpha_pattern={r"\w+": 3}), {k: v.bfloat16() for k, v in q.items()})
adapter("dora", dict(plain, use_dora=True), q | {"base_model.model.q.lora_magnitude_vector": ones(3)})
adapter("bias", dict(plain, bias="all"), q | {"base_model.model.q.lora_B.bias": ones(3), "base_model.model.q.base_layer.bias": ones(3)})
adapter("embedding", plain, {"base_model.model.transformer.wte.lora_embedding_A": ones(2, 6), "base_model.model.transformer.wte.lora_embedding_B": ones(4, 2)})
adapter("conv", plain, {"conv.lora_A.default.weight": ones(2, 2, 2, 2), "conv.lora_B.default.weight": ones(3, 2, 1, 1)})
adapter("fan_in", dict(plain, fan_in_fan_out=True), {"q.lora_A.weight": ones(2, 3), "q.lora_B.weight": ones(4, 2)})
adapter("head", dict(plain, modules_to_save=["lm_head"]), q | {"base_model.model.lm_head.weight": ones(6, 4)})
adapter("cast", plain, {"base_model.model.wte.modules_to_save.weight": ones(6, 4)})
adapter("rank0", dict(plain, r=0), q)
adapter("mismatch", dict(plain, r=4), q)
adapter("missing", plain, {"x.lora_A.weight": ones(2, 4), "x.lora_B.weight": ones(3, 2)})

# pictures, alone and behind a processor: preprocessor_config.json, a NUL, the picture
pictures = pathlib.Path(__file__).parent.parent / "goldens/golden/pictures"
small = [p for p in sorted(pictures.iterdir()) if p.suffix in (".png", ".jpg", ".webp") and p.stat().st_size < 1200]
for p in small:
    pathlib.Path(f"{OUT}/image/{p.name}").write_bytes(p.read_bytes())
for p in sorted(pictures.glob("processors/*/preprocessor_config.json")):
    config = p.read_text().replace("56", "28").replace("112", "56").replace("168", "84")
    pathlib.Path(f"{OUT}/image/{p.parent.name}").write_bytes(json.dumps(json.loads(config)).encode() + b"\0" + small[0].read_bytes())

# SentencePiece models of every kind, small, with a text behind: 4 bytes of the model's length, the model, the text
import sentencepiece
words = pathlib.Path(OUT) / "words.txt"
words.write_text("\n".join("the cat sat on the mat " * 3 + "hello world %d" % i + " 日本語 の テスト" for i in range(50)))
kinds = {"bpe": {}, "bpe-no-bytes": {"byte_fallback": False}, "unigram": {"model_type": "unigram"}, "char": {"model_type": "char"}, "word": {"model_type": "word"},
         "no-prefix": {"add_dummy_prefix": False}, "trims": {"remove_extra_whitespaces": True}, "defined": {"user_defined_symbols": ["[INST]", "cat"], "control_symbols": ["<c>"]},
         "surface": {"unk_surface": "?", "byte_fallback": False}, "suffix": {"treat_whitespace_as_suffix": True}}
for name, more in kinds.items():
    options = {"model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False, "hard_vocab_limit": False, "vocab_size": 320} | more
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(input=str(words), model_writer=buffer, minloglevel=5, **options)
    model = buffer.getvalue()
    pathlib.Path(f"{OUT}/sentencepiece/{name}").write_bytes(len(model).to_bytes(4, "little") + model + "the  cat <s>[INST] 日本 \U0001F600".encode())
words.unlink()
configs = {"config": {"legacy": False, "added_tokens_decoder": {"320": {"content": "<image>", "special": True}, "1": {"content": "<s>", "lstrip": True}}, "pad_token": "<pad>"},
           "config-old": {"add_bos_token": False, "add_eos_token": True, "add_prefix_space": False, "bos_token": {"content": "<s>"}, "additional_special_tokens": ["cat"]},
           "config-class": {"tokenizer_class": "T5Tokenizer"}}
plain = pathlib.Path(f"{OUT}/sentencepiece/bpe").read_bytes()
model = plain[4:4 + int.from_bytes(plain[:4], "little")]
for name, config in configs.items():
    pathlib.Path(f"{OUT}/sentencepiece/{name}").write_bytes(len(model).to_bytes(4, "little") + model + json.dumps(config).encode())
