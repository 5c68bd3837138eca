# Strangers' files and numbers through the whole program: one line that tells what is wrong, status 1 or 2, nothing written, the sources as they were.
. tests/e2e/common.bash
export LC_ALL=C
sources=tests/goldens/golden/mergekit/sources
good=$work/good bad=$work/bad out=$work/out
cp -r $sources/m-a "$good"
all_sources() { find $sources tests/fuzz/corpus tests/goldens/gguf -type f -exec cksum {} +; }
as_they_were=$(all_sources)

# ---- what is checked

small_files() { find "$good" "$bad" -type f -size -4M -exec cksum {} + 2> /dev/null; }

# refused TEXT... -- VERB ARGUMENT...: merganser refuses it and tells every TEXT.
refused() {
    local texts=() text before got=0
    while [ "$1" != -- ]; do texts+=("$1"); shift; done
    shift
    before=$(small_files)
    timeout -k 1 20 "$MERGANSER" "$@" > "$work/stdout" 2> "$work/stderr" || got=$?
    [ "$got" = 1 ] || [ "$got" = 2 ] || die "'$*' ended with $got: $(head -c 2000 "$work/stderr")"
    [ "$(wc -l < "$work/stderr")" = 1 ] || die "'$*' should say one line, but says: $(head -c 2000 "$work/stderr")"
    for text in "${texts[@]}"; do
        grep -qF -- "$text" "$work/stderr" || die "'$*' should say '$text', but says: $(head -c 2000 "$work/stderr")"
    done
    [ ! -e "$out" ] && [ -z "$(find "$work" -name '*.part*')" ] || die "'$*' was refused and left something behind"
    [ "$(small_files)" = "$before" ] || die "'$*' changed its sources"
}

# Of the model $bad: looking at it and merging it are refused.
both() {
    refused "$@" -- inspect "$bad"
    refused "$@" -- merge "$work/linear.yml" "$out"
}
accepted() { "$MERGANSER" "$@" > "$work/stdout" 2> "$work/stderr" || die "'$*' should be accepted, but: $(cat "$work/stderr")"; }

# ---- what strangers make

le() {                                  # le BYTES NUMBER, the lowest byte first
    local i
    for ((i = 0; i < $1; i++)); do printf '%b' "\\x$(printf %02x $((($2 >> 8 * i) & 255)))"; done
}
zeros() { head -c "$1" /dev/zero; }
repeat() { zeros "$1" | tr '\0' "$2"; }
model() { rm -rf "$bad"; mkdir "$bad"; cp "$good/config.json" "$good/tokenizer.json" "$good/tokenizer_config.json" "$bad"; }
weights() { model; cat > "$bad/model.safetensors"; }
crafted() { { le 8 ${#1}; printf %s "$1"; zeros "${2:-0}"; } | weights; }     # crafted HEADER [BYTES-OF-DATA]
tensor() { printf '"%s":{"dtype":"%s","shape":%s,"data_offsets":%s}' "$@"; }
changed() { model; cp "$good/model.safetensors" "$bad"; }                     # a good model, of which a file is then changed
recipe() { printf "$@" > "$work/recipe.yml"; }

printf 'models:\n- {model: %s, parameters: {weight: 0.5}}\n- {model: %s, parameters: {weight: 0.5}}\nmerge_method: linear\n' "$good" "$bad" > "$work/linear.yml"

# ---- one file of tensors

weights < /dev/null; both model.safetensors "0 bytes" "too short"
printf 1234567 | weights; both model.safetensors "7 bytes"
{ le 8 -1; printf '{}'; } | weights; both model.safetensors 18446744073709551615
{ le 8 3; printf '{}'; } | weights; both model.safetensors "3 bytes" "file of 10"
{ le 8 100000001; printf '{}'; } | weights; both model.safetensors 100000001 100000000
crafted "$(printf '{"a\xff":1}')"; both model.safetensors 0xff
crafted "$(repeat 100000 '[')"; both model.safetensors "deeper than 3"
crafted "{$(tensor w U8 [1] [0,1]),$(tensor w U8 [1] [0,1])}" 1; both model.safetensors duplicate "'w'"
crafted '{"__metadata__":{},"__metadata__":{}}'; both model.safetensors duplicate "'__metadata__'"
crafted "{$(tensor a U8 [2] [0,2]),$(tensor b U8 [2] [1,3])}" 3; both model.safetensors "'b' begins at byte 1" "'a'"
crafted "{$(tensor a U8 [1] [0,1]),$(tensor b U8 [1] [2,3])}" 3; both model.safetensors "gap of 1" "'b'"
crafted "{$(tensor a U8 [1] [0,1])}" 3; both model.safetensors "2 bytes behind"
crafted "{$(tensor a U8 [1] [1,0])}" 1; both model.safetensors "'a'" "[1, 0)"
crafted "{$(tensor a F32 [4294967296,4294967296] [0,0])}"; both model.safetensors "'a'" overflows
crafted "{$(tensor a F32 [2,3] [0,23])}" 23; both model.safetensors "'a'" "needs 24" 23
crafted "{$(tensor a U8 [1] [-1,0])}"; both model.safetensors "'a'" -1
crafted "{$(tensor a U8 [1] [0,1.5])}" 1; both model.safetensors "'a'" 1.5
crafted "{$(tensor a U8 [1] [0,1e30])}" 1; both model.safetensors "'a'" 1e+30
crafted "{$(tensor a F4 [1] [0,1])}" 1; both model.safetensors "'a'" "'F4'"
{ printf '{'; seq -s, -f '"%.0f":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' 1500000; printf '}'; } > "$work/many"
{ le 8 $(stat -c %s "$work/many"); cat "$work/many"; } | weights
both model.safetensors "1000000 tensors"
{ le 8 600000000; printf '{'; } | weights; truncate -s 600000008 "$bad/model.safetensors"; both model.safetensors 600000000 100000000
crafted "{$(tensor a U8 "[$(repeat 9999 1 | sed 's/1/1,/g')1]" [0,1])}" 1; both model.safetensors "'a' has 10000 dimensions" "limit of 8"
crafted "{$(tensor zero F32 [0,7] [0,0]),$(tensor scalar F32 [] [0,4])}" 4; accepted inspect "$bad"
crafted "{$(tensor 'a\u0000b' U8 [1] [0,1])}" 1; both model.safetensors NUL
crafted "{$(tensor ../../etc/passwd U8 [1] [0,1])}" 1; both model.safetensors "'../../etc/passwd'"
crafted "{$(tensor 'a\u001b[31m' U8 [1] [0,1])}" 1; both model.safetensors "'a?[31m'" "control character 27"
crafted "{$(tensor "$(repeat 1048576 n)" U8 [1] [0,1])}" 1; both model.safetensors "'nnnn" "1048576 bytes"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n' | weights; both model.safetensors "Git LFS pointer" "git lfs pull"
changed; truncate -s -1 "$bad/model.safetensors"; both model.safetensors "of 154319"

# As many layers, and as many kinds of them, as names can be made up: planned at once, and a merge of too many is refused before it is.
many() { { printf '{'; seq -s, -f "\"$1\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}" 0 29999; printf '}'; } > "$work/many"; { le 8 $(stat -c %s "$work/many"); cat "$work/many"; } | weights; }
many 'm%.0f.layers.0.w'; recipe 'models: [{model: %s}]\nmerge_method: passthrough\n' "$bad"
timeout -k 1 20 "$MERGANSER" merge "$work/recipe.yml" "$work/kinds" --quiet > /dev/null || die "a model of many kinds of layers takes too long to merge"
many 'model.layers.%.0f.w'; recipe 'slices: [{sources: [{model: %s, layer_range: [0, 30000]}]}]\nmerge_method: passthrough\n' "$bad"
timeout -k 1 20 "$MERGANSER" merge "$work/recipe.yml" "$work/layers" --quiet > /dev/null || die "a model of many layers takes too long to merge"
{ printf 'slices:\n'; for i in {1..34}; do printf -- '- sources: [{model: %s, layer_range: [0, 30000]}]\n' "$bad"; done; printf 'merge_method: passthrough\n'; } > "$work/recipe.yml"
refused "limit of 1000000 tensors" -- merge "$work/recipe.yml" "$out"

# A number that is none, as the last of the file's.
changed; printf '\xc0\x7f' | dd of="$bad/model.safetensors" bs=1 seek=$(($(stat -c %s "$bad/model.safetensors") - 2)) conv=notrunc status=none
refused "$bad" "'model.norm.weight'" -- merge "$work/linear.yml" "$out"

# A file that is cut while it is being merged.
{ le 8 72; printf '%-72s' "{$(tensor w F32 [67108864] [0,268435456])}"; } > "$work/head"
for m in big-a big-b; do mkdir "$work/$m"; cp "$work/head" "$work/$m/model.safetensors"; truncate -s $((80 + 268435456)) "$work/$m/model.safetensors"; done
printf 'models: [{model: %s}, {model: %s}]\nmerge_method: linear\nparameters: {weight: 1}\n' "$work/big-a" "$work/big-b" > "$work/big.yml"
timeout -k 1 20 "$MERGANSER" merge "$work/big.yml" "$out" --threads 1 --quiet > "$work/stdout" 2> "$work/stderr" & pid=$!
until [ -s "$out.partial/model.safetensors.part" ] || ! kill -0 $pid 2> /dev/null; do sleep 0.01; done
truncate -s 4096 "$work/big-b/model.safetensors"
got=0; wait $pid || got=$?
[ $got = 1 ] && [ "$(wc -l < "$work/stderr")" = 1 ] && grep -qF "$work/big-b/model.safetensors" "$work/stderr" && [ ! -e "$out" ] && [ ! -e "$out.partial" ] ||
    die "a source cut short during its merge gives status $got and $(cat "$work/stderr")"
rm -r "$work/big-a" "$work/big-b"

# ---- folders

index() { changed; mv "$bad/model.safetensors" "$bad/model-1.safetensors"; printf '{"weight_map":{%s}}' "$1" > "$bad/model.safetensors.index.json"; }
all=$(grep -ao '"[a-z][a-z_.0-9]*":{"dtype"' "$good/model.safetensors" | sed 's/:.*/:"model-1.safetensors"/' | paste -sd,)
index "$all"; accepted inspect "$bad"
index '"a":"../../etc/passwd"'; both index.json "'../../etc/passwd'" "plain file name"
index '"a":"/etc/passwd"'; both index.json "'/etc/passwd'" "plain file name"
index "$all,\"more\":\"model-2.safetensors\""; both model-2.safetensors missing
index "$all,\"more\":\"model-1.safetensors\""; both "'more'" model-1.safetensors "not there"
index "${all#*,}"; both "'lm_head.weight'" "not list"
index "$all"; ln -sf /dev/zero "$bad/model-1.safetensors"; both model-1.safetensors device
index "$all"; rm "$bad/model-1.safetensors"; mkfifo "$bad/model-1.safetensors"; both model-1.safetensors FIFO
index "$all"; ln -sf nowhere "$bad/model-1.safetensors"; both model-1.safetensors "No such file"
for file in config.json model.safetensors.index.json; do changed; rm -f "$bad/$file"; mkfifo "$bad/$file"; both "$file" FIFO; done
for file in tokenizer.json generation_config.json chat_template.jinja; do     # found before the merge begins, not after it
    changed; rm -f "$bad/$file"; ln -s /dev/zero "$bad/$file"
    recipe 'models: [{model: %s, parameters: {weight: 1}}]\nmerge_method: linear\n' "$bad"
    refused "$bad/$file" device -- merge "$work/recipe.yml" "$out"
done
for layers in 2147483648 -1; do
    changed; sed -i "s/\"num_hidden_layers\": 4/\"num_hidden_layers\": $layers/" "$bad/config.json"
    refused "$bad" num_hidden_layers "$layers" -- generate "$bad" -p ab
done
rm -r "$bad"; cp -r $sources/m-c100 "$bad"
refused "'lm_head.weight'" 96 100 "$bad" "$good" -- merge "$work/linear.yml" "$out"
rm -r "$bad"; cp -r $sources/l-a "$bad"
refused "$bad" "$good" -- merge "$work/linear.yml" "$out"
model; cp tests/fuzz/corpus/bin/evil "$bad/pytorch_model.bin"; both pytorch_model.bin "'posix.system'" "could run code"
model; printf '\x80\x02cos\nsystem\n(X\x0b\x00\x00\x00touch pwnedtR.' > "$bad/pytorch_model.bin"; both pytorch_model.bin pickle convert
[ ! -e pwned ] || die "a pickle ran its code"

# Code beside a model is never run and never copied; a model is refused only where nothing is known without it.
changed
printf 'open("pwned", "w")\n' > "$bad/modeling_evil.py"
sed -i '1a "auto_map": {"AutoModelForCausalLM": "modeling_evil.Evil"},' "$bad/config.json"
accepted merge "$work/linear.yml" "$out"
[ ! -e pwned ] && [ ! -e "$out/modeling_evil.py" ] && ! grep -q auto_map "$out/config.json" || die "code beside a source is in the merge"
rm -r "$out"
sed -i 's/"model_type": "mistral"/"model_type": "evil"/' "$bad/config.json"
refused "$bad" "'evil'" -- generate "$bad" -p ab

# ---- GGUF

rm -r "$bad"; bad=$work/bad.gguf
sed -i "s|model: $work/bad,|model: $bad,|" "$work/linear.yml"
gguf() { { printf 'GGUF'; le 4 3; le 8 "$1"; le 8 "$2"; cat; } > "$bad"; }    # gguf TENSORS ENTRIES, the rest from stdin
text() { le 8 ${#1}; printf %s "$1"; }
info() { text "$1"; le 4 2; le 8 "$2"; le 8 "$3"; le 4 0; le 8 0; zeros 64; }
gguf $((1 << 63)) 0 < /dev/null; both bad.gguf "9223372036854775808 tensors"
gguf 0 $((1 << 63)) < /dev/null; both bad.gguf "9223372036854775808 entries"
{ le 8 -1; zeros 64; } | gguf 0 1; both bad.gguf 18446744073709551615
for alignment in 0 3; do { text general.alignment; le 4 4; le 4 $alignment; } | gguf 0 1; both bad.gguf general.alignment "is $alignment"; done
info blk.0.attn_q.weight $((1 << 32)) $((1 << 32)) | gguf 1 0; both bad.gguf "'blk.0.attn_q.weight'" overflows
{ text list; le 4 9; le 4 9; le 8 1; zeros 64; } | gguf 0 1; both bad.gguf list "do not nest"
{ text list; le 4 9; le 4 6; le 8 $((1 << 62)); zeros 64; } | gguf 0 1; both bad.gguf list "4611686018427387904 elements"
for bytes in 10 1000 78600; do head -c $bytes tests/goldens/gguf/llama-bf16.gguf > "$bad"; both bad.gguf; done
rm "$bad"; bad=$work/bad

# ---- tokenizers

changed; cp -r "$bad" "$work/tokens"
tokenizer() { cp "$bad/tokenizer.json" "$work/tokens"; sed -i "$1" "$work/tokens/tokenizer.json"; }
tokenizer 's/"pre_tokenizer":null/"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a+)+$"},"behavior":"Isolated"}/'
refused tokenizer.json "(a+)+\$" "backtracks without end" -- generate "$work/tokens" -p "$(repeat 100 a)!"
tokenizer 's/"!":4,/"!":5,/'; refused tokenizer.json "both have id 5" -- generate "$work/tokens" -p ab
tokenizer 's/"!":4,/"!":4194304,/'; refused tokenizer.json 4194304 -- generate "$work/tokens" -p ab
tokenizer 's/"!":4,/"!":4,"!":6,/'; refused tokenizer.json duplicate "'!'" -- generate "$work/tokens" -p ab
tokenizer 's/"merges":\[\]/"merges":["a zz"]/'; refused tokenizer.json "'zz'" -- generate "$work/tokens" -p ab
tokenizer 's/"|":95/"ab":95/; s/"{":94/"ba":94/; s/"merges":\[\]/"merges":["a b","b a","a b"]/'; accepted generate "$work/tokens" -p "$(repeat 100 ab)" --max-new 1
tokenizer 's/"|":95/"|":4000000/'; refused 4000000 96 -- generate "$work/tokens" -p "a|b"
cp tests/fuzz/corpus/tokenizer/deep "$work/tokens/tokenizer.json"; refused tokenizer.json -- generate "$work/tokens" -p ab

# ---- chat templates

changed; cp -r "$bad" "$work/talks"
template() { cat > "$work/talks/chat_template.jinja"; refused "$work/talks" "chat template" "$@" -- generate "$work/talks" --chat -p ab; }
template "limit of" <<< '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}'
template "limit of 100000 numbers" <<< '{% for a in range(10 ** 9) %}{% endfor %}'
template "limit of 1000 levels" <<< '{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}'
{ printf '{{ '; repeat 100000 '('; } | template "limit of 200"
printf '{%% if 1 %%}%.0s' $(seq 30000) | template "limit of 200"
template "limit of 256 MB" <<< "{{ 'x' * 10 ** 9 }}"
template "limit of" <<< "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] | join %}{% endfor %}"
template 1:6 "'__class__'" unsafe <<< "{{ ''.__class__.__mro__ }}"
template "'append'" unsafe <<< "{{ messages.append(1) }}"
template "127 bits" <<< '{{ 10 ** 10000 }}'
template "no such role" <<< "{{ raise_exception('no such role') }}"
template "'nosuch'" <<< '{{ messages | nosuch }}'
template "'include'" <<< "{% include '/etc/passwd' %}"
printf '\xff' | template "not UTF-8"
head -c 2000000 /dev/zero | tr '\0' x | template "the limit is 1048576"
rm "$work/talks/chat_template.jinja"; mkfifo "$work/talks/chat_template.jinja"; refused chat_template.jinja FIFO -- generate "$work/talks" --chat -p ab
rm -r "$work/talks"

# ---- recipes

one='models: [{model: '$good', parameters: {weight: 1}}]\nmerge_method: linear\n'
recipe 'a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n'
for ((i = 1; i < 12; i++)); do printf 'a%d: &a%d [%s]\n' $i $i "$(printf "*a$((i - 1)),%.0s" 1 2 3 4 5 6 7 8 9 10)"; done >> "$work/recipe.yml"
yaml() { refused "$@" -- inspect "$work/recipe.yml"; refused "$@" -- merge "$work/recipe.yml" "$out"; }
yaml recipe.yml "200000 values"
repeat 100000 '[' > "$work/recipe.yml"; yaml recipe.yml:1 "100 levels"
recipe 'a: &x [*x]\n'; yaml recipe.yml:1:4 anchor
recipe "${one}dtype: !!python/object/apply:os.system [touch pwned]\n"; yaml recipe.yml:3 python/object
recipe "${one}merge_method: ties\n"; yaml recipe.yml:3 duplicate "'merge_method'" "line 2"
[ ! -e pwned ] || die "a tag ran its code"
for weight in .nan 1e308 .inf; do recipe 'models: [{model: %s, parameters: {weight: %s}}]\nmerge_method: linear\n' "$good" $weight; yaml recipe.yml:1 weight; done
grown() { recipe 'models: [{model: %s, parameters: {weight: 1, density: %s}}]\nmerge_method: ties\nbase_model: %s\n' "$good" "$1" $sources/m-base; }
for density in -1 2 .nan; do grown $density; yaml recipe.yml:1 density; done
for density in 0 1; do grown $density; accepted merge "$work/recipe.yml" "$out"; rm -r "$out"; done
layers() {                              # layers RANGE TEXT...
    recipe 'slices: [{sources: [{model: %s, layer_range: %s}]}]\nmerge_method: linear\nparameters: {weight: 1}\n' "$good" "$1"
    yaml "${@:2}"
}
layers "[0, 5]" "$good" "layers [0, 5)" "has 4"
layers "[4, 9]" "$good" "layers [4, 9)" "has 4"
layers "[-1, 2]" recipe.yml:1 "-1 is outside"
layers "[3, 1]" recipe.yml:1 "[3, 1] ends before it begins"
layers "[0, 99999999999999999999]" recipe.yml:1 "'99999999999999999999'"

# ---- where the output goes

recipe "$one"
refused "$good" "one of the sources" -- merge "$work/recipe.yml" "$good" --force
ln -s "$good" "$work/alias"
refused "$work/alias" "one of the sources" -- merge "$work/recipe.yml" "$work/alias" --force
refused "$work/recipe.yml" "Not a directory" -- merge "$work/recipe.yml" "$work/recipe.yml/out"
refused /proc/out -- merge "$work/recipe.yml" /proc/out
mkdir "$work/locked"; chmod 555 "$work/locked"
if [ ! -w "$work/locked" ]; then refused "$work/locked" "Permission denied" -- merge "$work/recipe.yml" "$work/locked/out"; fi
mkdir "$out"; printf kept > "$out/mine"
before=$(cksum "$out/mine")
"$MERGANSER" merge "$work/recipe.yml" "$out" > "$work/stdout" 2> "$work/stderr" && die "a folder that is there was replaced without --force"
[ "$(cksum "$out/mine")" = "$before" ] && [ "$(wc -l < "$work/stderr")" = 1 ] || die "an output that is there: $(cat "$work/stderr")"
[ ! -e pwned ] && [ "$(all_sources)" = "$as_they_were" ] || die "something was written beside the outputs"
echo "hostile: each in one line, nothing left, the sources as they were"
