#include "mom/data/encoded_writer.h"

#include <torch/types.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <utility>

#include "mom/base/hash.h"
#include "mom/base/manifest.h"
#include "mom/data/document.h"
#include "mom/data/shard.h"

namespace mom::data {
namespace {

constexpr uint64_t kMaxShardBytes = uint64_t{256} << 20;

codecs::CodecSet with_text(codecs::CodecSet codecs, const Path& folder) {
  if (!codecs.has(modality::kTextName)) {
    codecs::write_textless_codec(folder / "codecs" / modality::kTextName);
    codecs.add(folder / "codecs" / modality::kTextName);
  }
  return codecs;
}

ShardFormat shard_format(const codecs::CodecSet& codecs, const modality::Vocabulary& vocabulary,
                         int64_t num_variants) {
  ShardFormat format;
  const codecs::TextCodec& text = codecs.text(vocabulary.text()->name);
  if (text.has_pieces()) {
    format.colon = text.encode(":");
    format.comma = text.encode(",");
  }
  for (const modality::Modality* latents : vocabulary.continuous())
    format.latents.push_back({latents_name(vocabulary, format.latents.size()),
                              codecs.media(latents->name).num_views(num_variants), latents->latent_shape});
  return format;
}

// A view's codes as tokens, and how many in a row each stands for where the codec says so.
void append_codes(const codecs::CodedItem& item, int64_t begin, EncodedSegment& segment) {
  constexpr int32_t kMost = std::numeric_limits<int16_t>::max();
  std::vector<int32_t>& tokens = segment.parts.emplace_back();
  for (size_t i = 0; i < item.codes.size(); ++i) {
    // A run longer than the shard can say (22 minutes of one code of speech) is written as several.
    for (int32_t left = item.counts.empty() ? 1 : item.counts[i]; left > 0; left -= kMost) {
      tokens.push_back(static_cast<int32_t>(begin) + item.codes[i]);
      if (!item.counts.empty()) segment.repeats.push_back(static_cast<int16_t>(std::min(left, kMost)));
    }
  }
}

// An item counts in one of its variants, a text with all its keywords.
uint64_t num_tokens_of(const EncodedSegment& segment, const modality::Modality& modality) {
  if (modality.is_continuous()) return static_cast<uint64_t>(modality.positions_per_item());
  if (!modality.is_text()) return segment.parts.front().size();
  uint64_t count = 0;
  for (const auto& part : segment.parts) count += part.size();
  return count;
}

}  // namespace

EncodedWriter::EncodedWriter(const Path& out, bool replace, codecs::CodecSet codecs, int64_t variants)
    : lock_(Lock::of_output(out, {"encode into another folder with --out"})),
      publisher_(out, replace),
      variants_(variants),
      codecs_(with_text(std::move(codecs), publisher_.path())),
      vocabulary_(codecs_.vocabulary()),
      format_(shard_format(codecs_, vocabulary_, variants)) {}

EncodedSegment EncodedWriter::segment_of(const modality::Modality& modality) const {
  EncodedSegment segment;
  segment.modality = static_cast<uint8_t>(vocabulary_.index_of(vocabulary_.find(modality.name)));
  if (modality.is_continuous())
    segment.latents_number = static_cast<size_t>(vocabulary_.latents_number(modality));
  return segment;
}

EncodedSegment EncodedWriter::text_segment(std::string_view text,
                                           const std::vector<std::string>& keywords) const {
  const codecs::TextCodec& codec = codecs_.text(vocabulary_.text()->name);
  EncodedSegment segment = segment_of(*vocabulary_.text());
  segment.parts.push_back(codec.encode(text));
  for (const std::string& keyword : keywords) segment.parts.push_back(codec.encode(" " + keyword));
  return segment;
}

void EncodedWriter::append_view(const codecs::CodedItem& item, const modality::Modality& modality,
                                EncodedSegment& segment) {
  if (!modality.is_continuous()) return append_codes(item, modality.begin, segment);
  const at::Tensor latents = item.latents_CHW.to(at::kHalf).contiguous();
  const auto* bits = reinterpret_cast<const uint16_t*>(latents.const_data_ptr());
  segment.latents.insert(segment.latents.end(), bits, bits + latents.numel());
}

EncodedWriter::Open& EncodedWriter::open(const std::string& source, const std::string& split) {
  for (Open& one : open_)
    if (one.source == source && one.split == split) return one;
  return open_.emplace_back(Open{source, split, ShardWriter(format_)});
}

void EncodedWriter::add(const std::string& source, const std::string& split,
                        const EncodedDocument& document) {
  Open& into = open(source, split);
  for (const EncodedSegment& segment : document.segments) {
    const modality::Modality& modality = vocabulary_.modalities()[segment.modality];
    ++into.segments[modality.name];
    into.tokens[modality.name] += num_tokens_of(segment, modality);
  }
  into.shard.add(document);
  if (into.shard.num_bytes() > kMaxShardBytes) end(into);
}

void EncodedWriter::end(Open& open) {
  if (open.shard.num_documents() == 0) return;
  char number[16];
  std::snprintf(number, sizeof number, "-%05d", num_shards_[{open.source, open.split}]++);
  const std::string file = open.split + "-" + open.source + number + ".safetensors";
  open.shard.write(publisher_.path() / file);
  shards_.push_back({{"source", open.source},
                     {"split", open.split},
                     {"file", file},
                     {"sha256", sha256_hex_of_file(publisher_.path() / file)},
                     {"documents", open.shard.num_documents()},
                     {"segments", open.segments},
                     {"tokens", open.tokens}});
  for (const auto& [modality, count] : open.segments) account_.segments[modality] += count;
  for (const auto& [modality, count] : open.tokens) account_.tokens[modality] += count;
  account_.documents += static_cast<uint64_t>(open.shard.num_documents());
  account_.shards = shards_.size();
  open = {std::move(open.source), std::move(open.split), ShardWriter(format_)};
}

void EncodedWriter::end_shards() {
  for (Open& one : open_) end(one);
  open_.clear();
}

void EncodedWriter::commit(uint64_t skipped, const OrderedJson& more) {
  end_shards();
  codecs_.copy_to(publisher_.path() / "codecs");
  OrderedJson manifest = {{"format", "mom-encoded"},
                          {"version", vocabulary_.continuous().size() > 1 ? 4 : 3},
                          {"modalities", vocabulary_.names()},
                          {"vocabulary", vocabulary_.to_json()},
                          {"modality_table", vocabulary_.table_json()},
                          {"codecs", codecs_.describe(variants_)},
                          {"skipped", skipped}};
  manifest.update(more);
  manifest["shards"] = shards_;
  publish_json(publisher_.path() / "dataset.json", with_hash(manifest));
  publisher_.commit();
}

}  // namespace mom::data
