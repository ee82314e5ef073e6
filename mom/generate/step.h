// One step of many sequences: each is fed a block of any length, tokens and pictures mixed, as one ragged
// batch of the packed layout. S sequences, V vocabulary, I pictures in all, C x H x W latents.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "mom/generate/decode_state.h"
#include "mom/ops/rowwise.h"

namespace mom::generate {

inline constexpr int32_t kPicture = -1;  // in the place of an id: a picture as latents, the next of its list

struct Picture {
  at::Tensor latent_CHW;  // f32
  int64_t timestep = 0;   // how noisy it is; 0: clean
  size_t latents = 0;     // the number of its modality (modality::Vocabulary::continuous)
  // The same tensor, not only equal numbers.
  bool operator==(const Picture& other) const {
    return latent_CHW.is_same(other.latent_CHW) && timestep == other.timestep && latents == other.latents;
  }
};

// What one sequence is fed. Ids of the joint vocabulary.
struct Feed {
  std::vector<int32_t> tokens;
  std::vector<Picture> pictures;  // one per kPicture

  bool operator==(const Feed&) const = default;
  bool empty() const { return tokens.empty(); }
  void append(int32_t token) { tokens.push_back(token); }
  void append(Picture picture) {
    tokens.push_back(kPicture);
    pictures.push_back(std::move(picture));
  }
  void append(const Feed& other) {
    tokens.insert(tokens.end(), other.tokens.begin(), other.tokens.end());
    pictures.insert(pictures.end(), other.pictures.begin(), other.pictures.end());
  }
};

struct StepOutput {
  at::Tensor logits_SV;  // after each sequence's last position; undefined where all feeds end in pictures
  // Noise or velocity predicted for each picture, [C, H, W], in the order of feeds.
  std::vector<at::Tensor> predicted;
};

// The modality of a picture.
const modality::Modality& modality_of(const models::ModelSpec& spec, const Picture& picture);
// Tokens and patches.
int64_t positions_of(const Feed& feed, const models::ModelSpec& spec);

// The feeds one after another, each a sequence of its own.
models::ModelInput packed(const models::ModelSpec& spec, const std::vector<Feed>& feeds_S);

// Advances `state`. Feeds are not empty. Precision: f32. No gradients. A sequence's numbers have the same bits whatever
// others there are beside it (ops/rowwise.h); `weights`: of the model's parameters.
StepOutput step(models::ModelImpl& model, DecodeState& state, const std::vector<Feed>& feeds_S,
                const ops::PackedWeights& weights);

}  // namespace mom::generate
