// How a picture of a document becomes what an image codec takes: alpha over white, fitted into a square, and
// slightly different views of it for training. Pictures are never flipped (flags, letters) and nothing is cut off.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mom/data/document.h"
#include "mom/formats/image_file.h"

namespace mom::data {

// `count` RGB pictures of side x side: view 0 as it is; views 1.. shrunk by up to a tenth and placed anywhere
// in the square. A pure function of the picture, `key` and the view's number.
std::vector<formats::Image> picture_views(const formats::Image& picture, int64_t side, int64_t count,
                                          std::string_view key);

// Reads and decodes a segment's picture; InputError names `sample`.
formats::Image read_picture(const DocumentReader& reader, const MediaRef& media, const std::string& sample);

// "train-noto.jsonl, document \"1F34E\"": how errors name a sample.
std::string sample_name(const Collection& collection, const Document& document);

}  // namespace mom::data
