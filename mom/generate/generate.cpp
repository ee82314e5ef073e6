#include "mom/generate/generate.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/progress.h"
#include "mom/base/random.h"
#include "mom/generate/engine.h"
#include "mom/generate/outputs.h"
#include "mom/generate/text_stream.h"
#include "mom/ops/backend.h"
#include "mom/train/checkpoint.h"
#include "mom/train/recipe.h"

namespace mom::generate {
namespace {

constexpr int64_t kMaxCount = 1000, kMaxPositions = 1'000'000;
constexpr int64_t kDefaultPositions = 256;
constexpr int64_t kTogether = 32;  // sequences in one batch: memory, not results

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

void check_between(const char* option, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high)
    throw UserError({option, std::to_string(low) + " to " + std::to_string(high), std::to_string(value), ""});
}

// What can be said without the model.
void check_alone(const GenerateOptions& o) {
  check_between("--count", o.count, 1, kMaxCount);
  if (o.max_tokens) check_between("--max-tokens", *o.max_tokens, 1, kMaxPositions);
  o.sampling.check();
  if (!o.prompt && o.tokens.empty() && o.image.empty() && o.speech.empty())
    throw UserError({"prompt", "--prompt, --image, --speech or --tokens", "none", ""});
  if (o.prompt && o.prompt->empty()) throw UserError({"--prompt", "text", "none", ""});
  if (!o.tokens.empty() && (o.prompt || !o.image.empty() || !o.speech.empty()))
    throw UserError({"--tokens", "the whole prompt as ids", "another prompt beside it", ""});
  if (o.interleaved && o.modality != "text")
    throw UserError({"--modality", "none with --interleaved, which writes all", o.modality, ""});
  if (!o.grid.empty() && (o.interleaved || o.modality != "image"))
    throw UserError(
        {"--grid", "pictures: --modality image", o.interleaved ? "--interleaved" : o.modality, ""});
  if (o.interleaved ? o.out.empty() : o.modality != "text" && o.out.empty() && o.grid.empty())
    throw UserError({"--out", "where to write what is generated", "none", ""});
}

class Generation {
 public:
  explicit Generation(const GenerateOptions& options)
      : options_(options),
        model_folder_(train::find_model_folder(options.run)),
        model_(models::load_model(model_folder_)),
        codecs_(spec(), codecs_folder(), model_folder_) {
    check_with_model();
  }

  OrderedJson run() {
    const Clock::time_point start = Clock::now();
    const std::vector<Answer> answers = answer();
    const Clock::time_point answered = Clock::now();
    OrderedJson json = describe(answers);
    json["files"] = write(answers);
    const double generate_s = seconds_between(start, answered);
    size_t num_tokens = 0;
    for (const Answer& one : answers) num_tokens += one.content.tokens.size();
    json["timings"] = {{"generate_s", generate_s},
                       {"files_s", seconds_between(answered, Clock::now())},
                       {"tokens_per_s", static_cast<double>(num_tokens) / generate_s}};
    return json;
  }

 private:
  const models::ModelSpec& spec() const { return model_->spec(); }
  const std::string& modality() const { return options_.modality; }
  bool draws_pictures() const { return options_.interleaved || modality() == "image"; }

  // A run says where its data is, and the codecs lie there. It also says which ops it was trained with.
  Path codecs_folder() const {
    const Path recipe_file = options_.run / "recipe.toml";
    if (!std::filesystem::exists(recipe_file)) return options_.codecs;
    const train::Recipe recipe = train::load_recipe(recipe_file, {});
    ops::set_backend(ops::parse_backend(recipe.model.scan_backend));
    return options_.codecs.empty() ? Path(recipe.data.path) / "codecs" : options_.codecs;
  }

  void require_modality(const char* option, const std::string& name) const {
    std::string known;
    for (const std::string& one : spec().modalities) known += (known.empty() ? "" : ", ") + one;
    if (spec().modality_index(name) < 0)
      throw UserError({option, "a modality of this model: " + known, name, "train a run that has it"});
  }

  void check_with_model() const {
    const GenerateOptions& o = options_;
    require_modality("--modality", modality());
    if (!o.image.empty()) require_modality("--image", "image");
    if (!o.speech.empty()) require_modality("--speech", "speech");
    if (o.guidance != 1 && !(draws_pictures() && spec().modality_index("image") >= 0))
      throw UserError({"--guidance", "a picture to draw: --modality image or --interleaved", "none", ""});
    for (const int64_t token : o.tokens)
      if (token < 0 || token >= spec().vocab_size)
        throw UserError(
            {"--tokens", "0 to " + std::to_string(spec().vocab_size - 1), std::to_string(token), ""});
    if ((o.steps || o.sampler) && !(draws_pictures() && spec().has_patches()))
      log_warning("--steps and --sampler are not used: they are for pictures as latents");
    if (o.max_tokens && !o.interleaved && modality() == "image")
      log_warning("--max-tokens is not used: a picture has a fixed size");
  }

  Feed make_prompt() {
    Feed prompt;
    const GenerateOptions& o = options_;
    for (const int64_t token : o.tokens) prompt.append(static_cast<int32_t>(token));
    if (o.tokens.empty()) {
      if (!spec().vocabulary.empty()) prompt.append(codecs::special::kBos);
      if (!o.image.empty()) codecs_.append_image(o.image, prompt);
      if (!o.speech.empty()) codecs_.append_speech(o.speech, prompt);
      if (o.prompt)
        for (const int32_t token : codecs_.encode_text(*o.prompt)) prompt.append(token);
    }
    const auto brackets = codecs::brackets_of(modality());
    DocumentCursor cursor(rules_);
    for (const int32_t token : prompt.tokens) cursor.advance(token);
    if (brackets && !cursor.inside(modality())) prompt.append(brackets->open);
    return prompt;
  }

  // <eos> of a plain language model, as Hugging Face's config.json gives it.
  std::vector<int64_t> stop_tokens() const {
    const Json config = read_json(model_folder_ / "config.json");
    const Json eos = config.value("eos_token_id", Json());
    if (!spec().vocabulary.empty() || eos.is_null()) return {};
    if (eos.is_number_integer()) return {eos.get<int64_t>()};
    if (eos.is_array() &&
        std::all_of(eos.begin(), eos.end(), [](const Json& id) { return id.is_number_integer(); }))
      return eos.get<std::vector<int64_t>>();
    throw InputError({(model_folder_ / "config.json").string() + ": \"eos_token_id\"",
                      "an id or a list of ids", eos.dump().substr(0, 80), ""});
  }

  Request make_request() {
    Request request;
    request.prompt = make_prompt();
    request.until = options_.interleaved   ? Until::kDocument
                    : modality() == "text" ? Until::kText
                                           : Until::kSegment;
    request.max_positions = options_.max_tokens.value_or(kDefaultPositions);
    if (request.until == Until::kSegment && modality() == "image") {
      DocumentCursor cursor(rules_);
      for (const int32_t token : request.prompt.tokens) cursor.advance(token);
      request.max_positions = cursor.to_close();
    }
    request.stop_tokens = stop_tokens();
    request.sampling = options_.sampling;
    request.picture = {options_.steps.value_or(request.picture.steps),
                       parse_diffusion_method(options_.sampler.value_or("ddpm")), options_.guidance};
    return request;
  }

  std::vector<Answer> answer() {
    rules_ = rules_of(spec(), codecs_.codes_per_image());
    Request request = make_request();
    prompt_ = request.prompt;
    std::optional<Progress> progress;
    TextStream stream;
    EngineEvents events;
    const bool streams =
        options_.on_text && options_.count == 1 && modality() == "text" && codecs_.has_text();
    const int64_t num_batches = (options_.count + kTogether - 1) / kTogether;
    int64_t batch = 0;
    if (streams) {
      events.token = [&](size_t, int32_t token) { options_.on_text(shown(token, stream)); };
    } else {
      events.progress = [&](int64_t done, int64_t total) {
        const int64_t rounds = modality() == "image" ? num_batches * total : 0;
        if (!progress) progress.emplace("generate", "steps", static_cast<uint64_t>(rounds));
        progress->update(static_cast<uint64_t>(batch * total + done));
      };
    }
    Engine engine(model_, rules_, events);
    std::vector<Answer> answers;
    for (; batch < num_batches; ++batch) {
      std::vector<Request> requests;
      const int64_t first = batch * kTogether, last = std::min(options_.count, first + kTogether);
      for (int64_t i = first; i < last; ++i) {
        request.key = stream_key({static_cast<uint64_t>(options_.seed), static_cast<uint64_t>(i)});
        requests.push_back(request);
      }
      for (Answer& one : engine.run(requests)) answers.push_back(std::move(one));
    }
    if (streams) options_.on_text(stream.finish());
    return answers;
  }

  // A token as a terminal sees it: text, or the name of what begins.
  std::string shown(int32_t token, TextStream& stream) {
    for (const codecs::TokenRange& range : spec().vocabulary.ranges()) {
      const auto brackets = codecs::brackets_of(range.modality);
      if (brackets && brackets->open == token) return stream.finish() + "[" + range.modality + "]";
    }
    const bool text = token >= 0 && (spec().vocabulary.empty() || spec().vocabulary.modality_of(token) == 0);
    return text ? stream.push(codecs_.bytes_of(token)) : std::string();
  }

  std::vector<Segment> segments_of(const Answer& answer) const {
    return split(prompt_, answer.content, spec().vocabulary);
  }

  OrderedJson describe_one(const Answer& answer) {
    OrderedJson json;
    std::vector<int32_t> tokens = answer.content.tokens;
    std::erase(tokens, kPicture);
    json["tokens"] = tokens;
    json["log_probabilities"] = answer.log_probabilities;
    json["stop"] = answer.stop == Stop::kEnd ? "end" : "length";
    if (!codecs_.has_text()) return json;
    std::string text;
    for (const Segment& segment : segments_of(answer))
      if (segment.modality == "text" && !segment.given) text += codecs_.text_of(segment.tokens);
    json["text"] = text;
    return json;
  }

  OrderedJson describe(const std::vector<Answer>& answers) {
    if (answers.size() == 1) return describe_one(answers[0]);
    OrderedJson json{{"answers", OrderedJson::array()}};
    for (const Answer& one : answers) json["answers"].push_back(describe_one(one));
    return json;
  }

  // What document.json says beside the segments.
  OrderedJson about(const Answer& answer, int64_t index) {
    OrderedJson json{{"run", options_.run.string()}, {"seed", options_.seed}, {"index", index}};
    json.update(describe_one(answer));
    return json;
  }

  std::vector<std::string> write(const std::vector<Answer>& answers) {
    std::vector<std::string> files;
    if (!options_.grid.empty()) {
      std::vector<formats::Image> pictures;
      for (const Answer& one : answers) pictures.push_back(codecs_.picture_of(segments_of(one).back()));
      publish_file(options_.grid, formats::encode_png(picture_grid(pictures)));
      files.push_back(options_.grid.string());
    }
    if (options_.out.empty()) return files;
    const std::string ending = modality() == "image" ? ".png" : modality() == "speech" ? ".wav" : ".txt";
    if (!options_.interleaved && options_.out.extension() == ending) {
      write_single(answers);
    } else {
      write_folder(answers);
    }
    files.push_back(options_.out.string());
    return files;
  }

  void write_single(const std::vector<Answer>& answers) {
    if (answers.size() != 1)
      throw UserError({"--out", "a folder, for more than one answer", options_.out.string(), ""});
    if (modality() == "text") {
      publish_file(options_.out, describe_one(answers[0])["text"].get<std::string>());
    } else {
      publish_segment(options_.out, segments_of(answers[0]).back(), codecs_);
    }
  }

  void write_folder(const std::vector<Answer>& answers) {
    FolderPublisher folder(options_.out, /*replace=*/false);
    for (size_t i = 0; i < answers.size(); ++i) {
      const Path place = answers.size() == 1 ? folder.path() : folder.path() / std::to_string(i + 1);
      std::filesystem::create_directories(place);
      write_document(place, segments_of(answers[i]), codecs_, about(answers[i], static_cast<int64_t>(i)));
    }
    folder.commit();
  }

  const GenerateOptions& options_;
  Path model_folder_;
  models::Model model_;
  CodecSet codecs_;
  DocumentRules rules_;
  Feed prompt_;
};

}  // namespace

OrderedJson generate(const GenerateOptions& options) {
  const Clock::time_point start = Clock::now();
  check_alone(options);
  Generation generation(options);
  const double load_s = seconds_between(start, Clock::now());
  OrderedJson json = generation.run();
  json["seconds"] = seconds_between(start, Clock::now());
  json["timings"]["load_s"] = load_s;
  return json;
}

}  // namespace mom::generate
