// The quickstart's text without images: dictionary articles and long prose.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mom/data/document.h"
#include "mom/quickstart/packages.h"

namespace mom::quickstart {

struct TextFiles {
  Path gcide_index, gcide_dict, foldoc_index, foldoc_dict;
  std::vector<Path> chapters;
};

// InputError naming the package of the first file that is missing.
TextFiles find_texts(const Packages& packages);

// Sources gcide, anarchism and foldoc; `done` is called with the name of each when it is finished.
void add_texts(data::DocumentWriter& writer, const TextFiles& files,
               const std::function<void(const std::string& source)>& done);

}  // namespace mom::quickstart
