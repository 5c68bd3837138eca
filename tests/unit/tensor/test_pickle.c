#include "craft_zip.h"

#include "tensor/pickle.h"

#define PROTO "\x80\x02"
#define P(literal) {literal, sizeof literal - 1}

struct bytes { const char *text; size_t n; };

static void assert_refused(const char *bytes, size_t n, enum error_code code, const char *a, const char *b)
{
    error err = {0};
    pickle_item *items;
    size_t count;
    if (pickle_read((const unsigned char *)bytes, n, "t.bin", &items, &count, &err) == 0)
        fail_msg("accepted; it should tell '%s' and '%s'", a, b);
    assert_int_equal(count, 0);
    assert_null(items);
    assert_error(&err, code, "t.bin", a, b);
}

static const crafted_tensor good = {"FloatStorage", 6, 0, 2, 2, {2, 3}, {3, 1}};

static void test_a_tensor(void **state)
{
    (void)state;
    error err = {0};
    pickle_item *items;
    size_t count;
    string s = craft_pickle(&good);
    if (pickle_read((const unsigned char *)s.text, s.length, "t.bin", &items, &count, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(count, 1);
    assert_string_equal(items[0].name, "w");
    const pickle_tensor *t = &items[0].tensor;
    assert_int_equal(t->dtype, DTYPE_F32);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[1], 3);
    assert_int_equal(t->stride[0], 3);
    assert_int_equal(t->storage_bytes, 24);
    assert_int_equal(t->key_bytes, 1);
    assert_int_equal(t->key[0], '0');
    pickle_free(items, count);
    free(s.text);
}

/* Every way to have something called: nothing of it is even looked up. */
static void test_code_is_refused(void **state)
{
    (void)state;
    static const struct { struct bytes pickle; const char *a, *b; } cases[] = {
        {P(PROTO "cos\nsystem\n(X\x02\0\0\0idtR."), "'os.system' at byte 2", "could run code"},
        {P(PROTO "cposix\nsystem\nX\x02\0\0\0id\x85R."), "'posix.system'", "could run code"},
        {P("\x80\x04\x8c\x08" "builtins\x8c\x04" "eval\x93."), "'builtins.eval' at byte 18", "could run code"},
        {P(PROTO "ctorch._utils\n_rebuild_tensor_v2x\n."), "_rebuild_tensor_v2x", "could run code"},
        {P(PROTO "ctorch.storage\n_load_from_bytes\n."), "'torch.storage._load_from_bytes'", "could run code"},
        {P(PROTO "ctorch\nload\n."), "'torch.load'", "could run code"},
        {P(PROTO "cos\x1b[31m\nsystem\n."), "system", "could run code"},
        {P("(S'id'\nios\nsystem\n."), "0x53 at byte 1", "not opened"},
        {P("(X\x02\0\0\0idios\nsystem\n."), "opcode INST at byte 8", "could run code"},
        {P("(ccollections\nOrderedDict\no."), "opcode OBJ at byte 26", "could run code"},
        {P(PROTO "ccollections\nOrderedDict\n)\x81."), "opcode NEWOBJ at byte 28", "could run code"},
        {P("\x80\x04" "ccollections\nOrderedDict\n)}\x92."), "opcode NEWOBJ_EX", "could run code"},
        {P(PROTO "\x82\x01."), "opcode EXT1 at byte 2", "could run code"},
        {P(PROTO "\x83\x01\x01."), "opcode EXT2", "could run code"},
        {P(PROTO "\x84\x01\x01\x01\x01."), "opcode EXT4", "could run code"},
        {P("Pos.system\n."), "opcode PERSID at byte 0", "could run code"},
        {P(PROTO "K\1Q."), "opcode BINPERSID at byte 4", "could run code"},
        {P(PROTO "(X\6\0\0\0moduleK\1K\1K\1K\1tQ."), "opcode BINPERSID", "could run code"},
        {P(PROTO "ctorch\nFloatStorage\n)R."), "opcode REDUCE at byte 23", "FloatStorage"},
        {P(PROTO "ccollections\nOrderedDict\n]\x85R."), "opcode REDUCE", "OrderedDict with a tuple"},
        {P(PROTO "ccollections\nOrderedDict\n]R."), "opcode REDUCE", "with a list"},
        {P(PROTO "X\1\0\0\0x)R."), "opcode REDUCE", "a text"},
        {P(PROTO "}}b."), "opcode BUILD at byte 4", "a dictionary"},
        {P(PROTO "ctorch\nFloatStorage\n}b."), "opcode BUILD", "a name"},
        {P(PROTO "ccollections\nOrderedDict\n)R)b."), "opcode BUILD", "could run code"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(cases[i].pickle.text, cases[i].pickle.n, ERROR_UNSUPPORTED, cases[i].a, cases[i].b);
}

/* Of the 256 opcodes those that are needed are accepted, and whatever stands first, nothing is read past the end. */
static void test_every_opcode(void **state)
{
    (void)state;
    static const char wanted[] = "\x80\x95" "c\x93QRb(])}t\x85\x86\x87" "aesuqr\x94hjKMJ\x8aGN\x88\x89X\x8c\x8d.";
    for (int opcode = 0; opcode < 256; opcode++) {
        error err = {0};
        pickle_item *items;
        size_t count;
        const unsigned char bytes[] = {(unsigned char)opcode};
        assert_int_equal(pickle_read(bytes, 1, "t.bin", &items, &count, &err), -1);
        bool known = memchr(wanted, opcode, sizeof wanted - 1) != NULL;
        if (known != (err.code == ERROR_FORMAT))
            fail_msg("opcode 0x%02x: %s", (unsigned)opcode, err.text);
    }
}

static void test_broken(void **state)
{
    (void)state;
    static const struct { struct bytes pickle; const char *a, *b; } cases[] = {
        {P(""), "byte 0", "cut short"},
        {P(PROTO), "byte 2", "cut short"},
        {P(PROTO "}"), "byte 3", "cut short"},
        {P(PROTO "ctorch\nFloat"), "byte 2", "cut short"},
        {P(PROTO "X\xff\xff\xff\xff" "abc"), "byte 2", "cut short"},
        {P("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff" "abc"), "byte 2", "cut short"},
        {P("\x80\x04\x95\1\0"), "byte 2", "cut short"},
        {P(PROTO "."), "one value", "byte 2"},
        {P(PROTO "}}."), "one value", "byte 4"},
        {P(PROTO "(."), "one value", ""},
        {P(PROTO "}.."), "1 bytes behind the end", ""},
        {P(PROTO "t."), "no mark", ""},
        {P(PROTO "}(K\1u."), "a key without a value", ""},
        {P(PROTO "K\1K\1K\1s."), "not a list or a dictionary", ""},
        {P(PROTO "}(K\1\x86."), "holds too little", ""},
        {P(PROTO "\x85."), "holds too little", ""},
        {P(PROTO "h\0."), "never remembered", ""},
        {P(PROTO "}r\1\0\0\0h\0."), "never remembered", ""},
        {P(PROTO "}r\xff\xff\xff\xff."), "number 4294967295", "9 bytes"},
        {P(PROTO "q\0."), "nothing to remember", ""},
        {P(PROTO "(q\0."), "nothing to remember", ""},
        {P("\x80\x04K\1K\1\x93."), "two texts", ""},
        {P(PROTO "}K\1ctorch\nFloatStorage\ns."), "name is a number", ""},
        {P(PROTO "}X\1\0\0\0\xff" "Ns."), "not UTF-8", ""},
        {P(PROTO "}X\2\0\0\0a\0Ns."), "NUL", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(cases[i].pickle.text, cases[i].pickle.n, ERROR_FORMAT, cases[i].a, cases[i].b);
    assert_refused("\x80\x06}.", 4, ERROR_UNSUPPORTED, "protocol 6", "");
    assert_refused("\x80\x02\x8a\x09", 4, ERROR_LIMIT, "9 bytes", "");
    assert_refused("\x80\x02N.", 4, ERROR_UNSUPPORTED, "holds None", "dictionary of tensors");
    assert_refused(PROTO "}X\5\0\0\0model}s.", 16, ERROR_UNSUPPORTED, "'model' is a dictionary", "under 'state_dict'");
}

static void test_wrong_tensors(void **state)
{
    (void)state;
    static const struct { crafted_tensor t; const char *a, *b; } cases[] = {
        {{"FloatStorage", -1, 0, 1, 1, {1}, {1}}, "storage of -1", ""},
        {{"FloatStorage", INT64_MAX, 0, 1, 1, {1}, {1}}, "9223372036854775807 elements", "overflows"},
        {{"DoubleStorage", (int64_t)1 << 61, 0, 1, 1, {1}, {1}}, "2305843009213693952 elements", "overflows"},
        {{"FloatStorage", 6, -1, 1, 1, {1}, {1}}, "element -1", ""},
        {{"FloatStorage", 6, 0, 2, 2, {2, -3}, {3, 1}}, "-3 in its shape", ""},
        {{"FloatStorage", 6, 0, 2, 2, {2, 3}, {-3, 1}}, "-3 in its strides", ""},
        {{"FloatStorage", 6, 0, 2, 1, {2, 3}, {1}}, "2 dimensions and 1 strides", ""},
        {{"FloatStorage", 6, 0, 9, 9, {1}, {1}}, "at most 8", "shape"},
        {{"FloatStorage", 6, 0, 2, 2, {INT64_MAX, 2}, {1, 1}}, "overflows at dimension 0", ""},
        {{"ByteStorage", 6, 0, 3, 3, {(int64_t)1 << 40, 0, (int64_t)1 << 40}, {1, 1, 1}}, "overflows at dimension 2", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        string s = craft_pickle(&cases[i].t);
        assert_refused(s.text, s.length, ERROR_FORMAT, cases[i].a, cases[i].b);
        free(s.text);
    }
}

/* Deep nesting, a list within itself, and values that refer to values over and over: memory stays in proportion to the file. */
static void test_bombs(void **state)
{
    (void)state;
    string s = {0};
    string_puts(&s, "\x80\x02");
    for (int i = 0; i < 100000; i++)
        string_puts(&s, "]");
    for (int i = 0; i < 99999; i++)
        string_puts(&s, "a");
    string_puts(&s, ".");
    assert_refused(s.text, s.length, ERROR_UNSUPPORTED, "holds a list", "");
    s.length = 0;
    string_add(&s, "\x80\x02]q\0h\0a.", 8);
    assert_refused(s.text, s.length, ERROR_FORMAT, "cut short", "");
    string_puts(&s, ".");
    assert_refused(s.text, s.length, ERROR_UNSUPPORTED, "holds a list", "");
    s.length = 0;
    string_puts(&s, "\x80\x04]\x94");
    for (int i = 0; i < 200000; i++)
        string_add(&s, "h\0h\0\x86\x94", 6);
    string_puts(&s, ".");
    assert_refused(s.text, s.length, ERROR_FORMAT, "one value", "");
    s.length = 0;
    for (int i = 0; i < 4000001; i++)
        string_puts(&s, "(");
    assert_refused(s.text, s.length, ERROR_LIMIT, "4000000 values", "");
    free(s.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tensor), cmocka_unit_test(test_code_is_refused),  cmocka_unit_test(test_every_opcode),
        cmocka_unit_test(test_broken),   cmocka_unit_test(test_wrong_tensors), cmocka_unit_test(test_bombs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
