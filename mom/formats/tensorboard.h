// TensorBoard event files (TFRecord framing with masked crc32c, Event protobuf written by hand): scalars,
// text and PNG images.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "mom/base/files.h"

namespace mom::formats {

class TensorboardWriter {
 public:
  // Creates events.out.tfevents.<unix seconds>.<host> in `folder`. A resumed run adds a new file.
  explicit TensorboardWriter(const Path& folder);
  ~TensorboardWriter();
  TensorboardWriter(const TensorboardWriter&) = delete;
  TensorboardWriter& operator=(const TensorboardWriter&) = delete;
  void scalar(std::string_view tag, int64_t step, double value);
  void png(std::string_view tag, int64_t step, int64_t width, int64_t height, std::string_view png_bytes);
  void text(std::string_view tag, int64_t step, std::string_view markdown);
  void flush();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

uint32_t crc32c(std::string_view bytes);

}  // namespace mom::formats
