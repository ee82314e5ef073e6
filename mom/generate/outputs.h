// What was generated, as files.
#pragma once

#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/generate/codec_set.h"

namespace mom::generate {

// Row by row in about a square, with a white line between; all of one size.
formats::Image picture_grid(const std::vector<formats::Image>& pictures);

void publish_segment(const Path& file, const Segment& segment, CodecSet& codecs);  // PNG or WAV

// document.json (docs/generate.md), image-N.png, speech-N.wav and index.html, into a folder that is there.
// `about`: what else document.json says.
void write_document(const Path& folder, const std::vector<Segment>& segments, CodecSet& codecs,
                    const OrderedJson& about);

}  // namespace mom::generate
