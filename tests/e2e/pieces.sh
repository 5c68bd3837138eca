# Models with tokenizer.model and no tokenizer.json: looked at, run, merged; what is wrong with the file is said in one line.
. tests/e2e/common.bash
pieces=tests/goldens/data/tokenizers/pieces
make_model() {   # NAME WEIGHTS
    mkdir "$work/$1"
    cp miniature/models/"$2"/{config.json,model.safetensors} "$work/$1"
    cp "$pieces"/legacy/* "$work/$1"
}
make_model a base
make_model b ja

"$MERGANSER" inspect "$work/a" | grep -q "tokenizer: SentencePiece, [0-9]* tokens" || die "inspect should name the tokenizer"
answer=$("$MERGANSER" generate "$work/a" -p "Hello" --max-new 5 2> "$work/stderr") || die "generate: $(cat "$work/stderr")"
[ -n "$answer" ] || die "nothing was generated"

printf 'models:\n- {model: %s, parameters: {weight: 0.5}}\n- {model: %s, parameters: {weight: 0.5}}\nmerge_method: linear\n' "$work/a" "$work/b" > "$work/recipe.yml"
"$MERGANSER" merge "$work/recipe.yml" "$work/merged" > /dev/null 2> "$work/stderr" || die "merge: $(cat "$work/stderr")"
cmp "$work/merged/tokenizer.model" "$pieces/legacy/tokenizer.model"
cmp "$work/merged/tokenizer_config.json" "$pieces/legacy/tokenizer_config.json"
"$MERGANSER" inspect "$work/merged" | grep -q "tokenizer: SentencePiece" || die "a merge should take tokenizer.model along"
{ cat "$work/recipe.yml"; echo 'tokenizer_source: union'; } > "$work/union.yml"
expect 1 "has tokenizer.model but no tokenizer.json" "$MERGANSER" merge "$work/union.yml" "$work/union"
[ ! -e "$work/union" ] || die "a refused merge left a folder"

broken() {   # TEXT: what generate says of the tokenizer.model on stdin
    cat > "$work/b/tokenizer.model"
    expect 1 "$1" "$MERGANSER" generate "$work/b" -p x
    grep -q "tokenizer.model" "$work/stderr" || die "the file should be named: $(cat "$work/stderr")"
}
head -c 3000 "$pieces/legacy/tokenizer.model" | broken "not a SentencePiece model"
broken "no pieces" < /dev/null
printf 'IQ== 0\nIg== 1\n' | broken "not a SentencePiece model"
printf '\n\377\377\377\377\377\377\377\377\377\001' | broken "longer than the rest"
printf '\n\003\n\001a' | broken "0 of them the unknown one"
printf '\n\004\n\002\343\201' | broken "not UTF-8"
printf '{"legacy": true, "tokenizer_class": "T5Tokenizer"}' > "$work/a/tokenizer_config.json"
expect 1 T5Tokenizer "$MERGANSER" generate "$work/a" -p x
