"""llama.cpp's side of bench/engine: the same bf16 weights, its multi-sequence batches, the same threads.
usage: peer_llama.py convert FOLDER FILE.gguf | peer_llama.py run FILE.gguf THREADS MODE     (MODE as in bench/engine.c)
Prints one JSON line with tokens a second."""
import ctypes, json, random, sys, time


def convert(folder, out):
    import gguf, numpy as np
    from safetensors import safe_open
    c = json.load(open(f"{folder}/config.json"))
    w = gguf.GGUFWriter(out, "llama")
    w.add_context_length(c["max_position_embeddings"]); w.add_embedding_length(c["hidden_size"]); w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"]); w.add_head_count(c["num_attention_heads"]); w.add_head_count_kv(c["num_key_value_heads"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"]); w.add_rope_freq_base(10000.0); w.add_rope_dimension_count(c["head_dim"])
    w.add_vocab_size(c["vocab_size"]); w.add_tokenizer_model("no_vocab"); w.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    names = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
             "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
             "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    import glob, torch
    for path in sorted(glob.glob(f"{folder}/*.safetensors")):
        with safe_open(path, "pt") as f:
            for n in f.keys():
                t = f.get_tensor(n); stem = n.removesuffix(".weight")
                if stem.startswith("model.layers."):
                    _, _, layer, rest = stem.split(".", 3); new = f"blk.{layer}.{names[rest]}.weight"
                else:
                    new = f"{names[stem]}.weight"
                if t.ndim == 1:
                    w.add_tensor(new, t.float().numpy())
                else:   # random weights: the row order of q and k does not matter to the time
                    w.add_tensor(new, t.view(torch.uint16).numpy().view(np.uint8).reshape(t.shape[0], -1), raw_dtype=gguf.GGMLQuantizationType.BF16)
    w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()


def run(path, threads, mode):
    import llama_cpp as L
    quiet = L.llama_log_callback(lambda *a: None)   # kept: the library holds only its address
    L.llama_log_set(quiet, ctypes.c_void_p())
    L.llama_backend_init()
    m = L.llama_model_load_from_file(path.encode(), L.llama_model_default_params())
    vocab = 32000; kind, *args = mode.split(":"); args = [int(a) for a in args]
    slots = {"decode": lambda: args[0], "prefill": lambda: 1, "mixed": lambda: args[1]}[kind]()
    longest = {"decode": lambda: 8 + args[1], "prefill": lambda: args[0] + 1, "mixed": lambda: 8 + 256}[kind]()
    p = L.llama_context_default_params()
    p.n_ctx = slots * ((longest + 255) // 256 * 256); p.n_batch = 2048; p.n_ubatch = 512; p.n_seq_max = slots; p.n_threads = p.n_threads_batch = threads
    ctx = L.llama_init_from_model(m, p)
    r = random.Random(1); b = L.llama_batch_init(2048, 0, 1)

    def put(i, token, pos, seq, logits):
        b.token[i] = token; b.pos[i] = pos; b.n_seq_id[i] = 1; b.seq_id[i][0] = seq; b.logits[i] = logits

    def prompt(seq, n):
        for i in range(n): put(i, r.randrange(3, vocab), i, seq, i == n - 1)
        b.n_tokens = n
        assert L.llama_decode(ctx, b) == 0

    def best(row):
        import numpy as np
        return int(np.ctypeslib.as_array(L.llama_get_logits_ith(ctx, row), (vocab,)).argmax())

    prompt(0, 8); L.llama_memory_clear(L.llama_get_memory(ctx), True)   # warm
    if kind == "prefill":
        t = time.perf_counter(); prompt(0, args[0]); best(args[0] - 1); s = time.perf_counter() - t; n = args[0]
    elif kind == "decode":
        for q in range(slots): prompt(q, 8)
        tokens = [5] * slots; t = time.perf_counter(); n = 0
        for k in range(args[1] - 1):
            for q in range(slots): put(q, tokens[q], 8 + k, q, True)
            b.n_tokens = slots
            assert L.llama_decode(ctx, b) == 0
            tokens = [best(q) for q in range(slots)]; n += slots
        s = time.perf_counter() - t
    else:
        left = [16 + r.randrange(241) for _ in range(args[0])]; live = {}; n = 0; t = time.perf_counter()
        free = list(range(slots))
        while left or live:
            while left and free:
                q = free.pop(); prompt(q, 8); live[q] = [left.pop(0) - 1, 8, best(7)]; n += 1
            for i, (q, (k, pos, token)) in enumerate(live.items()): put(i, token, pos, q, True)
            b.n_tokens = len(live)
            assert L.llama_decode(ctx, b) == 0
            for i, q in enumerate(list(live)):
                live[q] = [live[q][0] - 1, live[q][1] + 1, best(i)]; n += 1
                if live[q][0] <= 0:
                    del live[q]; free.append(q); L.llama_memory_seq_rm(L.llama_get_memory(ctx), q, -1, -1)
        s = time.perf_counter() - t
    print(json.dumps({"mode": mode, "backend": "llama.cpp", "threads": threads, "tokens_per_s": n / s, "seconds": s}))


if __name__ == "__main__":
    convert(*sys.argv[2:]) if sys.argv[1] == "convert" else run(sys.argv[2], int(sys.argv[3]), sys.argv[4])
