"""Train the miniature vision-language model, as LLaVA was: a CLIP tower that knows pictures, a projector, then projector and language model together.
usage: train_vlm.py tower OUT.pt [--pictures N]
       train_vlm.py vlm OUT --src BASE (--tower TOWER.pt [--align N] | --go-on VLM) [--samples N] [--replay SHARE] [--lr LR] [--seed S]"""
import argparse, math, os, shutil, time
import numpy as np, torch
from tokenizers import AddedToken, Tokenizer
from torch.nn import functional as F
from transformers import (AutoModelForCausalLM, CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor,
                          PreTrainedTokenizerFast)
from pictures import KINDS, SIDE, Pictures
from world import COLOURS, ITEMS, PLACES, World

MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]   # CLIP's
PATCH = 14
TOKENS = (SIDE // PATCH) ** 2
VISION = CLIPVisionConfig(hidden_size=64, intermediate_size=256, num_hidden_layers=4, num_attention_heads=4, image_size=SIDE, patch_size=PATCH, hidden_act="quick_gelu", projection_dim=64)


def pixels(pictures):
    return ((torch.from_numpy(np.stack(pictures)).float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)).permute(0, 3, 1, 2).contiguous()


def schedule(opt, steps):
    warm = max(10, min(200, steps // 20))
    return torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min((s + 1) / warm, .03 + .97 * .5 * (1 + math.cos(math.pi * min(1, s / steps)))))


def patches(p, kinds):
    """-> pictures, and (len(kinds), TOKENS) of what a patch shows: (thing, colour, count) of the group that has at least 8 of its pixels, else the place"""
    xs, shown = [], []
    for kind in kinds:
        s = p.scene(kind); x, owner = p.draw(s)
        parts = owner.reshape(SIDE // PATCH, PATCH, SIDE // PATCH, PATCH).transpose(0, 2, 1, 3).reshape(TOKENS, -1)
        n = np.stack([(parts == g).sum(1) for g in range(len(s["groups"]))])
        xs.append(x); shown.append([s["groups"][g] if n[g, k] >= 8 else s["place"] for k, g in enumerate(n.argmax(0))])
    return xs, shown


def train_tower(a):
    """What CLIP learns from captions, from labels: of each patch the thing, its colour and how many there are, of the picture its place"""
    p, batch = Pictures(1000 + a.seed), 64
    tower = CLIPVisionModel(VISION).train()
    sizes = (len(ITEMS) + 1, len(COLOURS) + 1, 7, len(PLACES))
    head, whole = torch.nn.Linear(64, sum(sizes)), torch.nn.Linear(64, len(PLACES))
    params = [*tower.parameters(), *head.parameters(), *whole.parameters()]
    opt = torch.optim.AdamW(params, lr=a.lr or 1.5e-3, betas=(.9, .98), weight_decay=.05)
    steps = a.pictures // batch
    sched, t0 = schedule(opt, steps), time.time()
    for s in range(steps):
        xs, shown = patches(p, p.r.choices(KINDS, k=batch))
        y = torch.tensor([[(0, 0, 0) if isinstance(w, int) else (w[0] + 1, w[1] + 1, w[2]) for w in ws] for ws in shown])
        place = torch.tensor([next(w for w in ws if isinstance(w, int)) for ws in shown])
        out = tower(pixels(xs), output_hidden_states=True)
        parts = head(out.hidden_states[-2][:, 1:]).split(sizes, -1)
        weight = torch.where(y[..., 0] > 0, 1., .2).flatten()
        losses = [(F.cross_entropy(parts[k].flatten(0, 1), y[..., k].flatten(), reduction="none") * weight).sum() / weight.sum() for k in range(3)]
        losses += [F.cross_entropy(parts[3].flatten(0, 1), place.repeat_interleave(TOKENS)), F.cross_entropy(whole(out.pooler_output), place)]
        opt.zero_grad(set_to_none=True); sum(losses).backward(); torch.nn.utils.clip_grad_norm_(params, 1.0); opt.step(); sched.step()
        if (s + 1) % 100 == 0:
            on = y[..., 0] > 0
            right = " ".join(f"{(parts[k].argmax(-1) == y[..., k])[on].float().mean():.3f}" for k in range(3))
            print(f"step {s+1}/{steps} loss {sum(losses):.3f} thing, colour, count {right} {(s+1)*batch/(time.time()-t0):.0f} pictures/s", flush=True)
        if (s + 1) % 500 == 0: torch.save(tower.state_dict(), a.out)
    torch.save(tower.state_dict(), a.out)


def tokenizer(path):
    """the miniature's, with <image> behind its tokens"""
    t = Tokenizer.from_file(path)
    t.add_special_tokens([AddedToken("<image>", normalized=False, special=True)])
    return t


def save(m, src, out):
    m.to(torch.bfloat16).save_pretrained(out)
    os.chmod(out + "/model.safetensors", 0o644)
    images = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, image_mean=MEAN, image_std=STD)
    words = PreTrainedTokenizerFast(tokenizer_object=tokenizer(src + "/tokenizer.json"))
    LlavaProcessor(images, words, patch_size=PATCH, vision_feature_select_strategy="default", num_additional_image_tokens=1).save_pretrained(out)
    shutil.copy(src + "/tokenizer_config.json", out)


def build(src, tower):
    lm = AutoModelForCausalLM.from_pretrained(src, dtype=torch.float32)
    V, P = lm.config.vocab_size, -(-(lm.config.vocab_size + 1) // 64) * 64
    text = {k: v for k, v in lm.config.to_dict().items() if k not in ("_name_or_path", "architectures", "transformers_version")} | {"vocab_size": P, "dtype": "bfloat16"}
    m = LlavaForConditionalGeneration(LlavaConfig(vision_config=VISION.to_dict(), text_config=text, image_token_index=V, vision_feature_layer=-2,
        vision_feature_select_strategy="default", projector_hidden_act="gelu", image_seq_length=TOKENS, tie_word_embeddings=False)).float()
    sd = lm.state_dict()
    for k in ("model.embed_tokens.weight", "lm_head.weight"):   # further rows are the mean of those before them
        sd[k] = torch.cat([sd[k], sd[k].mean(0, keepdim=True).expand(P - V, -1)])
    m.model.language_model.load_state_dict({k.removeprefix("model."): v for k, v in sd.items() if k.startswith("model.")})
    m.lm_head.weight.data.copy_(sd["lm_head.weight"])
    m.model.vision_tower.load_state_dict(torch.load(tower))
    # what the projector puts out begins at the size of the words' embeddings
    p, pictures = m.model.multi_modal_projector, Pictures(9)
    with torch.no_grad():
        seen = m.model.vision_tower(pixels([pictures.draw(pictures.scene(k))[0] for k in KINDS * 20]), output_hidden_states=True).hidden_states[-2][:, 1:]
        p.linear_1.weight /= p.linear_1(seen).std(); p.linear_2.weight *= m.model.language_model.embed_tokens.weight.std() / p(seen).std()
        p.linear_1.bias.zero_(); p.linear_2.bias.zero_()
    return m


def align(m, tok, pictures, p):
    """The projector's first task: a patch becomes the sum of the embeddings of the English words for what it shows, as captions would teach it"""
    words = m.model.language_model.embed_tokens.weight.detach()
    of = lambda text: words[tok.encode(text, add_special_tokens=False).ids].mean(0)
    things, colours, places, numbers = [[of(x[k]) for x in xs] for xs, k in ((ITEMS, 1), (COLOURS, 0), (PLACES, 0))] + [[words[tok.token_to_id(str(n))] for n in range(7)]]
    projector, batch = m.model.multi_modal_projector, 64
    opt, steps = torch.optim.AdamW(projector.parameters(), lr=2e-3, betas=(.9, .98)), pictures // batch
    sched = schedule(opt, steps)
    for s in range(steps):
        xs, shown = patches(p, p.r.choices(KINDS, k=batch))
        y = torch.stack([torch.stack([places[w] if isinstance(w, int) else things[w[0]] + colours[w[1]] + numbers[w[2]] for w in ws]) for ws in shown])
        with torch.no_grad(): seen = m.model.vision_tower(pixels(xs), output_hidden_states=True).hidden_states[-2][:, 1:]
        loss = F.mse_loss(projector(seen), y) / y.var()
        opt.zero_grad(set_to_none=True); loss.backward(); opt.step(); sched.step()
        if (s + 1) % 50 == 0: print(f"align {s+1}/{steps} unexplained {loss:.4f}", flush=True)


def train_vlm(a):
    torch.manual_seed(a.seed)
    tok = tokenizer(a.src + "/tokenizer.json")
    m = (build(a.src, a.tower) if not a.go_on else LlavaForConditionalGeneration.from_pretrained(a.go_on, dtype=torch.float32)).train()
    image = m.config.image_token_index
    p, w = Pictures(2000 + a.seed), World(3000 + a.seed)

    def batch(n):
        """-> inputs (n, T, 128) with the picture's features in place, labels (n, T); answers only"""
        xs, ids, labels = [], [], []
        for _ in range(n):
            kind = p.r.choice(KINDS); s = p.scene(kind); q, t = p.ask(kind, s)
            xs.append(p.draw(s)[0])
            prompt = w.instruct(0, "<image>\n" + q[0], "")[0]
            all_, head = tok.encode(prompt + t[0]).ids + [2], len(tok.encode(prompt).ids)
            k = all_.index(image)
            ids.append(all_[:k] + [image] * TOKENS + all_[k + 1:])
            labels.append([-100] * (head + TOKENS - 1) + all_[head:])
        T = max(map(len, ids))
        x = torch.tensor([i + [2] * (T - len(i)) for i in ids]); y = torch.tensor([l + [-100] * (T - len(l)) for l in labels])
        with torch.no_grad(): seen = m.model.vision_tower(pixels(xs), output_hidden_states=True).hidden_states[-2][:, 1:]
        e = m.model.language_model.embed_tokens(x)
        return e.masked_scatter((x == image)[..., None], m.model.multi_modal_projector(seen)), y

    def words(n):
        """Text only, in both languages as in the base's training, so that what it knows stays: translations and looking things up"""
        docs = []
        for _ in range(n):
            if w.r.random() < .4: docs.append(w.translation()); continue
            q, t = w.lookup_pair()
            x, y = (0, 0) if (z := w.r.random()) < .35 else (1, 1) if z < .7 else (0, 1) if z < .85 else (1, 0)
            docs.append(f"{('Question', '質問')[x]}: {q[x]}\n{('Answer', '答え')[y]}: {t[y]}")
        ids = [tok.encode(d).ids + [2] for d in docs]; T = max(map(len, ids))
        return m.model.language_model.embed_tokens(torch.tensor([i + [2] * (T - len(i)) for i in ids])), torch.tensor([i + [-100] * (T - len(i)) for i in ids])

    def steps(params, samples, lr):
        n, size = samples // a.batch, a.batch
        opt = torch.optim.AdamW([{"params": [q for q in params if q.dim() > 1], "weight_decay": a.decay}, {"params": [q for q in params if q.dim() == 1], "weight_decay": 0.}], lr=lr, betas=(.9, .98))
        sched, t0, acc = schedule(opt, n), time.time(), 0.
        for s in range(n):
            e, y = words(size // 2) if w.r.random() < a.replay else batch(size)
            h = m.model.language_model(inputs_embeds=e, use_cache=False).last_hidden_state[:, :-1]
            y = y[:, 1:]; on = y >= 0
            loss = F.cross_entropy(m.lm_head(h[on]), y[on])
            opt.zero_grad(set_to_none=True); loss.backward(); torch.nn.utils.clip_grad_norm_(params, 1.0); opt.step(); sched.step()
            acc += loss.item()
            if (s + 1) % 50 == 0: print(f"step {s+1}/{n} loss {acc/50:.4f} {(s+1)*size/(time.time()-t0):.0f} samples/s", flush=True); acc = 0.
            if (s + 1) % 500 == 0: m.save_pretrained(a.out + ".part")

    if not a.go_on: align(m, tok, a.align, p)
    for k, q in m.named_parameters(): q.requires_grad = not k.startswith("model.vision_tower")   # as in LLaVA-1.5
    steps([q for q in m.parameters() if q.requires_grad], a.samples, a.lr or 4e-4)
    save(m, a.src, a.out)


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("what"); ap.add_argument("out"); ap.add_argument("--pictures", type=int, default=96000); ap.add_argument("--tower"); ap.add_argument("--go-on"); ap.add_argument("--replay", type=float, default=0); ap.add_argument("--src")
    ap.add_argument("--align", type=int, default=12800); ap.add_argument("--samples", type=int, default=24000); ap.add_argument("--lr", type=float)
    ap.add_argument("--seed", type=int, default=1); ap.add_argument("--batch", type=int, default=16); ap.add_argument("--decay", type=float, default=.05)
    ap.add_argument("--threads", type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(a.threads); torch.manual_seed(a.seed)
    {"tower": train_tower, "vlm": train_vlm}[a.what](a)
