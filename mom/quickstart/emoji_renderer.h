// Draws emoji with a colour bitmap font: HarfBuzz finds the one glyph of a sequence, FreeType renders it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "mom/base/files.h"
#include "mom/formats/image_file.h"

namespace mom::quickstart {

class EmojiRenderer {
 public:
  explicit EmojiRenderer(const Path& font);  // InputError: not a font with colour bitmaps
  ~EmojiRenderer();
  EmojiRenderer(const EmojiRenderer&) = delete;
  EmojiRenderer& operator=(const EmojiRenderer&) = delete;
  // The font's own bitmap as RGBA with straight alpha (Noto: 136 x 128); nothing when the font has no single
  // glyph for it.
  std::optional<formats::Image> render(const std::vector<char32_t>& code_points);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mom::quickstart
