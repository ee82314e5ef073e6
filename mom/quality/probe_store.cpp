#include "mom/quality/probe_store.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <memory>
#include <set>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/progress.h"
#include "mom/codecs/pictures.h"
#include "mom/quality/copies.h"

namespace mom::quality {
namespace {

constexpr const char* kVersion = "mom caption probe 1";  // raise it when the same input gives another probe
constexpr size_t kDecodedTogether = 64;                  // images in one batch: affects memory, not results
constexpr size_t kShownFrom = 500;                       // images whose decoding shows progress
constexpr size_t kAside = 10;
constexpr size_t kFewAside = 40;
constexpr const char* kFeatures = "features";
constexpr const char* kThumbnails = "thumbnails";
constexpr const char* kContent = "content";  // metadata: stored_hash
constexpr const char* kRemove = "remove the file: it is made anew";

std::vector<Words> words_of_captions(const std::vector<Pair>& pairs, const generate::ModelCodecs& codecs) {
  std::vector<Words> all;
  for (const Pair& pair : pairs) all.push_back(words_of(codecs.text_of(pair.caption)));
  return all;
}

template <class T>
void append_bytes(std::string& to, const T* values, size_t count) {
  to.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

std::string hash_of(const std::vector<Pair>& train, const std::vector<Words>& captions,
                    const generate::ModelCodecs& codecs, const ProbeOptions& options) {
  std::string content = Json({kVersion, options.steps, options.batch, options.channels, options.seed,
                              codecs.set().of(train.front().media.modality).info().hash})
                            .dump();
  for (size_t i = 0; i < train.size(); ++i) {
    content += "\n" + train[i].source + "\n";
    for (const std::string& word : captions[i]) content += word + "\n";
    append_bytes(content, train[i].media.tokens.data(), train[i].media.tokens.size());
    if (!train[i].media.picture) continue;
    const at::Tensor latent = train[i].media.picture->latent_CHW.contiguous();
    append_bytes(content, latent.const_data_ptr<float>(), static_cast<size_t>(latent.numel()));
  }
  return sha256_hex(content);
}

template <class T>
std::vector<T> without(const std::vector<T>& all, const std::vector<size_t>& left_out) {
  std::vector<T> kept;
  for (size_t i = 0; i < all.size(); ++i)
    if (!std::binary_search(left_out.begin(), left_out.end(), i)) kept.push_back(all[i]);
  return kept;
}

at::Tensor as_indices(const std::vector<size_t>& indices) {
  return torch::tensor(std::vector<int64_t>(indices.begin(), indices.end()), torch::kInt64);
}

// Two at least, in rising order.
std::vector<size_t> a_tenth(std::vector<size_t> of, const std::vector<Words>& concepts) {
  const auto key = [&](size_t i) {
    uint64_t value = stream_key({i});
    for (const std::string& word : concepts[i]) value = stream_key({value, fnv1a64(word)});
    return value;
  };
  std::sort(of.begin(), of.end(), [&](size_t a, size_t b) { return key(a) < key(b); });
  of.resize(std::min(of.size(), std::max<size_t>(2, of.size() / kAside)));
  std::sort(of.begin(), of.end());
  return of;
}

TrainedProbe train_probe(const std::vector<Pair>& train, const std::vector<Words>& captions,
                         const std::vector<size_t>& aside, const generate::ModelCodecs& codecs,
                         const ProbeOptions& options) {
  std::vector<generate::Segment> images;
  for (const Pair& pair : train) images.push_back(pair.media);
  const at::Tensor pixels_N3SS = pixels_of(codecs, images, "decode training images");
  const at::Tensor rows = as_indices(without(all_indices(train.size()), aside));
  ContrastiveProbe probe(pixels_N3SS.index_select(0, rows), without(captions, aside), options);
  const at::Tensor features_NF = probe.encode(pixels_N3SS).features_NF;
  return {std::move(probe), aside, features_NF, thumbnails(pixels_N3SS)};
}

// What a kept probe states of itself: a damaged one would only give other figures.
std::string stored_hash(const nn::NamedTensors& tensors, std::map<std::string, std::string> metadata) {
  metadata.erase(kContent);
  std::string text = Json(metadata).dump();
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor whole = tensor.contiguous();
    text +=
        "\n" + name + " " + sha256_hex({static_cast<const char*>(whole.const_data_ptr()), whole.nbytes()});
  }
  return sha256_hex(text);
}

void write(const Path& file, const TrainedProbe& trained) {
  nn::NamedTensors tensors = {{kFeatures, trained.features_NF}, {kThumbnails, trained.thumbnails_NP}};
  std::map<std::string, std::string> metadata = {{"format", kVersion}};
  trained.probe.add_to(tensors, metadata);
  metadata[kContent] = stored_hash(tensors, metadata);
  try {
    publish_with(file, [&](const Path& made) { nn::write_tensors(made, tensors, metadata); });
  } catch (const ResourceError& error) {
    log_warning(std::string("the caption probe is not kept and will be trained again: ") + error.what());
  }
}

TrainedProbe read(const Path& file, size_t num_pairs, const std::vector<size_t>& aside) {
  std::map<std::string, std::string> metadata;
  const nn::NamedTensors tensors = nn::load_tensors(file, &metadata);
  if (metadata.contains(kContent) && metadata[kContent] != stored_hash(tensors, metadata))
    throw InputError(
        {file.string(), "the content that its metadata state", "other bytes (checksum differs)", kRemove});
  ContrastiveProbe probe(tensors, metadata, file.string());
  for (const char* name : {kFeatures, kThumbnails})
    if (!tensors.contains(name) || tensors.at(name).dim() != 2 ||
        tensors.at(name).size(0) != static_cast<int64_t>(num_pairs))
      throw InputError(
          {file.string(), "\"" + std::string(name) + "\" of all training images", "none", kRemove});
  return {std::move(probe), aside, tensors.at(kFeatures).to(torch::kFloat64), tensors.at(kThumbnails)};
}

}  // namespace

at::Tensor pixels_of(const generate::ModelCodecs& codecs, const std::vector<generate::Segment>& images,
                     const std::string& label) {
  std::unique_ptr<Progress> progress;
  if (images.size() >= kShownFrom) progress = std::make_unique<Progress>(label, "images", images.size());
  std::vector<at::Tensor> pixels;
  for (size_t first = 0; first < images.size(); first += kDecodedTogether) {
    std::vector<codecs::CodedItem> items;
    for (size_t i = first; i < std::min(images.size(), first + kDecodedTogether); ++i)
      items.push_back(codecs.item_of(images[i]));
    for (const codecs::Media& media : codecs.set().media(images.front().modality).decode_items(items))
      pixels.push_back(codecs::to_tensor(std::get<formats::Image>(media)));
    if (progress) progress->update(pixels.size());
  }
  return torch::stack(pixels);
}

std::vector<Words> concepts_of(const std::vector<Pair>& pairs, const std::vector<Words>& captions) {
  std::map<std::string, size_t> num_pairs;
  std::map<std::pair<std::string, std::string>, size_t> num_captions;  // by source and word
  for (size_t i = 0; i < pairs.size(); ++i) {
    ++num_pairs[pairs[i].source];
    for (const std::string& word : captions[i]) ++num_captions[{pairs[i].source, word}];
  }
  std::vector<Words> concepts;
  for (size_t i = 0; i < pairs.size(); ++i) {
    Words& concept_words = concepts.emplace_back();
    for (const std::string& word : captions[i])
      if (2 * num_captions[{pairs[i].source, word}] <= num_pairs[pairs[i].source])
        concept_words.push_back(word);
    std::sort(concept_words.begin(), concept_words.end());
  }
  return concepts;
}

std::vector<size_t> set_aside(const std::vector<Words>& concepts) {
  std::map<Words, size_t> num_images;
  for (const Words& words : concepts) ++num_images[words];
  std::vector<size_t> shared;
  for (size_t i = 0; i < concepts.size(); ++i)
    if (num_images[concepts[i]] > 1) shared.push_back(i);
  std::vector<size_t> aside = a_tenth(std::move(shared), concepts);
  return aside.size() >= kFewAside ? aside : a_tenth(all_indices(concepts.size()), concepts);
}

TrainedProbe probe_of(const Path& folder, const std::vector<Pair>& train, const generate::ModelCodecs& codecs,
                      const ProbeOptions& options) {
  const std::vector<Words> captions = words_of_captions(train, codecs);
  const std::vector<size_t> aside = set_aside(concepts_of(train, captions));
  const std::string hash = hash_of(train, captions, codecs, options);
  const Path file = folder / ("caption-probe-" + hash.substr(0, 16) + ".safetensors");
  if (std::filesystem::exists(file)) return read(file, train.size(), aside);
  TrainedProbe trained = train_probe(train, captions, aside, codecs, options);
  write(file, trained);
  return trained;
}

}  // namespace mom::quality
