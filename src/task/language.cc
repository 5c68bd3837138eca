/* The wall around fastText: C on the outside, C++ and its exceptions on the inside. */
#include "task/language.h"

#include <fasttext/fasttext.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

extern "C" {
#include "base/file.h"
}

static const char known_sha256[] = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83";
static const char prefix[] = "__label__";

struct language_model {
    fasttext::FastText model;
    std::mutex lock;   /* fastText does not promise that a const prediction is safe from several threads */
};

static std::string default_path()
{
    const char *chosen = std::getenv("MERGANSER_LID");
    if (chosen && *chosen)
        return chosen;
    char program[4096];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program);
    if (n > 0 && static_cast<size_t>(n) < sizeof program) {   /* an installation may have been moved: PREFIX/bin, PREFIX/share */
        std::string folder(program, static_cast<size_t>(n));
        std::string beside = folder.substr(0, folder.rfind('/')) + "/../share/merganser/lid.176.ftz";
        if (file_exists(beside.c_str()))
            return beside;
    }
    const char *installed = MERGANSER_DATA "/lid.176.ftz";
    return file_exists(installed) ? installed : MERGANSER_SOURCE_DATA "/lid.176.ftz";
}

language_model *language_open(const char *path, error *err)
{
    try {
        std::string at = path ? path : default_path();
        char hex[65];
        if (file_sha256_path(at.c_str(), hex, err) != 0) {
            fail_in(err, "language model");
            return nullptr;
        }
        if (std::strcmp(hex, known_sha256) != 0) {
            fail(err, ERROR_FORMAT, "%s: is not lid.176.ftz (SHA-256 %.12s..., wanted %.12s...); take fastText's original file",
                 at.c_str(), hex, known_sha256);
            return nullptr;
        }
        auto m = std::make_unique<language_model>();
        m->model.loadModel(at);
        return m.release();
    } catch (const std::exception &e) {
        fail(err, ERROR_FORMAT, "%s: fastText cannot load it: %s", path ? path : "lid.176.ftz", e.what());
    } catch (...) {
        fail(err, ERROR_FORMAT, "%s: fastText cannot load it", path ? path : "lid.176.ftz");
    }
    return nullptr;
}

void language_free(language_model *m)
{
    delete m;
}

int language_guess_top(const language_model *m, const char *text, size_t n, language_guess *out, int k)
{
    try {
        std::string line;
        line.reserve(n + 1);
        for (size_t i = 0; i < n; i++)
            if (text[i] != '\n')
                line += text[i];
        line += '\n';
        std::istringstream in(line);
        std::vector<std::pair<fasttext::real, std::string>> found;
        {
            auto *self = const_cast<language_model *>(m);
            std::lock_guard<std::mutex> hold(self->lock);
            self->model.predictLine(in, found, k, 0);
        }
        int count = 0;
        for (const auto &guess : found) {
            if (count == k)
                break;
            const char *label = guess.second.c_str();
            if (std::strncmp(label, prefix, sizeof prefix - 1) == 0)
                label += sizeof prefix - 1;
            std::snprintf(out[count].label, sizeof out[count].label, "%s", label);
            out[count++].probability = guess.first;
        }
        return count;
    } catch (...) {
        return 0;
    }
}

bool language_is(const language_model *m, const char *text, const char *label)
{
    language_guess best;
    return language_guess_top(m, text, std::strlen(text), &best, 1) == 1 && std::strcmp(best.label, label) == 0 &&
           best.probability > 0.5f;
}

bool language_knows(const language_model *m, const char *label)
{
    try {
        auto dictionary = m->model.getDictionary();
        for (int32_t i = 0; i < dictionary->nlabels(); i++)
            if (dictionary->getLabel(i) == prefix + std::string(label))
                return true;
    } catch (...) {
    }
    return false;
}
