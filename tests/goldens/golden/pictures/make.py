"""Makes this folder: small pictures in every kind of PNG, JPEG and WebP, what Pillow reads of them, resizes them to, and what transformers' image
processors (on Pillow) make of them. Usage: make.py [OUT [RANDOM]]   RANDOM: that many pictures of random sizes and kinds more (default 0)
Needs Pillow==10.4.0 (the last whose resize always goes columns first; 13.0.0 reads every file to the same bytes), numpy, transformers==5.23.0."""
import hashlib, io, json, random, struct, sys, zlib
from pathlib import Path
import numpy as np
import PIL
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def scene(seed, w, h):
    """Gradients, a checker, a disc and noise: smooth and sharp at once."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w]
    r = (x * 255 // max(w - 1, 1) + 40 * ((x // 9 + y // 7 + seed) % 2)) % 256
    g = y * 255 // max(h - 1, 1) * 3 // 4 + rng.integers(0, 48, (h, w))
    b = np.where((x - w // 3) ** 2 + (y - h // 2) ** 2 < (min(w, h) // 3) ** 2, 220, 30 + x * y // 37 % 90)
    return np.stack([r, g, b], -1).clip(0, 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(samples, depth, color, interlaced=False, extra=()):
    """samples [h][w][channels] of `depth` bits, every row with another filter of the first three."""
    h, w = samples.shape[:2]
    def rows(part):
        out, n = b"", CHANNELS[color]
        before = None
        for i, row in enumerate(part):
            if depth == 16:
                line = row.astype(">u2").tobytes()
            elif depth == 8:
                line = row.astype(np.uint8).tobytes()
            else:
                bits = "".join(format(int(v), f"0{depth}b") for v in row.ravel())
                bits += "0" * (-len(bits) % 8)
                line = bytes(int(bits[k:k + 8], 2) for k in range(0, len(bits), 8))
            step, kind = max(1, n * depth // 8), i % 3
            left, up = bytes(step) + line[:-step], before or bytes(len(line))
            out += bytes([kind]) + bytes((a - (0, l, u)[kind]) & 255 for a, l, u in zip(line, left, up))
            before = line
        return out
    parts = [samples[y0::dy, x0::dx] for x0, y0, dx, dy in ADAM7] if interlaced else [samples]
    body = b"".join(rows(p) for p in parts if p.size)
    header = struct.pack(">IIBBBBB", w, h, depth, color, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(k, d) for k, d in extra)
            + chunk(b"IDAT", zlib.compress(body, 9)) + chunk(b"IEND", b""))


def jpeg(seed, w, h, mode="RGB", **options):
    a = scene(seed, w, h)
    image = Image.fromarray(a)
    if mode == "CMYK":
        image = Image.fromarray(np.concatenate([a, scene(seed + 1, w, h)[..., :1]], -1), "CMYK")
    out = io.BytesIO()
    image.convert(mode).save(out, "JPEG", **options)
    return out.getvalue()


def webp(seed, w, h, alpha=False, **options):
    a, out = scene(seed, w, h), io.BytesIO()
    if alpha:
        a = np.concatenate([a, scene(seed + 1, w, h)[..., :1]], -1)
    Image.fromarray(a).save(out, "WEBP", **options)
    return out.getvalue()


def adobe(data, transform):
    """The same file with another word in its Adobe marker: RGB kept as it is (0), YCbCr (1), YCCK (2)."""
    at = data.index(b"Adobe\0")
    return data[:at + 11] + bytes([transform]) + data[at + 12:]


def without_adobe(data):
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2:at + 4])[0]:]


def with_orientation(data):
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def pictures():
    rng = np.random.default_rng(7)
    palette = (b"PLTE", bytes(rng.integers(0, 256, 3 * 200, dtype=np.uint8)))
    few = (b"PLTE", palette[1][:3 * 4])
    trns = (b"tRNS", bytes(range(0, 250, 5)))
    profile = (b"iCCP", b"x\0\0" + zlib.compress(b"not a profile"))
    text = (b"tEXt", b"Comment\0hello")
    for depth, color in [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (1, 3), (2, 3), (4, 3), (8, 3), (8, 4), (16, 4), (8, 6), (16, 6)]:
        for interlaced in (False, True):
            w, h = (33, 21) if not interlaced else (19, 13)
            top = min(2 ** depth, 200 if color == 3 else 1 << 16)
            s = rng.integers(0, top, (h, w, CHANNELS[color]))
            if color == 0 and depth == 16:
                s[::2] //= 300                      # some that are not clipped
            extra = [palette] if color == 3 and depth == 8 else [(b"PLTE", palette[1][:3 * top])] if color == 3 else []
            yield f"png-{color}-{depth}{'-interlaced' if interlaced else ''}.png", png(s, depth, color, interlaced, extra)
    s = rng.integers(0, 256, (9, 17, 4))
    yield "palette-transparent.png", png(s[..., :1] % 200, 8, 3, extra=[palette, trns])
    yield "palette-short.png", png(s[..., :1], 8, 3, extra=[few])
    yield "grey-transparent.png", png(s[..., :1], 8, 0, extra=[(b"tRNS", struct.pack(">H", 7))])
    yield "grey-16-transparent.png", png(s[..., :1] * 200, 16, 0, extra=[(b"tRNS", struct.pack(">H", 7))])
    yield "rgb-transparent.png", png(s[..., :3], 8, 2, extra=[(b"tRNS", struct.pack(">HHH", *s[0, 0, :3]))])
    yield "gamma-profile-text.png", png(s[..., :3], 8, 2, extra=[(b"gAMA", struct.pack(">I", 10000)), profile, text])
    yield "one-pixel.png", png(s[:1, :1, :3], 8, 2)
    yield "one-pixel-interlaced.png", png(s[:1, :1, :1], 1 * 8, 0, True)
    yield "one-row.png", png(scene(1, 301, 1), 8, 2)
    yield "one-column.png", png(scene(2, 1, 301), 8, 2)
    yield "wide.png", png(scene(3, 211, 40), 8, 2)
    yield "tall.png", png(scene(4, 45, 190), 8, 2)
    yield "square.png", png(scene(5, 97, 97), 8, 2)
    for name, options in {"baseline": {}, "progressive": {"progressive": True}, "sampling-444": {"subsampling": 0}, "sampling-422": {"subsampling": 1},
                          "quality-10": {"quality": 10}, "quality-100": {"quality": 100, "subsampling": 0}, "optimised": {"optimize": True},
                          "restarts": {"restart_marker_blocks": 2}, "comment": {"comment": b"hello"}, "rgb": {"keep_rgb": True}}.items():
        yield f"{name}.jpg", jpeg(11, 75, 53, **options)
    yield "odd-420.jpg", jpeg(12, 31, 17)
    yield "one-pixel.jpg", jpeg(13, 1, 1)
    yield "grey.jpg", jpeg(14, 41, 29, "L")
    yield "grey-progressive.jpg", jpeg(14, 41, 29, "L", progressive=True)
    cmyk = jpeg(15, 43, 27, "CMYK")
    yield "cmyk-adobe.jpg", cmyk
    yield "cmyk-progressive.jpg", jpeg(15, 43, 27, "CMYK", progressive=True)
    yield "cmyk-plain.jpg", without_adobe(cmyk)
    yield "ycck.jpg", adobe(cmyk, 2)
    yield "orientation.jpg", with_orientation(jpeg(16, 40, 20))
    for name, options in {"lossy": {}, "lossless": {"lossless": True}, "lossy-alpha": {"alpha": True}, "lossless-alpha": {"lossless": True, "alpha": True, "exact": True},
                          "quality-5": {"quality": 5}}.items():
        yield f"{name}.webp", webp(17, 45, 31, **options)
    yield "one-pixel.webp", webp(18, 1, 1)
    yield "bytes-behind.jpg", jpeg(16, 40, 20) + b"behind the picture"


def random_pictures(count):
    r = random.Random(1)
    for i in range(count):
        w, h = r.choice([r.randint(1, 40), r.randint(40, 700)]), r.choice([r.randint(1, 40), r.randint(40, 700)])
        if i % 2:
            yield f"random-{i}.png", png(scene(i, w, h)[..., :1 if i % 4 == 1 else 3], 8, 0 if i % 4 == 1 else 2, i % 3 == 0)
        else:
            yield f"random-{i}.jpg", jpeg(i, w, h, r.choice(["RGB", "RGB", "L", "CMYK"]), quality=r.randint(1, 100), subsampling=r.randint(0, 2), progressive=r.random() < 0.5)


def clip(edge, **more):
    return CLIPImageProcessorPil(**{"size": {"shortest_edge": edge}, "crop_size": {"height": edge, "width": edge}, **more})


def llava(edge, **more):
    return LlavaImageProcessorPil(**{"size": {"shortest_edge": edge}, "crop_size": {"height": edge, "width": edge}, **more})


def next_(edge, pins=None):
    pins = pins or [[edge, 2 * edge], [2 * edge, edge], [2 * edge, 2 * edge], [3 * edge, edge], [edge, 3 * edge]]
    return LlavaNextImageProcessorPil(size={"shortest_edge": edge}, crop_size={"height": edge, "width": edge}, image_grid_pinpoints=pins)


# name -> (side, processor, files that say so; None: what save_pretrained writes)
PROCESSORS = {
    "clip": (56, clip(56), None),
    "clip-odd": (57, clip(57), None),
    "clip-edge-64": (56, clip(56, size={"shortest_edge": 64}), None),
    "clip-squeezed": (56, clip(56, size={"height": 56, "width": 56}, do_center_crop=False), None),
    "clip-crop-only": (64, clip(64, do_resize=False), None),
    "clip-half": (56, clip(56, image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5]), None),
    "clip-bytes": (56, clip(56, do_rescale=False, do_normalize=False), None),
    "clip-no-normalise": (56, clip(56, do_normalize=False), None),
    "clip-factor": (56, clip(56, rescale_factor=1 / 127.5), None),
    "clip-old": (56, clip(56), {"preprocessor_config.json": {"feature_extractor_type": "CLIPFeatureExtractor", "size": 56, "crop_size": 56, "resample": 3, "do_resize": True,
                 "do_center_crop": True, "do_normalize": True, "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}}),
    "llava-pad": (56, llava(56, do_pad=True), None),
    "llava-no-pad": (56, llava(56), None),
    "next": (56, next_(56), None),
    "next-one": (56, next_(56, [[112, 112]]), None),
    "next-336": (336, next_(336), None),
    "nested": (56, next_(56), "processor_config.json"),
    "original-pad": (56, llava(56, do_pad=True), {"config.json": {"image_aspect_ratio": "pad", "mm_vision_tower": "openai/clip-vit-large-patch14-336"}}),
    "original-square": (56, clip(56), {"config.json": {"mm_vision_tower": "openai/clip-vit-large-patch14-336"}}),
    "original-anyres": (56, next_(56), {"config.json": {"image_aspect_ratio": "anyres", "image_grid_pinpoints": [[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]]}}),
}


def write_processor(name):
    side, processor, files = PROCESSORS[name]
    folder = OUT / "processors" / name
    folder.mkdir(parents=True, exist_ok=True)
    processor.save_pretrained(folder)
    if files is not None:
        saved = folder / "preprocessor_config.json"
        saved_text = json.loads(saved.read_text())
        saved.unlink()
        for file, content in ({files: {"image_processor": saved_text, "processor_class": "LlavaNextProcessor"}} if isinstance(files, str) else files).items():
            (folder / file).write_text(json.dumps(content, indent=2) + "\n")
    return side, processor


def features(processor, views, side, h, w, patch):
    """How many rows a picture becomes in LlavaNextProcessor, its class token left out; one view: all its patches."""
    if views == 1:
        return (side // patch) ** 2
    class Stub:
        image_processor, patch_size, num_additional_image_tokens = processor, patch, 0
        _get_unpadded_features = LlavaNextProcessor._get_unpadded_features
    return LlavaNextProcessor._get_number_of_features(Stub(), h, w, side, side)


def sha(a):
    return hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()


def main():
    extra = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    OUT.mkdir(parents=True, exist_ok=True)
    r = random.Random(2)
    viewed = {"wide.png", "tall.png", "square.png", "one-row.png", "one-pixel.png", "baseline.jpg", "odd-420.jpg", "one-column.png"}
    processors = {name: write_processor(name) for name in PROCESSORS}
    with open(OUT / "pictures.jsonl", "w") as lines, open(OUT / "views.jsonl", "w") as views:
        for name, data in [*pictures(), *random_pictures(extra)]:
            (OUT / name).write_bytes(data)
            image = Image.open(OUT / name)
            rgb = image.convert("RGB")
            sizes = {(r.randint(1, 150), r.randint(1, 150)) for _ in range(3)} | {(rgb.width, 60), (60, rgb.height)}
            resized = [{"width": w, "height": h, "sha256": sha(np.asarray(rgb.resize((w, h), Image.BICUBIC)))} for w, h in sorted(sizes)]
            lines.write(json.dumps({"file": name, "mode": image.mode, "width": rgb.width, "height": rgb.height, "sha256": sha(np.asarray(rgb)), "resized": resized}) + "\n")
            for p, (side, processor) in processors.items():
                if name not in viewed and not (name.startswith("random") and r.random() < 0.3):
                    continue
                if p == "next-336" and name not in ("wide.png", "tall.png"):
                    continue
                out = processor(image, return_tensors="np")["pixel_values"]
                out = out.reshape(-1, *out.shape[-3:]).astype(np.float32)
                views.write(json.dumps({"file": name, "processor": p, "side": side, "views": len(out), "patches": side // 14,
                                        "rows": features(processor, len(out), side, rgb.height, rgb.width, 14) if side % 14 == 0 else None, "sha256": sha(out)}) + "\n")
    print(f"Pillow {PIL.__version__}:", sum(1 for _ in open(OUT / "pictures.jsonl")), "pictures,", sum(1 for _ in open(OUT / "views.jsonl")), "views")


main()
