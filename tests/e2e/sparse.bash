# Models of the true sizes and names of a 7B Mistral, and of LLaVA-1.6 around one, as sparse files that take no room on the disk: all weights are zeros.
TOKENIZER=tests/goldens/data/tokenizers/hf_json/llama2      # despite its name Mistral-7B-v0.1's

# tensors PREFIX HEAD ROWS: name, type and shape of a Mistral's tensors, one a line
mistral_tensors() {
    awk -v prefix="$1" -v head="$2" -v rows="$3" 'BEGIN {
        h = 4096; m = 14336; kv = 1024
        print head "lm_head.weight", rows "," h; print prefix "embed_tokens.weight", rows "," h; print prefix "norm.weight", h
        for (l = 0; l < 32; l++) {
            p = prefix "layers." l "."
            print p "input_layernorm.weight", h; print p "post_attention_layernorm.weight", h
            print p "self_attn.q_proj.weight", h "," h; print p "self_attn.k_proj.weight", kv "," h; print p "self_attn.v_proj.weight", kv "," h; print p "self_attn.o_proj.weight", h "," h
            print p "mlp.gate_proj.weight", m "," h; print p "mlp.up_proj.weight", m "," h; print p "mlp.down_proj.weight", h "," m
        }
    }'
}

# CLIP ViT-L/14 336, the projector, the newline of tiles
eye_tensors() {
    awk 'BEGIN {
        h = 1024; m = 4096; v = "vision_tower.vision_model."
        print "image_newline", 4096
        print "multi_modal_projector.linear_1.weight", "4096," h; print "multi_modal_projector.linear_1.bias", 4096
        print "multi_modal_projector.linear_2.weight", "4096,4096"; print "multi_modal_projector.linear_2.bias", 4096
        print v "embeddings.class_embedding", h; print v "embeddings.patch_embedding.weight", h ",3,14,14"; print v "embeddings.position_embedding.weight", "577," h
        split("pre_layrnorm post_layernorm", n); for (i = 1; i <= 2; i++) { print v n[i] ".weight", h; print v n[i] ".bias", h }
        for (l = 0; l < 24; l++) {
            p = v "encoder.layers." l "."
            for (i = 1; i <= 2; i++) { print p "layer_norm" i ".weight", h; print p "layer_norm" i ".bias", h }
            split("q k v out", a); for (i = 1; i <= 4; i++) { print p "self_attn." a[i] "_proj.weight", h "," h; print p "self_attn." a[i] "_proj.bias", h }
            print p "mlp.fc1.weight", m "," h; print p "mlp.fc1.bias", m; print p "mlp.fc2.weight", h "," m; print p "mlp.fc2.bias", h
        }
    }'
}

# sparse FILE TYPE < tensors: a safetensors file of 16-bit zeros
sparse() {
    local header size i bytes=""
    header=$(awk -v type="$2" 'BEGIN { printf "{" } {
        n = split($2, d, ","); c = 2; for (i = 1; i <= n; i++) c *= d[i]
        printf "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%.0f,%.0f]}", (NR > 1 ? "," : ""), $1, type, $2, at, at + c; at += c
    } END { printf "}\n%.0f\n", at }')
    size=${header##*$'\n'}
    header=${header%$'\n'*}
    for ((i = 0; i < 8; i++)); do bytes+="\\x$(printf %02x $(((${#header} >> 8 * i) & 255)))"; done
    { printf '%b' "$bytes"; printf %s "$header"; } > "$1"
    truncate -s $((8 + ${#header} + size)) "$1"
}

# tokenizer FOLDER [TOKEN...]: Mistral's, with further tokens behind its 32,000
tokenizer() {
    local folder=$1 id=32000 more="" token
    shift
    cp "$TOKENIZER"/*.json "$folder"
    for token; do
        more+="{\"id\":$id,\"content\":\"$token\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true},"
        id=$((id + 1))
    done
    awk -v more="$more" '!done && sub(/"added_tokens": *\[/, "&" more) { done = 1 } { print }' "$TOKENIZER/tokenizer.json" > "$folder/tokenizer.json"
}

# mistral FOLDER ROWS [TOKEN...]: MistralForCausalLM in bfloat16
mistral() {
    local folder=$1 rows=$2
    shift 2
    mkdir -p "$folder"
    mistral_tensors model. "" "$rows" | sparse "$folder/model.safetensors" BF16
    cat > "$folder/config.json" <<END
{"architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
 "max_position_embeddings": 32768, "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
 "rope_theta": 10000.0, "sliding_window": 4096, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size": $rows}
END
    tokenizer "$folder" "$@"
}

# llava FOLDER: llava-hf/llava-v1.6-mistral-7b-hf in float16
llava() {
    mkdir -p "$1"
    { mistral_tensors language_model.model. language_model. 32064; eye_tensors; } | sparse "$1/model.safetensors" F16
    cat > "$1/config.json" <<'END'
{"architectures": ["LlavaNextForConditionalGeneration"], "ignore_index": -100, "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
 "image_token_index": 32000, "model_type": "llava_next", "projector_hidden_act": "gelu",
 "text_config": {"architectures": ["MistralForCausalLM"], "intermediate_size": 14336, "max_position_embeddings": 32768, "model_type": "mistral", "num_key_value_heads": 8,
  "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "sliding_window": null, "torch_dtype": "bfloat16", "vocab_size": 32064},
 "tie_word_embeddings": false, "torch_dtype": "float16", "use_image_newline_parameter": true,
 "vision_config": {"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096, "model_type": "clip_vision_model", "num_attention_heads": 16, "num_hidden_layers": 24,
  "patch_size": 14, "projection_dim": 768, "vocab_size": 32000},
 "vision_feature_layer": -2, "vision_feature_select_strategy": "default", "vocab_size": 32064}
END
    cat > "$1/preprocessor_config.json" <<'END'
{"aspect_ratio_setting": "anyres", "crop_size": {"height": 336, "width": 336}, "do_center_crop": true, "do_convert_rgb": true, "do_normalize": true, "do_pad": true,
 "do_rescale": true, "do_resize": true, "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
 "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_processor_type": "LlavaNextImageProcessor", "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3,
 "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 336}}
END
    tokenizer "$1" "<image>" "<pad>"
}
