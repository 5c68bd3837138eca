# Models that see through the whole program: pictures in generate and in tasks, features computed once, strangers' pictures refused in one line.
. tests/e2e/common.bash
sees=$work/sees tiles=$work/tiles
cases=tests/goldens/golden/engine

# The goldens' models have no tokenizer: one of single characters, and <image> at the id that config.json names.
characters() {
    local i=3 c
    printf '"<unk>":0,"<s>":1,"</s>":2'
    for c in {a..z} {A..Z} {0..9} ' ' . , '?' ! : ';' - + = / '(' ')' '[' ']' '*' '%' '#' '@' '&' '_' '~' '|' '{' '}' '$' '^'; do
        printf ',"%s":%d' "$c" $i
        i=$((i + 1))
    done
}
with_tokenizer() {
    cp -r "$1" "$2"
    chmod -R u+w "$2"
    cat > "$2/tokenizer.json" <<JSON
{"version": "1.0", "normalizer": null, "pre_tokenizer": null, "decoder": {"type": "Fuse"},
 "added_tokens": [{"id": 0, "content": "<unk>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
  {"id": 1, "content": "<s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
  {"id": 2, "content": "</s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
  {"id": 96, "content": "<image>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}],
 "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
  "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
 "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": false, "byte_fallback": false, "vocab": {$(characters)}, "merges": []}}
JSON
    echo '{"bos_token": "<s>", "eos_token": "</s>"}' > "$2/tokenizer_config.json"
}
with_tokenizer $cases/llava/model "$sees"
with_tokenizer $cases/llava_next/model "$tiles"
picture=$cases/llava/image0.png other=$cases/llava/image1.png
tokens() { sed 's/.*"tokens":\[\([^]]*\)\].*/\1/' "$work/stdout"; }

# ---- generate

expect 0 "" "$MERGANSER" generate "$sees" -i $picture -p 'see <image> now' -n 8 --json
first=$(tokens)
expect 0 "" "$MERGANSER" generate "$sees" -i $other -p 'see <image> now' -n 8 --json
[ "$(tokens)" != "$first" ] || die "another picture, the same answer"
expect 0 "18 prompt tokens" "$MERGANSER" generate "$sees" -i $picture -p 'a' -n 1     # BOS, 16 patches, a
expect 0 "" "$MERGANSER" generate "$sees" -i $picture -p 'a' -n 8 --json
in_front=$(tokens)
expect 0 "" "$MERGANSER" generate "$sees" -i $picture -p '<image>a' -n 8 --json
[ "$(tokens)" = "$in_front" ] || die "a picture without a place does not come in front"
expect 0 "35 prompt tokens" "$MERGANSER" generate "$sees" -i $picture -i $other -p '<image>a<image>b' -n 1
expect 0 "97 prompt tokens" "$MERGANSER" generate "$tiles" -i $cases/llava_next/image0.png -p '<image>see now.' -n 1    # 88 rows of tiles and newlines
expect 0 "25 prompt tokens" "$MERGANSER" generate "$tiles" -i $cases/llava_next/image0.png -p '<image>see now.' -n 1 --one-view
expect 0 "" "$MERGANSER" generate "$sees" -p 'only words' -n 4
expect 0 "" "$MERGANSER" generate "$sees" -i $picture -p 'see' -n 8 --beams 5 --min-new 8 --repetition-penalty 1.5 --json
[ "$(tokens | tr ',' '\n' | wc -l)" = 8 ] || die "--min-new 8 gave $(tokens)"

expect 1 "reads text only" "$MERGANSER" generate miniature/models/ja -i $picture -p 'x'
expect 1 "no-such.png" "$MERGANSER" generate "$sees" -i "$work/no-such.png" -p 'x'
expect 2 "<image> 2 times, but is given 1 picture" "$MERGANSER" generate "$sees" -i $picture -p '<image> <image>'
echo 'not a picture' > "$work/bad.png"
expect 1 "bad.png" "$MERGANSER" generate "$sees" -i "$work/bad.png" -p 'x'
head -c 1000 $picture > "$work/short.png"
expect 1 "short.png" "$MERGANSER" generate "$sees" -i "$work/short.png" -p 'x'

# Every kind that Pillow reads is seen, and what is broken is told in one line, before anything of its size is allocated.
kinds=tests/goldens/golden/pictures
for kind in png-0-16.png palette-transparent.png png-6-16-interlaced.png png-0-1.png cmyk-adobe.jpg ycck.jpg progressive.jpg grey.jpg; do
    expect 0 "18 prompt tokens" "$MERGANSER" generate "$sees" -i $kinds/$kind -p 'a' -n 1
done
changed() {   # FILE OFFSET BYTES: a copy with these bytes there
    cp "$kinds/$1" "$work/changed"
    printf "$3" | dd of="$work/changed" bs=1 seek="$2" conv=notrunc status=none
}
broken() { (ulimit -v 4000000 && expect 1 "$1" "$MERGANSER" generate "$sees" -i "$work/changed" -p 'x') && grep -q "/changed: " "$work/stderr" || die "a broken picture: $1"; }
changed png-2-8.png 16 '\0\0\265\5\0\0\265\5'; broken "46341 x 46341 pixels, more than the limit of 178956970"
changed png-2-8.png 16 '\0\0\0\0'; broken "0 x 21 pixels"
changed png-2-8.png 29 'abcd'; broken "CRC"
changed png-2-8.png 700 'abcd'; broken "PNG: "
changed baseline.jpg 2 '\377\331'; broken "JPEG"
head -c 900 $kinds/progressive.jpg > "$work/changed"; broken "a JPEG that ends early, after 900 bytes"
head -c 900 $kinds/png-2-8.png > "$work/changed"; broken "a PNG that ends early, after 900 bytes"
printf 'GIF89a' > "$work/changed"; broken "a GIF file"
: > "$work/changed"; broken "an empty file"
# Every kind of picture is seen; cut short, or announcing more than it holds, each is refused, quickly and in one line.
pictures=$(dirname $cases)/pictures
for file in "$pictures"/*.png "$pictures"/*.jpg; do
    name=$(basename "$file")
    expect 0 "" timeout 20 "$MERGANSER" generate "$sees" -i "$file" -p 'x' -n 1
    head -c $(($(wc -c < "$file") / 2)) "$file" > "$work/cut-$name"
    expect 1 "cut-$name" timeout 20 "$MERGANSER" generate "$sees" -i "$work/cut-$name" -p 'x' -n 1
done
{ head -c 16 "$picture"; printf '\x7f\xff\xff\xff\x7f\xff\xff\xff'; tail -c +25 "$picture"; } > "$work/huge.png"
expect 1 "huge.png" timeout 20 "$MERGANSER" generate "$sees" -i "$work/huge.png" -p 'x'
: > "$work/empty.png"
expect 1 "empty.png" "$MERGANSER" generate "$sees" -i "$work/empty.png" -p 'x'
expect 1 "data" "$MERGANSER" generate "$sees" -i tests/data -p 'x'

# ---- tasks

mkdir "$work/data"
cp $picture "$work/data/a.png"
cp $other "$work/data/b.png"
cp $picture "$work/data/c.png"
for i in 1 2 3 4; do
    echo "{\"id\": $i, \"image\": \"a.png\", \"question\": \"what is $i?\", \"answer\": \"1\"}"
    echo "{\"id\": 1$i, \"image\": \"b.png\", \"question\": \"what is $i?\", \"answer\": \"2\"}"
    echo "{\"id\": 2$i, \"image\": \"c.png\", \"question\": \"what is $i?\", \"answer\": \"3\"}"
done > "$work/data/questions.jsonl"
cat > "$work/task.yml" <<YAML
name: pictures
splits: {test: $work/data/questions.jsonl}
prompt: "[<image> {question}]"
image: image
max_new_tokens: 6
min_new_tokens: 2
beams: 3
repetition_penalty: 1.5
metric: exact_match
YAML
run_eval() { expect 0 "" "$MERGANSER" eval "$@"; }
run_eval "$sees" -t "$work/task.yml" --json --answers "$work/one.jsonl"
grep -q '"computed": 2' "$work/stdout" || die "two different pictures in three files: $(cat "$work/stdout")"
run_eval "$sees" -t "$work/task.yml" --slots 1 --threads 1 --no-prefix-sharing --answers "$work/two.jsonl"
cmp "$work/one.jsonl" "$work/two.jsonl" || die "sharing what prompts have in common changes answers"
run_eval "$sees" -t "$work/task.yml" --beams 1 --answers "$work/three.jsonl"
cmp -s "$work/one.jsonl" "$work/three.jsonl" && die "--beams changes nothing"
sed 's/image: image/image: photo/' "$work/task.yml" > "$work/field.yml"
expect 1 "no text in field 'photo'" "$MERGANSER" eval "$sees" -t "$work/field.yml"
expect 1 "reads text only" "$MERGANSER" eval miniature/models/ja -t "$work/task.yml"
rm "$work/data/b.png"
expect 1 "there is no picture $work/data/b.png" "$MERGANSER" eval "$sees" -t "$work/task.yml"
cp "$work/bad.png" "$work/data/b.png"
expect 1 "b.png" "$MERGANSER" eval "$sees" -t "$work/task.yml" --quiet
awk '$0 == "```yaml task with pictures" {on = 1; next} /^```/ {on = 0} on' docs/formats.md > "$work/example.yml"
run_eval "$sees" -t "$work/example.yml" --json
grep -q '"computed": 2' "$work/stdout" || die "the example of docs/formats.md: $(cat "$work/stdout")"

# ---- a study: features once, also where it goes on

cp $other "$work/data/b.png"
cp -r "$sees" "$work/twin"
study() {      # GENERATIONS
    sed "s#^splits: .*#splits: {search: {file: $work/data/questions.jsonl, range: [0, 8]}, select: {file: $work/data/questions.jsonl, range: [8, 12]}}#" "$work/task.yml" > "$work/search.yml"
    cat > "$work/study.yml" <<YAML
models: {one: $sees, two: $work/twin}
search:
  - space: data-flow
    sources: [one, two]
    repetitions: 1
    optimizer: {population: 4, generations: $1}
tasks: [{task: $work/search.yml, split: search}]
select: [{task: $work/search.yml, split: select}]
baselines: none
seed: 1
YAML
    "$MERGANSER" evolve "$work/study.yml" -o "$work/out" > /dev/null 2> "$work/stderr" || die "evolve: $(cat "$work/stderr")"
}
study 1
computed() { sed -n 's/^features of pictures: \([0-9]*\) computed.*/\1/p' "$work/stderr" | awk '{n += $1} END {print n + 0}'; }
[ "$(computed)" = 2 ] || die "two pictures' features are computed $(computed) times: $(cat "$work/stderr")"
[ "$(ls "$work/out/features" | wc -l)" = 2 ] || die "two pictures are not two files"
study 2
[ "$(computed)" = 0 ] && grep -q "2 found in $work/out/features" "$work/stderr" || die "the study that goes on computes features again: $(cat "$work/stderr")"
echo "pictures: generate and tasks see, what is no picture is refused"
