# recipes/paper: a dry run accepts every study and prints its plan, on models of the true sizes, names and rows (sparse files), with questions that stand
# in for those that cannot be shipped.
. tests/e2e/common.bash
. tests/e2e/sparse.bash

paper=$work/recipes/paper
mkdir -p "$work/recipes"
cp -r recipes/tasks recipes/data recipes/paper "$work/recipes"
mkdir -p "$paper/data"
mistral "$paper/mistralai/Mistral-7B-v0.1" 32000
mistral "$paper/augmxnt/shisa-gamma-7b-v1" 32000
mistral "$paper/WizardLMTeam/WizardMath-7B-V1.1" 32001 "[PAD]"
mistral "$paper/GAIR/Abel-7B-002" 32000
mistral "$paper/upaya07/Arithmo2-Mistral-7B" 32000
llava "$paper/llava-hf/llava-v1.6-mistral-7b-hf"
[ "$(du -sk "$paper" | cut -f 1)" -lt 50000 ] || die "the sparse models take $(du -sh "$paper" | cut -f 1)"

awk 'BEGIN { for (i = 0; i < 1069; i++) printf "{\"id\": %d, \"input\": \"りんごが%d個、みかんが%d個あります。全部で何個ですか?\", \"answer\": %d}\n", i, i + 1000, i, 2 * i + 1000 }' > "$paper/data/gsm8k-ja.jsonl"
cp -r tests/data/vlm/pictures "$paper/data"
about() { awk -v n="$2" -v what="$1" 'BEGIN { for (i = 0; i < n; i++) printf "{\"id\": %d, \"image\": \"pictures/%02d.png\", \"question\": \"%sの%d番目は何色ですか?\", \"answer\": \"赤\"}\n", i, i % 12, what, i }'; }
about ほん 1000 > "$paper/data/ja-vg-vqa.jsonl"
about くるま 500 > "$paper/data/ja-vg-vqa-500.jsonl"
about そら 50 > "$paper/data/ja-vlm-bench-in-the-wild.jsonl"

# plan STUDY TEXT...: the dry run's plan tells every TEXT, and nothing is written
plan() {
    local study=$1 text
    shift
    timeout 120 "$MERGANSER" evolve "$paper/$study.yml" -o "$work/out" --dry-run --memory 200GB > "$work/plan" 2> "$work/said" || die "$study is refused: $(tail -n 1 "$work/said")"
    [ -z "${PLANS:-}" ] || cat "$work/plan"
    for text; do grep -qF -- "$text" "$work/plan" || die "the plan of $study should say '$text': $(cat "$work/plan")"; done
    [ ! -e "$work/out" ] || die "the dry run of $study wrote something"
}
needs=40        # GB that the largest study may write
[ "$(df -k --output=avail "$work" | tail -n 1)" -gt $((needs * 1000000)) ] || { echo "paper: not run: the plans need $needs GB free, which the studies would write"; exit 0; }
plan evollm-jp-7b "dare_ties of shisa, wizard, abel over base" "6 numbers by cma-es; 111 generations of 9, 999 trials" "869 of 869 of 'gsm8k-ja'" "250 of 250 of 'mgsm-ja'" "14.5 GB of merged weights"
grep -q "rows 32000 to 32000\|\[PAD\]" "$work/said" || die "nothing tells that WizardMath's further row is dropped: $(cat "$work/said")"
plan evollm-jp-a-7b "dare_ties of shisa, arithmo, abel over base"
plan evollm-jp-dfs "layers of abel, shisa, 3 times end to end, at most 80 hops" "100 generations of 128, 12800 trials" "200 of 869"
plan evollm-jp-10b "PS: dare_ties" "PS + DFS: layers of PS, shisa"
plan evovlm-jp-7b "language part, dare_ties of shisa, llava over base" "4 numbers by cma-es" "with pictures" "15.1 GB of merged weights"
plan evovlm-jp-dfs "layers of llava, shisa" "features/ of pictures"
plan evovlm-jp-10b "PS: language part" "PS + DFS: layers of PS, shisa"

expect 1 "the study needs" "$MERGANSER" evolve "$paper/evollm-jp-7b.yml" -o "$work/out" --dry-run --memory 8GB --quiet
mistral "$paper/GAIR/Abel-7B-002" 32000
sed -i 's/"hidden_size": 4096/"hidden_size": 2048/' "$paper/GAIR/Abel-7B-002/config.json"
expect 1 "GAIR/Abel-7B-002" "$MERGANSER" evolve "$paper/evollm-jp-dfs.yml" -o "$work/out" --dry-run --quiet
rm "$paper/data/gsm8k-ja.jsonl"
expect 1 "gsm8k-ja.jsonl" "$MERGANSER" evolve "$paper/evollm-jp-7b.yml" -o "$work/out" --dry-run --quiet
echo "paper: every study is accepted and planned"
