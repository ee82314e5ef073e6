// The VQ image codec at the quickstart's size, with untrained weights: images to codes.
#include <torch/types.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "bench/bench.h"
#include "mom/base/error.h"
#include "mom/codecs/image_vq.h"
#include "mom/codecs/image_vq_train.h"

namespace mom::bench {
namespace {

constexpr int64_t kPictures = 64;

// A codec folder that exists while it is read.
std::unique_ptr<codecs::ImageVq> untrained_image_codec(const at::Tensor& images_NCHW) {
  const Path folder = std::filesystem::temp_directory_path() / ("mom-bench-" + std::to_string(::getpid()));
  codecs::ImageVqConfig config;
  config.steps = 1;
  codecs::train_image_vq(config, {{images_NCHW}, images_NCHW.slice(0, 0, 0)}, folder, /*replace=*/true);
  auto codec = std::make_unique<codecs::ImageVq>(folder);
  std::filesystem::remove_all(folder);
  return codec;
}

Bench make_images() {
  at::manual_seed(1);
  const at::Tensor images = torch::randint(0, 256, {kPictures, 3, 64, 64}, at::kByte);
  const std::shared_ptr<codecs::ImageVq> codec = untrained_image_codec(images);
  Bench bench;
  bench.name = "encode_pictures";
  bench.shape = "64 of 64x64 px, " + std::to_string(codec->codes_per_image()) + " codes each";
  bench.work.tokens = static_cast<double>(kPictures * codec->codes_per_image());
  bench.check = [=] {
    const at::Tensor codes = codec->encode(images);
    for (int64_t i = 0; i < kPictures; i += 21) {
      if (!codec->encode(images.slice(0, i, i + 1))[0].equal(codes[i]))
        throw Error(ExitCode::kInternal, "encode_pictures: codes depend on other images in the batch");
    }
  };
  bench.run = [=] { codec->encode(images); };
  return bench;
}

}  // namespace

void register_image_benches() {
  Register("encode_pictures", "images to codes; 64 tokens per image", make_images);
}

}  // namespace mom::bench
