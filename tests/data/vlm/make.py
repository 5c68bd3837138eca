"""Makes everything beside it again: python make.py .    (torch, transformers, safetensors, Pillow)

A tiny LLaVA and language models that go with its language part, all of random numbers, for merges and studies of the one with the others:
    sees          LLaVA as llava-hf names it; 320 rows: 307 tokens of the base, <image>, <pad>, padding to a multiple of 64
    other-eyes    the same with another projector and another language part
    base, ja      language models of 307 rows; ja and the language part of `sees` lie near base
    padded        like ja with a [PAD] in row 307, as WizardMath has it
    shifted       a tokenizer that has <image> in row 307 and another token before it
    pictures/     and questions about them: questions.jsonl
"""
import json, os, shutil, sys
import torch, transformers as t
from PIL import Image
from safetensors.torch import load_file, save_file

ROOT = sys.argv[1]
WORDS, ROWS, BF16 = 307, 320, torch.bfloat16
TEXT = dict(vocab_size=WORDS, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
            max_position_embeddings=256, sliding_window=None, tie_word_embeddings=False, initializer_range=0.3, bos_token_id=1, eos_token_id=2, rms_norm_eps=1e-5,
            rope_parameters={"rope_theta": 10000.0, "rope_type": "default"})
VISION = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14, projection_dim=16, initializer_factor=4.0)


def at(*parts):
    path = os.path.join(ROOT, *parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def write(value, *parts):
    with open(at(*parts), "w") as f:
        json.dump(value, f, ensure_ascii=False, indent=1)
        f.write("\n")


def special(i, text):
    return {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


def tokenizer(folder, added=(), last="0"):
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), "\u2581", *"abcdefghijklmnopqrstuvwxyz.,?", *"のはをにがでと", *"123456789", last, last * 2]
    assert len(tokens) <= WORDS, len(tokens)
    tokens += [f"\u2581{c}" for c in "abcdefghijklmnopqrstuvwxyz"][:WORDS - len(tokens)]
    assert len(tokens) == WORDS, len(tokens)
    specials = [special(i, x) for i, x in enumerate(("<unk>", "<s>", "</s>"))] + [special(WORDS + i, x) for i, x in enumerate(added)]
    write({"version": "1.0", "truncation": None, "padding": None, "added_tokens": specials,
           "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
           "pre_tokenizer": None,
           "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                              "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<s>", "type_id": 1}},
                                       {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
           "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
                                                        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
           "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True,
                     "ignore_merges": False, "vocab": {x: i for i, x in enumerate(tokens)}, "merges": []}}, folder, "tokenizer.json")
    write({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True, "add_eos_token": False,
           "model_max_length": 256, "clean_up_tokenization_spaces": False}, folder, "tokenizer_config.json")


def near(tensors, seed, amount=0.05):
    g = torch.Generator().manual_seed(seed)
    return {k: (v.float() + amount * torch.randn(v.shape, generator=g)).to(BF16) for k, v in tensors.items()}


def put(folder, tensors, config):
    save_file({k: v.contiguous() for k, v in sorted(tensors.items())}, at(folder, "model.safetensors"), {"format": "pt"})
    config.pop("transformers_version", None)
    write(config, folder, "config.json")


def saved(model):
    folder = at("tmp", "x")[:-2]
    model.to(BF16).save_pretrained(folder)
    tensors, config = load_file(os.path.join(folder, "model.safetensors")), json.load(open(os.path.join(folder, "config.json")))
    shutil.rmtree(folder)
    return tensors, config


def llava(folder, language, seed):
    torch.manual_seed(seed)
    tensors, config = saved(t.LlavaForConditionalGeneration(t.LlavaConfig(
        vision_config=t.CLIPVisionConfig(**VISION), text_config=t.MistralConfig(**dict(TEXT, vocab_size=ROWS)), image_token_index=WORDS, image_seq_length=4,
        vision_feature_layer=-2, vision_feature_select_strategy="default")))
    tensors = {k.replace("vision_tower.", "vision_tower.vision_model.") if "vision_model" not in k else k: v for k, v in tensors.items()}
    for k, v in language.items():
        old = tensors["language_model." + k]
        tensors["language_model." + k] = torch.cat([v, old[len(v):]])
    put(folder, tensors, config)
    tokenizer(folder, ("<image>", "<pad>"))
    t.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}).save_pretrained(at(folder, "x")[:-2])
    write({"processor_class": "LlavaProcessor", "patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1, "image_token": "<image>"},
          folder, "processor_config.json")


def text(folder, tensors, config, added=(), last="0"):
    rows = len(tensors["model.embed_tokens.weight"])
    put(folder, tensors, dict(config, vocab_size=rows))
    tokenizer(folder, added, last)


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    base, config = saved(t.MistralForCausalLM(t.MistralConfig(**TEXT)))
    ja = near(base, 2)
    text("base", base, config)
    text("ja", ja, config)
    more = {k: torch.cat([v, v.mean(0, keepdim=True)]) if "embed" in k or "lm_head" in k else v for k, v in near(base, 3).items()}
    text("padded", more, config, ("[PAD]",))
    text("shifted", more, config, ("<image>",), last="x0")
    llava("sees", near(base, 4), 5)
    llava("other-eyes", near(base, 6), 7)
    g = torch.Generator().manual_seed(8)
    names = ("red", "green", "blue", "grey")
    lines = []
    for i in range(12):
        a, b = torch.randint(0, 256, (2, 3), generator=g).tolist()
        w, h = torch.randint(20, 60, (2,), generator=g).tolist()
        picture = Image.new("RGB", (w, h), tuple(a))
        picture.paste(tuple(b), (0, 0, w // 2, h // 2))
        picture.save(at("pictures", f"{i:02}.png"))
        lines.append({"id": f"{i:02}", "image": f"pictures/{i:02}.png", "question": f"what is in picture {i + 1}?", "answer": names[i % 4]})
    with open(at("questions.jsonl"), "w") as f:
        f.writelines(json.dumps(x, ensure_ascii=False) + "\n" for x in lines)


main()
