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
expect 2 "--backend" "$MERGANSER" eval miniature/models/ja -t recipes/tasks/mini-math-ja.yml --backend neon
echo "errors: each in one line"
