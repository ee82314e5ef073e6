// TensorBoard event files (TFRecord framing with masked crc32c, Event protobuf written by hand): scalars.
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
  void flush();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

uint32_t crc32c(std::string_view bytes);

}  // namespace mom::formats
