"""Makes spf_*.encode.jsonl and data/tokenizers/pieces beside them: folders with tokenizer.model and no tokenizer.json, and the ids of transformers'
LlamaTokenizer over SentencePiece. Usage: make_folders.py GOLDENS    Needs transformers==4.49.0 (version 5 has no such tokenizer), sentencepiece==0.2.3.

The model is a small one of Llama's kind (BPE, bytes, no normalisation) trained on the texts themselves."""
import io, json, shutil, sys
from pathlib import Path
import sentencepiece
from transformers import LlamaTokenizer

ROOT = Path(sys.argv[1])
TEXTS = ["", "Hello", " Hello", "Hello ", "  two  spaces  ", "\n", "a\nb\n\nc", "日本語の質問に答えてください。", "リンゴを3個買いました。", "é e\u0301 👨‍👩‍👧‍👦", "\u2581a", "tab\tand\r\nline", "<s>hello</s>",
         "<s> hello </s> there", "a<unk>b", "<s>[INST] 質問 [/INST]", "[INST] x [/INST] y</s><s>[INST] z [/INST]", "<image>\nWhat is this?", "a <image> b", "a<image>b", "<pad><pad>x", "x  <pad> y",
         "</s></s>", "x</s>y", "<s", "s>", "The answer is 12345.67", "1 + 2 = 3", "     indented", "\u3000全角　スペース\u3000"]
SPECIAL = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
ADDED = {str(i): {"content": t, **SPECIAL} for i, t in enumerate(["<unk>", "<s>", "</s>"])}
FOLDERS = {
    "plain": None,
    "legacy": {"legacy": True, "add_bos_token": True, "tokenizer_class": "LlamaTokenizer"},
    "not_legacy": {"legacy": False, "tokenizer_class": "LlamaTokenizer"},
    "no_prefix": {"legacy": False, "add_prefix_space": False, "tokenizer_class": "LlamaTokenizer"},
    "edges": {"add_bos_token": False, "add_eos_token": True, "tokenizer_class": "LlamaTokenizer"},
    "added": {"legacy": True, "pad_token": "<pad>", "tokenizer_class": "LlamaTokenizer",
              "added_tokens_decoder": {**ADDED, "@0": {"content": "<image>", **SPECIAL}, "@1": {"content": "<pad>", **SPECIAL, "lstrip": True}}},
    "numbers": {"legacy": True, "tokenizer_class": "LlamaTokenizer"},
}


def train():
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXTS[1:] * 5), model_writer=buffer, vocab_size=420, model_type="bpe", byte_fallback=True, hard_vocab_limit=False,
                                             normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True, minloglevel=5)
    return buffer.getvalue()


def main():
    model = train()
    size = sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size()
    index = [e for e in json.loads((ROOT / "golden/tokenizer/index.json").read_text()) if not e["name"].startswith("spf_")]
    for name, config in FOLDERS.items():
        folder = ROOT / "data/tokenizers/pieces" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "tokenizer.model").write_bytes(model)
        if config and "added_tokens_decoder" in config:
            config["added_tokens_decoder"] = {str(size + int(k[1:])) if k[0] == "@" else k: v for k, v in config["added_tokens_decoder"].items()}
        if config:
            (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
        if name == "numbers":
            (folder / "added_tokens.json").write_text(json.dumps({"<image>": size, "<pad>": size + 1}) + "\n")
            (folder / "special_tokens_map.json").write_text(json.dumps({"bos_token": "<s>", "pad_token": "<pad>"}) + "\n")
        t = LlamaTokenizer.from_pretrained(folder)
        with open(ROOT / f"golden/tokenizer/spf_{name}.encode.jsonl", "w") as f:
            for i, text in enumerate(TEXTS):
                f.write(json.dumps({"i": i, "text": text, "ids": t.encode(text, add_special_tokens=False), "ids_special": t.encode(text)}, ensure_ascii=False, separators=(",", ":")) + "\n")
        index.append({"name": f"spf_{name}", "kind": "sentencepiece", "file": f"data/tokenizers/pieces/{name}", "vocab": size, "texts": len(TEXTS)})
    (ROOT / "golden/tokenizer/index.json").write_text(json.dumps(index, indent=1) + "\n")


main()
