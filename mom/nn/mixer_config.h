// The one description of a mixer: a struct that derives from MixerConfig, beside the mixer it builds. From its
// describe() follow the keys of a recipe's [model], those of config.json, their ranges, help and docs; from make() the
// network. No torch here.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mom/config/fwd.h"

namespace mom::nn {

class Mixer;

// What a block knows of the network it stands in.
struct Trunk {
  int64_t d_model = 0, num_blocks = 1;
  double norm_epsilon = 1e-5;
  std::vector<std::string> modalities;
  std::set<std::string> decoupled;  // parts with their own weights per modality: names of projections, "norm"
  bool adaptive_norm = false;       // of latents (item_condition.h)
  bool random_sets = false;         // own weights are of random sets of tokens, not of modalities (routing.h)
  int64_t turn = 0;                 // how many of the blocks before have the same mixer
  // The modalities where `part` is decoupled, else none.
  std::vector<std::string> owners_of(const std::string& part) const {
    return decoupled.contains(part) ? modalities : std::vector<std::string>();
  }
};

struct MixerConfig {
  virtual ~MixerConfig() = default;
  virtual std::unique_ptr<MixerConfig> clone() const = 0;
  // Mixers that read one key describe it alike: the recipe's value goes to all of them.
  virtual void describe(config::Table& table) = 0;
  // Fills in what was left to the width (0 in a recipe, absent in a file).
  virtual void resolve(int64_t /*d_model*/) {}
  // What is wrong with numbers that concern each other ("heads: expected ..."); empty: nothing.
  virtual std::string problem(int64_t /*d_model*/) const { return ""; }
  // What is wrong with them in a network that knows no latents; empty: nothing.
  virtual std::string problem_without_latents() const { return ""; }
  // Whether sequences may be cut into stretches that are computed apart (relay.h).
  virtual bool can_be_cut() const { return false; }
  virtual std::shared_ptr<Mixer> make(const Trunk& trunk) const = 0;
};

// The two functions that every config writes alike.
template <class Config, class MixerImpl>
struct MixerConfigOf : MixerConfig {
  std::unique_ptr<MixerConfig> clone() const override {
    return std::make_unique<Config>(static_cast<const Config&>(*this));
  }
  std::shared_ptr<Mixer> make(const Trunk& trunk) const override {
    return std::make_shared<MixerImpl>(static_cast<const Config&>(*this), trunk);
  }
};

struct MixerKind {
  std::string name;
  std::unique_ptr<MixerConfig> (*make_config)();  // with its defaults
};
template <class Config>
MixerKind mixer_kind() {
  return {Config::kKind, []() -> std::unique_ptr<MixerConfig> { return std::make_unique<Config>(); }};
}

// All kinds there are: the table in block.cpp, and what was registered. A program with a mixer of its own registers it
// once, before it reads or makes a model.
const std::vector<MixerKind>& mixer_kinds();
void register_mixer(const MixerKind& kind);

// A config of every kind; a copy has its own.
class MixerConfigs {
 public:
  MixerConfigs();
  MixerConfigs(const MixerConfigs& other);
  MixerConfigs& operator=(const MixerConfigs& other);
  MixerConfigs(MixerConfigs&&) = default;
  MixerConfigs& operator=(MixerConfigs&&) = default;

  MixerConfig& at(std::string_view kind) const;
  template <class Config>
  Config& get() {
    return static_cast<Config&>(at(Config::kKind));
  }
  template <class Config>
  const Config& get() const {
    return static_cast<const Config&>(at(Config::kKind));
  }

 private:
  std::vector<std::unique_ptr<MixerConfig>> configs_;  // in the order of mixer_kinds()
};

}  // namespace mom::nn
