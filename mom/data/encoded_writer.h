// A folder of encoded data (shard.h), made whole or not at all, of documents that are encoded already: copies of their
// codecs, and shards of about 256 MB. For `mom data encode` and for programs with encoders of their own.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mom/base/files.h"
#include "mom/base/json.h"
#include "mom/base/lock.h"
#include "mom/codecs/codec_set.h"
#include "mom/data/shard_writer.h"

namespace mom::data {

class EncodedWriter {
 public:
  // `codecs`: one for each modality; where text has none, the control symbols alone are text. `variants`: views of each
  // item whose codec has several. UserError: `out` exists and is not to be replaced, another process writes it.
  EncodedWriter(const Path& out, bool replace, codecs::CodecSet codecs, int64_t variants);

  const codecs::CodecSet& codecs() const { return codecs_; }
  const modality::Vocabulary& vocabulary() const { return vocabulary_; }
  int64_t variants() const { return variants_; }

  // What a segment of a modality begins as.
  EncodedSegment segment_of(const modality::Modality& modality) const;
  // Text as its codec encodes it; keywords with the blank before them.
  EncodedSegment text_segment(std::string_view text, const std::vector<std::string>& keywords) const;
  // Appends a view of an item as its codec gives it.
  static void append_view(const codecs::CodedItem& item, const modality::Modality& modality,
                          EncodedSegment& segment);

  // Documents of one source and split are read in the order in which they are added.
  void add(const std::string& source, const std::string& split, const EncodedDocument& document);
  // Ends the shard of each source and split; those that are added later begin others.
  void end_shards();

  struct Account {
    uint64_t documents = 0;
    std::map<std::string, uint64_t> segments, tokens;  // by modality
    size_t shards = 0;
  };
  // Without what is in shards that have not ended.
  const Account& account() const { return account_; }
  // `skipped`: documents that were left out; `more`: keys that stand before "shards".
  void commit(uint64_t skipped, const OrderedJson& more = OrderedJson::object());

 private:
  struct Open {
    std::string source, split;
    ShardWriter shard;
    std::map<std::string, uint64_t> segments = {}, tokens = {};
  };
  Open& open(const std::string& source, const std::string& split);
  void end(Open& open);

  Lock lock_;
  FolderPublisher publisher_;
  const int64_t variants_;
  codecs::CodecSet codecs_;
  modality::Vocabulary vocabulary_;
  ShardFormat format_;
  std::vector<Open> open_;                                         // in the order in which they were begun
  std::map<std::pair<std::string, std::string>, int> num_shards_;  // ended, by source and split
  OrderedJson shards_ = OrderedJson::array();
  Account account_;
};

}  // namespace mom::data
