// What was generated, as files.
#pragma once

#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/codecs/item_files.h"
#include "mom/formats/image_file.h"
#include "mom/generate/model_codecs.h"

namespace mom::generate {

// Row by row in about a square, with a white line between; all of one size.
formats::Image picture_grid(const std::vector<formats::Image>& pictures);

// Writes a segment that is not text, and what a codec from outside decodes it to where its command may be run.
class ItemWriter {
 public:
  ItemWriter(const ModelCodecs& codecs, const codecs::Decoding& decoding)
      : codecs_(codecs), decoding_(decoding) {}
  // `file` has the ending of the segment's own kind, or of what its array decodes to.
  void write(const Segment& segment, const Path& file) const;
  // FOLDER/NAME with the right ending; of an array that is decoded both files. The names that were written.
  std::vector<std::string> write_beside(const Segment& segment, const Path& folder,
                                        const std::string& name) const;

 private:
  const ModelCodecs& codecs_;
  const codecs::Decoding decoding_;
};

// document.json (docs/generate.md), image-N.png, speech-N.wav, MODALITY-N.npy and index.html, into a folder that is there.
// `about`: what else document.json says.
void write_document(const Path& folder, const std::vector<Segment>& segments, const ModelCodecs& codecs,
                    const ItemWriter& items, const OrderedJson& about);

}  // namespace mom::generate
