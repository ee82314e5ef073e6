// A modality: what one kind of segment of a document is to the model. Made from a codec when data is encoded
// (codecs/codec.h), stored with the data and with every model trained on it (vocabulary.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mom::modality {

// The name of text in documents, and of all that a plain language model knows.
inline constexpr const char* kTextName = "text";

// What stands at a position of the modality.
enum class Representation {
  kTokens,   // text: a piece of the tokenizer. The specials (special_tokens.h) are among its ids
  kCodes,    // a number below the size of a codebook, moved to the modality's ids
  kLatents,  // no id: a patch of a continuous tensor [C, H, W]
};
std::string to_string(Representation representation);  // "tokens", "codes", "latents"
std::optional<Representation> parse_representation(std::string_view text);

// What is learned at a position; it follows from the representation.
enum class Loss {
  kNextToken,  // nats per token, one softmax over all ids
  kNoise,      // mean squared error of the noise that was added to the latents
};

// The tokens around an item.
struct Brackets {
  int32_t open = 0, close = 0;
  bool operator==(const Brackets&) const = default;
};

// A codec that older files do not describe knows the length of its items, which all have the same.
inline constexpr int64_t kUnknownLength = -1;
inline constexpr int64_t kDefaultPatchSize = 2;

struct Modality {
  std::string name;
  Representation representation = Representation::kTokens;
  int64_t begin = 0, end = 0;  // its ids [begin, end) in the joint vocabulary; none for latents
  std::optional<Brackets>
      brackets;                // none for tokens, and of a codec from outside by itself (codecs/codec_set.h)
  int64_t codes_per_item = 0;  // of codes; 0: an item has any number of them
  std::vector<int64_t> latent_shape;  // of latents: [C, H, W] ...
  int64_t patch_size = 0;             // ... and latent pixels per side of a patch
  double loss_weight = 1;  // in the sum that is trained; the objective says it (models/objective.h)

  static Modality tokens(std::string name);
  static Modality codes(std::string name, Brackets brackets, int64_t codes_per_item);
  static Modality latents(std::string name, Brackets brackets, std::vector<int64_t> shape,
                          int64_t patch_size = kDefaultPatchSize);

  int64_t num_ids() const { return end - begin; }
  bool contains(int64_t token) const { return begin <= token && token < end; }
  bool is_text() const { return representation == Representation::kTokens; }
  bool is_continuous() const { return representation == Representation::kLatents; }
  Loss loss() const { return is_continuous() ? Loss::kNoise : Loss::kNextToken; }
  // Positions of an item between its brackets; 0: any number; kUnknownLength: one number, which is not known.
  int64_t positions_per_item() const;
  // Of latents: rows and columns of patches; they stand row by row.
  struct PatchGrid {
    int64_t rows, columns;
  };
  PatchGrid patch_grid() const { return {latent_shape[1] / patch_size, latent_shape[2] / patch_size}; }
  // Items of one length are whole: never cut, and guided while they are generated.
  bool has_fixed_length() const { return positions_per_item() != 0; }
  int64_t patch_width() const { return latent_shape.empty() ? 0 : latent_shape[0] * patch_size * patch_size; }
  bool operator==(const Modality&) const = default;
};

}  // namespace mom::modality
