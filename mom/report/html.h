// Text into HTML without surprises: captions, paths and recipes come from outside.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/base/markup.h"
#include "mom/formats/image_file.h"

namespace mom::report {

using mom::escape;
// JSON that may stand inside <script>: no '<', '>' or '&' is left in it. Invalid UTF-8 is replaced.
std::string script_json(const OrderedJson& value);
std::string base64(std::string_view bytes);
bool is_sound(const Path& path);
// An image as "data:image/webp;base64,...", without loss (a quarter smaller than its PNG); a sound as
// "data:audio/wav;base64,...". InputError when the file is not what its name says, or over 4 MiB.
std::string data_uri(const Path& path);
std::string data_uri(const formats::Image& image);
// Replaces each {{name}} once, in one pass (a value is never looked into). An unknown name is our defect:
// logic_error.
std::string fill_template(std::string_view text, const std::map<std::string, std::string>& values);
// Words for a shell: quoted where needed.
std::string shell_word(const std::string& word);

// A table with a head line and a row head in the first column. Cells are HTML; columns after the first are
// numbers when `numeric`: on a phone these stand below each other with their labels. Wide tables scroll.
std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows,
                  bool numeric);

// Defined by the build from the files in web/.
std::string_view embedded_file(std::string_view name);

}  // namespace mom::report
