#include "mom/quality/pairs.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "mom/base/random.h"
#include "mom/data/loader.h"
#include "mom/data/packer.h"
#include "mom/modality/special_tokens.h"

namespace mom::quality {
namespace {

// Patches of one image are adjacent, and tokens stand around them.
generate::Feed feed_of(const data::LaidOut& document, const modality::Vocabulary& vocabulary) {
  generate::Feed feed;
  for (size_t t = 0; t < document.positions.size(); ++t) {
    const int32_t position = document.positions[t];
    if (position >= 0) {
      feed.append(position);
    } else if (document.positions[t - 1] >= 0) {
      const data::PictureRef& picture = document.pictures[feed.pictures.size()];
      const modality::Modality& latents = vocabulary.modalities()[static_cast<size_t>(-1 - position)];
      feed.append(
          generate::Picture{data::latents_of({picture}, latents.latent_shape)[0], 0, picture.latents});
    }
  }
  return feed;
}

// The one segment of that modality.
const generate::Segment* only(const std::vector<generate::Segment>& segments, const std::string& modality) {
  const generate::Segment* found = nullptr;
  for (const generate::Segment& segment : segments) {
    if (segment.modality != modality) continue;
    if (found) return nullptr;
    found = &segment;
  }
  return found;
}

}  // namespace

std::vector<Pair> pairs_of(const data::EncodedDataset& dataset, const train::Recipe& recipe,
                           const std::string& split, const std::string& modality) {
  const data::LayOutOptions layout = data::held_out_layout(dataset, recipe.data, recipe.model.patches());
  std::vector<Pair> pairs;
  for (const data::SourceView& view : data::sources_of(dataset, split)) {
    for (size_t i = 0; i < view.documents.size(); ++i) {
      const auto& [shard, index] = view.documents[i];
      // Cheap, and most documents of text end here.
      if (shard->document_segments[static_cast<size_t>(index) + 1] -
              shard->document_segments[static_cast<size_t>(index)] <
          2)
        continue;
      const data::LaidOut document = data::lay_out(*shard, index, layout, RandomStream(stream_key({i})));
      const std::vector<generate::Segment> segments =
          generate::split({}, feed_of(document, dataset.vocabulary), dataset.vocabulary);
      const generate::Segment *text = only(segments, dataset.vocabulary.text()->name),
                              *media = only(segments, modality);
      if (text && media) pairs.push_back({view.source, text->tokens, *media});
    }
  }
  return pairs;
}

std::vector<size_t> first_of_each_caption(const std::vector<Pair>& pairs) {
  std::vector<size_t> first;
  std::set<std::pair<std::string, std::vector<int32_t>>> seen;
  for (size_t i = 0; i < pairs.size(); ++i)
    if (seen.insert({pairs[i].source, pairs[i].caption}).second) first.push_back(i);
  return first;
}

std::vector<size_t> all_indices(size_t count) {
  std::vector<size_t> indices(count);
  std::iota(indices.begin(), indices.end(), size_t{0});
  return indices;
}

generate::Feed caption_prompt(const std::vector<int32_t>& caption, const std::string& modality,
                              const modality::Vocabulary& vocabulary) {
  generate::Feed feed;
  feed.append(modality::special::kBos);
  for (const int32_t token : caption) feed.append(token);
  feed.append(vocabulary.find(modality)->brackets->open);
  return feed;
}

std::vector<size_t> spread(const std::vector<size_t>& from, int64_t count) {
  std::vector<size_t> chosen;
  const auto wanted = static_cast<size_t>(count);
  for (size_t i = 0; i < wanted; ++i)
    chosen.push_back(from[from.size() >= wanted ? i * from.size() / wanted : i % from.size()]);
  return chosen;
}

std::vector<std::vector<size_t>> draw_candidates(const std::vector<Pair>& pairs,
                                                 const std::vector<size_t>& asked, int64_t among,
                                                 uint64_t seed) {
  const std::vector<size_t> distinct = first_of_each_caption(pairs);
  std::vector<std::vector<size_t>> candidates;
  for (const size_t own : asked) {
    std::vector<size_t> others;
    for (const size_t other : distinct)
      if (pairs[other].source == pairs[own].source && pairs[other].caption != pairs[own].caption)
        others.push_back(other);
    RandomStream random(stream_key({seed, fnv1a64("candidates"), own}));
    random.shuffle(others);
    others.resize(std::min(others.size(), static_cast<size_t>(among - 1)));
    others.insert(others.begin(), own);
    candidates.push_back(std::move(others));
  }
  return candidates;
}

}  // namespace mom::quality
