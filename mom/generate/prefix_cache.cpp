#include "mom/generate/prefix_cache.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace mom::generate {

int64_t Snapshot::num_bytes() const {
  int64_t bytes = state.num_bytes() + static_cast<int64_t>(prefix.tokens.size() * sizeof(int32_t));
  if (logits_V.defined()) bytes += static_cast<int64_t>(logits_V.nbytes());
  for (const Picture& picture : prefix.pictures) bytes += static_cast<int64_t>(picture.latent_CHW.nbytes());
  return bytes;
}

bool begins_with(const Feed& feed, const Feed& prefix) {
  if (prefix.tokens.size() > feed.tokens.size() || prefix.pictures.size() > feed.pictures.size())
    return false;
  const auto equal_from = [&](size_t first) {
    const auto at = static_cast<std::ptrdiff_t>(first);
    return std::equal(prefix.tokens.begin() + at, prefix.tokens.end(), feed.tokens.begin() + at);
  };
  // Chats with the same words at their beginnings are most alike there: their ends are looked at first.
  constexpr size_t kEnd = 64;
  return equal_from(prefix.tokens.size() - std::min(kEnd, prefix.tokens.size())) && equal_from(0) &&
         std::equal(prefix.pictures.begin(), prefix.pictures.end(), feed.pictures.begin(),
                    [](const Picture& a, const Picture& b) {
                      return a.timestep == b.timestep && a.latents == b.latents &&
                             (a.latent_CHW.is_same(b.latent_CHW) || at::equal(a.latent_CHW, b.latent_CHW));
                    });
}

Feed items_of(const Feed& feed, size_t begin, size_t count) {
  const auto first = feed.tokens.begin() + static_cast<std::ptrdiff_t>(begin),
             last = first + static_cast<std::ptrdiff_t>(count);
  const auto picture = feed.pictures.begin() + std::count(feed.tokens.begin(), first, kPicture);
  return {{first, last}, {picture, picture + std::count(first, last, kPicture)}};
}

const Snapshot* PrefixCache::find(const Feed& feed, bool whole) {
  auto best = snapshots_.end();
  for (auto it = snapshots_.begin(); it != snapshots_.end(); ++it) {
    const size_t length = it->prefix.tokens.size();
    if (whole && length != feed.tokens.size()) continue;
    if (best != snapshots_.end() && length <= best->prefix.tokens.size()) continue;
    if (begins_with(feed, it->prefix)) best = it;
  }
  if (best == snapshots_.end()) return nullptr;
  snapshots_.splice(snapshots_.begin(), snapshots_, best);
  return &snapshots_.front();
}

void PrefixCache::put(Snapshot snapshot) {
  for (auto it = snapshots_.begin(); it != snapshots_.end(); ++it) {
    if (it->prefix.tokens.size() != snapshot.prefix.tokens.size() ||
        !begins_with(it->prefix, snapshot.prefix))
      continue;
    drop(it);
    break;
  }
  num_bytes_ += snapshot.num_bytes();
  snapshots_.push_front(std::move(snapshot));
  while (num_bytes_ > max_bytes_ && snapshots_.size() > 1) drop(std::prev(snapshots_.end()));
}

void PrefixCache::drop(std::list<Snapshot>::iterator snapshot) {
  num_bytes_ -= snapshot->num_bytes();
  snapshots_.erase(snapshot);
}

}  // namespace mom::generate
