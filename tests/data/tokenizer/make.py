"""What the `tokenizers` library makes of small tokenizers of every kind of component: python make.py > components.jsonl

A line {"model": ...} for each model, then lines with a name, a tokenizer.json whose model is the number of one of them, and cases:
a text, its ids, ids_special where they differ, and what decoding gives (decoded_skip where it differs)."""
import json

from tokenizers import Tokenizer

SAME = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
BYTES = [chr(b) for b in SAME] + [chr(256 + k) for k in range(256 - len(SAME))]
TEXTS = ["", " ", "Hello world", " Hello  world ", "the cat's hat, isn't 1234 5.", "日本語のテキスト 12", "a<x>b <x> <y>!", "<s>the</s> the", "catthe cat",
         "e\u0301É ﬁ Å ㍻ \u0958", "\u3000全角\u00a0x\u2028y", "tab\tnew\n\nline \r\n", "😀👨‍👩‍👧 ok", "İIſ ẞ", "foo bar-baz_qux...", "▁▁a ▁b", "aXbXc", "x\u200dy z", "<X> <unk> ~ \u00e9"]


def bpe(alphabet, words, **more):
    """Merges that build each word from the left; equal pairs once."""
    vocab, merges = {}, []
    for t in alphabet:
        vocab.setdefault(t, len(vocab))
    for w in words:
        for k in range(2, len(w) + 1):
            if w[:k] not in vocab:
                vocab[w[:k]] = len(vocab)
                merges.append([w[: k - 1], w[k - 1]])
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
            "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": merges, **more}


LETTERS = [chr(c) for c in range(32, 127)] + list("▁日本語のé.½") + ["\n"]
FALLBACK = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]


def byte_level(**more):
    return bpe(BYTES, ["Ġthe", "the", "cat", "Ġcat", "hat", "Hello", "Ġworld", "isn", "'t", "'s", "ĠĠ", "Ċ", "12", "34", "æĹ¥", "ãģ"], **more)


def plain(**more):
    return bpe(["<unk>"] + LETTERS, ["▁the", "the", "▁cat", "hat", "Hello", "▁world", "▁▁", "12", "日本", "foo"], **more)


def fallback(**more):
    return bpe(FALLBACK + LETTERS, ["▁the", "the", "▁cat", "hat", "Hello", "▁world", "▁▁", "12", "日本", "foo"],
               **{"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, **more})


def token(id, content, **flags):
    return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True, **flags}


def added(model, *tokens):
    out, next_id = [], max(model["vocab"].values()) + 1
    for content, flags in tokens:
        id = model["vocab"].get(content)
        if id is None:
            id, next_id = next_id, next_id + 1
        out.append(token(id, content, **flags))
    return out


def regex(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def sequence(kind, *items):
    return {"type": "Sequence", kind: list(items)}


def bl(prefix=False, use_regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": use_regex}


def meta(scheme="always", split=True, **more):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split, **more}


def template(single, ids):
    item = lambda x: {"Sequence": {"id": "A", "type_id": 0}} if x == "A" else {"SpecialToken": {"id": x, "type_id": 0}}
    return {"type": "TemplateProcessing", "single": [item(x) for x in single], "pair": [item("A"), {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {k: {"id": k, "ids": v, "tokens": [k] * len(v)} for k, v in ids.items()}}


LLAMA = sequence("normalizers", {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"})
LLAMA_BACK = sequence("decoders", {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
                      {"type": "Strip", "content": " ", "start": 1, "stop": 0})
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
         r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CASES = []


def case(name, model, normalizer=None, pre=None, post=None, decoder=None, tokens=(("<x>", {}), ("<y>", {"special": False}))):
    CASES.append((name, {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added(model, *tokens), "normalizer": normalizer,
                         "pre_tokenizer": pre, "post_processor": post, "decoder": decoder, "model": model}))


strings = byte_level()
strings["merges"] = [" ".join(m) for m in strings["merges"]]
case("gpt2", strings, pre=bl(), post=bl(), decoder=bl())
case("byte-level prefix space", byte_level(), pre=bl(prefix=True), decoder=bl())
case("byte-level whole", byte_level(), pre=bl(use_regex=False), decoder=bl())
case("llama3", byte_level(ignore_merges=True), pre=sequence("pretokenizers", regex(LLAMA3), bl(use_regex=False)), decoder=bl(),
     post=sequence("processors", bl(), template(["<x>", "A"], {"<x>": [272]})))
case("qwen", byte_level(), normalizer={"type": "NFC"}, pre=sequence("pretokenizers", regex(LLAMA3.replace("{1,3}", "")), bl(use_regex=False)), decoder=bl())
case("o200k", byte_level(), pre=sequence("pretokenizers", regex(O200K), bl(use_regex=False)), decoder=bl())
case("deepseek", byte_level(), pre=sequence("pretokenizers", regex(r"\p{N}{1,3}"), regex("[一-龥぀-ゟ゠-ヿ]+"), regex(DEEPSEEK), bl(use_regex=False)), decoder=bl())
case("roberta", byte_level(), pre=bl(), decoder=bl(),
     post={"type": "RobertaProcessing", "sep": ["</s>", 7], "cls": ["<s>", 5], "trim_offsets": True, "add_prefix_space": False})
case("llama", fallback(), LLAMA, post=template(["<s>", "A"], {"<s>": [1]}), decoder=LLAMA_BACK, tokens=(("<unk>", {}), ("<s>", {}), ("</s>", {}), ("<x>", {})))
case("llama, normalized token", fallback(), LLAMA, decoder={"type": "Fuse"}, tokens=(("<s>", {}), ("the", {"normalized": True, "special": False})))
case("post repeats", fallback(), post=template(["<s>", "A", "</s>", "A", "</s>"], {"<s>": [1, 1], "</s>": [2]}), decoder={"type": "Fuse"})
for scheme in ("always", "first", "never"):
    case("metaspace " + scheme, fallback(), pre=meta(scheme), decoder=sequence("decoders", {"type": "ByteFallback"}, meta(scheme)))
case("metaspace whole", fallback(), pre=meta("always", split=False), decoder=meta("always"))
case("metaspace legacy", fallback(), pre={"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}, decoder={"type": "Metaspace", "replacement": "▁", "add_prefix_space": True})
case("no decoder", plain(unk_token="<unk>"), pre={"type": "WhitespaceSplit"})
case("fused unk", plain(unk_token="<unk>", fuse_unk=True), decoder={"type": "Fuse"})
case("no unk", plain(), decoder={"type": "Fuse"})
half = fallback()
half["vocab"] = {k: v for k, v in half["vocab"].items() if k not in ("<0xE3>", "<0xF0>")}
case("half a fallback, holes", half, decoder=sequence("decoders", {"type": "ByteFallback"}, {"type": "Fuse"}), tokens=())
suffix = plain(unk_token="<unk>", end_of_word_suffix="</w>")
for w in ("t", "d", "e", "e</w>"):
    suffix["vocab"].setdefault(w + "</w>", len(suffix["vocab"]))
suffix["vocab"]["cat</w>"] = len(suffix["vocab"])
suffix["vocab"]["ca"] = len(suffix["vocab"])
suffix["merges"] += [["c", "a"], ["ca", "t</w>"]]
case("suffix", suffix, pre={"type": "Whitespace"}, decoder={"type": "BPEDecoder", "suffix": "</w>"})
prefix = plain(unk_token="<unk>", continuing_subword_prefix="##")
for w in ("a", "t", "at", "h", "e"):
    prefix["vocab"]["##" + w] = len(prefix["vocab"])
for w in ("cat", "th", "hat"):
    prefix["vocab"].setdefault(w, len(prefix["vocab"]))
prefix["merges"] = [["##a", "##t"], ["c", "##at"], ["t", "##h"], ["h", "##at"], ["th", "##e"]]
case("prefix", prefix, pre={"type": "BertPreTokenizer"}, decoder={"type": "Fuse"})
for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
    case("split " + behavior, plain(unk_token="<unk>"), pre=regex(r"\s|X", behavior))
    case("split inverted " + behavior, plain(unk_token="<unk>"), pre=regex(r"[a-z]+", behavior, True))
    case("punctuation " + behavior, plain(unk_token="<unk>"), pre={"type": "Punctuation", "behavior": behavior})
case("split literal", plain(unk_token="<unk>"), pre={"type": "Split", "pattern": {"String": "a"}, "behavior": "MergedWithPrevious", "invert": False})
for name, pattern in (("empty matches", r"x?"), ("look ahead", r"(?=[A-Z])"), ("boundary", r"\b"), ("script", r"\p{Han}"), ("words", r"\w+"), ("not words", r"\W+"),
                      ("hexadecimal", r"\h+"), ("dot", r".+"), ("dot all", r"(?m:.+)"), ("escaped", r"\u0065|\x{6f}"), ("interval", r"[a-z]{2}+"), ("from nothing", r"l{,2}o"), ("line", r"^\w|\w$")):
    case("regex " + name, plain(unk_token="<unk>"), pre=regex(pattern))
case("digits", plain(unk_token="<unk>"), pre={"type": "Digits", "individual_digits": False})
case("digits individual", plain(unk_token="<unk>"), pre=sequence("pretokenizers", {"type": "Digits", "individual_digits": True}, {"type": "CharDelimiterSplit", "delimiter": "e"}))
for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "ByteLevel"):
    case("normalizer " + kind, fallback(), {"type": kind}, decoder={"type": "Fuse"})
case("normalizer Strip", fallback(), {"type": "Strip", "strip_left": True, "strip_right": True}, pre=meta("first"), decoder={"type": "Fuse"})
case("normalizer Replace regex", fallback(), sequence("normalizers", {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": "_"}, {"type": "Replace", "pattern": {"String": "a"}, "content": ""}),
     decoder={"type": "Fuse"})
case("decoder Strip", fallback(), decoder=sequence("decoders", {"type": "Strip", "content": "a", "start": 2, "stop": 0}, {"type": "Replace", "pattern": {"Regex": "[eo]"}, "content": "*"}))
FLAGS = (("<x>", {"lstrip": True}), ("<y>", {"rstrip": True, "special": False}), ("cat", {"single_word": True}), ("<X>", {"lstrip": True, "rstrip": True}), ("<xx", {}), ("<", {}))
case("added flags", plain(unk_token="<unk>"), decoder={"type": "Fuse"}, tokens=FLAGS)

MODELS = []
for name, made in CASES:
    t = Tokenizer.from_str(json.dumps(made))
    if made["model"] not in MODELS:
        MODELS.append(made["model"])
        print(json.dumps({"model": made["model"]}, ensure_ascii=False, separators=(",", ":")))
    cases = []
    for text in TEXTS:
        a, b = t.encode(text, add_special_tokens=False).ids, t.encode(text).ids
        c = {"text": text, "ids": a}
        if b != a:
            c["ids_special"] = b
        if name != "llama, normalized token":  # 0.23 decodes such a token as its normalised text, versions before it as its content
            c.update(decoded=t.decode(a, skip_special_tokens=False), decoded_skip=t.decode(b))
            if c["decoded"] == c["decoded_skip"]:
                del c["decoded_skip"]
        cases.append(c)
    made = {**made, "model": MODELS.index(made["model"])}
    print(json.dumps({"name": name, "tokenizer": made, "cases": cases}, ensure_ascii=False, separators=(",", ":")))
