// The folders that the program writes, what it reads from each, and where damage.h damages them.
#pragma once

#include "mom/codecs/codec_kinds.h"
#include "mom/codecs/codec_set.h"
#include "mom/data/inspect_tables.h"
#include "mom/models/weight_files.h"
#include "mom/train/checkpoint.h"
#include "tests/train/damage.h"
#include "tests/train/train_fixture.h"

namespace mom::test {

inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void append(std::string& to, const at::Tensor& tensor) {
  to.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
}

// Keys that readers know: one that damage has renamed is one they pass over.
inline std::string known_keys(const Json& object, std::initializer_list<const char*> keys) {
  Json known = Json::object();
  for (const char* key : keys)
    if (object.contains(key)) known[key] = object[key];
  return known.dump();
}

inline std::string content_of_encoded(const Path& folder) {
  const data::EncodedDataset dataset = data::open_encoded(folder);
  std::string content = known_keys(dataset.manifest, {"version", "modalities", "vocabulary", "modality_table",
                                                      "codecs", "skipped", "titles", "without"});
  for (const Json& shard : dataset.manifest["shards"])
    content += known_keys(shard, {"source", "split", "file", "documents", "segments", "tokens"});
  for (const data::Shard& shard : dataset.shards) {
    for (const auto& [name, view] : shard.file->tensors()) content.append(name).append(as_text(view.bytes));
    for (const auto& [name, value] : shard.file->metadata()) content += name + value;
  }
  const codecs::CodecSet set = data::codecs_of(dataset);
  for (const auto& [name, hash] : dataset.codec_hashes) content += set.of(name).info().hash;
  return content + data::format_table(data::summarise_folder(folder));
}

inline std::string content_of_documents(const Path& folder) {
  const data::DocumentReader reader(folder);
  std::string content = std::to_string(reader.skipped()) + Json(reader.titles()).dump();
  for (const data::Collection& collection : reader.collections()) {
    content += Json({collection.source, collection.split, collection.file, collection.num_segments,
                     collection.speech_seconds})
                   .dump();
    reader.for_each(collection, [&](const data::Document& document) {
      content += document.key + (document.free_order ? "free" : "");
      for (const data::Segment& segment : document.segments) {
        content += Json({segment.modality, segment.text, segment.keywords, segment.seconds}).dump();
        if (segment.modality != data::kText) content += reader.read_media(segment.media);
      }
    });
  }
  return content;
}

inline std::string content_of_codec(const Path& folder) {
  const codecs::CodecInfo info = codecs::open_codec(folder)->info();
  std::string content = info.kind + info.modality + info.hash + info.config.dump() + info.report.dump();
  for (const char* file : {"tokenizer.model", "model.safetensors"})
    if (std::filesystem::exists(folder / file)) content += read_file(folder / file);
  return content;
}

inline std::string content_of_model(const Path& folder) {
  models::Model model = models::load_model(train::find_model_folder(folder));
  std::string content = models::to_json(model->spec()).dump();
  for (const auto& item : model->named_parameters()) append(content, item.value());
  return content;
}

// What `trainer` goes on from.
inline std::string content_of_checkpoint(const Path& folder, train::Trainer& trainer) {
  trainer.resume(folder);
  std::string content = std::to_string(trainer.steps_done()) + Json(trainer.tokens_seen()).dump() +
                        read_json(folder / "state.json").dump();
  for (const auto& item : trainer.model().named_parameters()) append(content, item.value());
  const models::WeightFiles optimizer(folder, train::kOptimizerFile);
  for (const std::string& name : optimizer.names())
    content.append(name).append(as_text(optimizer.find(name)->bytes));
  return content;
}

inline void damage_encoded(const Path& folder, const std::string& name, const DamageAmount& amount) {
  Damage damage(name, folder, [&] { return content_of_encoded(folder); });
  damage.manifest("dataset.json", amount);
  std::vector<std::string> shards;
  const data::EncodedDataset dataset = data::open_encoded(folder);
  for (const data::Shard& shard : dataset.shards) shards.push_back(shard.file->path().filename().string());
  for (const std::string& shard : shards) damage.tensors(shard, amount, amount.payload_bits / shards.size());
  for (const auto& codec : std::filesystem::directory_iterator(folder / "codecs"))
    damage.flip("codecs/" + codec.path().filename().string() + "/codec.json", "codec.json of a copy", 0,
                UINT64_MAX, std::min<uint64_t>(amount.bits, 1000));
  damage.finish();
}

inline std::vector<data::MediaRef> media_of(const Path& documents) {
  std::vector<data::MediaRef> all;
  const data::DocumentReader reader(documents);
  for (const data::Collection& collection : reader.collections())
    reader.for_each(collection, [&](const data::Document& document) {
      for (const data::Segment& segment : document.segments)
        if (segment.modality != data::kText) all.push_back(segment.media);
    });
  return all;
}

inline void damage_documents(const Path& folder, const DamageAmount& amount) {
  Damage damage("documents", folder, [&] { return content_of_documents(folder); });
  damage.manifest("dataset.json", amount);
  const data::DocumentReader reader(folder);
  for (const data::Collection& collection : reader.collections()) {
    damage.flip(collection.file, "SPLIT-SOURCE.jsonl", 0, UINT64_MAX, amount.payload_bits);
    damage.cut(collection.file, "SPLIT-SOURCE.jsonl, cut", amount.cuts);
  }
  const std::vector<data::MediaRef> media = media_of(folder);
  for (const data::MediaRef& one : media)
    damage.flip_some(one.file, "content of " + one.file, one.offset, one.offset + one.num_bytes,
                     (amount.payload_bits + media.size() - 1) / media.size());
  damage.flip_some("media-00000.tar", "all of media-00000.tar", 0, UINT64_MAX, amount.payload_bits / 10);
  damage.cut("media-00000.tar", "media-00000.tar, cut", std::min<uint64_t>(amount.cuts, 2'000));
  damage.finish();
}

inline void damage_codec(const Path& folder, const std::string& name, const DamageAmount& amount) {
  Damage damage(name, folder, [&] { return content_of_codec(folder); });
  damage.manifest("codec.json", amount);
  if (std::filesystem::exists(folder / "model.safetensors")) {
    damage.tensors("model.safetensors", amount, amount.payload_bits);
  } else {
    damage.flip_some("tokenizer.model", "tokenizer.model", 0, UINT64_MAX, amount.payload_bits);
    damage.cut("tokenizer.model", "tokenizer.model, cut", std::min<uint64_t>(amount.cuts, 2'000));
  }
  damage.finish();
}

// A checkpoint, as training goes on from it or as a model is read from it.
inline void damage_checkpoint(const Path& folder, const std::string& name, const DamageAmount& amount,
                              const std::vector<std::string>& tensors,
                              const std::function<std::string()>& read) {
  Damage damage(name, folder, read);
  for (const char* file : {"manifest.json", "config.json", "state.json"}) damage.manifest(file, amount);
  for (const std::string& file : tensors) damage.tensors(file, amount, amount.payload_bits / tensors.size());
  damage.finish();
}

class DamageTest : public TrainTest {
 protected:
  static void damage_all(const DamageAmount& amount) {
    const MemoryLimit limit(uint64_t{2} << 30);
    damage_encoded(encoded_, "encoded data with latents", amount);
    damage_documents(folder_->path() / "tiny" / "documents", amount);
    for (const char* codec : {"text", "image"})
      damage_codec(folder_->path() / "tiny" / (std::string("codec-") + codec),
                   std::string("codec of ") + codec, amount);
  }
  static void damage_spoken(const DamageAmount& amount) {
    const TempFolder folder;
    const Path encoded = make_tiny_spoken(folder / "spoken");
    const MemoryLimit limit(uint64_t{2} << 30);
    damage_encoded(encoded, "encoded data with codes", amount);
    damage_codec(folder / "spoken" / "codec-speech", "codec of speech", amount);
  }
  static void damage_checkpoints(const DamageAmount& amount) {
    const TempFolder run;
    train::Recipe averaging = recipe();
    averaging.train.ema_decay = 0.9;
    train::Trainer trainer(averaging, dataset_);
    trainer.step();
    trainer.save(run.path());
    const Path folder = train::list_checkpoints(run.path()).back().folder;
    const MemoryLimit limit(uint64_t{2} << 30);
    damage_checkpoint(folder, "checkpoint to resume from", amount,
                      {"model.safetensors", "last.safetensors", "optimizer.safetensors"},
                      [&] { return content_of_checkpoint(folder, trainer); });
    damage_checkpoint(folder, "checkpoint as a model", amount, {"model.safetensors"},
                      [&] { return content_of_model(folder); });
  }
};

}  // namespace mom::test
