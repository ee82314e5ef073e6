#include "mom/data/codec_describe.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "mom/base/error.h"
#include "mom/base/lock.h"
#include "mom/base/log.h"
#include "mom/codecs/external_codec.h"
#include "mom/data/document.h"
#include "mom/data/media.h"

namespace mom::data {
namespace {

std::string shape_words(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

// What the items of a modality are like.
struct Items {
  uint64_t count = 0, num_numbers = 0;
  bool integers = false;
  std::vector<int64_t> shape;  // of all; of codes: of those that are not flat, where there are any
  std::string first;           // names the item that gave the shape
  // Of codes.
  std::optional<ErrorParts> other_shape;  // where two that are not flat differ
  bool one_length = true;
  int64_t length = 0, largest = -1;
  std::set<int64_t> used;
  // Of latents, by channel, over split "train".
  std::vector<double> sum, squares, per_channel;
};

// Numerically steady enough for latents: f64 sums of f32 numbers, of which there are far fewer than 2^50.
void add_latents(const formats::Npy& array, Items& items) {
  const auto channels = static_cast<size_t>(array.shape[0]);
  items.sum.resize(channels), items.squares.resize(channels), items.per_channel.resize(channels);
  const size_t each = array.reals().size() / channels;
  for (size_t c = 0; c < channels; ++c) {
    for (size_t i = c * each; i < (c + 1) * each; ++i) {
      items.sum[c] += array.reals()[i];
      items.squares[c] += static_cast<double>(array.reals()[i]) * array.reals()[i];
    }
    items.per_channel[c] += static_cast<double>(each);
  }
}

void add_codes(const formats::Npy& array, const std::string& where, Items& items) {
  for (const int64_t code : array.integers()) {
    if (code < 0) throw InputError({where, "codes from 0 on", std::to_string(code), ""});
    items.largest = std::max(items.largest, code);
    items.used.insert(code);
  }
}

void add_item(const formats::Npy& array, const std::string& where, bool train, Items& items) {
  const auto length =
      static_cast<int64_t>(array.is_integer() ? array.integers().size() : array.reals().size());
  if (length == 0) throw InputError({where, "an array with numbers", "an empty one", ""});
  if (items.count++ == 0) {
    items.integers = array.is_integer();
    items.shape = array.shape, items.first = where, items.length = length;
  }
  if (array.is_integer() != items.integers)
    throw InputError({where,
                      items.integers ? "integers, as in " + items.first : "floats, as in " + items.first,
                      array.is_integer() ? "integers" : "floats", ""});
  if (!items.integers && array.shape != items.shape)
    throw InputError({where, "shape " + shape_words(items.shape) + ", as in " + items.first,
                      shape_words(array.shape),
                      "latents have one shape: cut or pad the items, or encode them as codes"});
  if (!items.integers && array.shape.size() != 2 && array.shape.size() != 3)
    throw InputError({where, "latents of shape [C, H, W] or [C, T]", shape_words(array.shape), ""});
  if (array.shape.size() > 1 && array.shape != items.shape) {  // flat codes go with any shape
    if (items.shape.size() == 1)
      items.shape = array.shape, items.first = where;
    else if (!items.other_shape)
      items.other_shape = {where, "shape " + shape_words(items.shape) + ", as in " + items.first,
                           shape_words(array.shape),
                           "items of fixed length have one shape; --length variable allows others"};
  }
  items.one_length &= length == items.length;
  items.num_numbers += static_cast<uint64_t>(length);
  if (items.integers) add_codes(array, where, items);
  if (!items.integers && train) add_latents(array, items);
}

Items read_items(const DocumentReader& reader, const std::string& name) {
  Items items;
  std::set<std::string> others;
  for (const Collection& collection : reader.collections()) {
    for (const auto& [modality, count] : collection.num_segments) others.insert(modality);
    if (!collection.num_segments.contains(name)) continue;
    reader.for_each(collection, [&](const Document& document) {
      for (const Segment& segment : document.segments) {
        if (segment.modality != name) continue;
        const std::string sample = sample_name(collection, document);
        if (!segment.encoded)
          throw InputError({sample, "encoded segments of " + name + " (.npy)", "an image or sound",
                            "a codec for these is made by 'mom codec train'"});
        with_media(reader, segment.media, sample, [&](auto bytes, const std::string&) {
          add_item(formats::read_npy(bytes, sample), sample, collection.split == "train", items);
          return 0;
        });
      }
    });
  }
  if (items.count == 0) {
    std::string known;
    for (const std::string& one : others) known += (known.empty() ? "" : ", ") + one;
    throw UserError({"--name", "a modality of the documents (" + known + ")", "'" + name + "'",
                     "import KEY." + name + ".npy files, or segments {\"modality\": \"" + name + "\", ...}"});
  }
  return items;
}

std::vector<int64_t> parse_grid(const std::string& text) {
  std::vector<int64_t> grid;
  int64_t size = 0;
  for (const char c : text + "x") {
    if (c >= '0' && c <= '9' && size < 1 << 20) {
      size = 10 * size + (c - '0');
    } else if (c == 'x' && size > 0) {
      grid.push_back(std::exchange(size, 0));
    } else {
      throw UserError({"--grid", "sizes such as 16x16", "'" + text + "'", ""});
    }
  }
  return grid;
}

void describe_codes(const CodecDescribeOptions& options, const Items& items,
                    codecs::ExternalCodecConfig& config) {
  const std::string most = "the largest code in the data is " + std::to_string(items.largest);
  if (!options.codebook_size)
    throw UserError({"--codebook-size", "how many codes the codec has (" + most + ")", "none", ""});
  if (*options.codebook_size <= items.largest)
    throw UserError({"--codebook-size", "more than " + std::to_string(items.largest) + " (" + most + ")",
                     std::to_string(*options.codebook_size), ""});
  config.codebook_size = *options.codebook_size;
  if (options.length == "fixed" && !items.one_length)
    throw UserError({"--length", "variable: items of the data differ in length", "fixed", ""});
  const bool fixed = options.length.empty() ? items.one_length : options.length == "fixed";
  if (!options.grid.empty()) config.shape = parse_grid(options.grid);
  if (!fixed) {
    if (!config.shape.empty())
      throw UserError({"--grid", "none for items of variable length", options.grid, ""});
    return;
  }
  config.codes_per_item = items.length;
  if (items.other_shape) throw InputError(*items.other_shape);
  if (config.shape.empty()) config.shape = items.shape;
  if (items.shape.size() > 1 && config.shape != items.shape)
    throw UserError(
        {"--grid", "sizes " + shape_words(items.shape) + ", as in " + items.first, options.grid, ""});
}

struct Scale {
  at::Tensor mean_C, std_C;
};

Scale measure(const CodecDescribeOptions& options, const Items& items, Json& report) {
  if (items.sum.empty())
    throw InputError({options.documents.string(),
                      "latents of " + options.name + " in split \"train\" to measure", "none", ""});
  std::vector<float> means, scales;
  for (size_t c = 0; c < items.sum.size(); ++c) {
    const double mean = items.sum[c] / items.per_channel[c];
    const double variance = std::max(0.0, items.squares[c] / items.per_channel[c] - mean * mean);
    means.push_back(static_cast<float>(mean));
    scales.push_back(static_cast<float>(std::sqrt(variance)));
    // A constant channel: its rounding is not a scale.
    if (variance > 1e-12 * mean * mean) continue;
    log_warning("channel " + std::to_string(c) + " of " + options.name + " is constant: it is kept as it is");
    scales.back() = 1;
  }
  report["mean"] = means, report["std"] = scales;
  return {torch::tensor(means), torch::tensor(scales)};
}

}  // namespace

OrderedJson describe_codec(const CodecDescribeOptions& options) {
  if (!may_be_encoded(options.name))
    throw UserError(
        {"--name", "letters, digits, \"_\" and \"-\", other than text", "'" + options.name + "'", ""});
  const DocumentReader reader(options.documents);
  const Lock lock = Lock::of_output(options.out, {"describe into another folder with --out"});
  const Items items = read_items(reader, options.name);
  codecs::ExternalCodecConfig config;
  config.representation = items.integers ? "codes" : "latents";
  if (!options.representation.empty() && options.representation != config.representation)
    throw UserError({"--representation",
                     config.representation + ", as the arrays of " + options.name + " are",
                     options.representation, ""});
  config.rate_hz = options.rate_hz;
  config.note = options.note;
  config.decode = options.decode;
  config.decodes_to = options.decodes_to;
  Json report = {{"items", items.count}};
  Scale scale;
  if (items.integers) {
    describe_codes(options, items, config);
    report["codes"] = items.num_numbers;
    report["codes_used_share"] =
        static_cast<double>(items.used.size()) / static_cast<double>(config.codebook_size);
    report["mean_length"] = static_cast<double>(items.num_numbers) / static_cast<double>(items.count);
  } else {
    if (options.codebook_size || !options.length.empty() || !options.grid.empty())
      throw UserError({"--codebook-size, --length and --grid", "none of latents", "one of them", ""});
    config.shape = items.shape;
    scale = measure(options, items, report);
  }
  codecs::write_external_codec(options.out, options.replace, options.name, config, scale.mean_C, scale.std_C,
                               report);
  const codecs::ExternalCodec made(options.out);
  return {{"kind", made.info().kind},
          {"modality", made.info().modality},
          {"hash", made.info().hash},
          {"config", made.info().config},
          {"report", made.info().report}};
}

}  // namespace mom::data
