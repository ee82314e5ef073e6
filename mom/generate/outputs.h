// What was generated, as files.
#pragma once

#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/formats/image_file.h"
#include "mom/generate/model_codecs.h"

namespace mom::generate {

// Row by row in about a square, with a white line between; all of one size.
formats::Image picture_grid(const std::vector<formats::Image>& pictures);

// document.json (docs/generate.md), image-N.png, speech-N.wav and index.html, into a folder that is there.
// `about`: what else document.json says.
void write_document(const Path& folder, const std::vector<Segment>& segments, const ModelCodecs& codecs,
                    const OrderedJson& about);

}  // namespace mom::generate
