// Parts of prompts as they were read, the least recently used one dropped first: of a chat's next turn, only what is new
// is split into tokens or encoded. Parts are compared whole.
#pragma once

#include <list>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "mom/generate/asked.h"
#include "mom/generate/step.h"

namespace mom::generate {

// For several threads.
class PartCache {
 public:
  // Short parts are not worth keeping, and would fill it: those of fewer bytes are read again.
  static constexpr size_t kShortest = 256;

  explicit PartCache(size_t max_bytes) : max_bytes_(max_bytes) {}
  // Appends what was kept of the part to `feed`. False: nothing was.
  bool append(const PromptPart& part, Feed& feed);
  // One that is larger than the cache is not kept.
  void put(const PromptPart& part, Feed feed);

 private:
  struct Entry {
    std::string key;  // modality and content
    Feed feed;
    size_t num_bytes() const;
  };

  const size_t max_bytes_;
  std::mutex mutex_;
  size_t num_bytes_ = 0;
  std::list<Entry> entries_;  // the last used one first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;
};

}  // namespace mom::generate
