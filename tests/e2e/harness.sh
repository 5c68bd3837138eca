# The Japanese tasks: suites of both kinds, lm-eval's files, studies that ask them, data that is not there.
. tests/e2e/common.bash

# the two tasks whose data is all here, and lm-eval's own files of two
"$MERGANSER" eval miniature/models/ja -t recipes/tasks/jp-lmeh/jcola.yml -t recipes/tasks/ja-leaderboard/ja_leaderboard_mgsm.yaml -t recipes/tasks/ja-leaderboard/ja_leaderboard_xwinograd.yaml \
    --questions 6 --results "$work/results" --quiet > "$work/table"
grep -q "3 shots drawn as Stability with seed 42, stratified; joint encoding" "$work/table" || die "the table does not tell how examples were drawn"
[ "$(wc -l < "$work"/results/samples_ja_leaderboard_mgsm_*.jsonl)" = 6 ] || die "not every question has its line of samples"
grep -q '"acc,none"' "$work"/results/results_*.json || die "results_DATE.json has no figure"
grep -q '"prompt_hash"' "$work"/results/samples_jcola-0.2-0.3_*.jsonl || die "samples have no hashes"

# the same answers one by one, without sharing
"$MERGANSER" eval miniature/models/ja -t recipes/tasks/jp-lmeh/jcola.yml --questions 6 --answers "$work/a.jsonl" --quiet > /dev/null
"$MERGANSER" eval miniature/models/ja -t recipes/tasks/jp-lmeh/jcola.yml --questions 6 --answers "$work/b.jsonl" --slots 1 --threads 1 --no-prefix-sharing --quiet > /dev/null
cmp "$work/a.jsonl" "$work/b.jsonl" || die "log-likelihoods depend on what is shared"

# examples that are not here: the line says where they come from
expect 1 "docs/data.md" "$MERGANSER" eval miniature/models/ja -t recipes/tasks/jp-lmeh/jp-lmeh.yml --quiet
expect 1 "docs/data.md" "$MERGANSER" eval miniature/models/ja -t recipes/tasks/ja-leaderboard/_ja_leaderboard.yaml --quiet

# studies over choices, in our form and in mergekit-evolve's over a task file of lm-eval
cat > "$work/jcola.yml" << END
include: $PWD/recipes/tasks/jp-lmeh/jcola.yml
splits: {search: {file: $PWD/recipes/data/shunk031/JGLUE/JCoLA/validation.jsonl, range: [0, 400]}, select: {file: $PWD/recipes/data/shunk031/JGLUE/JCoLA/validation.jsonl, range: [400, 865]}}
shots: {count: 3, from: $PWD/recipes/data/shunk031/JGLUE/JCoLA/train.jsonl, draw: stability, stratify: label}
END
cat > "$work/study.yml" << END
models: {base: $PWD/miniature/models/base, ja: $PWD/miniature/models/ja}
search: [{space: parameters, method: linear, sources: [base, ja], optimizer: {name: cma-es, population: 4, generations: 1}}]
tasks: [{task: $work/jcola.yml, split: search, questions: 8}]
select: [{task: $work/jcola.yml, split: select, questions: 8}]
baselines: none
seed: 1
END
"$MERGANSER" evolve "$work/study.yml" -o "$work/out" --quiet > /dev/null
"$MERGANSER" evolve "$work/study.yml" -o "$work/out-1" --threads 1 --quiet > /dev/null
cmp "$work/out/best/model.safetensors" "$work/out-1/best/model.safetensors" || die "a study over choices depends on threads"
cat > "$work/evolve.yml" << END
genome: {models: [$PWD/miniature/models/base, $PWD/miniature/models/ja], merge_method: linear}
tasks: [{name: ja_leaderboard_xwinograd, metric: "acc,none"}]
task_search_path: [$PWD/recipes/tasks/ja-leaderboard]
limit: 6
max_fevals: 4
force_population_size: 4
random_seed: 1
baselines: none
END
"$MERGANSER" evolve "$work/evolve.yml" -o "$work/evolved" --quiet > /dev/null
[ -f "$work/evolved/best/model.safetensors" ] || die "mergekit-evolve's file over lm-eval's task finds nothing"
echo "harness: suites, results and studies"
