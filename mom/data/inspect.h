// `mom data inspect`: what a documents folder or encoded data holds.
#pragma once

#include <string>

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::data {

// {"documents": n, "segments": {MODALITY: n}, "tokens": {MODALITY: n} (encoded data only), "skipped": n},
// and for documents whose sounds say their length {"seconds": {"speech": s}}
OrderedJson inspect_json(const Path& folder);

// A table by source and split, and for documents the first texts of each.
std::string inspect_text(const Path& folder, int num_examples);

// Up to 96 pictures of a documents folder, spread evenly over it, as one PNG. InputError when it has none.
void write_contact_sheet(const Path& folder, const Path& png);

}  // namespace mom::data
