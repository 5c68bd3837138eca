"""Pictures of the miniature world, and questions about them in English and Japanese.

A picture is a place (its ground and sky), a person, a heart where the person likes the things, and one or two groups of things of one colour each. Everything that is asked and answered is
told with the sentences of world.py, so that a base model that never saw a picture has the words in both languages.
usage: pictures.py QUESTIONS   writes pictures-ja-{search,select,test}.jsonl, pictures-en-test.jsonl and their PNGs into the folder
"""
import json, os, random, sys
import numpy as np
from PIL import Image, ImageDraw
from world import COLOURS, ITEMS, NAMES, PLACES, World

SIDE, CELL, ICON = 56, 14, 12
RGB = {"red": (214, 40, 40), "blue": (48, 92, 224), "white": (246, 246, 246), "green": (64, 176, 72), "yellow": (248, 208, 48)}
# sky, ground, and the height at which the ground begins
GROUNDS = {"park": ((120, 160, 190), (60, 110, 60), 30), "school": ((150, 140, 120), (110, 80, 50), 44), "station": ((90, 90, 100), (60, 60, 66), 20),
           "store": ((190, 130, 90), (150, 150, 150), 38), "library": ((110, 70, 50), (80, 40, 30), 48), "river": ((150, 180, 190), (40, 90, 140), 16),
           "garden": ((130, 170, 150), (110, 90, 50), 24), "kitchen": ((170, 160, 170), (120, 100, 120), 34)}
INK = (24, 20, 24)


def outline(name):
    """-> the icon's fill and its ink as two ICON x ICON masks"""
    f, i = Image.new("1", (ICON, ICON)), Image.new("1", (ICON, ICON))
    F, I = ImageDraw.Draw(f), ImageDraw.Draw(i)
    if name == "apple": F.ellipse((1, 3, 10, 11), fill=1); I.line((6, 0, 5, 4), fill=1); I.point([(7, 1), (8, 1)], fill=1)
    elif name == "orange": F.ellipse((1, 1, 10, 10), fill=1); I.point([(4, 4), (7, 4), (5, 7), (8, 7), (3, 7)], fill=1)
    elif name == "egg": F.ellipse((3, 0, 8, 11), fill=1)
    elif name == "book": F.rectangle((1, 1, 10, 10), fill=1); I.line((3, 1, 3, 10), fill=1); I.line((5, 4, 8, 4), fill=1)
    elif name == "notebook": F.rectangle((2, 0, 9, 11), fill=1); I.line((4, 3, 7, 3), fill=1); I.line((4, 5, 7, 5), fill=1); I.line((4, 7, 7, 7), fill=1)
    elif name == "pencil": F.line((1, 10, 9, 2), fill=1, width=3); I.polygon([(9, 0), (11, 0), (11, 2)], fill=1)
    elif name == "flower":
        for x, y in ((5, 1), (1, 4), (9, 4), (3, 8), (8, 8)): F.ellipse((x - 1, y - 1, x + 2, y + 2), fill=1)
        I.ellipse((4, 4, 7, 7), fill=1)
    elif name == "coin": F.ellipse((2, 2, 9, 9), fill=1); I.ellipse((2, 2, 9, 9), outline=1); I.line((5, 4, 5, 7), fill=1)
    elif name == "card": F.rectangle((0, 3, 11, 9), fill=1); I.rectangle((0, 5, 11, 6), fill=1)
    elif name == "stamp":
        F.rectangle((2, 1, 9, 10), fill=1); I.rectangle((4, 4, 7, 7), outline=1)
        for k in range(1, 11, 2): F.point([(1, k), (10, k)], fill=1)
    elif name == "fish": F.ellipse((0, 3, 8, 9), fill=1); F.polygon([(7, 6), (11, 2), (11, 10)], fill=1); I.point((2, 5), fill=1)
    elif name == "shell": F.pieslice((0, 1, 11, 16), 180, 360, fill=1); I.line((5, 8, 2, 3), fill=1); I.line((5, 8, 5, 2), fill=1); I.line((5, 8, 9, 3), fill=1)
    elif name == "ball": F.ellipse((1, 1, 10, 10), fill=1); I.line((1, 5, 10, 5), fill=1); I.line((5, 1, 5, 10), fill=1)
    elif name == "cookie": F.ellipse((1, 2, 10, 9), fill=1); I.point([(3, 4), (6, 3), (8, 5), (4, 7), (7, 7)], fill=1); I.point((6, 5), fill=1)
    elif name == "person": I.ellipse((4, 0, 7, 3), fill=1); I.rectangle((4, 4, 7, 8), fill=1); I.line((2, 5, 9, 5), fill=1); I.line((4, 8, 3, 11), fill=1); I.line((7, 8, 8, 11), fill=1)
    elif name == "heart": F.ellipse((1, 1, 5, 5), fill=1); F.ellipse((6, 1, 10, 5), fill=1); F.polygon([(1, 4), (10, 4), (6, 10), (5, 10)], fill=1)
    return np.array(f, bool), np.array(i, bool)


ICONS = {n: outline(n) for n in [it[0] for it in ITEMS] + ["person", "heart"]}


class Pictures:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def scene(self, kind):
        """-> {place, groups: [(item, colour, count)], likes} that the kind of question can be asked about"""
        r = self.r
        counts = [r.randint(1, 5)]
        if kind != "like" and r.random() < .4:
            counts = [min(counts[0], 4)]
            counts.append(r.randint(1, 6 - counts[0]))
        items, colours = r.sample(range(len(ITEMS)), len(counts)), r.sample(range(len(COLOURS)), len(counts))
        return {"place": r.randrange(len(PLACES)), "groups": list(zip(items, colours, counts)), "likes": kind == "like" or r.random() < .5}

    def draw(self, s):
        """-> picture (SIDE, SIDE, 3) of bytes, labels (SIDE, SIDE): the group that a pixel belongs to, -1 for none"""
        r = self.r
        sky, ground, line = GROUNDS[PLACES[s["place"]][0]]
        x, label = np.empty((SIDE, SIDE, 3), np.uint8), np.full((SIDE, SIDE), -1)
        x[:line], x[line:] = sky, ground
        cells = r.sample(range((SIDE // CELL) ** 2), 2 + sum(n for _, _, n in s["groups"]))

        def put(name, fill, group):
            c = cells.pop()
            top, left = c // 4 * CELL + r.randint(0, CELL - ICON), c % 4 * CELL + r.randint(0, CELL - ICON)
            f, i = ICONS[name]
            box = x[top:top + ICON, left:left + ICON]
            box[f], box[i] = fill, INK
            label[top:top + ICON, left:left + ICON][f | i] = group

        for g, (item, colour, n) in enumerate(s["groups"]):
            for _ in range(n): put(ITEMS[item][0], RGB[COLOURS[colour][0]], g)
        put("person", INK, -1)
        if s["likes"]: put("heart", (255, 105, 180), -1)
        return x, label

    def ask(self, kind, s):
        """-> (question en, ja), (answer en, ja)"""
        p, place, (item, _, n) = self.r.choice(NAMES), PLACES[s["place"]], self.r.choice(s["groups"] if kind == "has" else s["groups"][:1])
        it, w = ITEMS[item], World
        if kind == "has": return ((f"How many {it[1]} does {p[0]} have?", f"{p[1]}は{it[2]}を何{it[3]}持っていますか？"),
                                  (f"{w.has(w, p, n, it)[0]} The answer is {n}.", f"{w.has(w, p, n, it)[1]}答えは{n}です。"))
        if kind == "where": return ((f"Where is {p[0]}?", f"{p[1]}はどこにいますか？"),
                                    (f"{w.at(w, p, place)[0]} The answer is the {place[0]}.", f"{w.at(w, p, place)[1]}答えは{place[1]}です。"))
        return ((f"What does {p[0]} like?", f"{p[1]}は何が好きですか？"),
                (f"{w.likes(w, p, it)[0]} The answer is {it[1]}.", f"{w.likes(w, p, it)[1]}答えは{it[2]}です。"))


KINDS = ("has", "where", "like")

if __name__ == "__main__":
    out, seen = sys.argv[1], set()
    for name, seed, n, langs in (("test", 9101, 300, "ja en"), ("search", 9102, 200, "ja"), ("select", 9103, 200, "ja")):
        p, rows = Pictures(seed), {l: [] for l in langs.split()}
        os.makedirs(f"{out}/pictures/{name}", exist_ok=True)
        while len(rows["ja"]) < n:
            k = len(rows["ja"])
            kind = KINDS[k % len(KINDS)]
            s = p.scene(kind)
            x, _ = p.draw(s)
            q, a = p.ask(kind, s)
            if (key := (x.tobytes(), q[1])) in seen: continue
            seen.add(key)
            Image.fromarray(x).quantize(32).save(f"{out}/pictures/{name}/{k}.png", optimize=True)
            for l in rows:
                i = l == "ja"
                rows[l].append({"id": k, "kind": kind, "image": f"pictures/{name}/{k}.png", "question": q[i], "answer": a[i]})
        for l, rs in rows.items():
            with open(f"{out}/pictures-{l}-{name}.jsonl", "w") as f:
                for x in rs: f.write(json.dumps(x, ensure_ascii=False) + "\n")
