# The miniature's models answer as transformers does: token for token on at least 99 % of the questions, and where not,
# the two best logits were within 1e-3.
. tests/e2e/common.bash

ids_and_tokens() {
    sed -E 's/.*"id": ?"?([0-9]+)"?,.*"tokens": ?\[([^]]*)\].*/\1 \2/; s/, /,/g' "$1"
}

compared=0
different=0
compare() {
    local model=$1 task=$2 recorded=tests/data/answers/$1.$3.jsonl n
    n=$(wc -l < "$recorded")
    "$MERGANSER" eval "miniature/models/$model" -t "$task" --split test --questions "$n" --answers "$work/ours.jsonl" --quiet > /dev/null
    ids_and_tokens "$recorded" > "$work/theirs"
    ids_and_tokens "$work/ours.jsonl" > "$work/ours"
    [ "$(wc -l < "$work/ours")" = "$n" ] || die "$model: $n answers expected"
    compared=$((compared + n))
    local id margin
    for id in $(diff "$work/theirs" "$work/ours" | sed -n 's/^> \([0-9]*\) .*/\1/p'); do
        margin=$(sed -n "s/.*\"id\":\"$id\",.*\"min_margin\":\([0-9.e-]*\).*/\1/p" "$work/ours.jsonl")
        echo "$model, question $id: other tokens, smallest margin $margin"
        awk "BEGIN {exit !($margin < 1e-3)}" || die "$model, question $id differs with a margin of $margin"
        different=$((different + 1))
    done
}

for model in base ja math-a math-b; do
    compare "$model" recipes/tasks/mini-math-ja.yml math-ja-test
    compare "$model" recipes/tasks/mini-math-en.yml math-en-test
done
[ $((100 * different)) -le "$compared" ] || die "$different of $compared answers differ"
echo "answers: $((compared - different)) of $compared equal to transformers'"
