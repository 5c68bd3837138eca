# A study's life: announced, stopped and continued, refused where it would become another one, forked, shown, exported, begun from a recipe.
. tests/e2e/common.bash

cat > "$work/study.yml" <<YML
name: life
models: {base: miniature/models/base, ja: miniature/models/ja, math-b: miniature/models/math-b}
search: {method: task_arithmetic, base_model: base, sources: [ja, math-b], layer_groups: 2, optimizer: {name: cma-es, population: 4, generations: 3}}
tasks: [{task: recipes/tasks/mini-math-ja.yml, split: search, questions: 8}]
select: [{task: recipes/tasks/mini-math-ja.yml, split: select, questions: 8}]
held_out: [{task: recipes/tasks/mini-math-ja.yml, split: test, questions: 8}]
baselines: [linear]
YML
evolve() { "$MERGANSER" evolve "$@"; }

# What a study holds of its trials, in text: inspect's and report's JSON, times left out.
record() { "$MERGANSER" report "$1/study.db" -o "$work/page.html" --json --quiet | grep -v -i seconds; }

# Announced only: nothing is written.
evolve "$work/study.yml" -o "$work/a" --dry-run 2> "$work/said" > /dev/null
grep -q "4 numbers by cma-es, 3 generations of 4, 8 questions each" "$work/said" || die "--dry-run says: $(cat "$work/said")"
grep -q "about .* a candidate" "$work/said" || die "--dry-run announces no time"
[ ! -e "$work/a" ] || die "--dry-run wrote something"

# In one go, and stopped after each generation: the same record, the same merge.
evolve "$work/study.yml" -o "$work/a" --quiet > "$work/table"
grep -q "evolved" "$work/table" || die "no table at the end"
for i in 1 2 3; do evolve "$work/study.yml" -o "$work/b" --generations 1 --threads 1 --quiet > /dev/null; done
evolve "$work/study.yml" -o "$work/b" --quiet > /dev/null
[ "$(record "$work/a")" = "$(record "$work/b")" ] || die "a study stopped and continued is another one"
cmp -s "$work/a/best/model.safetensors" "$work/b/best/model.safetensors" || die "its best/ is another one"
"$MERGANSER" inspect "$work/b/study.db" | grep -q "12 trials complete" || die "inspect does not know the trials"

# What may not change is named; a fork may.
sed 's/layer_groups: 2/layer_groups: 4/' "$work/study.yml" > "$work/other.yml"
expect 1 "layer_groups" "$MERGANSER" evolve "$work/other.yml" -o "$work/a" --quiet
sed 's/search, questions: 8/search, questions: 6/; s/generations: 3/generations: 4/' "$work/study.yml" > "$work/more.yml"
expect 1 "questions" "$MERGANSER" evolve "$work/more.yml" -o "$work/a" --quiet
evolve "$work/more.yml" -o "$work/a" --fork "$work/fork" --quiet > /dev/null
"$MERGANSER" inspect "$work/fork/study.db" | grep -q "16 trials complete" || die "the fork did not go on"
[ "$(record "$work/a")" = "$(record "$work/b")" ] || die "the fork changed its origin"
mkdir "$work/full"
echo mine > "$work/full/notes.txt"
expect 2 "--force" "$MERGANSER" evolve "$work/study.yml" -o "$work/full" --quiet
[ "$(cat "$work/full/notes.txt")" = mine ] || die "somebody's file is gone"

# Any trial is a model folder; the winner exported is best/.
"$MERGANSER" export "$work/a/study.db" "$work/winner" --trial best --quiet > /dev/null
cmp -s "$work/winner/model.safetensors" "$work/a/best/model.safetensors" || die "export --trial best is not best/"
"$MERGANSER" export "$work/a/study.db" "$work/third" --trial 3 --quiet > /dev/null
"$MERGANSER" generate "$work/third" -p "3 + 4 = " --max-new 2 --quiet > /dev/null
expect 2 "99" "$MERGANSER" export "$work/a/study.db" "$work/none" --trial 99 --quiet
[ ! -e "$work/none" ] || die "a trial that is not there left a folder"

# A recipe is where another study begins: its first mean is that merge.
sed "s/layer_groups: 2/layer_groups: 2, start: ${work//\//\\/}\/a\/recipe.yml/; s/generations: 3/generations: 1/" "$work/study.yml" > "$work/again.yml"
evolve "$work/again.yml" -o "$work/again" --quiet > /dev/null
grep -q '<svg' "$work/again/report.html" || die "report.html has no chart"
echo "study: one record however it is run"
