#include "mom/data/shard.h"

#include <set>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/base/manifest.h"
#include "mom/codecs/codec_set.h"

namespace mom::data {
namespace {

using formats::DType;

constexpr int64_t kVersion = 4, kOldestVersion = 2;
constexpr const char* kEncodeAgain = "encode the documents again";

[[noreturn]] void fail(const Shard& shard, const std::string& expected, const std::string& found) {
  throw InputError({shard.file->path().string(), expected, found, kEncodeAgain});
}

// CSR offsets: first 0, never falling, last = `end`.
void check_offsets(const Shard& shard, const char* name, std::span<const int64_t> offsets, size_t end) {
  const std::string what(name);
  if (offsets.empty() || offsets.front() != 0)
    fail(shard, what + " beginning with 0", offsets.empty() ? "nothing" : std::to_string(offsets.front()));
  for (size_t i = 1; i < offsets.size(); ++i) {
    if (offsets[i] < offsets[i - 1])
      fail(shard, what + " that never falls", std::to_string(offsets[i]) + " at entry " + std::to_string(i));
  }
  if (offsets.back() != static_cast<int64_t>(end))
    fail(shard, what + " ending with " + std::to_string(end), std::to_string(offsets.back()));
}

void check_length(const Shard& shard, const char* name, size_t length, size_t expected) {
  if (length != expected)
    fail(shard, std::string(name) + " with " + std::to_string(expected) + " entries", std::to_string(length));
}

void check_tokens(const Shard& shard, std::span<const int32_t> tokens, const std::string& name, int64_t begin,
                  int64_t end) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= begin && tokens[i] < end) continue;
    fail(shard, name + " from " + std::to_string(begin) + " below " + std::to_string(end),
         std::to_string(tokens[i]) + " at entry " + std::to_string(i));
  }
}

// The tokens of each part lie in the segment's own range, without specials.
void check_parts(const Shard& shard, const EncodedDataset& dataset, size_t segment,
                 const std::string& where) {
  const modality::Modality& modality = dataset.vocabulary.modalities()[shard.segment_modality[segment]];
  for (int64_t part = shard.segment_parts[segment]; part < shard.segment_parts[segment + 1]; ++part) {
    const auto begin = static_cast<size_t>(shard.part_tokens[static_cast<size_t>(part)]),
               end = static_cast<size_t>(shard.part_tokens[static_cast<size_t>(part) + 1]);
    const auto pieces = dataset.vocabulary.pieces();
    check_tokens(shard, shard.tokens.subspan(begin, end - begin), where + " (" + modality.name + "): tokens",
                 modality.is_text() ? pieces.begin : modality.begin,
                 modality.is_text() ? pieces.end : modality.end);
    if (modality.has_fixed_length() && static_cast<int64_t>(end - begin) != modality.positions_per_item())
      fail(
          shard,
          where + " (" + modality.name + ") with " + std::to_string(modality.positions_per_item()) + " codes",
          std::to_string(end - begin));
  }
}

// A segment has parts and no latent, or, of a continuous modality, a latent of its own and no parts.
void check_segment(const Shard& shard, const EncodedDataset& dataset, size_t i,
                   std::vector<int64_t>& next_latents) {
  const std::string where = "segment " + std::to_string(i);
  const auto& modalities = dataset.vocabulary.modalities();
  if (shard.segment_modality[i] >= modalities.size()) {
    fail(shard, where + " of a modality below " + std::to_string(modalities.size()),
         std::to_string(shard.segment_modality[i]));
  }
  const modality::Modality& modality = modalities[shard.segment_modality[i]];
  const bool continuous = modality.is_continuous();
  const int64_t parts = shard.segment_parts[i + 1] - shard.segment_parts[i], latent = shard.segment_latent[i];
  if (continuous ? parts != 0 : parts < 1)
    fail(shard, where + (continuous ? " (" + modality.name + ") without parts" : " with at least one part"),
         std::to_string(parts) + " parts");
  int64_t expected = -1;
  if (continuous) expected = next_latents[static_cast<size_t>(dataset.vocabulary.latents_number(modality))]++;
  if (latent != expected)
    fail(shard, where + " with latent " + std::to_string(expected), std::to_string(latent));
  check_parts(shard, dataset, i, where);
}

void check_free_documents(const Shard& shard) {
  for (size_t i = 0; i < shard.document_free.size(); ++i) {
    if (shard.document_free[i] == 0) continue;
    const auto begin = static_cast<size_t>(shard.document_segments[i]),
               end = static_cast<size_t>(shard.document_segments[i + 1]);
    const auto modalities = shard.segment_modality.subspan(begin, end - begin);
    const std::set<uint8_t> different(modalities.begin(), modalities.end());
    if (shard.document_free[i] != 1 || different.size() != modalities.size() || modalities.size() < 2)
      fail(shard,
           "document " + std::to_string(i) + " of free order with two segments or more, one a modality",
           std::to_string(modalities.size()) + " segments");
  }
}

void check_latents(const Shard& shard, const EncodedDataset& dataset, size_t number, int64_t items) {
  const std::string name = latents_name(dataset.vocabulary, number);
  const auto& [values, num_variants] = shard.latents[number];
  const int64_t rows = num_variants == 0 ? 0 : shard.file->get(name).shape[0];
  if (rows != items) fail(shard, name + " with " + std::to_string(items) + " rows", std::to_string(rows));
  for (size_t i = 0; i < values.size(); ++i)
    if ((values[i] & 0x7c00) == 0x7c00)
      fail(shard, "finite " + name, "entry " + std::to_string(i) + " is not");
}

void check_shard(const Shard& shard, const EncodedDataset& dataset) {
  const size_t segments = shard.segment_modality.size();
  check_offsets(shard, "document_segments", shard.document_segments, segments);
  check_length(shard, "document_free", shard.document_free.size(), shard.document_segments.size() - 1);
  check_length(shard, "segment_parts", shard.segment_parts.size(), segments + 1);
  check_length(shard, "segment_latent", shard.segment_latent.size(), segments);
  check_offsets(shard, "part_tokens", shard.part_tokens, shard.tokens.size());
  check_offsets(shard, "segment_parts", shard.segment_parts, shard.part_tokens.size() - 1);
  const auto pieces = dataset.vocabulary.pieces();
  for (const auto& [name, ids] : {std::pair{"colon", &shard.colon}, std::pair{"comma", &shard.comma}})
    check_tokens(shard, *ids, "metadata \"" + std::string(name) + "\"", pieces.begin, pieces.end);
  if (!shard.token_repeats.empty())
    check_length(shard, "token_repeats", shard.token_repeats.size(), shard.tokens.size());
  for (size_t i = 0; i < shard.token_repeats.size(); ++i) {
    if (shard.token_repeats[i] < 1)
      fail(shard, "token_repeats of 1 or more",
           std::to_string(shard.token_repeats[i]) + " at entry " + std::to_string(i));
  }
  std::vector<int64_t> items(shard.latents.size(), 0);
  for (size_t i = 0; i < segments; ++i) check_segment(shard, dataset, i, items);
  for (size_t k = 0; k < items.size(); ++k) check_latents(shard, dataset, k, items[k]);
  check_free_documents(shard);
}

// Keywords of a text are written with marks before them, which a shard without keywords need not say.
void check_marks(const Shard& shard, const EncodedDataset& dataset) {
  const auto& metadata = shard.file->metadata();
  if (metadata.contains("colon") && metadata.contains("comma")) return;
  for (size_t i = 0; i < shard.segment_modality.size(); ++i)
    if (dataset.vocabulary.modalities()[shard.segment_modality[i]].is_text() &&
        shard.segment_parts[i + 1] - shard.segment_parts[i] > 1)
      fail(shard, "metadata \"colon\" and \"comma\", since segment " + std::to_string(i) + " has keywords",
           "none");
}

std::vector<int32_t> parse_ids(const Shard& shard, const std::string& name) {
  const auto found = shard.file->metadata().find(name);
  if (found == shard.file->metadata().end()) return {};
  std::vector<int32_t> ids;
  int64_t id = -1;
  for (char c : found->second + " ") {
    if (c >= '0' && c <= '9' && id < 100'000'000) {
      id = 10 * std::max<int64_t>(id, 0) + (c - '0');
    } else if (c == ' ') {
      if (id >= 0) ids.push_back(static_cast<int32_t>(id));
      id = -1;
    } else {
      fail(shard, "metadata \"" + name + "\" of space-separated ids", "\"" + found->second + "\"");
    }
  }
  return ids;
}

// `variants`: of each modality of latents.
void read_latents(Shard& shard, const EncodedDataset& dataset, const std::vector<int64_t>& variants) {
  const std::vector<const modality::Modality*> continuous = dataset.vocabulary.continuous();
  shard.latents.resize(continuous.size());
  for (size_t k = 0; k < continuous.size(); ++k) {
    const std::string name = latents_name(dataset.vocabulary, k);
    if (!shard.file->contains(name)) continue;
    const formats::TensorView& view = shard.file->get(name, DType::kF16, 5);
    const std::vector<int64_t> shape(view.shape.begin() + 2, view.shape.end());
    if (view.shape[1] != variants[k] || shape != continuous[k]->latent_shape)
      fail(shard, name + " of the shape that dataset.json states", "another");
    shard.latents[k] = {shard.file->values<uint16_t>(name, DType::kF16, 5), variants[k]};
  }
}

// After all other checks, which say more of what is wrong.
void check_bytes(Shard& shard, const Json& entry, const std::string& where) {
  if (!entry.contains("sha256")) return;
  shard.sha256 = json_string(entry, "sha256", where);
  if (sha256_hex_of_file(shard.file->path()) != shard.sha256)
    fail(shard, "the content that dataset.json states", "other bytes (checksum differs)");
}

Shard open_shard(const EncodedDataset& dataset, const Json& entry, const std::vector<int64_t>& variants,
                 const std::string& where) {
  Shard shard;
  shard.source = json_string(entry, "source", where);
  shard.split = json_string(entry, "split", where);
  const std::string name = json_string(entry, "file", where);
  if (Path(name).filename() != name || name == "..")
    throw InputError({where, "\"file\" as a name in the folder", "\"" + name + "\"", ""});
  shard.file = std::make_shared<formats::SafetensorsReader>(dataset.folder / name);
  shard.document_segments = shard.file->values<int64_t>("document_segments", DType::kI64, 1);
  shard.document_free = shard.file->values<uint8_t>("document_free", DType::kU8, 1);
  shard.segment_modality = shard.file->values<uint8_t>("segment_modality", DType::kU8, 1);
  shard.segment_parts = shard.file->values<int64_t>("segment_parts", DType::kI64, 1);
  shard.segment_latent = shard.file->values<int64_t>("segment_latent", DType::kI64, 1);
  shard.part_tokens = shard.file->values<int64_t>("part_tokens", DType::kI64, 1);
  shard.tokens = shard.file->values<int32_t>("tokens", DType::kI32, 1);
  if (shard.file->contains("token_repeats"))
    shard.token_repeats = shard.file->values<int16_t>("token_repeats", DType::kI16, 1);
  shard.colon = parse_ids(shard, "colon");
  shard.comma = parse_ids(shard, "comma");
  read_latents(shard, dataset, variants);
  check_shard(shard, dataset);
  check_marks(shard, dataset);
  if (json_int(entry, "documents", where) != shard.num_documents()) {
    fail(shard, std::to_string(json_int(entry, "documents", where)) + " documents, as dataset.json states",
         std::to_string(shard.num_documents()));
  }
  check_bytes(shard, entry, where);
  return shard;
}

const Json& member(const Json& object, const char* key, const std::string& where) {
  if (!object.is_object() || !object.contains(key))
    throw InputError({where, std::string("\"") + key + "\"", "none", kEncodeAgain});
  return object[key];
}

// The hash dataset.json states, which the copy of the codec must have.
std::string check_codec(const EncodedDataset& dataset, const std::string& modality, const Json& stated,
                        const std::string& where) {
  const std::string hash = json_string(stated, "hash", where);
  const codecs::CodecInfo info = codecs::read_codec_info(dataset.folder / "codecs" / modality);
  if (info.hash != hash || info.modality != modality) {
    throw InputError({info.folder.string(), "the " + modality + " codec " + hash,
                      info.modality + " codec " + info.hash,
                      "the data was encoded with another codec: put that one back or encode again"});
  }
  return hash;
}

// Names, ids and table of the modalities; version 2 says what images are beside their codec.
modality::Vocabulary read_vocabulary(const Json& manifest, int64_t version, const std::string& where) {
  std::vector<std::string> names;
  for (const Json& name : member(manifest, "modalities", where))
    names.push_back(name.is_string() ? name.get<std::string>() : name.dump());
  const Json& ranges = member(manifest, "vocabulary", where);
  if (version > kOldestVersion)
    return modality::Vocabulary::from_json(ranges, member(manifest, "modality_table", where), names, where);
  const Json& codecs = member(manifest, "codecs", where);
  modality::OlderImages images;
  if (codecs.contains("image") && codecs["image"].is_object()) {
    images.latent_shape = codecs["image"].value("latent_shape", Json());
    images.codes_per_image = codecs["image"].value("codes_per_image", Json());
  }
  return modality::Vocabulary::from_json(ranges, modality::older_modality_table(ranges, names, images, where),
                                         names, where);
}

}  // namespace

std::string latents_name(const modality::Vocabulary& vocabulary, size_t number) {
  const std::vector<const modality::Modality*> continuous = vocabulary.continuous();
  return continuous.size() == 1 ? "latents" : "latents." + continuous[number]->name;
}

codecs::CodecSet codecs_of(const EncodedDataset& dataset) {
  return codecs::CodecSet(dataset.folder / "codecs", dataset.codec_hashes, dataset.folder.string());
}

std::string content_sha256(const EncodedDataset& dataset) {
  std::string text;
  for (const auto& [modality, hash] : dataset.codec_hashes) text += modality + " " + hash + "\n";
  for (const Shard& shard : dataset.shards)
    text += shard.split + " " + shard.source + " " +
            (shard.sha256.empty() ? sha256_hex_of_file(shard.file->path()) : shard.sha256) + "\n";
  return sha256_hex(text);
}

EncodedDataset open_encoded(const Path& folder) {
  EncodedDataset dataset;
  dataset.folder = folder;
  const Path path = folder / "dataset.json";
  const std::string where = path.string();
  if (!std::filesystem::exists(path))
    throw InputError(
        {folder.string(), "encoded data (with dataset.json)", "none there",
         "make it with 'mom data encode'; where it moved, give its new place (--set data.path=DIR, "
         "mom eval --data DIR)"});
  dataset.manifest = read_json(path);
  check_hash(dataset.manifest, where, kEncodeAgain);
  const std::string format = json_string(dataset.manifest, "format", where);
  const int64_t version = json_int(dataset.manifest, "version", where);
  if (format != "mom-encoded" || version < kOldestVersion || version > kVersion) {
    throw InputError({where, "format \"mom-encoded\" version 2 to 4",
                      "\"" + format + "\" version " + std::to_string(version),
                      "encode documents with 'mom data encode'"});
  }
  dataset.vocabulary = read_vocabulary(dataset.manifest, version, where);
  const Json& codecs = member(dataset.manifest, "codecs", where);
  std::vector<int64_t> variants;  // of each modality of latents
  for (const modality::Modality& modality : dataset.vocabulary.modalities()) {
    const Json& stated = member(codecs, modality.name.c_str(), where);
    dataset.codec_hashes[modality.name] = check_codec(dataset, modality.name, stated, where);
    if (modality.positions_per_item() == modality::kUnknownLength)
      throw InputError({where, "the number of codes of an item of " + modality.name, "none", ""});
    if (modality.is_continuous()) variants.push_back(json_int(stated, "variants", where));
  }
  for (const Json& entry : member(dataset.manifest, "shards", where))
    dataset.shards.push_back(open_shard(dataset, entry, variants, where));
  return dataset;
}

}  // namespace mom::data
