# A mergekit-evolve file: searched, continued, refused by name; and a step that is over.
. tests/e2e/common.bash

cat > "$work/evolve.yml" <<YML
genome:
  models: [miniature/models/ja, miniature/models/math-b]
  merge_method: dare_ties
  base_model: miniature/models/base
  layer_granularity: 4
  filters: [self_attn, down_proj]
tasks: [{name: easy, metric: "number_paper,none"}]
limit: 4
max_fevals: 8
force_population_size: 4
random_seed: 3
select: [{task: recipes/tasks/mini-math-ja.yml, split: select, questions: 4}]
held_out: [{task: recipes/tasks/mini-math-ja.yml, split: test, questions: 4}]
baselines: none
YML
mkdir "$work/tasks"
sed "s|\.\./\.\.|$PWD|; s/mini-math-ja/easy/" recipes/tasks/mini-math-ja.yml > "$work/tasks/easy.yml"
expect 1 "evolve.yml:7: there is no task file 'easy'" "$MERGANSER" evolve "$work/evolve.yml" -o "$work/a" --quiet
[ ! -e "$work/a" ] || die "a file that is refused left something"
"$MERGANSER" evolve "$work/evolve.yml" --task-search-path "$work/tasks" -o "$work/a" --dry-run 2> "$work/said" > /dev/null
grep -q "24 numbers by cma-es, 2 generations of 4, 4 questions each" "$work/said" || die "--dry-run says: $(cat "$work/said")"

# In one go, and stopped between generations: one result.
"$MERGANSER" evolve "$work/evolve.yml" --task-search-path "$work/tasks" -o "$work/a" --quiet > "$work/table"
grep -q evolved "$work/table" || die "no table"
"$MERGANSER" evolve "$work/evolve.yml" --task-search-path "$work/tasks" -o "$work/b" --generations 1 --quiet > /dev/null
"$MERGANSER" evolve "$work/evolve.yml" --task-search-path "$work/tasks" -o "$work/b" --quiet > /dev/null
cmp -s "$work/a/best/model.safetensors" "$work/b/best/model.safetensors" || die "stopped and continued, it is another one"
"$MERGANSER" export "$work/a/study.db" "$work/best" --trial best --quiet > /dev/null
cmp -s "$work/a/best/model.safetensors" "$work/best/model.safetensors" || die "export --trial best is not best/"
sed -i 's/max_fevals: 8/max_fevals: 12/' "$work/evolve.yml"
"$MERGANSER" evolve "$work/evolve.yml" --task-search-path "$work/tasks" -o "$work/a" --quiet > /dev/null
"$MERGANSER" inspect "$work/a/study.db" | grep -q "12 trials complete" || die "more candidates were not searched"

# What has no counterpart is named, with its line.
refused() {
    sed "$1" "$work/evolve.yml" > "$work/refused.yml"
    expect "$2" "$3" "$MERGANSER" evolve "$work/refused.yml" --task-search-path "$work/tasks" -o "$work/none" --quiet
}
refused '9i num_fewshot: 3' 1 "refused.yml:9:14: num_fewshot is 3"
refused '9i apply_chat_template: true' 1 "refused.yml:9:22: apply_chat_template"
refused '9i vllm: true' 1 "unknown key 'vllm'"
refused 's/filters: .*/tokenizer_source: union/' 1 "tokenizer_source is 'union'"
refused 's/dare_ties/slerp/; s|models: .*|models: [a, b, c]|; /base_model/d' 1 "slerp of 3 models"
refused 's/number_paper,none/acc,none/' 2 "refused.yml:7: the metric is 'acc'"
refused 's/layer_granularity: 4/layer_granularity: 3/' 2 "no multiple"

# Later steps stand on a step that is over: more generations for it are not passed over in silence.
cat > "$work/steps.yml" <<YML
models: {base: miniature/models/base, ja: miniature/models/ja, math-b: miniature/models/math-b}
search:
  - {method: task_arithmetic, base_model: base, sources: [ja, math-b], optimizer: {population: 4, generations: 1}}
  - {space: data-flow, sources: [best, ja], optimizer: {population: 4, generations: 1}}
tasks: [{task: recipes/tasks/mini-math-ja.yml, questions: 2}]
select: [{task: recipes/tasks/mini-math-ja.yml, questions: 2}]
held_out: [{task: recipes/tasks/mini-math-ja.yml, questions: 2}]
baselines: none
YML
"$MERGANSER" evolve "$work/steps.yml" -o "$work/steps" --quiet > /dev/null
sed -i '3s/generations: 1/generations: 2/' "$work/steps.yml"
"$MERGANSER" evolve "$work/steps.yml" -o "$work/steps" > /dev/null 2> "$work/said"
grep -q "step 'PS' is over (generations: 1)" "$work/said" || die "a finished step's new generations are passed over: $(cat "$work/said")"
echo "evolve: mergekit-evolve's file is a study"
