#include "mom/generate/part_cache.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <iterator>

namespace mom::generate {

size_t PartCache::Entry::num_bytes() const {
  size_t bytes = sizeof(Entry) + content.size() + feed.tokens.size() * sizeof(int32_t);
  for (const Picture& picture : feed.pictures) bytes += picture.latent_CHW.nbytes();
  return bytes;
}

bool PartCache::append(const PromptPart& part, Feed& feed) {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.is(part); });
  if (found == entries_.end()) return false;
  entries_.splice(entries_.begin(), entries_, found);
  feed.append(found->feed);
  return true;
}

void PartCache::put(const PromptPart& part, Feed feed) {
  Entry entry{part.modality, part.content, std::move(feed)};
  if (entry.num_bytes() > max_bytes_) return;
  const std::lock_guard lock(mutex_);
  if (std::any_of(entries_.begin(), entries_.end(), [&](const Entry& other) { return other.is(part); }))
    return;
  num_bytes_ += entry.num_bytes();
  entries_.push_front(std::move(entry));
  while (num_bytes_ > max_bytes_) {
    num_bytes_ -= entries_.back().num_bytes();
    entries_.pop_back();
  }
}

}  // namespace mom::generate
