# The language part of a model that also sees: merged by recipes, searched by studies, on the tiny models of tests/data/vlm.
. tests/e2e/common.bash
data=tests/data/vlm

same_eyes() { "$MERGANSER" inspect "$1" --json | grep '"vision_tower.vision_model.encoder.layers.1.mlp.fc1.weight"' > /dev/null || die "$1 has no vision tower"; }
layers() { awk '/"text_config"/ {in_text = 1} in_text && /num_hidden_layers/ {print $2 + 0; exit}' "$1/config.json"; }

# recipe METHOD "MODEL..." [LINE...]
recipe() {
    local method=$1 model
    printf 'component: language_model\nmerge_method: %s\nmodels:\n' "$method" > "$work/recipe.yml"
    for model in $2; do printf -- '- {model: %s, parameters: {weight: 0.5}}\n' "$data/$model" >> "$work/recipe.yml"; done
    shift 2
    printf '%s\n' "$@" >> "$work/recipe.yml"
}

# ---- recipes

recipe dare_ties "ja sees" "base_model: $data/base"
"$MERGANSER" inspect "$work/recipe.yml" > "$work/said" 2> /dev/null
grep -q "language part: 30 tensors and 307 words, merged of $data/ja, $data/sees, $data/base" "$work/said" || die "inspect does not tell what is merged: $(cat "$work/said")"
grep -q "the rest: 43 tensors of vision tower and projector, config and files, all of $data/sees" "$work/said" || die "inspect does not tell whose the rest is"
"$MERGANSER" merge "$work/recipe.yml" "$work/merged" --quiet > /dev/null 2>&1
same_eyes "$work/merged"
for file in tokenizer.json preprocessor_config.json processor_config.json; do cmp "$data/sees/$file" "$work/merged/$file" || die "the merge's $file is not the seeing model's"; done
"$MERGANSER" merge "$work/merged/recipe.yml" "$work/again" --quiet > /dev/null 2>&1
cmp "$work/merged/model.safetensors" "$work/again/model.safetensors" || die "the recipe beside the merge does not make it again"
"$MERGANSER" generate "$work/merged" -i $data/pictures/00.png -p "<image> what is it" --max-new 4 --json --quiet > "$work/from-folder"
"$MERGANSER" generate "$work/recipe.yml" -i $data/pictures/00.png -p "<image> what is it" --max-new 4 --json --quiet > "$work/from-recipe" 2> /dev/null
cmp "$work/from-folder" "$work/from-recipe" || die "the merge in memory sees otherwise than its folder"

printf 'component: language_model\nmerge_method: passthrough\nslices:\n- sources: [{model: %s, layer_range: [0, 2]}]\n- sources: [{model: %s, layer_range: [1, 3]}]\n- sources: [{model: %s, layer_range: [2, 3]}]\n' \
    $data/sees $data/ja $data/sees > "$work/slices.yml"
"$MERGANSER" merge "$work/slices.yml" "$work/sliced" --quiet > /dev/null 2>&1
[ "$(layers "$work/sliced")" = 5 ] || die "the slices' config has $(layers "$work/sliced") layers, not 5"
same_eyes "$work/sliced"

refused() { expect 1 "$1" "$MERGANSER" merge "$work/recipe.yml" "$work/no" --quiet; [ ! -e "$work/no" ] || die "a refused merge left something"; }
recipe linear "base ja"; refused "none of the models has a vision tower or a projector"
recipe linear "sees other-eyes"; refused "see in different ways"
recipe linear "sees other-eyes" "merganser: {config_from: $data/other-eyes}"; "$MERGANSER" inspect "$work/recipe.yml" --quiet > /dev/null 2>&1 || die "a named vision tower is refused"
recipe linear "sees ja" "merganser: {config_from: $data/ja}"; refused "has no vision tower and no projector"
recipe linear "sees shifted"; refused "tokenizer_source: $data/sees"
recipe linear "sees ja" "base_model: $data/ja" "tokenizer_source: base"; refused "lacks '<image>'"
recipe linear "sees ../../../miniature/models/ja"; refused "row 259 of the vocabulary"
recipe linear "sees ja" "modules: {}"; refused "component and modules"
printf 'models: [{model: %s, parameters: {weight: 1}}, {model: %s, parameters: {weight: 1}}]\nmerge_method: linear\n' $data/sees $data/ja > "$work/recipe.yml"; refused "component: language_model"

# ---- studies: PS, DFS, PS + DFS in one record

study() { "$MERGANSER" evolve "$@" --quiet; }
study $data/study.yml -o "$work/whole" > "$work/table"
[ "$(grep -c "reads text only       reads text only" "$work/table")" = 2 ] || die "the table does not say who reads text only: $(cat "$work/table")"
grep -q "PS + DFS" "$work/table" || die "the table has no PS + DFS"
same_eyes "$work/whole/best"
"$MERGANSER" merge "$work/whole/recipe.yml" "$work/best-again" --quiet > /dev/null 2>&1
cmp "$work/whole/best/model.safetensors" "$work/best-again/model.safetensors" || die "recipe.yml does not give best/ again"

study $data/study.yml -o "$work/parts" --generations 1 > /dev/null
study $data/study.yml -o "$work/parts" --generations 2 > /dev/null
study $data/study.yml -o "$work/parts" > "$work/table-of-parts"
diff <(grep -v "$work" "$work/table") <(grep -v "$work" "$work/table-of-parts") || die "a study in three parts ends otherwise"
cmp "$work/whole/best/model.safetensors" "$work/parts/best/model.safetensors" || die "a study in three parts has another best/"

for which in 2 DFS "PS + DFS"; do
    "$MERGANSER" export "$work/whole/study.db" "$work/exported" --trial "$which" --force --quiet > /dev/null 2>&1
    same_eyes "$work/exported"
    "$MERGANSER" eval "$work/whole/study.db@$which" -t $data/vqa.yml --json --quiet 2> /dev/null | grep -v '"seconds"\|"model"' > "$work/in-memory"
    "$MERGANSER" eval "$work/exported" -t $data/vqa.yml --json --quiet 2> /dev/null | grep -v '"seconds"\|"model"' > "$work/as-folder"
    [ "$which" = 2 ] && { cmp "$work/in-memory" "$work/as-folder" || die "trial $which answers otherwise as a folder"; }
done

"$MERGANSER" evolve $data/study.yml -o "$work/dry" --dry-run > "$work/plan" 2> /dev/null
grep -q "PS: language part, dare_ties of ja, sees over base; all else is sees's" "$work/plan" || die "the plan says: $(cat "$work/plan")"
[ ! -e "$work/dry" ] || die "a dry run wrote something"
sed 's/sources: \[sees, ja\]/sources: [ja, sees]/' $data/study.yml > "$work/blind.yml"
expect 2 "name first a model that sees" study "$work/blind.yml" -o "$work/blind"
sed '/component/d' $data/study.yml > "$work/plain.yml"
expect 2 "component: language_model" study "$work/plain.yml" -o "$work/plain"
sed -e 's#ja: tests/data/vlm/ja#ja: tests/data/vlm/other-eyes#' $data/study.yml > "$work/two.yml"
expect 1 "see in different ways" study "$work/two.yml" -o "$work/two"
sed -i 's/    sources: \[ja, sees\]/&\n    config_from: sees/' "$work/two.yml"
"$MERGANSER" evolve "$work/two.yml" -o "$work/two" --dry-run > /dev/null 2> "$work/said" || die "a study of two models that see, one named, is refused: $(tail -n 1 "$work/said")"
echo "vlm: recipes and studies of a model that also sees"
