#include "mom/codecs/text_codec_train.h"

#include <sentencepiece_trainer.h>

#include <algorithm>
#include <unordered_map>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/progress.h"
#include "mom/codecs/codec_config.h"
#include "mom/codecs/sentence_piece.h"
#include "mom/modality/special_tokens.h"

namespace mom::codecs {
namespace {

constexpr size_t kMaxLineBytes = 4000;  // SentencePiece leaves out lines above 4192

// Texts cut into lines: newline is a symbol of its own, so that no piece spans lines.
void append_lines(std::string_view text, std::vector<std::string_view>& lines) {
  while (!text.empty()) {
    size_t length = std::min(text.find('\n'), std::min(text.size(), kMaxLineBytes));
    while (length < text.size() && length > kMaxLineBytes - 4 && (text[length] & 0xc0) == 0x80)
      --length;  // whole characters
    if (length > 0) lines.push_back(text.substr(0, length));
    text.remove_prefix(length < text.size() && text[length] == '\n' ? length + 1 : length);
  }
}

class LineIterator : public sentencepiece::SentenceIterator {
 public:
  explicit LineIterator(const std::vector<TextSource>& sources) {
    for (const TextSource& source : sources) {
      for (const std::string& text : source.texts) append_lines(text, lines_);
    }
    if (!lines_.empty()) current_ = lines_[0];
  }
  bool done() const override { return at_ >= lines_.size(); }
  void Next() override {
    if (++at_ < lines_.size()) current_ = lines_[at_];
  }
  const std::string& value() const override { return current_; }
  sentencepiece::util::Status status() const override { return {}; }
  bool empty() const { return lines_.empty(); }

 private:
  std::vector<std::string_view> lines_;
  std::string current_;
  size_t at_ = 0;
};

std::unordered_map<std::string, std::string> trainer_arguments(const TextCodecConfig& config) {
  return {{"model_type", "bpe"},
          {"vocab_size", std::to_string(config.vocabulary)},
          {"hard_vocab_limit", "false"},
          {"byte_fallback", "true"},
          // Ids 0-7 are modality::special::kPad ... kEosSpeech.
          {"pad_id", "0"},
          {"unk_id", "1"},
          {"bos_id", "2"},
          {"eos_id", "3"},
          {"control_symbols", "<boi>,<eoi>,<bos_speech>,<eos_speech>"},
          {"user_defined_symbols", "\n"},
          // Any text comes back as it went in.
          {"normalization_rule_name", "identity"},
          {"add_dummy_prefix", "false"},
          {"remove_extra_whitespaces", "false"},
          {"character_coverage", "0.9995"},
          {"num_threads", "2"},
          {"minloglevel", "2"}};
}

std::string learn(const TextCodecConfig& config, const std::vector<TextSource>& train) {
  LineIterator lines(train);
  if (lines.empty())
    throw UserError("text codec: expected training text, found none in split \"train\"; import some text");
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(trainer_arguments(config), &lines, &model);
  if (!status.ok())
    throw UserError({"text.vocabulary", "room for every common character of the text, and more",
                     std::to_string(config.vocabulary), "raise it"});
  return model;
}

void check_control_ids(const TextCodec& codec) {
  const char* names[] = {"<pad>", "<unk>", "<s>", "</s>", "<boi>", "<eoi>", "<bos_speech>", "<eos_speech>"};
  for (int32_t id = 0; id < modality::special::kCount; ++id) {
    if (codec.piece(id) != names[id])
      throw Error(ExitCode::kInternal, "text codec: id " + std::to_string(id) + " is not " + names[id]);
  }
}

Json held_out_report(const TextCodec& codec, const std::vector<TextSource>& validation, Json report) {
  report["tokens_per_byte"] = report["bytes_per_token"] = Json::object();
  for (const TextSource& source : validation) {
    double bytes = 0, tokens = 0;
    for (const std::string& text : source.texts) {
      bytes += static_cast<double>(text.size());
      tokens += static_cast<double>(codec.encode(text).size());
    }
    if (tokens == 0) continue;
    report["tokens_per_byte"][source.name] = tokens / bytes;
    report["bytes_per_token"][source.name] = bytes / tokens;
  }
  return report;
}

}  // namespace

Json train_text_codec(TextCodecConfig config, const std::vector<TextSource>& train,
                      const std::vector<TextSource>& validation, const Path& out, bool replace) {
  FolderPublisher publisher(out, replace);
  uint64_t bytes = 0;
  for (const TextSource& source : train) {
    for (const std::string& text : source.texts) bytes += text.size();
  }
  log_info("learning " + std::to_string(config.vocabulary) + " pieces from " +
           format_bytes(static_cast<double>(bytes)) + " of text");
  publish_file(publisher.path() / "tokenizer.model", learn(config, train));
  const int64_t learned = SentencePiece(publisher.path() / "tokenizer.model").size();
  if (learned < config.vocabulary)
    log_info("text.vocabulary: the text gives " + std::to_string(learned) + " pieces, not " +
             std::to_string(config.vocabulary) + "; lowered to that");
  config.vocabulary = learned;
  Json report = {{"sample_bytes", bytes}};
  write_codec_info(publisher.path(), TextCodec::kKind, modality::kTextName, config_json(config), report);
  {
    const TextCodec codec(publisher.path());
    check_control_ids(codec);
    report = held_out_report(codec, validation, std::move(report));
  }
  write_codec_info(publisher.path(), TextCodec::kKind, modality::kTextName, config_json(config), report);
  publisher.commit();
  return report;
}

}  // namespace mom::codecs
