# generate --chat: one answer, a conversation that remembers, and a model's template wherever it may be.
. tests/e2e/common.bash

model=$work/chat
cp -r miniature/models/ja "$model"
cat > "$model/chat_template.jinja" <<'END'
{{ bos_token }}{% for m in messages %}
{% if m.role == 'system' %}{{ m.content }}

{% elif m.role == 'user' %}### 指示:
{{ m.content }}

{% else %}### 応答:
{{ m.content }}{{ eos_token }}
{% endif %}{% endfor %}
{% if add_generation_prompt %}### 応答:
{% endif %}
END
question='太郎は3個のりんごを持っています。4個もらうと何個ですか?'
ask() { "$MERGANSER" generate "$model" --chat --max-new 40 --quiet "$@"; }

# One answer is what the rendered prompt gives: its BOS is the only one.
one=$(ask -p "$question")
[ "$one" = "$("$MERGANSER" generate "$model" -p "### 指示:
$question

### 応答:
" --max-new 40 --quiet)" ] || die "--chat answers otherwise than its prompt: $one"
[ "$(ask --system '日本語で答えてください。' -p "$question")" = "$("$MERGANSER" generate "$model" -p "日本語で答えてください。

### 指示:
$question

### 応答:
" --max-new 40 --quiet)" ] || die "--system is not in the prompt"

# A conversation: a line a message, empty lines say nothing, the last line may lack its newline; what was said before counts.
printf '%s\n\n%s' "$question" "5 + 6 = ?" > "$work/lines"
ask < "$work/lines" > "$work/answers"
[ "$(wc -l < "$work/answers")" = 2 ] && [ "$(head -1 "$work/answers")" = "$one" ] || die "two messages do not get two answers: $(cat "$work/answers")"
[ "$(sed -n 2p "$work/answers")" = "$("$MERGANSER" generate "$model" -p "### 指示:
$question

### 応答:
$one</s>
### 指示:
5 + 6 = ?

### 応答:
" --max-new 40 --quiet)" ] || die "the conversation was not remembered"
[ "$(ask --json < "$work/lines" | grep -c '^{"text":')" = 2 ] || die "--json prints no object an answer"
ask < /dev/null > "$work/nothing"
[ ! -s "$work/nothing" ] || die "nobody spoke, and there was an answer"

# The same template in tokenizer_config.json, alone and by name, and in a GGUF file.
"$MERGANSER" export "$model" "$work/chat.gguf" --quiet > /dev/null
[ "$("$MERGANSER" generate "$work/chat.gguf" --chat --max-new 40 --quiet -p "$question")" = "$one" ] || die "the GGUF file's template gives another answer"
text=$(sed 's/\\/\\\\/g; s/"/\\"/g; s/$/\\n/' "$model/chat_template.jinja" | tr -d '\n')
mv "$model/chat_template.jinja" "$work/template"
for value in "\"$text\"" "[{\"name\": \"tool_use\", \"template\": \"no\"}, {\"name\": \"default\", \"template\": \"$text\"}]"; do
    printf '{"chat_template": %s, "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true}' "$value" > "$model/tokenizer_config.json"
    [ "$(ask -p "$question")" = "$one" ] || die "the template in tokenizer_config.json gives another answer"
done

# A task with chat: true asks what the template makes of its prompt, in eval and in a study, whose candidates have their base's template.
cat > "$work/chat.yml" <<'END'
name: chat
splits: {search: {file: miniature/questions/math-ja-train.jsonl, range: [0, 40]}, select: {file: miniature/questions/math-ja-train.jsonl, range: [40, 60]}, test: miniature/questions/math-ja-test.jsonl}
chat: true
system: 以下の指示に日本語で答えてください。一歩一歩考えましょう。
prompt: "{question}"
max_new_tokens: 80
metric: {name: number_paper, language: ja}
END
plain() { sed -e '/^chat:/d' -e '/^system:/d' "$work/chat.yml"; }
answers() { "$MERGANSER" eval "$model" -t "$1" --questions 20 --answers "$work/answers.jsonl" --quiet > /dev/null; cut -d'"' -f6- "$work/answers.jsonl"; }
plain | sed 's/^prompt:.*/prompt: "以下の指示に日本語で答えてください。一歩一歩考えましょう。\\n\\n### 指示:\\n{question}\\n\\n### 応答:\\n"/' > "$work/plain.yml"
[ "$(answers "$work/chat.yml")" = "$(answers "$work/plain.yml")" ] || die "chat: true asks something else than its template"
cp -r miniature/models/math-a "$work/other"
cp "$work/template" "$work/other/chat_template.jinja"
cat > "$work/study.yml" <<END
models: {base: $model, other: $work/other}
search: [{space: parameters, method: task_arithmetic, base_model: base, sources: [other], layer_groups: 1, optimizer: {population: 4, generations: 1}}]
tasks: [{task: $work/chat.yml, split: search, questions: 8}]
select: [{task: $work/chat.yml, split: select, questions: 4}]
baselines: none
END
"$MERGANSER" evolve "$work/study.yml" -o "$work/study" --quiet > /dev/null || die "a study of conversations does not run"
"$MERGANSER" eval "$work/study/study.db@best" -t "$work/chat.yml" --questions 2 --quiet > /dev/null || die "what a study of conversations found is not evaluated"
expect 1 "has no chat template" "$MERGANSER" eval miniature/models/base -t "$work/chat.yml" --questions 2
sed '/^chat:/d' "$work/chat.yml" > "$work/wrong.yml"
expect 1 "wrong.yml:3:" "$MERGANSER" eval "$model" -t "$work/wrong.yml"

expect 1 "miniature/models/base: has no chat template" "$MERGANSER" generate miniature/models/base --chat -p x
expect 2 "--system goes with --chat" "$MERGANSER" generate "$model" --system x -p x
echo "chat: one answer, a conversation, templates in every place"
