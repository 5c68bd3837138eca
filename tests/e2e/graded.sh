# A study of two tasks, one of them scored between 0 and 1, raced; and one with pictures, which its page shows.
. tests/e2e/common.bash
questions=$PWD/miniature/questions/math-ja-test.jsonl

task() {   # NAME FIRST ANSWER METRIC
    cat > "$work/$1.yml" <<YML
splits:
  search: {file: $questions, range: [$2, $(($2 + 40))]}
  select: {file: $questions, range: [$(($2 + 40)), $(($2 + 60))]}
  test: {file: $questions, range: [$(($2 + 60)), $(($2 + 90))]}
prompt: "以下の指示に日本語で答えてください。一歩一歩考えましょう。\n\n### 指示:\n{question}\n\n### 応答:\n"
answer: $3
max_new_tokens: 40
metric: $4
YML
}
task words 0 worked "{name: f1_char, language: ja}"
task numbers 200 answer mgsm
cat > "$work/study.yml" <<YML
models: {base: miniature/models/base, ja: miniature/models/ja, math-a: miniature/models/math-a}
search:
  - space: parameters
    method: task_arithmetic
    base_model: base
    sources: [ja, math-a]
    optimizer: {name: cma-es, population: 4, generations: 2}
    racing: true
tasks: [{task: $work/words.yml, split: search, questions: 24}, {task: $work/numbers.yml, split: search, questions: 24, weight: 2}]
select: [{task: $work/words.yml, split: select}, {task: $work/numbers.yml, split: select}]
held_out: [{task: $work/words.yml, split: test}, {task: $work/numbers.yml, split: test, weight: 2}]
baselines: none
seed: 2
YML
"$MERGANSER" evolve "$work/study.yml" -o "$work/out" --quiet > "$work/stdout"
table=$(cat "$work/stdout")
grep -q "scores more than every source" <<< "$table" || die "graded scores are said to be solved: $table"
grep -q "tasks, held out" <<< "$table" || die "the tasks are not told one by one: $table"
for text in "Task by task, held out" "scores more on" "words" "numbers"; do
    grep -q "$text" "$work/out/report.html" || die "the page does not have '$text'"
done
grep -q -e "The winner solves" -e "; solves" "$work/out/report.html" && die "the page says of graded scores that something is solved"
"$MERGANSER" evolve "$work/study.yml" -o "$work/again" --quiet --threads 1 > "$work/stdout"
diff <(sed "s#$work/again#$work/out#" "$work/stdout") <(echo "$table") > /dev/null || die "another number of threads, another table"

cat > "$work/pictures.yml" <<YML
splits:
  search: {file: $PWD/tests/data/vlm/questions.jsonl, range: [0, 4]}
  select: {file: $PWD/tests/data/vlm/questions.jsonl, range: [4, 8]}
  test: {file: $PWD/tests/data/vlm/questions.jsonl, range: [8, 12]}
prompt: "<image>{question}"
image: image
max_new_tokens: 4
metric: exact_match
YML
cat > "$work/sees.yml" <<YML
models: {base: tests/data/vlm/base, sees: tests/data/vlm/sees, ja: tests/data/vlm/ja}
search:
  - {space: parameters, method: task_arithmetic, base_model: base, sources: [sees, ja], component: language_model, optimizer: {name: cma-es, population: 3, generations: 1}}
tasks: [{task: $work/pictures.yml, split: search}]
select: [{task: $work/pictures.yml, split: select}]
held_out: [{task: $work/pictures.yml, split: test}]
baselines: none
YML
"$MERGANSER" evolve "$work/sees.yml" -o "$work/seen" --quiet > "$work/stdout"
[ "$(grep -o '<img alt="pictures/[0-9]*.png" src="data:image/jpeg;base64,' "$work/seen/report.html" | wc -l)" = 3 ] || die "the page does not show three pictures"
echo "graded: tasks one by one, scores between 0 and 1, pictures in the page"
