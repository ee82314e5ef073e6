#include "mom/codecs/training_pictures.h"

#include <torch/types.h>

#include <cmath>
#include <cstdio>

#include "mom/base/error.h"
#include "mom/base/rounding.h"
#include "mom/formats/image_file.h"

namespace mom::codecs {
namespace {

constexpr int64_t kGridColumns = 12, kGridPictures = 24;

// Pairs of rows: originals, and below them their reconstructions; at most 24 pictures, twelve a row.
void write_grid(const Path& path, const at::Tensor& originals, const at::Tensor& reconstructions) {
  const int64_t count = std::min(kGridPictures, originals.size(0)), side = originals.size(2);
  const int64_t rows = 2 * ceil_div(count, kGridColumns);
  at::Tensor grid = torch::full({rows * side, kGridColumns * side, 3}, 255, at::kByte);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t top = 2 * (i / kGridColumns) * side, left = i % kGridColumns * side;
    grid.slice(0, top, top + side).slice(1, left, left + side).copy_(originals[i].permute({1, 2, 0}));
    grid.slice(0, top + side, top + 2 * side)
        .slice(1, left, left + side)
        .copy_(reconstructions[i].permute({1, 2, 0}));
  }
  const uint8_t* pixels = grid.const_data_ptr<uint8_t>();
  publish_file(path,
               formats::encode_png({kGridColumns * side, rows * side, 3, {pixels, pixels + grid.numel()}}));
}

}  // namespace

void require_training_pictures(const TrainingPictures& pictures, std::string_view codec) {
  if (!pictures.train_views.empty() && pictures.train_views[0].size(0) > 0) return;
  throw UserError(std::string(codec) +
                  ": expected training pictures, found none in split \"train\"; import some pictures");
}

at::Tensor PictureOrder::next(int64_t count) {
  std::vector<at::Tensor> chosen;
  for (int64_t i = 0; i < count; ++i) {
    if (at_ == order_.size()) draw_order();
    const size_t view = static_cast<size_t>(
        torch::randint(static_cast<int64_t>(pictures_.train_views.size()), {1}).item<int64_t>());
    chosen.push_back(pictures_.train_views[view][order_[at_++]]);
  }
  return torch::stack(chosen);
}

void PictureOrder::draw_order() {
  const at::Tensor order = torch::randperm(pictures_.train_views[0].size(0));
  order_.assign(order.const_data_ptr<int64_t>(), order.const_data_ptr<int64_t>() + order.numel());
  at_ = 0;
}

at::Tensor psnr_db(const at::Tensor& images_NCHW, const at::Tensor& others_NCHW) {
  const at::Tensor error = (images_NCHW.to(at::kDouble) - others_NCHW.to(at::kDouble)) / 255;
  return (-10 * torch::log10(error.square().mean({1, 2, 3}))).clamp_max(99);
}

double mse_of_bytes(double mse_of_pixels) { return mse_of_pixels / 4; }  // [-1, 1] spans 2

std::string psnr_words(double mse) {
  char words[48];
  std::snprintf(words, sizeof words, "PSNR %.1f dB", -10 * std::log10(std::max(mse, 1e-10)));
  return words;
}

Json picture_report(const Path& folder, const TrainingPictures& pictures,
                    const std::function<at::Tensor(const at::Tensor& images_NCHW)>& there_and_back) {
  const int64_t num_validation = pictures.validation.size(0);
  Json report = {{"train_pictures", pictures.train_views[0].size(0)},
                 {"validation_pictures", num_validation}};
  const at::Tensor originals =
      num_validation > 0 ? pictures.validation : pictures.train_views[0].slice(0, 0, kGridPictures);
  const at::Tensor reconstructions = there_and_back(originals);
  std::filesystem::create_directory(folder / "report");
  write_grid(folder / "report" / "reconstructions.png", originals, reconstructions);
  if (num_validation > 0) {
    const at::Tensor error = (originals.to(at::kDouble) - reconstructions.to(at::kDouble)) / 255;
    report["validation_psnr_db"] = psnr_db(originals, reconstructions).mean().item<double>();
    report["validation_mse"] = error.square().mean().item<double>();
  }
  return report;
}

}  // namespace mom::codecs
