// For tests of encoded data: a folder of every kind of segment, made without training but that of a text codec, and what
// another program might have written in its place.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "mom/codecs/text_codec_train.h"
#include "mom/data/codec_describe.h"
#include "mom/data/document.h"
#include "mom/data/encode.h"
#include "mom/formats/npy.h"
#include "mom/formats/safetensors.h"
#include "tests/support/temp_folder.h"

namespace mom::data {

// Source "mixed", split "train", where photos are latents of 1 x 2 x 2 and music is three codes below 8:
//   d0 (free order)   text with two keywords, photo      segments 0, 1; photo 0
//   d1                text, music                        segments 2, 3
//   d2                photo, text, text, music           segments 4 to 7; photo 1
// and source "words", split "validation": one text. Makes folder/documents, folder/codec-{text, photo, music} and
// folder/encoded; returns the last. `length`: that of music, as `mom codec describe` has it.
inline Path make_mixed_encoded(const Path& folder, const std::string& length = "fixed") {
  EncodeOptions encode;
  encode.documents = folder / "documents";
  encode.out = folder / "encoded";
  encode.codecs = {folder / "codec-text", folder / "codec-photo", folder / "codec-music"};
  {
    DocumentWriter writer(encode.documents, false);
    const auto array = [&](const char* modality, const formats::Npy& values) {
      return Segment{modality, "", {}, writer.add_media("a.npy", formats::write_npy(values)), 0, true};
    };
    const auto photo = [&](float value) {
      return array("photo", {{1, 2, 2}, std::vector<float>{value, 1, 2, 3}});
    };
    const auto music = [&](int64_t code) { return array("music", {{3}, std::vector<int64_t>{code, 1, 2}}); };
    const auto text = [](const char* words, std::vector<std::string> keywords = {}) {
      return Segment{"text", words, std::move(keywords), {}};
    };
    writer.add("mixed", "train", {"d0", true, {text("item x", {"item", "x"}), photo(5)}});
    writer.add("mixed", "train", {"d1", false, {text("item xx"), music(7)}});
    writer.add("mixed", "train", {"d2", false, {photo(6), text("item"), text("x"), music(3)}});
    writer.add("words", "validation", {"w", false, {text("item xxx")}});
    writer.commit();
  }
  codecs::TextCodecConfig text;
  text.vocabulary = 280;
  train_text_codec(text, {{"words", std::vector<std::string>(50, "item x, item xx")}}, {}, encode.codecs[0],
                   false);
  for (const char* name : {"photo", "music"}) {
    CodecDescribeOptions describe;
    describe.documents = encode.documents;
    describe.name = name;
    describe.out = folder / (std::string("codec-") + name);
    if (name == std::string_view("music")) describe.codebook_size = 8, describe.length = length;
    describe_codec(describe);
  }
  encode_documents(encode);
  return encode.out;
}

inline void edit_manifest_of(const Path& folder, const std::function<void(Json&)>& edit) {
  Json manifest = read_json(folder / "dataset.json");
  edit(manifest);
  test::write_file(folder / "dataset.json", manifest.dump());
}

// A copy in which no checksum speaks before a reader has seen what is wrong.
inline Path copy_without_hashes(const Path& encoded, const Path& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(encoded, to, std::filesystem::copy_options::recursive);
  edit_manifest_of(to, [](Json& manifest) {
    manifest.erase("hash");
    for (Json& shard : manifest["shards"]) shard.erase("sha256");
  });
  return to;
}

// The tensors and metadata of a shard, to be written anew with some of them changed.
struct ShardFile {
  struct Tensor {
    formats::DType dtype;
    std::vector<int64_t> shape;
    std::string bytes;
  };
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;

  explicit ShardFile(const Path& path) {
    const formats::SafetensorsReader reader(path);
    metadata = reader.metadata();
    for (const auto& [name, view] : reader.tensors())
      tensors[name] = {
          view.dtype, view.shape, {reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size()}};
  }
  template <class T>
  std::vector<T> get(const std::string& name) const {
    const std::string& bytes = tensors.at(name).bytes;
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  template <class T>
  void set(const std::string& name, formats::DType dtype, const std::vector<T>& values,
           std::vector<int64_t> shape = {}) {
    if (shape.empty()) shape = {std::ssize(values)};
    std::string bytes(values.size() * sizeof(T), '\0');
    if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
    tensors[name] = {dtype, std::move(shape), std::move(bytes)};
  }
  void write(const Path& path) const {
    std::vector<formats::TensorToWrite> all;
    for (const auto& [name, tensor] : tensors)
      all.push_back({name, {tensor.dtype, tensor.shape, std::as_bytes(std::span(tensor.bytes))}});
    formats::write_safetensors(path, all, metadata);
  }
};

}  // namespace mom::data
