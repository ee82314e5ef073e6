#include "mom/quickstart/emoji_renderer.h"

#include <ft2build.h>
#include FT_FREETYPE_H
#include <hb-ft.h>
#include <hb.h>

#include <algorithm>

#include "mom/base/error.h"

namespace mom::quickstart {

struct EmojiRenderer::State {
  FT_Library library = nullptr;
  FT_Face face = nullptr;
  hb_font_t* font = nullptr;
  ~State() {
    if (font != nullptr) hb_font_destroy(font);
    if (face != nullptr) FT_Done_Face(face);
    if (library != nullptr) FT_Done_FreeType(library);
  }
};

namespace {

// FreeType's BGRA is premultiplied by alpha.
formats::Image straight_rgba(const FT_Bitmap& bitmap) {
  formats::Image image{.width = bitmap.width, .height = bitmap.rows, .channels = 4, .pixels = {}};
  image.pixels.resize(static_cast<size_t>(image.width * image.height * 4));
  uint8_t* out = image.pixels.data();
  for (unsigned y = 0; y < bitmap.rows; ++y) {
    const uint8_t* in = bitmap.buffer + static_cast<ptrdiff_t>(y) * bitmap.pitch;
    for (unsigned x = 0; x < bitmap.width; ++x, in += 4, out += 4) {
      unsigned alpha = in[3];
      auto straight = [&](unsigned value) {
        return static_cast<uint8_t>(alpha == 0 ? 0 : std::min(255u, (value * 255 + alpha / 2) / alpha));
      };
      out[0] = straight(in[2]), out[1] = straight(in[1]), out[2] = straight(in[0]), out[3] = in[3];
    }
  }
  return image;
}

// The glyph of the whole sequence, or 0 when it takes none or several.
hb_codepoint_t shape(hb_font_t* font, const std::vector<char32_t>& code_points) {
  std::unique_ptr<hb_buffer_t, decltype(&hb_buffer_destroy)> buffer(hb_buffer_create(), &hb_buffer_destroy);
  std::vector<uint32_t> text(code_points.begin(), code_points.end());
  int length = static_cast<int>(text.size());
  hb_buffer_add_utf32(buffer.get(), text.data(), length, 0, length);
  hb_buffer_guess_segment_properties(buffer.get());
  hb_shape(font, buffer.get(), nullptr, 0);
  unsigned count = 0;
  const hb_glyph_info_t* glyphs = hb_buffer_get_glyph_infos(buffer.get(), &count);
  return count == 1 ? glyphs[0].codepoint : 0;
}

}  // namespace

EmojiRenderer::EmojiRenderer(const Path& font) : state_(std::make_unique<State>()) {
  if (FT_Init_FreeType(&state_->library) != 0)
    throw ResourceError("FreeType cannot be started: out of memory");
  bool usable = FT_New_Face(state_->library, font.c_str(), 0, &state_->face) == 0 &&
                FT_HAS_COLOR(state_->face) && state_->face->num_fixed_sizes > 0 &&
                FT_Select_Size(state_->face, 0) == 0;
  if (!usable)
    throw InputError({font.string(), "a font with colour bitmaps", "a file FreeType cannot use as one",
                      "reinstall the package fonts-noto-color-emoji"});
  state_->font = hb_ft_font_create_referenced(state_->face);
}

EmojiRenderer::~EmojiRenderer() = default;

std::optional<formats::Image> EmojiRenderer::render(const std::vector<char32_t>& code_points) {
  hb_codepoint_t glyph = shape(state_->font, code_points);
  if (glyph == 0 || FT_Load_Glyph(state_->face, glyph, FT_LOAD_COLOR) != 0) return std::nullopt;
  const FT_Bitmap& bitmap = state_->face->glyph->bitmap;
  if (bitmap.pixel_mode != FT_PIXEL_MODE_BGRA || bitmap.width == 0 || bitmap.rows == 0) return std::nullopt;
  return straight_rgba(bitmap);
}

}  // namespace mom::quickstart
