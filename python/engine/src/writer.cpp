// Encoded data and the folders of codecs from outside, written from Python.
#include <torch/custom_class.h>
#include <torch/library.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "mom/base/error.h"
#include "mom/codecs/external_codec.h"
#include "mom/data/document.h"
#include "mom/data/encoded_writer.h"
#include "python/engine/src/bytes.h"

namespace mom::python {
namespace {

codecs::CodecSet open_codecs(const std::vector<std::string>& folders) {
  return codecs::CodecSet(std::vector<Path>(folders.begin(), folders.end()));
}

class Writer : public torch::CustomClassHolder {
 public:
  Writer(const std::string& out, const std::vector<std::string>& codecs, bool replace, int64_t variants)
      : writer_(std::in_place, out, replace, open_codecs(codecs), variants) {}

  // A document. contents of a part: uint8, text or the bytes of a file; int64, ids of the text codec. keywords: of its text.
  void add(const std::string& source, const std::string& split, const std::string& key, bool free_order,
           const std::vector<std::string>& modalities, const std::vector<at::Tensor>& contents,
           const std::vector<std::string>& keywords) {
    const std::string document = "document " + key + " of " + split + "-" + source;
    data::EncodedDocument encoded{free_order, {}};
    for (size_t i = 0; i < modalities.size(); ++i)
      encoded.segments.push_back(segment(modalities[i], contents.at(i), keywords,
                                         document + ", segment " + std::to_string(i + 1),
                                         key + (i == 0 ? "" : "#" + std::to_string(i))));
    data::check_segments(encoded.segments, free_order, document);
    open().add(source, split, encoded);
  }

  void commit() {
    open().end_shards();
    if (open().account().documents == 0) throw UserError({"the writer", "at least one document", "none", ""});
    open().commit(/*skipped=*/0);
    writer_.reset();
  }
  void abandon() { writer_.reset(); }  // nothing of it stays

 private:
  data::EncodedWriter& open() {
    if (!writer_) throw UserError({"the writer", "one that is open", "a closed one", ""});
    return *writer_;
  }

  data::EncodedSegment segment(const std::string& name, const at::Tensor& content,
                               const std::vector<std::string>& keywords, const std::string& where,
                               const std::string& key) {
    const modality::Modality* modality = open().vocabulary().find(name);
    if (!modality)
      throw InputError(
          {where, "a modality that has a codec", "\"" + name + "\"", "name its folder in codecs"});
    if (modality->is_text()) return text(content, keywords, where);
    const codecs::MediaCodec& codec = open().codecs().media(name);
    const std::string bytes = to_string(content);
    data::EncodedSegment encoded = open().segment_of(*modality);
    for (const codecs::CodedItem& view :
         codec.encode_items(codec.read(std::as_bytes(std::span(bytes)), where, open().variants(), key)))
      data::EncodedWriter::append_view(view, *modality, encoded);
    return encoded;
  }

  data::EncodedSegment text(const at::Tensor& content, const std::vector<std::string>& keywords,
                            const std::string& where) {
    if (content.scalar_type() == at::kByte) return open().text_segment(to_string(content), keywords);
    const modality::Vocabulary::Ids pieces = open().vocabulary().pieces();
    const at::Tensor ids = content.to(at::kLong).contiguous();
    data::EncodedSegment encoded = open().text_segment("", keywords);
    std::vector<int32_t>& tokens = encoded.parts.front();
    tokens.clear();
    for (int64_t i = 0; i < ids.numel(); ++i) {
      const int64_t id = ids.const_data_ptr<int64_t>()[i];
      if (!pieces.contains(id))
        throw InputError(
            {where,
             "ids of text from " + std::to_string(pieces.begin) + " to " + std::to_string(pieces.end - 1),
             std::to_string(id) + " at entry " + std::to_string(i), ""});
      tokens.push_back(static_cast<int32_t>(id));
    }
    return encoded;
  }

  std::optional<data::EncodedWriter> writer_;
};

// latent_mean, latent_std: f32 [C] of latents, else without elements. `config`: the keys of codec.json.
void describe_codec(const std::string& folder, const std::string& modality, bool replace,
                    const std::string& representation, int64_t codebook_size, int64_t codes_per_item,
                    const std::vector<int64_t>& shape, double rate_hz, const std::string& note,
                    const std::string& decode, const std::string& decodes_to, const at::Tensor& latent_mean,
                    const at::Tensor& latent_std) {
  if (!data::may_be_encoded(modality))
    throw UserError(
        {"the modality", "letters, digits, \"_\" and \"-\", other than text", "'" + modality + "'", ""});
  const codecs::ExternalCodecConfig config{representation, codebook_size, codes_per_item, shape,
                                           rate_hz,        note,          decode,         decodes_to};
  const Lock lock = Lock::of_output(folder, {"describe into another folder"});
  codecs::write_external_codec(folder, replace, modality, config, latent_mean, latent_std, Json::object());
}

TORCH_LIBRARY_FRAGMENT(mixture_of_mamba_engine, m) {
  m.class_<Writer>("Writer")
      .def(torch::init<const std::string&, const std::vector<std::string>&, bool, int64_t>())
      .def("add", &Writer::add)
      .def("commit", &Writer::commit)
      .def("abandon", &Writer::abandon);
  m.def("describe_codec", &describe_codec);
}

}  // namespace
}  // namespace mom::python
