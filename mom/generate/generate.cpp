#include "mom/generate/generate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>

#include "mom/base/error.h"
#include "mom/base/progress.h"
#include "mom/base/random.h"
#include "mom/base/rounding.h"
#include "mom/generate/loaded_model.h"
#include "mom/generate/options.h"
#include "mom/generate/outputs.h"
#include "mom/generate/text_stream.h"

namespace mom::generate {
namespace {

constexpr int64_t kTogether = 32;  // sequences side by side: memory, not results

// Seconds since it was made or last asked.
class Watch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now(), before = std::exchange(last_, now);
    return std::chrono::duration<double>(now - before).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Says what happens while it does: text as it comes, or how far the network is.
class Teller {
 public:
  Teller(const GenerateOptions& options, const models::ModelSpec& spec, const ModelCodecs& codecs)
      : options_(options),
        vocabulary_(spec.vocabulary),
        codecs_(codecs),
        streams_(options.on_text && options.count == 1 && asks_text(options.modality, spec) &&
                 codecs.has_text()) {}

  RunEvents events() {
    if (streams_) return {[this](size_t, int32_t token) { options_.on_text(shown(token)); }, {}};
    return {{}, [this](int64_t done, int64_t total) { show_progress(done, total); }};
  }
  void end_batch() {
    rounds_before_ = rounds_;
    if (streams_) options_.on_text(stream_.finish());
  }

 private:
  // How long an item of fixed length takes is known, how long text will be is not.
  void show_progress(int64_t done, int64_t total) {
    const int64_t num_batches = ceil_div(options_.count, kTogether);
    if (!progress_)
      progress_.emplace("generate", "steps",
                        has_fixed_length() ? static_cast<uint64_t>(num_batches * total) : 0);
    rounds_ = rounds_before_ + static_cast<uint64_t>(done);
    progress_->update(rounds_);
  }

  bool has_fixed_length() const {
    const modality::Modality* asked = vocabulary_.find(options_.modality);
    return asked && asked->has_fixed_length();
  }

  // A token as a terminal has it: text, or the name of what begins.
  std::string shown(int32_t token) {
    if (token == kPicture) return "";
    if (const modality::Modality* opened = vocabulary_.opened_by(token))
      return stream_.finish() + "[" + opened->name + "]";
    const bool text = vocabulary_.empty() || vocabulary_.text()->contains(token);
    return text ? stream_.push(codecs_.bytes_of(token)) : "";
  }

  const GenerateOptions& options_;
  const modality::Vocabulary& vocabulary_;
  const ModelCodecs& codecs_;
  bool streams_;
  TextStream stream_;
  std::optional<Progress> progress_;
  uint64_t rounds_ = 0, rounds_before_ = 0;
};

class Generation {
 public:
  explicit Generation(const GenerateOptions& options)
      : options_(options), loaded_(options.run, options.codecs, options.last_weights, options.device) {
    check_options_for(options, spec());
    media_ = codecs_.media_kind(options.modality);
    endings_ = endings_of(options, codecs_);
    check_outputs(options, media_, endings_);
    require_codecs();
    rules_ = loaded_.rules();
    request_ = make_request(asked_by(options), spec(), rules_, codecs_, loaded_.folder());
    // Before the work: a folder that is in use is refused.
    if (!options.out.empty() && !is_single_file(options, endings_))
      folder_.emplace(options.out, /*replace=*/false);
  }

  std::vector<Answer> answers() {
    Teller teller(options_, spec(), codecs_);
    Engine engine(loaded_.network(options_.weights), rules_);
    std::vector<Answer> answers;
    for (int64_t first = 0; first < options_.count; first += kTogether) {
      std::vector<Request> requests(static_cast<size_t>(std::min(kTogether, options_.count - first)),
                                    request_);
      for (size_t i = 0; i < requests.size(); ++i)
        requests[i].key = stream_key(
            {static_cast<uint64_t>(options_.seed), static_cast<uint64_t>(first) + static_cast<uint64_t>(i)});
      std::vector<Answer> some = run(engine, requests, teller.events());
      std::move(some.begin(), some.end(), std::back_inserter(answers));
      teller.end_batch();
    }
    return answers;
  }

  OrderedJson describe(const std::vector<Answer>& answers) {
    if (answers.size() == 1) return describe_one(answers[0]);
    OrderedJson json{{"answers", OrderedJson::array()}};
    for (const Answer& one : answers) json["answers"].push_back(describe_one(one));
    return json;
  }

  std::vector<std::string> write(const std::vector<Answer>& answers) {
    std::vector<std::string> files;
    if (!options_.grid.empty()) {
      write_grid(answers);
      files.push_back(options_.grid.string());
    }
    if (options_.out.empty()) return files;
    is_single_file(options_, endings_) ? write_file(answers[0]) : write_folder(answers);
    files.push_back(options_.out.string());
    return files;
  }

 private:
  const models::ModelSpec& spec() const { return loaded_.spec(); }

  // Those that write documents, before the work; that of what is asked for was opened.
  void require_codecs() const {
    for (const modality::Modality& modality : spec().vocabulary.modalities())
      if (options_.interleaved) codecs_.set().of(modality.name);
  }

  std::vector<Segment> segments_of(const Answer& answer) const {
    return split(request_.prompt, answer.content, spec().vocabulary);
  }

  std::string text_of(const Answer& answer) const {
    std::string text;
    for (const Segment& segment : segments_of(answer))
      if (codecs_.media_kind(segment.modality) == codecs::MediaKind::kText && !segment.given)
        text += codecs_.text_of(segment.tokens);
    return text;
  }

  OrderedJson describe_one(const Answer& answer) {
    std::vector<int32_t> tokens = answer.content.tokens;
    std::erase(tokens, kPicture);
    OrderedJson json{{"tokens", tokens},
                     {"log_probabilities", answer.log_probabilities},
                     {"stop", answer.stop == Stop::kEnd ? "end" : "length"}};
    if (codecs_.has_text()) json["text"] = text_of(answer);
    return json;
  }

  void write_grid(const std::vector<Answer>& answers) {
    std::vector<formats::Image> pictures;
    for (const Answer& one : answers)
      pictures.push_back(std::get<formats::Image>(codecs_.media_of(segments_of(one).back())));
    publish_file(options_.grid, formats::encode_png(picture_grid(pictures)));
  }

  void write_file(const Answer& answer) {
    if (media_ == codecs::MediaKind::kText) return publish_file(options_.out, text_of(answer));
    items_.write(segments_of(answer).back(), options_.out);
  }

  void write_folder(const std::vector<Answer>& answers) {
    for (size_t i = 0; i < answers.size(); ++i) {
      const Path place = answers.size() == 1 ? folder_->path() : folder_->path() / std::to_string(i + 1);
      std::filesystem::create_directories(place);
      OrderedJson about{{"run", options_.run.string()}, {"seed", options_.seed}, {"index", i}};
      about.update(describe_one(answers[i]));
      write_document(place, segments_of(answers[i]), codecs_, items_, about);
    }
    folder_->commit();
  }

  const GenerateOptions& options_;
  LoadedModel loaded_;
  const ModelCodecs& codecs_ = loaded_.codecs();
  const ItemWriter items_{codecs_, {options_.run_decoders, options_.decode_limit_s}};
  codecs::MediaKind media_{};  // of what is asked for
  std::vector<std::string> endings_;
  DocumentRules rules_;
  Request request_;
  std::optional<FolderPublisher> folder_;  // where --out is one
};

}  // namespace

OrderedJson generate(const GenerateOptions& options) {
  Watch watch;
  check_options(options);
  Generation generation(options);
  const double load_s = watch.lap();
  const std::vector<Answer> answers = generation.answers();
  const double generate_s = watch.lap();
  OrderedJson json = generation.describe(answers);
  json["files"] = generation.write(answers);
  const double files_s = watch.lap();
  size_t num_tokens = 0;
  for (const Answer& one : answers) num_tokens += one.content.tokens.size();
  json["seconds"] = load_s + generate_s + files_s;
  json["timings"] = {{"load_s", load_s},
                     {"generate_s", generate_s},
                     {"files_s", files_s},
                     {"tokens_per_s", static_cast<double>(num_tokens) / generate_s}};
  return json;
}

}  // namespace mom::generate
