#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "mom/base/error.h"
#include "mom/formats/image_decoders.h"

namespace mom::formats {
namespace {

struct GifSource {
  Bytes bytes;
  size_t used = 0;
};

int read_gif_bytes(GifFileType* gif, GifByteType* target, int size) {
  auto* source = static_cast<GifSource*>(gif->UserData);
  const size_t count = std::min(static_cast<size_t>(std::max(size, 0)), source->bytes.size() - source->used);
  if (count > 0) std::memcpy(target, source->bytes.data() + source->used, count);
  source->used += count;
  return static_cast<int>(count);
}

struct CloseGif {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};

class GifReader {
 public:
  GifReader(Bytes bytes, std::string_view where) : source_{bytes}, where_(where) {
    int error = 0;
    gif_.reset(DGifOpen(&source_, read_gif_bytes, &error));
    if (!gif_) fail(error);
  }

  StoredImage first_frame(const ImageLimits& limits) {
    if (!find_frame()) fail_image(where_, "a GIF with an image", "none in it");
    check(DGifGetImageDesc(gif_.get()));
    StoredImage stored;
    stored.image = read_frame(limits);
    stored.animated = has_another_frame();
    return stored;
  }

 private:
  [[noreturn]] void fail(int error) const {
    const char* reason = GifErrorString(error);
    fail_image(where_, "a whole GIF", reason ? reason : "a damaged one");
  }
  void check(int result) const {
    if (result != GIF_OK) fail(gif_->Error);
  }

  // Goes on to the next frame, and keeps what the extensions before it say; false at the end.
  bool find_frame() {
    for (;;) {
      GifRecordType type;
      check(DGifGetRecordType(gif_.get(), &type));
      if (type == IMAGE_DESC_RECORD_TYPE) return true;
      if (type == TERMINATE_RECORD_TYPE) return false;
      int code = 0;
      GifByteType* block = nullptr;
      check(DGifGetExtension(gif_.get(), &code, &block));
      for (; block; check(DGifGetExtensionNext(gif_.get(), &block)))
        if (code == GRAPHICS_EXT_FUNC_CODE) DGifExtensionToGCB(block[0], block + 1, &control_);
    }
  }

  // What follows a whole frame is not used, so damage there is none of ours.
  bool has_another_frame() {
    try {
      return find_frame();
    } catch (const InputError&) {
      return false;
    }
  }

  // The canvas with the frame on it; what the frame leaves uncovered is transparent.
  Image read_frame(const ImageLimits& limits) {
    const GifImageDesc& frame = gif_->Image;
    const ColorMapObject* palette = frame.ColorMap ? frame.ColorMap : gif_->SColorMap;
    if (!palette) fail_image(where_, "a GIF with a table of colours", "none");
    make_image(frame.Width, frame.Height, 0, where_, limits);
    const int64_t width = std::max(gif_->SWidth, frame.Left + frame.Width);
    const int64_t height = std::max(gif_->SHeight, frame.Top + frame.Height);
    const bool opaque =
        control_.TransparentColor == NO_TRANSPARENT_COLOR && width == frame.Width && height == frame.Height;
    Image image = make_image(width, height, opaque ? 3 : 4, where_, limits);
    std::vector<GifPixelType> line(static_cast<size_t>(frame.Width));
    for (const int row : rows_in_file_order(frame)) {
      check(DGifGetLine(gif_.get(), line.data(), frame.Width));
      uint8_t* pixel = image.pixels.data() + ((frame.Top + row) * width + frame.Left) * image.channels;
      for (const GifPixelType index : line) {
        const GifColorType colour = index < palette->ColorCount ? palette->Colors[index] : GifColorType{};
        pixel[0] = colour.Red, pixel[1] = colour.Green, pixel[2] = colour.Blue;
        if (!opaque) pixel[3] = index == control_.TransparentColor ? 0 : 255;
        pixel += image.channels;
      }
    }
    return image;
  }

  static std::vector<int> rows_in_file_order(const GifImageDesc& frame) {
    std::vector<int> rows;
    const auto add = [&](int first, int step) {
      for (int row = first; row < frame.Height; row += step) rows.push_back(row);
    };
    if (frame.Interlace) {
      add(0, 8), add(4, 8), add(2, 4), add(1, 2);
    } else {
      add(0, 1);
    }
    return rows;
  }

  GifSource source_;
  std::string_view where_;
  std::unique_ptr<GifFileType, CloseGif> gif_;
  GraphicsControlBlock control_{0, false, 0, NO_TRANSPARENT_COLOR};
};

}  // namespace

StoredImage decode_gif(Bytes bytes, std::string_view where, const ImageLimits& limits) {
  return GifReader(bytes, where).first_frame(limits);
}

}  // namespace mom::formats
