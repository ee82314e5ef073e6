// What trainings of image codecs share: the pictures, the order they are shown in, and the report.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::codecs {

// Pictures are u8 [N, 3, S, S]; each of the K views holds the same N pictures, view 0 as they are, the others
// slightly shifted and scaled.
struct TrainingPictures {
  std::vector<at::Tensor> train_views;  // K of [N, 3, S, S]
  at::Tensor validation;                // [M, 3, S, S], may have no rows
};

// UserError when there are none to train on; `codec` names what was to be trained.
void require_training_pictures(const TrainingPictures& pictures, std::string_view codec);

// Every picture once an epoch in a drawn order, each time in a drawn view (torch's generator).
class PictureOrder {
 public:
  explicit PictureOrder(const TrainingPictures& pictures) : pictures_(pictures) {}
  at::Tensor next(int64_t count);  // u8 [count, 3, S, S]

 private:
  void draw_order();

  const TrainingPictures& pictures_;
  std::vector<int64_t> order_;
  size_t at_ = 0;
};

// Peak signal-to-noise ratio of each picture in dB, u8 against u8, [N]; equal pictures count as 99 dB.
at::Tensor psnr_db(const at::Tensor& images_NCHW, const at::Tensor& others_NCHW);
// The mean squared error of pixels in [0, 1] from that of pixels in [-1, 1]; and its PSNR in words, for progress.
double mse_of_bytes(double mse_of_pixels);
std::string psnr_words(double mse);

// Puts validation pictures through the codec (48 of training where there are none), writes
// FOLDER/report/reconstructions.png and returns {"train_pictures": n, "validation_pictures": m,
// "validation_psnr_db": mean over pictures, "validation_mse": of pixels in [0, 1]}.
Json picture_report(const Path& folder, const TrainingPictures& pictures,
                    const std::function<at::Tensor(const at::Tensor& images_NCHW)>& there_and_back);

}  // namespace mom::codecs
