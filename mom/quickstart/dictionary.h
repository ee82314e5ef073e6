// Dictionaries in dictd's format (NAME.index beside NAME.dict.dz), and their articles as plain text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"

namespace mom::quickstart {

struct Article {
  std::string headword;  // the article's own first words; where it has none, its first word in the index
  std::string text;      // as stored, UTF-8 (stray bytes read as Latin-1)
};

// Articles in the order of the dictionary, each once, without the "00-database-..." ones about the dictionary
// itself. InputError with the line of the index when an entry cannot be read or lies outside the dictionary.
std::vector<Article> read_dictionary(const Path& index, const Path& dict);

// gcide: paragraphs on one line each, without \pronunciation\, source marks such as [1913 Webster], and link braces.
std::string clean_gcide(std::string_view text);
// foldoc: paragraphs on one line each, without link braces; program text keeps its lines.
std::string clean_foldoc(std::string_view text);

}  // namespace mom::quickstart
