/* A config.json from a stranger: read, and where it is accepted, its RoPE computed; and what it says of a vision tower. */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/memory.h"
#include "model/config.h"
#include "model/rope.h"
#include "model/vision_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err;
    json_t *json = json_parse((const char *)data, size, "config.json", &err);
    model_config c, plain = {.type = "llama", .heads = 1};
    if (json && config_read(json, "config.json", &c, &err) == 0) {
        char text[1024];
        size_t half = (size_t)c.head_dim / 2;
        float *angle = memory_new(2 * half, sizeof *angle);
        if (c.local_rope.theta > 0)
            rope_angles(&c.local_rope, 1000, c.max_positions, angle, angle + half);
        rope_angles(&c.rope, 1000, 2 * c.max_positions, angle, angle + half);
        config_differences(&plain, &c, text, sizeof text);
        free(angle);
    }
    vision_config sight;
    if (json && vision_config_read(json, "config.json", &sight, &err) == 0 && (vision_config_features(&sight) < 1 || sight.used_layers > sight.layers))
        abort();
    json_decref(json);
    return 0;
}
