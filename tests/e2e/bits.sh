# 64 questions at batch 1, 7 and 64, in two orders, prefix sharing on and off, 1 and 2 threads: the same bits
# (tokens, and the smallest margin between logits with all its digits).
. tests/e2e/common.bash

head -n 64 miniature/questions/math-ja-train.jsonl > "$work/forward.jsonl"
tac "$work/forward.jsonl" > "$work/backward.jsonl"
for order in forward backward; do
    sed -E "/^splits:/,\$d" recipes/tasks/mini-math-ja.yml | grep -v "^data:" > "$work/$order.yml"
    echo "splits: {test: {file: $work/$order.jsonl}}" >> "$work/$order.yml"
    grep -A9 "^splits:" recipes/tasks/mini-math-ja.yml | grep -v "^splits:" | grep -E "^[a-z]" >> "$work/$order.yml" || true
done

runs=0
for threads in 1 2; do
    for slots in 1 7 64; do
        for order in forward backward; do
            for sharing in "" --no-prefix-sharing; do
                "$MERGANSER" eval miniature/models/ja -t "$work/$order.yml" --threads $threads --slots $slots $sharing --answers "$work/a.jsonl" --quiet > /dev/null
                sort "$work/a.jsonl" > "$work/sorted"
                [ -f "$work/first" ] || cp "$work/sorted" "$work/first"
                cmp -s "$work/first" "$work/sorted" || die "other answers with $threads threads, batch $slots, $order $sharing"
                runs=$((runs + 1))
            done
        done
    done
done
[ "$(wc -l < "$work/first")" = 64 ] || die "64 answers expected"
echo "bits: $runs runs of 64 questions, all the same"
