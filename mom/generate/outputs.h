// What was generated, as files.
#pragma once

#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/formats/image_file.h"
#include "mom/generate/model_codecs.h"

namespace mom::generate {

// Row by row in about a square, with a white line between; all of one size.
formats::Image picture_grid(const std::vector<formats::Image>& pictures);

// Writes a segment that is not text, and what a codec from outside decodes it to where its command may be run.
class ItemWriter {
 public:
  ItemWriter(const ModelCodecs& codecs, bool run_decoders, double decode_limit_s)
      : codecs_(codecs), run_decoders_(run_decoders), decode_limit_s_(decode_limit_s) {}
  // `file` has the ending of the segment's own kind, or of what its array decodes to.
  void write(const Segment& segment, const Path& file) const;
  // FOLDER/NAME with the right ending; of an array that is decoded both files. The names that were written.
  std::vector<std::string> write_beside(const Segment& segment, const Path& folder,
                                        const std::string& name) const;

 private:
  void decode(const codecs::ExternalCodec& codec, const Path& array, const Path& file) const;

  const ModelCodecs& codecs_;
  const bool run_decoders_;
  const double decode_limit_s_;
};

// document.json (docs/generate.md), image-N.png, speech-N.wav, MODALITY-N.npy and index.html, into a folder that is there.
// `about`: what else document.json says.
void write_document(const Path& folder, const std::vector<Segment>& segments, const ModelCodecs& codecs,
                    const ItemWriter& items, const OrderedJson& about);

}  // namespace mom::generate
