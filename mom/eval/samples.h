// Samples people can judge, of validation documents: what a model makes of them in one step. The same documents, noise and
// timesteps for every run on the same data.
#pragma once

#include "mom/codecs/codec_set.h"
#include "mom/codecs/item_files.h"
#include "mom/data/packer.h"
#include "mom/data/shard.h"
#include "mom/models/objective.h"
#include "mom/train/recipe.h"

namespace mom::eval {

struct Sampled {
  models::ModelImpl& model;
  const models::Objective& objective;
  const data::EncodedDataset& dataset;
  const train::Recipe& recipe;
  const codecs::CodecSet& codecs;
  int64_t count = 8;  // of each modality
  codecs::Decoding decoding;
};

// Writes RUN/samples:
//   denoised.json    items of latents: original, noised, and the clean latent predicted from it in one step, caption first
//   predicted.json   items of codes: original, and every code the likeliest one after the true positions before it
// both {"step", "items"}, and the files they name. Of a codec from outside these are arrays (under "arrays"), and what its
// command decodes them to where that may be run.
void write_samples(const Path& run, const Sampled& of, int64_t step);

// The parts: items of one modality, their files in `folder`.
void add_denoised(OrderedJson& items, const Sampled& of, const modality::Modality& latents,
                  const Path& folder);
void add_predicted(OrderedJson& items, const Sampled& of, const modality::Modality& codes,
                   const Path& folder);

// One validation document that holds one item of the modality.
struct SampledDocument {
  size_t number;  // within its source
  data::LaidOut document;
  std::string caption;
  data::Batch batch;
};
// Evenly spread over each source that has any.
std::vector<SampledDocument> documents_with_one(const Sampled& of, const modality::Modality& modality);
// A batch with its latents clean, at timestep 0.
models::NoisedInput clean_input(const data::Batch& batch, const Sampled& of);
// Adds the file of `kind` ("original") to what is said of an item.
void add_file(OrderedJson& item, const std::string& kind, const std::string& stem, const codecs::Media& media,
              const Sampled& of, const Path& folder);

}  // namespace mom::eval
