// The codecs of a data set or a model, by modality.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mom/base/error.h"
#include "mom/codecs/codec.h"
#include "mom/codecs/text_codec.h"
#include "mom/modality/vocabulary.h"

namespace mom::codecs {

class CodecSet {
 public:
  // Codecs to encode with, opened now. UserError: two of one modality, two modalities of latents.
  explicit CodecSet(const std::vector<Path>& folders);
  // Those of a model, in `folder`/MODALITY as encoded data has them, each opened when it is first asked for.
  // `hashes`: what each must be, where it is known. `owner`: what has these modalities, for errors; an empty
  // folder means that its codecs are nowhere.
  CodecSet(Path folder, std::map<std::string, std::string> hashes, std::string owner);

  // InputError: none, damaged or another than the hash says.
  const Codec& of(const std::string& modality) const;
  // The same as codecs of that kind.
  const TextCodec& text(const std::string& modality) const { return as<TextCodec>(modality, "of text"); }
  const MediaCodec& media(const std::string& modality) const { return as<MediaCodec>(modality, "of files"); }
  template <class Kind>
  const Kind& as(const std::string& modality, const char* expected) const {
    const Codec& codec = of(modality);
    const auto* kind = dynamic_cast<const Kind*>(&codec);
    if (!kind)
      throw InputError({codec.info().folder.string(), std::string("a codec ") + expected,
                        "kind \"" + codec.info().kind + "\"", ""});
    return *kind;
  }
  bool known() const { return !folder_.empty(); }  // whether there is a folder at all

  // Of codecs to encode with: one more; whether one is there; the joint vocabulary, in the order of codec_kinds.h (UserError: codecs from outside without
  // one of text); "codecs" of dataset.json;
  // and copies at `folder`/MODALITY.
  void add(const Path& folder);
  bool has(const std::string& modality) const { return opened_.contains(modality); }
  modality::Vocabulary vocabulary() const;
  OrderedJson describe(int64_t variants) const;
  void copy_to(const Path& folder) const;

 private:
  const Codec& keep(const std::string& modality, std::unique_ptr<Codec> codec) const;

  Path folder_;
  std::map<std::string, std::string> hashes_;
  std::string owner_;
  mutable std::map<std::string, std::unique_ptr<Codec>> opened_;
  std::vector<std::string> order_;  // of codecs to encode with
};

}  // namespace mom::codecs
