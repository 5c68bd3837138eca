# What is told on request: the verbs, one verb, the methods in text and JSON, one method.
. tests/e2e/common.bash

"$MERGANSER" help > "$work/help"
for verb in evolve merge eval generate inspect report export help; do
    grep -q "^  $verb " "$work/help" || die "help does not name $verb"
    "$MERGANSER" help $verb > "$work/verb"
    "$MERGANSER" $verb --help | cmp -s - "$work/verb" || die "help $verb is not $verb --help"
done
"$MERGANSER" --help | cmp -s - "$work/help" || die "help is not --help"

# Every method of the JSON stands in the text, with each of its parameters, and can be asked for alone.
"$MERGANSER" help methods > "$work/methods"
"$MERGANSER" help methods --json > "$work/json"
names=$(sed -n 's/^      "name": "\(.*\)",$/\1/p' "$work/json")
[ "$(wc -w <<< "$names")" -ge 6 ] || die "help methods --json names too few methods: $names"
for name in $names; do
    grep -q "^$name: " "$work/methods" || die "help methods does not tell of $name"
    "$MERGANSER" help "$name" | grep -q "^$name: " || die "help $name does not tell of it"
    "$MERGANSER" help "$name" --json | grep -q "^  \"name\": \"$name\"," || die "help $name --json is another method"
done
"$MERGANSER" help dare_ties | grep -Eq '^  density +model +1 +0 to 1 +0.05 to 1 ' || die "the density of dare_ties is not as declared"
"$MERGANSER" help dare_ties | grep -Eq '^  normalize +merge +false +true or false ' || die "the switch of dare_ties is not as declared"
expect 2 "did you mean 'dare_ties'?" "$MERGANSER" help dare_tie
expect 2 "is no verb and no merge method" "$MERGANSER" help 4711
echo "help: $(wc -w <<< "$names") methods"
