#include "mom/modality/presets.h"

#include <algorithm>

#include "mom/modality/special_tokens.h"

namespace mom::modality {
namespace {

// Transfusion has Llama 2's vocabulary. Chameleon's 65,536 ids hold its 8,192 image codes; how three
// modalities share as many is not published. Speech: DinoSR's 500 codes (docs/decisions).
constexpr int64_t kTransfusionText = 32'000, kJointIds = 65'536, kImageCodes = 8'192, kSpeechCodes = 500,
                  kCodesPerImage = 1'024;

Preset transfusion() {
  Preset preset{"transfusion", {}, {"text", "image_vae"}};
  preset.vocabulary.add(Modality::tokens("text"), kTransfusionText);
  preset.vocabulary.add(Modality::latents("image", special::kImageBrackets, {8, 32, 32}), 0);
  return preset;
}

Preset chameleon() {
  Preset preset{"chameleon", {}, {"text", "vq_image"}};
  preset.vocabulary.add(Modality::tokens("text"), kJointIds - kImageCodes);
  preset.vocabulary.add(Modality::codes("image", special::kImageBrackets, kCodesPerImage), kImageCodes);
  return preset;
}

Preset three_modality() {
  Preset preset{"three_modality", {}, {"text", "vq_image", "speech"}};
  preset.vocabulary.add(Modality::tokens("text"), kJointIds - kImageCodes - kSpeechCodes);
  preset.vocabulary.add(Modality::codes("image", special::kImageBrackets, kCodesPerImage), kImageCodes);
  preset.vocabulary.add(Modality::codes("speech", special::kSpeechBrackets, 0), kSpeechCodes);
  return preset;
}

}  // namespace

TrainedSum trained_sum(std::string_view setting, double latent_weight) {
  if (setting == kCustomSetting) return {0, "", "", {}, /*known=*/false};
  const Preset* preset = find_preset(setting);
  if (!preset || !preset->has_latents()) return {};
  const std::string& latents = preset->vocabulary.latents()->name;
  return {latent_weight, preset->vocabulary.text()->name, latents, {latents}, true};
}

TrainedSum trained_sum(std::string_view setting, double latent_weight, const Json& table) {
  TrainedSum sum = trained_sum(setting, latent_weight);
  if (!table.is_object()) return sum;
  const Preset* preset = find_preset(setting);
  if (preset && table.size() == preset->vocabulary.modalities().size()) return sum;
  TrainedSum own;
  for (const auto& [name, modality] : table.items())
    if (modality.is_object() &&
        modality.value("representation", Json()) == to_string(Representation::kLatents))
      own.continuous.insert(name);
  return own;
}

const std::vector<Preset>& presets() {
  static const std::vector<Preset> table = {
      transfusion(), chameleon(), three_modality(), {kCustomSetting, {}, {}}};
  return table;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.push_back(preset.name);
  return names;
}

const Preset* find_preset(std::string_view name) {
  const auto found = std::find_if(presets().begin(), presets().end(),
                                  [&](const Preset& preset) { return preset.name == name; });
  return found == presets().end() ? nullptr : &*found;
}

}  // namespace mom::modality
