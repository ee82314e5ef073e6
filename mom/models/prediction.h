// What the network says of a noised latent x = sqrt(a) clean + sqrt(1 - a) noise, where a is what is left of the signal
// (diffusion.h). No torch here.
//   noise      the noise (Ho et al. 2020, arXiv 2006.11239); what the papers of the backbones do
//   velocity   sqrt(a) noise - sqrt(1 - a) clean (Salimans & Ho 2022, arXiv 2202.00512, appendix D)
#pragma once

#include <string>
#include <vector>

namespace mom::models {

enum class Prediction { kNoise, kVelocity };

inline std::vector<std::string> prediction_names() { return {"noise", "velocity"}; }  // in the enum's order
inline std::string to_string(Prediction prediction) {
  return prediction_names()[static_cast<size_t>(prediction)];
}
// `name`: one of prediction_names().
inline Prediction parse_prediction(const std::string& name) {
  return name == prediction_names()[1] ? Prediction::kVelocity : Prediction::kNoise;
}

}  // namespace mom::models
