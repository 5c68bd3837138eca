# Bad input: one clear line, a status that is not 0, nothing written.
. tests/e2e/common.bash

expect 2 "unknown verb 'evlove'; did you mean 'evolve'?" "$MERGANSER" evlove
expect 2 "unknown option '--thread'; did you mean --threads?" "$MERGANSER" eval x --thread 2
expect 1 "nowhere" "$MERGANSER" inspect nowhere
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 3\n' > "$work/model.safetensors"
expect 1 "LFS" "$MERGANSER" inspect "$work/model.safetensors"
printf 'models: [{model: miniature/models/ja}]\nmerge_methid: ties\n' > "$work/r.yml"
expect 1 "did you mean 'merge_method'?" "$MERGANSER" merge "$work/r.yml" "$work/out"
printf 'models: [{model: miniature/models/ja, parameters: {weight: .nan}}]\nmerge_method: linear\n' > "$work/r.yml"
expect 1 "weight" "$MERGANSER" merge "$work/r.yml" "$work/out"
[ ! -e "$work/out" ] && [ ! -e "$work/out.partial" ] || die "a refused merge left something behind"
printf 'models: [{model: miniature/models/ja}, {model: miniature/models/base}]\nmerge_method: linear\nparameters: {weight: 1}\n' > "$work/linear.yml"
printf 'sources: {a: miniature/models/ja, b: %s}\nhops: [[a, 0-3], [b, 4-7]]\n' "$work/linear.yml" > "$work/stacked.yml"
printf 'sources: {a: miniature/models/ja}\nhops: [[a, 0-3], [a, 2-7]]\n' > "$work/plain.yml"
"$MERGANSER" export miniature/models/ja "$work/ja.gguf" --gguf-type q8_0 --quiet > /dev/null
expect 2 "--backend" "$MERGANSER" eval miniature/models/ja -t recipes/tasks/mini-math-ja.yml --backend neon
for model in "$work/linear.yml" "$work/stacked.yml" "$work/ja.gguf"; do       # merged, a path through a merge, computed: all of it in memory
    expect 1 "--memory" "$MERGANSER" generate "$model" -p "3 + 4 = " --max-new 1 --memory 1M --quiet
    "$MERGANSER" generate "$model" -p "3 + 4 = " --max-new 1 --memory 1G --quiet > /dev/null || die "1 GB is not enough for $model"
done
expect 1 "--memory allows" "$MERGANSER" merge "$work/stacked.yml" "$work/out" --memory 1M --quiet
expect 1 "--memory leaves" "$MERGANSER" merge "$work/plain.yml" "$work/out" --memory 1M --quiet
[ ! -e "$work/out" ] && [ ! -e "$work/out.partial" ] || die "a merge without room left something behind"
echo "errors: each in one line"
