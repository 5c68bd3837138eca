#include "check.h"

#include <math.h>

#include "pieces.h"

static void refused(const string *model, enum error_code code, const char *a, const char *b)
{
    piece_file f = {0};
    vocabulary words = {0};
    error err = {0};
    if (piece_file_parse(&f, &words, model->text ? model->text : "", model->length, "x.model", &err) == 0)
        fail_msg("accepted: %s, %s", a, b);
    assert_error(&err, code, "x.model", a, b);
    piece_file_free(&f);
    vocabulary_free(&words);
}

static void refused_with(void (*change)(string *), enum error_code code, const char *a, const char *b)
{
    string model = make_pieces();
    change(&model);
    refused(&model, code, a, b);
    free(model.text);
}

static void reads_a_model(void **state)
{
    (void)state;
    string model = make_pieces();
    piece_file f = {0};
    vocabulary words = {0};
    error err = {0};
    assert_int_equal(piece_file_parse(&f, &words, model.text, model.length, "x", &err), 0);
    assert_int_equal(f.count, 272);
    assert_int_equal(words.size, 272);
    assert_int_equal(vocabulary_find(&words, "cd", 2), 262);
    assert_int_equal(f.kind[0], PIECE_UNKNOWN);
    assert_int_equal(f.kind[258], PIECE_BYTE);
    assert_true(f.dummy_prefix && !f.trims);
    assert_string_equal(f.unknown, " \xE2\x81\x87 ");
    piece_file_free(&f);
    vocabulary_free(&words);
    free(model.text);
}

/* Cut anywhere but between two of its parts. */
static void refuses_cut_models(void **state)
{
    (void)state;
    string model = make_pieces();
    size_t refusals = 0;
    for (size_t n = 0; n < model.length; n++) {
        char *bytes = memcpy(memory_new(n + 1, 1), model.text, n);
        piece_file f = {0};
        vocabulary words = {0};
        error err = {0};
        if (piece_file_parse(&f, &words, bytes, n, "x.model", &err) != 0) {
            assert_error(&err, ERROR_FORMAT, "x.model");
            refusals++;
        }
        piece_file_free(&f);
        vocabulary_free(&words);
        free(bytes);
    }
    assert_true(refusals > model.length - 280);
    free(model.text);
}

static void empty_piece(string *m) { put_piece(m, "", 0, PIECE_NORMAL); }
static void bad_text(string *m) { put_piece(m, "\xE3\x81", 0, PIECE_NORMAL); }
static void bad_kind(string *m) { put_piece(m, "zz", 0, (enum piece_kind)9); }
static void bad_score(string *m) { put_piece(m, "zz", NAN, PIECE_NORMAL); }
static void twice(string *m) { put_piece(m, "ab", 0, PIECE_NORMAL); }
static void second_unknown(string *m) { put_piece(m, "<other>", 0, PIECE_UNKNOWN); }
static void suffix(string *m) { put_spec(m, 2, 24, 1); }
static void wrong_type(string *m) { put_number(m, 1, 5); }
static void group(string *m) { string_add(m, "\x0b\x0c", 2); }
static void huge(string *m) { string_add(m, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11); }
static void endless(string *m) { string_add(m, "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12); }
static void field_0(string *m) { string_add(m, "\x02\x00", 2); }

static void charsmap(string *m)
{
    string map = {0}, part = {0};
    string_add(&map, "\4\0\0\0abcdef", 10);
    put_part(&part, 2, &map);
    put_part(m, 3, &part);
    free(map.text);
    free(part.text);
}

static void refuses_wrong_parts(void **state)
{
    (void)state;
    static const struct { void (*change)(string *); enum error_code code; const char *a, *b; } cases[] = {
        {empty_piece, ERROR_FORMAT, "piece 272", "0 bytes"}, {bad_text, ERROR_FORMAT, "piece 272", "UTF-8"},         {bad_kind, ERROR_FORMAT, "type 9", "[1, 6]"},
        {bad_score, ERROR_FORMAT, "piece 272", "finite"},    {twice, ERROR_FORMAT, "ab", ""},                        {second_unknown, ERROR_FORMAT, "2 of them", "unknown"},
        {suffix, ERROR_UNSUPPORTED, "treat_whitespace_as_suffix", ""}, {charsmap, ERROR_UNSUPPORTED, "compiled map", "tokenizer.json"},
        {wrong_type, ERROR_FORMAT, "another type", ""},      {group, ERROR_FORMAT, "unknown type", ""},              {huge, ERROR_FORMAT, "longer than the rest", ""},
        {endless, ERROR_FORMAT, "does not end", ""},         {field_0, ERROR_FORMAT, "no field", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused_with(cases[i].change, cases[i].code, cases[i].a, cases[i].b);
    string none = {0}, text = {0};
    refused(&none, ERROR_FORMAT, "not a SentencePiece model", "no pieces");
    string_puts(&text, "IQ== 0\nIg== 1\n");   /* a tiktoken vocabulary has that name too */
    refused(&text, ERROR_FORMAT, "not a SentencePiece model", "");
    free(text.text);
    put_piece(&none, "a", 0, PIECE_NORMAL);
    refused(&none, ERROR_FORMAT, "1 pieces, 0 of them", "wanted is 1");
    free(none.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_a_model), cmocka_unit_test(refuses_cut_models), cmocka_unit_test(refuses_wrong_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
