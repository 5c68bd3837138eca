# Every example of docs/formats.md is run.
. tests/e2e/common.bash

# block KIND: the text of the ```yaml KIND block
block() {
    awk -v want="\`\`\`$1" '$0 == want {on = 1; next} /^```/ {on = 0} on' docs/formats.md
}

block "yaml study" > "$work/study.yml"
block "yaml task" > "$work/task.yml"
block "yaml task with choices" > "$work/choices.yml"
block "yaml group" > "$work/group.yml"
block "yaml task of words" > "$work/words.yml"
block "yaml task with options" > "$work/options.yml"
block "yaml task with chat" > "$work/chat.yml"
block "yaml recipe" > "$work/recipe.yml"
block "yaml recipe with a tokenizer" > "$work/tokenizer.yml"
block "yaml recipe with slices" > "$work/slices.yml"
block "yaml recipe with modules" > "$work/modules.yml"
block "yaml recipe with a component" > "$work/component.yml"
block "yaml path" > "$work/path.yml"
block "yaml mergekit-evolve" > "$work/mergekit-evolve.yml"
for f in study task choices group words options chat recipe slices modules component tokenizer path mergekit-evolve; do [ -s "$work/$f.yml" ] || die "docs/formats.md has no $f"; done
"$MERGANSER" evolve "$work/study.yml" -o "$work/out" --quiet > /dev/null
[ -f "$work/out/best/model.safetensors" ] && [ -f "$work/out/report.html" ] && [ -f "$work/out/recipe.yml" ] || die "the study's folder is not complete"
"$MERGANSER" merge "$work/out/recipe.yml" "$work/again" --quiet > /dev/null 2>&1
cmp "$work/out/best/model.safetensors" "$work/again/model.safetensors" || die "recipe.yml does not give best/ again"
"$MERGANSER" evolve "$work/mergekit-evolve.yml" -o "$work/evolved" --quiet > /dev/null
"$MERGANSER" merge "$work/evolved/recipe.yml" "$work/evolved-again" --quiet > /dev/null 2>&1
cmp "$work/evolved/best/model.safetensors" "$work/evolved-again/model.safetensors" || die "a mergekit-evolve file's recipe.yml does not give best/ again"
"$MERGANSER" inspect "$work/path.yml" | grep -q "folds into one model of 8 layers" || die "the path does not fold"
"$MERGANSER" eval miniature/models/ja -t "$work/task.yml" --questions 4 --quiet > /dev/null
"$MERGANSER" eval miniature/models/ja -t "$work/choices.yml" --questions 4 --quiet > /dev/null
"$MERGANSER" eval miniature/models/ja -t "$work/group.yml" --questions 4 --quiet | grep -q "^japanese .* plain average of 2 tasks" || die "the group has no average"
"$MERGANSER" eval miniature/models/ja -t "$work/options.yml" --questions 4 --quiet > /dev/null
if "$MERGANSER" --version | grep -q "absent:.*MeCab"; then
    "$MERGANSER" eval miniature/models/ja -t "$work/words.yml" --questions 4 --quiet 2>&1 | grep -q "built without MeCab" || die "a metric of words does not say that MeCab is absent"
else
    "$MERGANSER" eval miniature/models/ja -t "$work/words.yml" --questions 4 --quiet | grep -q "dictionary" || die "eval does not tell the dictionary"
fi
"$MERGANSER" merge "$work/recipe.yml" "$work/merged" --quiet > /dev/null
"$MERGANSER" merge "$work/slices.yml" "$work/sliced" --quiet > /dev/null
"$MERGANSER" inspect "$work/sliced" | grep -q "9 layers" || die "the slices do not make 9 layers"
"$MERGANSER" inspect "$work/slices.yml" --quiet | grep -q "layers 4-8: miniature/models/math-b 3-7 + miniature/models/ja 3-7" || die "inspect does not tell the slices"
"$MERGANSER" merge "$work/modules.yml" "$work/moduled" --quiet > /dev/null
"$MERGANSER" merge "$work/component.yml" "$work/seeing" --quiet > /dev/null 2>&1
cmp tests/data/vlm/sees/preprocessor_config.json "$work/seeing/preprocessor_config.json" || die "the merged language part is not among its eyes"
"$MERGANSER" merge "$work/tokenizer.yml" "$work/built" --quiet > /dev/null
"$MERGANSER" inspect "$work/built" | grep -q "tokenizer: BPE, 939 tokens" || die "the tokenizer is not the base's and two tokens"
[ "$("$MERGANSER" generate "$work/tokenizer.yml" -p "3 + 4 = " --max-new 8 --json --quiet)" = "$("$MERGANSER" generate "$work/built" -p "3 + 4 = " --max-new 8 --json --quiet)" ] ||
    die "the merge in memory answers otherwise than its folder"
grep -q im_start "$work/built/chat_template.jinja" && [ ! -e "$work/built/generation_config.json" ] || die "the built tokenizer's files are not those of the recipe"
"$MERGANSER" eval "$work/built" -t "$work/chat.yml" --questions 4 --quiet > /dev/null
block sh | while read -r line; do
    eval "${line/#merganser/\"\$MERGANSER\"} --quiet" > "$work/json" < /dev/null
    grep -q '^{' "$work/json" || die "'$line' prints no JSON"
done
block "sh gguf" | while read -r line; do
    line=${line//ja.gguf/"$work/ja.gguf"}
    eval "${line/#merganser/\"\$MERGANSER\"} --quiet" > "$work/gguf"
done
grep -q "Q8_0" "$work/gguf" || die "ja.gguf holds no Q8_0"
# A merge straight into a GGUF file is its folder exported, byte for byte; a source is never what is written over.
mkdir "$work/straight" "$work/round"
for recipe in tokenizer slices path recipe; do
    for type in f32 q8_0; do
        rm -rf "$work/round/folder"
        "$MERGANSER" merge "$work/$recipe.yml" "$work/straight/x.gguf" --gguf-type $type --force --quiet > /dev/null 2>&1
        "$MERGANSER" merge "$work/$recipe.yml" "$work/round/folder" --quiet > /dev/null 2>&1
        "$MERGANSER" export "$work/round/folder" "$work/round/x.gguf" --gguf-type $type --force --quiet > /dev/null
        cmp "$work/straight/x.gguf" "$work/round/x.gguf" || die "$recipe.yml into a GGUF file of $type is not its folder exported"
    done
done
[ "$(ls "$work/straight")" = x.gguf ] || die "a merge into a GGUF file leaves something beside it"
mv "$work/straight/x.gguf" "$work/straight/y.gguf.partial"
printf 'models: [{model: %s}]\nmerge_method: linear\nparameters: {weight: 1}\n' "$work/straight/y.gguf.partial" > "$work/of-partial.yml"
expect 2 "replace the input" "$MERGANSER" merge "$work/of-partial.yml" "$work/straight/y.gguf" --quiet
[ -s "$work/straight/y.gguf.partial" ] || die "a source called OUT.partial was removed"
expect 2 "for folders" "$MERGANSER" merge "$work/slices.yml" "$work/straight/z.gguf" --resume
echo "formats: every example runs"
