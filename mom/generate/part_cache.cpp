#include "mom/generate/part_cache.h"

#include <ATen/ATen.h>

#include <iterator>
#include <utility>

namespace mom::generate {
namespace {

std::string key_of(const PromptPart& part) { return part.modality + '\0' + part.content; }

}  // namespace

size_t PartCache::Entry::num_bytes() const {
  size_t bytes = sizeof(Entry) + key.size() + feed.tokens.size() * sizeof(int32_t);
  for (const Picture& picture : feed.pictures) bytes += picture.latent_CHW.nbytes();
  return bytes;
}

bool PartCache::append(const PromptPart& part, Feed& feed) {
  if (part.content.size() < kShortest) return false;
  const std::string key = key_of(part);
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return false;
  entries_.splice(entries_.begin(), entries_, found->second);
  feed.append(entries_.front().feed);
  return true;
}

void PartCache::put(const PromptPart& part, Feed feed) {
  Entry entry{key_of(part), std::move(feed)};
  if (part.content.size() < kShortest || entry.num_bytes() > max_bytes_) return;
  const std::lock_guard lock(mutex_);
  if (by_key_.count(entry.key)) return;
  num_bytes_ += entry.num_bytes();
  entries_.push_front(std::move(entry));
  by_key_[entries_.front().key] = entries_.begin();
  while (num_bytes_ > max_bytes_) {
    num_bytes_ -= entries_.back().num_bytes();
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

}  // namespace mom::generate
