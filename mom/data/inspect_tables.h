// Counts by source and split, of documents and of encoded data alike.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mom/base/files.h"

namespace mom::data {

using Counts = std::map<std::string, uint64_t>;  // by modality

struct SummaryRow {
  std::string source, split;
  uint64_t num_documents = 0;
  double speech_seconds = 0;  // documents only
  Counts num_segments, num_tokens;
};

struct FolderSummary {
  bool encoded = false;
  uint64_t skipped = 0;
  std::vector<SummaryRow> rows;
  uint64_t num_documents() const;
  double speech_seconds() const;
  Counts num_segments() const;
  Counts num_tokens() const;
};

// InputError when the folder is neither documents nor encoded data, or damaged.
FolderSummary summarise_folder(const Path& folder);

std::string format_table(const FolderSummary& summary);

}  // namespace mom::data
