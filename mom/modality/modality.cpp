#include "mom/modality/modality.h"

#include <array>

namespace mom::modality {
namespace {

constexpr std::array<const char*, 3> kNames = {"tokens", "codes", "latents"};

}  // namespace

std::string to_string(Representation representation) { return kNames[static_cast<size_t>(representation)]; }

std::optional<Representation> parse_representation(std::string_view text) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (text == kNames[i]) return static_cast<Representation>(i);
  return std::nullopt;
}

Modality Modality::tokens(std::string name) {
  Modality modality;
  modality.name = std::move(name);
  return modality;
}

Modality Modality::codes(std::string name, Brackets brackets, int64_t codes_per_item) {
  Modality modality = tokens(std::move(name));
  modality.representation = Representation::kCodes;
  modality.brackets = brackets;
  modality.codes_per_item = codes_per_item;
  return modality;
}

Modality Modality::latents(std::string name, Brackets brackets, std::vector<int64_t> shape,
                           int64_t patch_size) {
  Modality modality = tokens(std::move(name));
  modality.representation = Representation::kLatents;
  modality.brackets = brackets;
  modality.latent_shape = std::move(shape);
  modality.patch_size = patch_size;
  return modality;
}

int64_t Modality::positions_per_item() const {
  if (!is_continuous()) return codes_per_item;
  const auto [rows, columns] = patch_grid();
  return rows * columns;
}

}  // namespace mom::modality
