# Paths: one record however a study of two steps is run; the same answers from the path, the folded folder and the study's own word; refusals.
. tests/e2e/common.bash

cat > "$work/study.yml" <<YML
name: paths
models: {base: miniature/models/base, ja: miniature/models/ja, math-b: miniature/models/math-b}
search:
  - {space: parameters, method: task_arithmetic, base_model: base, sources: [ja, math-b], optimizer: {population: 4, generations: 2}}
  - {space: data-flow, sources: [PS, math-b], max_hops: 10, racing: true, optimizer: {population: 8, generations: 3}}
tasks: [{task: recipes/tasks/mini-math-ja.yml, split: search, questions: 30}]
select: [{task: recipes/tasks/mini-math-ja.yml, split: select, questions: 8}]
held_out: [{task: recipes/tasks/mini-math-ja.yml, split: test, questions: 8}]
baselines: none
YML
evolve() { "$MERGANSER" evolve "$@"; }
record() { "$MERGANSER" report "$1/study.db" -o "$work/page.html" --json --quiet | grep -v -i seconds; }

# In one go, and stopped after each generation on one thread, also between the steps.
evolve "$work/study.yml" -o "$work/a" --quiet > "$work/table"
grep -q "PS + DFS" "$work/table" || die "the table lacks the second step"
for i in 1 2 3 4; do evolve "$work/study.yml" -o "$work/b" --generations 1 --threads 1 --quiet > /dev/null; done
evolve "$work/study.yml" -o "$work/b" --quiet > /dev/null
[ "$(record "$work/a")" = "$(record "$work/b")" ] || die "a study stopped and continued is another one"

# What the second step found: exported, as its path, by its name.
"$MERGANSER" export "$work/a/study.db" "$work/found" --trial "PS + DFS" --quiet > /dev/null
[ -f "$work/found/recipe-1.yml" ] && [ -f "$work/found/path.yml" ] || die "a path through a merge should come with the merge's recipe"
answers() { "$MERGANSER" eval "$1" -t recipes/tasks/mini-math-ja.yml -n 12 --answers "$work/$2.jsonl" --quiet > /dev/null; }
answers "$work/found/path.yml" path
answers "$work/a/study.db@PS + DFS" study
cmp -s "$work/path.jsonl" "$work/study.jsonl" || die "path.yml answers otherwise than the study's path"
"$MERGANSER" merge "$work/found/path.yml" "$work/folded" --dtype float32 --quiet > /dev/null 2>&1
answers "$work/folded" folded
cut -d'"' -f1-20 "$work/path.jsonl" | sed 's/"min_margin.*//' > "$work/p"
cut -d'"' -f1-20 "$work/folded.jsonl" | sed 's/"min_margin.*//' > "$work/f"
cmp -s "$work/p" "$work/f" || die "the folded model answers otherwise than its path"
"$MERGANSER" inspect "$work/found/path.yml" | grep -q "folds into one model" || die "inspect does not draw the path"

# A path once more as mergekit's file, and what cannot be.
"$MERGANSER" merge "$work/found/recipe.yml" "$work/again" --quiet > /dev/null 2>&1
cmp -s "$work/again/model.safetensors" "$work/found/model.safetensors" || die "recipe.yml gives another model"
printf 'sources: {ja: miniature/models/ja}\nhops: [[jaa, 0]]\n' > "$work/wrong.yml"
expect 1 "did you mean 'ja'?" "$MERGANSER" eval "$work/wrong.yml" -t recipes/tasks/mini-math-ja.yml
printf 'sources: {ja: miniature/models/ja}\nhops: [[ja, 0-8]]\n' > "$work/wrong.yml"
expect 2 "layers 0 to 7" "$MERGANSER" generate "$work/wrong.yml" -p x
printf 'sources: {me: %s}\nhops: [[me, 0]]\n' "$work/me.yml" > "$work/me.yml"
expect 1 "more than 8 deep" "$MERGANSER" inspect "$work/me.yml"
expect 2 "no trial" "$MERGANSER" generate "$work/a/study.db@later" -p x
cp -r miniature/models/math-b "$work/other"
sed -i 's/"rope_theta": [0-9.]*/"rope_theta": 5000.0/' "$work/other/config.json"
printf 'sources: {ja: miniature/models/ja, other: %s}\nhops: [[ja, 0-3], [other, 4-6], [ja, 7]]\n' "$work/other" > "$work/mixed.yml"
"$MERGANSER" generate "$work/mixed.yml" -p "3 + 4 = " --max-new 4 --quiet > /dev/null
expect 1 "rope_theta" "$MERGANSER" merge "$work/mixed.yml" "$work/none"
[ ! -e "$work/none" ] || die "a path that cannot be folded left a folder"
# mergekit's passthrough runs as its merge does, also where down_proj is not what an MLP puts out last, and where embeddings are the head.
goldens=tests/goldens/golden
for m in gemma2 gpt2 mixtral olmo2 gptneox llama_tied llama; do
    cp -r $goldens/engine/$m/model "$work/$m"
    cp $goldens/mergekit/sources/m-a/tokenizer*.json "$work/$m"
    n=$(sed -nE 's/.*"(num_hidden_layers|n_layer)": ([0-9]+).*/\2/p' "$work/$m/config.json")
    for scale in '{filter: down_proj, value: 3}' '{filter: embed_tokens, value: 0.25}'; do
        printf 'slices: [{sources: [{model: %s, layer_range: [0, %d], parameters: {scale: [%s, {value: 1}]}}]}, {sources: [{model: %s, layer_range: [%d, %d]}]}]
merge_method: passthrough\n' "$work/$m" $((n - 1)) "$scale" "$work/$m" 1 "$n" > "$work/scaled.yml"
        "$MERGANSER" merge "$work/scaled.yml" "$work/scaled" --force --quiet > /dev/null 2>&1
        for prompt in ab "a b" cde; do
            run() { "$MERGANSER" generate "$1" -p "$prompt" --max-new 12 --json --quiet; }
            [ "$(run "$work/scaled.yml" 2> /dev/null)" = "$(run "$work/scaled" 2> /dev/null)" ] || die "passthrough of $m with $scale answers otherwise than its merge"
        done
    done
done
printf 'slices: [{sources: [{model: %s, layer_range: [0, 2]}]}]\nmerge_method: passthrough\n' "$work/gemma2" > "$work/made.yml"
printf 'slices: [{sources: [{model: %s, layer_range: [0, 2], parameters: {scale: [{filter: down_proj, value: 3}, {value: 1}]}}]}, {sources: [{model: %s, layer_range: [1, 2]}]}]
merge_method: passthrough\n' "$work/made.yml" "$work/made.yml" > "$work/of-made.yml"
expect 1 "puts out another tensor last" "$MERGANSER" generate "$work/of-made.yml" -p ab
expect 1 "puts out another tensor last" "$MERGANSER" merge "$work/of-made.yml" "$work/none"
echo "paths: one model as a path, a folder and a study's word"
