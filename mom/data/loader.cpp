#include "mom/data/loader.h"

#include <algorithm>
#include <numeric>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/config/schema.h"

namespace mom::data {
namespace {

// A shorter rest of a sequence is not worth a fragment of text.
constexpr int64_t kShortestFragment = 8;

}  // namespace

void DataConfig::describe(config::Table& table) {
  table.field("path", path, "encoded data, made by `mom data encode`");
  table.field("sequence_tokens", sequence_tokens, "longest packed sequence").range(8, 1 << 20);
  table.field("batch_tokens", batch_tokens, "tokens a step, over all microbatches").range(8, 1 << 28);
  table.field("mixture", mixture,
              "share of the tokens by source, e.g. {noto = 0.5, gcide = 0.5}; empty: by amount of data, "
              "sources with speech (codes of any number) together a seventh");
  table.field("reset_state", reset_state,
              "start from a zero state at document borders; false: state flows through");
  table
      .field("caption_first", caption_first,
             "chance that text precedes the picture in a pair of free order; with speech every order is as "
             "likely")
      .range(0, 1);
  table
      .field("condition_drop", condition_drop,
             "chance that a training document's text before its first picture is left out, so that pictures "
             "can be drawn with guidance")
      .range(0, 1);
}

LayOutOptions layout_options(const EncodedDataset& dataset, const DataConfig& config,
                             const modality::PatchSizes& patch_size) {
  LayOutOptions options;
  options.vocabulary = dataset.vocabulary.with_patch_size(patch_size);
  options.caption_first = config.caption_first;
  options.condition_drop = config.condition_drop;
  return options;
}

LayOutOptions held_out_layout(const EncodedDataset& dataset, const DataConfig& config,
                              const modality::PatchSizes& patch_size) {
  LayOutOptions options = layout_options(dataset, config, patch_size);
  options.augment = false;
  options.condition_drop = 0;
  return options;
}

namespace {

// A segment of several variants is shown in one of them; a text's parts are all of it.
void count_positions(const Shard& shard, const modality::Vocabulary& vocabulary, SourceView& view) {
  for (size_t s = 0; s < shard.segment_modality.size(); ++s) {
    const modality::Modality& modality = vocabulary.modalities()[shard.segment_modality[s]];
    const auto first = static_cast<size_t>(shard.segment_parts[s]),
               last = static_cast<size_t>(shard.segment_parts[s + 1]);
    view.num_latents += modality.is_continuous();
    view.has_streams |= !modality.is_text() && !modality.has_fixed_length();
    if (first < last)
      view.num_tokens += shard.part_tokens[modality.is_text() ? last : first + 1] - shard.part_tokens[first];
  }
}

}  // namespace

std::vector<SourceView> sources_of(const EncodedDataset& dataset, const std::string& split) {
  std::map<std::string, SourceView> by_name;
  for (const Shard& shard : dataset.shards) {
    if (shard.split != split) continue;
    SourceView& view = by_name[shard.source];
    view.source = shard.source;
    for (int64_t i = 0; i < shard.num_documents(); ++i) view.documents.emplace_back(&shard, i);
    count_positions(shard, dataset.vocabulary, view);
  }
  std::vector<SourceView> sources;
  for (auto& [name, view] : by_name) sources.push_back(std::move(view));
  return sources;
}

// Where a source stands: document `index` of its shuffled order in `epoch`, from `offset` on if it was cut.
struct Loader::Cursor {
  SourceView view;
  double weight = 0;
  int64_t epoch = 0, index = 0, offset = 0, tokens_used = 0;
  std::vector<uint32_t> order;

  void shuffle(uint64_t seed) {
    order.resize(view.documents.size());
    std::iota(order.begin(), order.end(), 0u);
    RandomStream random(
        stream_key({seed, fnv1a64("order"), fnv1a64(view.source), static_cast<uint64_t>(epoch)}));
    random.shuffle(order);
  }
  void advance(uint64_t seed) {
    offset = 0;
    if (++index < static_cast<int64_t>(order.size())) return;
    index = 0;
    ++epoch;
    shuffle(seed);
  }
};

namespace {

// In the mean over modalities of latents.
int64_t positions_of_latents(const modality::Vocabulary& vocabulary) {
  const std::vector<const modality::Modality*> latents = vocabulary.continuous();
  int64_t positions = 0;
  for (const modality::Modality* one : latents) positions += one->positions_per_item() / std::ssize(latents);
  return positions;
}

// Shares where the recipe gives none: by the amount of data, sources with speech (codes of any number) taking
// a seventh of the whole as in the papers (speech : the rest = 1 : 6). The amount of a source is its tokens; of latents alone,
// their positions.
double default_weight(const std::vector<SourceView>& sources, const SourceView& view,
                      int64_t latent_positions) {
  constexpr double kStreamShare = 1.0 / 7;
  const auto amount = [&](const SourceView& of) {
    return static_cast<double>(of.num_tokens > 0 ? of.num_tokens : of.num_latents * latent_positions);
  };
  double of_kind = 0, of_others = 0;
  for (const SourceView& other : sources)
    (other.has_streams == view.has_streams ? of_kind : of_others) += amount(other);
  const double share = of_others == 0 ? 1 : view.has_streams ? kStreamShare : 1 - kStreamShare;
  return of_kind == 0 ? 0 : share * amount(view) / of_kind;
}

}  // namespace

Loader::~Loader() = default;

Loader::Loader(std::shared_ptr<const EncodedDataset> dataset, const DataConfig& config,
               const modality::PatchSizes& patch_size, uint64_t seed)
    : dataset_(std::move(dataset)),
      config_(config),
      layout_(layout_options(*dataset_, config, patch_size)),
      seed_(seed) {
  std::vector<SourceView> sources = sources_of(*dataset_, "train");
  std::string known;
  for (const SourceView& view : sources) known += (known.empty() ? "" : ", ") + view.source;
  for (const auto& [name, weight] : config_.mixture)
    if (std::none_of(sources.begin(), sources.end(), [&](const SourceView& v) { return v.source == name; }))
      throw UserError({"data.mixture", "sources of " + config_.path + " (" + known + ")", "\"" + name + "\"",
                       "name these, or take all by amount: --set 'data.mixture={}'"});
  const int64_t latent_positions = positions_of_latents(layout_.vocabulary);
  for (const SourceView& view : sources) {
    const auto found = config_.mixture.find(view.source);
    const double weight = config_.mixture.empty()          ? default_weight(sources, view, latent_positions)
                          : found == config_.mixture.end() ? 0.0
                                                           : found->second;
    if (weight < 0) throw UserError({"data.mixture." + view.source, "0 or more", std::to_string(weight), ""});
    if (weight == 0 || view.documents.empty()) continue;
    Cursor cursor;
    cursor.view = view;
    cursor.weight = weight;
    cursor.shuffle(seed_);
    cursors_.push_back(std::move(cursor));
  }
  if (cursors_.empty())
    throw UserError(
        {config_.path, "documents of split \"train\" with a weight above 0 in data.mixture", "none", ""});
}

LaidOut Loader::peek(size_t source) {
  const Cursor& cursor = cursors_[source];
  const uint32_t document = cursor.order[cursor.index];
  const auto& [shard, index] = cursor.view.documents[document];
  return lay_out(*shard, index, layout_,
                 RandomStream(stream_key({seed_, fnv1a64("document"), fnv1a64(cursor.view.source),
                                          static_cast<uint64_t>(cursor.epoch), document})));
}

// The source that is furthest behind its share. Ties go to the first by name.
int Loader::pick(bool divisible_only) {
  double total_weight = 0, total_tokens = 0;
  for (const Cursor& cursor : cursors_) {
    total_weight += cursor.weight;
    total_tokens += static_cast<double>(cursor.tokens_used);
  }
  int best = -1;
  double best_deficit = 0;
  for (size_t i = 0; i < cursors_.size(); ++i) {
    if (divisible_only && !peek(i).divisible) continue;
    const double deficit =
        cursors_[i].weight / total_weight * (total_tokens + 1) - static_cast<double>(cursors_[i].tokens_used);
    if (best < 0 || deficit > best_deficit) {
      best = static_cast<int>(i);
      best_deficit = deficit;
    }
  }
  return best;
}

void Loader::fill_sequence(BatchBuilder& builder) {
  int64_t room = config_.sequence_tokens;
  bool divisible_only = false;
  while (room >= kShortestFragment) {
    const int source = pick(divisible_only);
    if (source < 0) break;
    Cursor& cursor = cursors_[static_cast<size_t>(source)];
    const LaidOut document = peek(static_cast<size_t>(source));
    const int64_t length = static_cast<int64_t>(document.positions.size()), rest = length - cursor.offset;
    if (rest > room && !document.divisible) {
      if (length > config_.sequence_tokens)
        throw UserError({"data.sequence_tokens",
                         "room for the longest document with pictures (" + std::to_string(length) +
                             " tokens, source " + cursor.view.source + ")",
                         std::to_string(config_.sequence_tokens), "raise it"});
      divisible_only = true;  // the picture opens the next sequence; text fills this one
      continue;
    }
    const int64_t take = std::min(rest, room);
    builder.add(document, cursor.offset, cursor.offset + take);
    cursor.tokens_used += take;
    room -= take;
    if (take == rest) {
      cursor.advance(seed_);
    } else {
      cursor.offset += take;
    }
  }
  builder.end_sequence();
}

Loader::Step Loader::next(int64_t num_microbatches, const Share& share) {
  const int64_t sequences =
      std::max<int64_t>(1, config_.batch_tokens / config_.sequence_tokens / num_microbatches);
  Step step;
  BatchBuilder builder(layout_, config_.reset_state);
  for (int64_t m = 0; m < num_microbatches; ++m) {
    for (int64_t s = 0; s < sequences; ++s) fill_sequence(builder);
    step.counts.push_back(builder.counts());
    const uint64_t noise_key = stream_key({seed_, fnv1a64("noise"), static_cast<uint64_t>(num_batches_++)});
    if (share.has(m))
      step.batches.push_back(builder.finish(noise_key));
    else
      builder.clear();
  }
  return step;
}

Json Loader::state() const {
  Json state;
  state["batches"] = num_batches_;
  for (const Cursor& cursor : cursors_)
    state["sources"][cursor.view.source] = {{"documents", cursor.view.documents.size()},
                                            {"epoch", cursor.epoch},
                                            {"index", cursor.index},
                                            {"offset", cursor.offset},
                                            {"tokens", cursor.tokens_used}};
  return state;
}

void Loader::restore(const Json& state) {
  num_batches_ = json_int(state, "batches", "data position");
  const Json sources = state.value("sources", Json());
  for (size_t i = 0; i < cursors_.size(); ++i) {
    Cursor& cursor = cursors_[i];
    const std::string where = "data position of source " + cursor.view.source;
    auto found = sources.find(cursor.view.source);
    if (found == sources.end() || sources.size() != cursors_.size() ||
        json_int(*found, "documents", where) != static_cast<int64_t>(cursor.view.documents.size()))
      throw InputError({where, "the data this run began with",
                        "other data or another mixture in " + config_.path, "resume with the same data"});
    cursor.epoch = json_int(*found, "epoch", where);
    cursor.index = json_int(*found, "index", where);
    cursor.offset = json_int(*found, "offset", where);
    cursor.tokens_used = json_int(*found, "tokens", where);
    const auto refuse = [&] {
      throw InputError({where, "a position inside the data", found->dump(), "the checkpoint is damaged"});
    };
    if (cursor.epoch < 0 || cursor.index < 0 || cursor.offset < 0 || cursor.tokens_used < 0 ||
        cursor.index >= static_cast<int64_t>(cursor.view.documents.size()))
      refuse();
    cursor.shuffle(seed_);
    if (cursor.offset > 0 && cursor.offset >= std::ssize(peek(i).positions)) refuse();
  }
}

std::vector<Batch> held_out_batches(const EncodedDataset& dataset, const std::string& source,
                                    const std::string& split, const DataConfig& config,
                                    const modality::PatchSizes& patch_size, int64_t max_tokens) {
  constexpr uint64_t kHeldOutSeed = 20250127;  // fixed: losses of different runs must be of the same draws
  const LayOutOptions options = held_out_layout(dataset, config, patch_size);
  BatchBuilder builder(options, config.reset_state);
  const int64_t patches = positions_of_latents(options.vocabulary);
  std::vector<Batch> batches;
  int64_t in_sequence = 0;
  auto flush = [&] {
    batches.push_back(builder.finish(stream_key({kHeldOutSeed, fnv1a64(source), batches.size()})));
  };
  for (const SourceView& view : sources_of(dataset, split)) {
    if (view.source != source) continue;
    // A part of the set is every n-th document, so that it says the same as the whole.
    const int64_t rough_tokens = view.num_tokens + view.num_latents * patches;
    const size_t stride =
        max_tokens == 0 ? 1 : static_cast<size_t>(std::max<int64_t>(1, rough_tokens / max_tokens));
    for (size_t i = 0; i < view.documents.size(); i += stride) {
      const auto& [shard, index] = view.documents[i];
      const LaidOut document =
          lay_out(*shard, index, options, RandomStream(stream_key({kHeldOutSeed, fnv1a64(source), i})));
      const int64_t length = static_cast<int64_t>(document.positions.size());
      for (int64_t begin = 0; begin < length;) {
        if (in_sequence > 0 && in_sequence + (length - begin) > config.sequence_tokens) {
          builder.end_sequence();
          in_sequence = 0;
          if (builder.num_tokens() + config.sequence_tokens > config.batch_tokens) flush();
        }
        const int64_t take = document.divisible ? std::min(length - begin, config.sequence_tokens) : length;
        builder.add(document, begin, begin + take);
        in_sequence += take;
        begin += take;
      }
    }
  }
  if (builder.num_tokens() > 0) flush();
  return batches;
}

}  // namespace mom::data
