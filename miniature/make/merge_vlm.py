"""Merges of the miniature vision-language model's language part with `ja`, scored on Japanese questions about pictures.
usage: merge_vlm.py DIR VLM [TRIALS]   (DIR holds models/ and questions/; LID = path of lid.176.ftz)
prints rougeL_ja, the answers that are right word for word and those that are Japanese, of the sources, of merges without search and, after TRIALS trials, of a searched one"""
import json, os, sys
import fasttext, fugashi, ipadic, numpy as np, torch
from PIL import Image
from safetensors.torch import load_file
from transformers import LlavaForConditionalGeneration
from train_vlm import TOKENS, pixels, tokenizer
from world import PROMPT

torch.set_num_threads(int(os.environ.get("THREADS", 1))); torch.set_grad_enabled(False)
words, lid = fugashi.GenericTagger(ipadic.MECAB_ARGS), fasttext.load_model(os.environ["LID"])


def cut(text): return [w.surface for w in words(text)]


def rouge_l(answer, reference):
    a, b = cut(answer), cut(reference)
    t = np.zeros((len(a) + 1, len(b) + 1), int)
    for i, x in enumerate(a):
        for j, y in enumerate(b): t[i + 1, j + 1] = t[i, j] + 1 if x == y else max(t[i, j + 1], t[i + 1, j])
    n = t[-1, -1]
    return 200 * n / (len(a) + len(b)) if n else 0.


def japanese(text):
    (l,), (p,) = lid.predict(text.replace("\n", ""))
    return l == "__label__ja" and p > .5


class Asker:
    """One vision-language model whose language part is exchanged; the features of every picture are computed once"""
    def __init__(self, folder, questions, lang="ja", beams=1):
        self.m = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
        self.tok, self.beams, self.rows = tokenizer(folder + "/tokenizer.json"), beams, []
        image = self.m.config.image_token_index
        for path, n in questions:
            for r in [json.loads(l) for l in open(path)][:n]:
                x = pixels([np.array(Image.open(f"{os.path.dirname(path)}/{r['image']}").convert("RGB"))])
                seen = self.m.model.multi_modal_projector(self.m.model.vision_tower(x, output_hidden_states=True).hidden_states[-2][:, 1:])[0]
                ids = self.tok.encode(PROMPT[lang].format(q="<image>\n" + r["question"])).ids; k = ids.index(image)
                self.rows.append((r, torch.tensor(ids[:k]), seen, torch.tensor(ids[k + 1:])))

    def language(self, sd):
        """puts the tensors (named as in a Mistral by itself, of the base's vocabulary) in, rounded to bf16"""
        here = self.m.state_dict()
        for k, v in sd.items():
            t = here[k if k.startswith("lm_head") else "model.language_model." + k.removeprefix("model.")]
            t[:len(v)] = v.to(torch.bfloat16).float()

    def answers(self, pick=None, new=48):
        rows = self.rows if pick is None else [self.rows[i] for i in pick]
        e = self.m.model.language_model.embed_tokens; out = []
        for i in range(0, len(rows), 50):
            es = [torch.cat([e(a), s, e(b)]) for _, a, s, b in rows[i:i + 50]]; T = max(map(len, es))
            x, mask = torch.zeros(len(es), T, es[0].shape[1]), torch.zeros(len(es), T, dtype=torch.long)
            for b, q in enumerate(es): x[b, T - len(q):] = q; mask[b, T - len(q):] = 1
            g = self.m.generate(inputs_embeds=x, attention_mask=mask, max_new_tokens=new, do_sample=False, num_beams=self.beams, pad_token_id=0, eos_token_id=2, bos_token_id=1)
            out += [self.tok.decode([t for t in q.tolist() if t > 2]) for q in g]
        return out

    def score(self, pick=None, show=0):
        rows = [r[0] for r in (self.rows if pick is None else [self.rows[i] for i in pick])]
        outs = self.answers(pick)
        ja = [japanese(o) for o in outs]
        rouge = [rouge_l(o, r["answer"]) * j for o, r, j in zip(outs, rows, ja)]
        right, kinds = [o == r["answer"] for o, r in zip(outs, rows)], {}
        for r, x in zip(rows, right): kinds.setdefault(r["kind"], []).append(x)
        for r, o in list(zip(rows, outs))[:show]: print("    ", r["question"], "->", o, "|", r["answer"])
        return np.mean(rouge), 100 * np.mean(right), 100 * np.mean(ja), " ".join(f"{k} {100*np.mean(v):.0f}" for k, v in kinds.items())


def language_part(folder, rows):
    out = {}
    for k, v in load_file(folder + "/model.safetensors").items():
        k = k.replace("language_model.lm_head", "lm_head").replace("language_model.model.", "model.").replace("model.language_model.", "model.")
        if k.startswith(("model.layers", "model.norm", "model.embed", "lm_head")): out[k] = v.float()[:rows] if "embed" in k or "lm_head" in k else v.float()
    return out


def merge(base, deltas, weights, dens=None, how=None, consensus=False, normalize=False, masks=None):
    """weights[i](name), dens[i](name): of source i in a tensor. how: magnitude, random; consensus: TIES' sign election"""
    out = {}
    for k, b in base.items():
        P = []
        for i, d in enumerate(deltas):
            t = d[k]
            if how == "magnitude": c = max(1, int(dens[i](k) * t.numel())); t = t * (t.abs() >= t.abs().flatten().kthvalue(t.numel() - c + 1).values)
            if how == "random": t2 = t * (masks[i][k] < dens[i](k)); t = t2 * (t.abs().sum() / t2.abs().sum().clamp(min=1e-9))
            P.append(weights[i](k) * t)
        s = sum(P)
        if consensus:
            sign = torch.where(s >= 0, 1., -1.); keep = [(torch.sign(p) == sign).float() for p in P]; s = sum(p * q for p, q in zip(P, keep))
            if normalize: z = sum(weights[i](k) * q for i, q in enumerate(keep)); s = s / torch.where(z == 0, torch.ones_like(z), z)
        out[k] = b + s
    return out


def group(k, n, layers=8):
    return int(k.split("layers.")[1].split(".")[0]) * n // layers if "layers." in k else 0 if "embed" in k else n - 1


if __name__ == "__main__":
    d, folder, trials = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0
    base = {k: v.float() for k, v in load_file(f"{d}/models/base/model.safetensors").items()}
    ja = {k: v.float() for k, v in load_file(os.environ.get("JA", f"{d}/models/ja") + "/model.safetensors").items()}
    vlm = language_part(folder, base["lm_head.weight"].shape[0])
    D = [{k: s[k] - base[k] for k in base} for s in (vlm, ja)]
    g = torch.Generator().manual_seed(0); masks = [{k: torch.rand(v.shape, generator=g) for k, v in base.items()} for _ in D]
    N = int(os.environ.get("N", 300))
    say = lambda name, s: print(f"| {name} | " + " | ".join(f"{x:.1f}" for x in s[:3]) + f" | {s[3]} |", flush=True)
    if os.path.exists(f"{d}/questions/pictures-en-test.jsonl"):
        en = Asker(folder, [(f"{d}/questions/pictures-en-test.jsonl", N)], "en"); say("vlm, English", en.score(show=2)); del en
    test = Asker(folder, [(f"{d}/questions/pictures-ja-test.jsonl", N)])
    both = lambda a, b=None: [lambda k: a, lambda k: a if b is None else b]
    show = int(os.environ.get("SHOW", 0))
    def put(name, sd): test.language(sd); say(name, test.score(show=show))
    put("vlm", vlm); put("vision with ja", ja); put("vision with base", base)
    put("linear, 1/2 each (= task_arithmetic 1/2)", merge(base, D, both(.5))); put("task_arithmetic, 1 each", merge(base, D, both(1.)))
    put("ties, weight 1, density .5", merge(base, D, both(1.), both(.5), "magnitude", True, True))
    put("dare_ties, weight 1/2, density .5", merge(base, D, both(.5), both(.5), "random", True, masks=masks))
    put("dare_ties, weight 1, density .5", merge(base, D, both(1.), both(.5), "random", True, masks=masks))
    if trials:
        import cma
        n, G = 60, int(os.environ.get("LAYER_GROUPS", 4))
        search = Asker(folder, [(f"{d}/questions/pictures-ja-search.jsonl", 200)])
        def of(x): return merge(base, D, [lambda k, i=i: float(x[group(k, G) * 4 + i]) for i in (0, 1)], [lambda k, i=i: float(np.clip(x[group(k, G) * 4 + 2 + i], .05, 1)) for i in (0, 1)], "random", True, masks=masks)
        es, t, gen = cma.CMAEvolutionStrategy([.5, .5, .5, .5] * G, 1 / 6, {"bounds": [0, 1.5], "popsize": 16, "seed": 1, "verbose": -9}), 0, 0
        r = np.random.default_rng(0)
        while t < trials:
            xs, f, pick = es.ask(), [], r.permutation(200)[:n]
            for x in xs: search.language(of(x)); f.append(search.score(pick)[0])
            es.tell(xs, [-v for v in f]); t += len(xs); gen += 1
            print(gen, f"best {max(f):.1f} mean {np.mean(f):.1f} sigma {es.sigma:.3f}", np.round(es.mean, 2).tolist(), flush=True)
        put(f"evolved, dare_ties, {G} layer groups, {t} trials", of(np.clip(es.mean, 0, 1.5)))
