// The speech codec at the quickstart's size, with untrained weights: a minute of sound to codes.
#include <ATen/Parallel.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <memory>

#include "bench/bench.h"
#include "mom/base/error.h"
#include "mom/base/random.h"
#include "mom/codecs/speech_codec.h"
#include "mom/codecs/speech_train.h"

namespace mom::bench {
namespace {

constexpr double kSoundSeconds = 60;

std::vector<float> noise(double seconds) {
  RandomStream random(stream_key({fnv1a64("speech bench")}));
  std::vector<float> samples(static_cast<size_t>(seconds * 16'000));
  for (float& sample : samples) sample = static_cast<float>(0.1 * random.normal());
  return samples;
}

// A codec folder that exists while it is read.
std::unique_ptr<codecs::SpeechCodec> untrained_speech_codec() {
  const Path folder = std::filesystem::temp_directory_path() / ("mom-bench-" + std::to_string(::getpid()));
  codecs::SpeechConfig config;
  config.steps = 1;
  codecs::train_speech_codec(config, {{noise(2)}, {}}, folder, /*replace=*/true);
  auto codec = std::make_unique<codecs::SpeechCodec>(folder);
  std::filesystem::remove_all(folder);
  return codec;
}

Bench make_speech() {
  const std::shared_ptr<codecs::SpeechCodec> codec = untrained_speech_codec();
  auto sound = std::make_shared<std::vector<float>>(noise(kSoundSeconds));
  Bench bench;
  bench.name = "encode_speech";
  bench.shape = "60 s of 16 kHz, 25 codes/s";
  bench.work.tokens = kSoundSeconds * 25;
  bench.check = [=] {
    const int threads = at::get_num_threads();
    const auto codes = codec->encode(*sound).codes;
    at::set_num_threads(1);
    const auto again = codec->encode(*sound).codes;
    at::set_num_threads(threads);
    if (codes != again)
      throw Error(ExitCode::kInternal, "encode_speech: codes depend on the number of threads");
  };
  bench.run = [=] { codec->encode(*sound); };
  return bench;
}

}  // namespace

void register_speech_benches() {
  Register("encode_speech", "speech to codes; 25 tokens/s is real time", make_speech);
}

}  // namespace mom::bench
