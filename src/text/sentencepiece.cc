/* The wall around the library: C on the outside, C++ and its exceptions on the inside. */
extern "C" {
#include "text/sentencepiece.h"
}

#include <sentencepiece_processor.h>

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sentencepiece::logging {
void SetMinLogLevel(int level);   /* exported, but in no header */
}

struct piece_library {
    sentencepiece::SentencePieceProcessor processor;
};

static const size_t max_text = static_cast<size_t>(1) << 28;   /* the library counts in int */
static const char no_prefix[] = "\x1a\x02\x18\x00";            /* normalizer_spec {add_dummy_prefix: false}: what comes last in a protocol buffer counts */

piece_library *piece_library_open(const char *bytes, size_t n, bool prefix, const char *name, error *err)
{
    try {
        sentencepiece::logging::SetMinLogLevel(3);   /* what it says comes back as a status */
        std::string model(bytes, n);
        if (!prefix)
            model.append(no_prefix, sizeof no_prefix - 1);
        auto l = std::make_unique<piece_library>();
        auto status = l->processor.LoadFromSerializedProto(model);
        if (status.ok())
            return l.release();
        fail(err, ERROR_FORMAT, "%s: SentencePiece: %s", name, status.message());
    } catch (const std::exception &e) {
        fail(err, ERROR_FORMAT, "%s: SentencePiece: %s", name, e.what());
    }
    return nullptr;
}

void piece_library_free(piece_library *l)
{
    delete l;
}

int piece_library_encode(const piece_library *l, const char *text, size_t n, const char *name, void (*add)(void *context, int32_t id), void *context, error *err)
{
    if (n > max_text)
        return fail(err, ERROR_LIMIT, "%s: a text of %zu bytes, more than the limit of %zu", name, n, max_text);
    try {
        std::vector<int> ids;
        auto status = l->processor.Encode(std::string_view(text, n), &ids);
        if (!status.ok())
            return fail(err, ERROR_FORMAT, "%s: SentencePiece: %s", name, status.message());
        for (int id : ids)
            add(context, id);
        return 0;
    } catch (const std::exception &e) {
        return fail(err, ERROR_FORMAT, "%s: SentencePiece: %s", name, e.what());
    }
}

int32_t piece_library_bos(const piece_library *l)
{
    return l->processor.bos_id();
}

int32_t piece_library_eos(const piece_library *l)
{
    return l->processor.eos_id();
}
