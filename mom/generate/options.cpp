#include "mom/generate/options.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/range.h"
#include "mom/models/hugging_face.h"

namespace mom::generate {
namespace {

constexpr double kMaxCount = 1000, kMaxPositions = 1e6;
constexpr int64_t kDefaultPositions = 256;

// Whether items of one length may be written, which guidance is for.
template <class Asking>  // GenerateOptions or Asked
bool draws_whole_items(const Asking& o, const modality::Vocabulary& vocabulary) {
  const auto& all = vocabulary.modalities();
  return std::any_of(all.begin(), all.end(), [&](const modality::Modality& one) {
    return one.has_fixed_length() && (o.interleaved || one.name == o.modality);
  });
}

void check_prompt(const GenerateOptions& o) {
  if (!o.prompt && o.tokens.empty() && o.files.empty())
    throw UserError({"prompt", "--prompt, --image, --speech or --tokens", "none", ""});
  if (o.prompt && o.prompt->empty()) throw UserError({"--prompt", "text", "none", ""});
  if (!o.tokens.empty() && (o.prompt || !o.files.empty()))
    throw UserError({"--tokens", "the whole prompt as ids", "another prompt beside it", ""});
}

void require_modality(const models::ModelSpec& spec, const std::string& option, const std::string& name) {
  std::string known;
  for (const std::string& one : spec.modalities) known += (known.empty() ? "" : ", ") + one;
  if (spec.modality_index(name) < 0)
    throw UserError({option, "a modality of this model: " + known, name, "train a run that has it"});
}

DocumentCursor after(const Feed& prompt, const DocumentRules& rules) {
  DocumentCursor cursor(rules);
  for (const int32_t token : prompt.tokens) cursor.advance(token);
  return cursor;
}

Feed make_prompt(const Asked& asked, const models::ModelSpec& spec, const DocumentRules& rules,
                 const ModelCodecs& codecs) {
  Feed prompt;
  for (const int64_t token : asked.tokens) prompt.append(static_cast<int32_t>(token));
  if (asked.tokens.empty())
    if (const std::optional<int32_t> bos = codecs.bos()) prompt.append(*bos);
  for (const PromptPart& part : asked.parts) codecs.append_part(part, prompt);
  const modality::Modality* opened = spec.vocabulary.find(asked.modality);
  if (opened && opened->brackets && !after(prompt, rules).inside(asked.modality))
    prompt.append(opened->brackets->open);
  return prompt;
}

// A picture or recording is what it ends with.
bool closes_segment(const Feed& prompt, const modality::Vocabulary& vocabulary) {
  return !prompt.empty() && vocabulary.closed_by(prompt.tokens.back()) != nullptr;
}

}  // namespace

void check_options(const GenerateOptions& o) {
  require_in_range("--count", o.count, 1, kMaxCount);
  if (o.max_tokens) require_in_range("--max-tokens", *o.max_tokens, 1, kMaxPositions);
  o.sampling.check();
  check_prompt(o);
}

bool asks_text(const std::string& modality, const models::ModelSpec& spec) {
  const modality::Modality* asked = spec.vocabulary.find(modality);
  return !asked || asked->is_text();
}

std::vector<std::string> endings_of(const GenerateOptions& o, const ModelCodecs& codecs) {
  std::vector<std::string> endings = {codecs::file_ending(codecs.media_kind(o.modality))};
  const codecs::ExternalCodec* external = codecs.external(o.modality);
  if (external && o.run_decoders && !external->config().decode.empty())
    endings.push_back("." + external->config().decodes_to);
  return endings;
}

bool is_single_file(const GenerateOptions& o, const std::vector<std::string>& endings) {
  return !o.interleaved && std::count(endings.begin(), endings.end(), o.out.extension()) > 0;
}

void check_outputs(const GenerateOptions& o, codecs::MediaKind media,
                   const std::vector<std::string>& endings) {
  const bool text = media == codecs::MediaKind::kText;
  if (o.interleaved && !text)
    throw UserError({"--modality", "none with --interleaved, which writes all", o.modality, ""});
  if (!o.grid.empty() && (o.interleaved || media != codecs::MediaKind::kImage))
    throw UserError(
        {"--grid", "pictures: --modality image", o.interleaved ? "--interleaved" : o.modality, ""});
  if (o.interleaved ? o.out.empty() : !text && o.out.empty() && o.grid.empty())
    throw UserError({"--out", "where to write what is generated", "none", ""});
  if (media == codecs::MediaKind::kArray && o.out.has_extension() && !is_single_file(o, endings))
    throw UserError(
        {"--out",
         "a folder or an .npy file: " + o.modality +
             " is decoded elsewhere, or by its codec's command where there is one and --run-decoders "
             "allows it",
         o.out.string(), ""});
  if (is_single_file(o, endings) && o.count > 1)
    throw UserError({"--out", "a folder, for more than one answer", o.out.string(), ""});
}

void check_options_for(const GenerateOptions& o, const models::ModelSpec& spec) {
  require_modality(spec, "--modality", o.modality);
  for (const PromptFile& one : o.files) require_modality(spec, one.option, one.modality);
  const bool draws = draws_whole_items(o, spec.vocabulary);
  if (o.guidance.value_or(1) != 1 && !draws)
    throw UserError({"--guidance", "a picture to draw: --modality image or --interleaved", "none", ""});
  for (const int64_t token : o.tokens)
    if (token < 0 || token >= spec.vocab_size)
      throw UserError({"--tokens", "0 to " + std::to_string(spec.vocab_size - 1), std::to_string(token), ""});
  if ((o.steps || o.sampler) && !(draws && spec.latents()))
    log_warning("--steps and --sampler are not used: they are for pictures as latents");
  if (o.max_tokens && !o.interleaved && draws)
    log_warning("--max-tokens is not used: " + o.modality + " has a fixed size");
}

Asked asked_by(const GenerateOptions& o) {
  Asked asked{{},         o.tokens, o.modality, o.interleaved, o.max_tokens,
              o.sampling, o.steps,  o.sampler,  o.guidance};
  for (const PromptFile& one : o.files)
    asked.parts.push_back({one.modality, read_file(one.file), one.file.string()});
  if (o.prompt) asked.parts.push_back({modality::kTextName, *o.prompt, "--prompt"});
  return asked;
}

Request make_request(const Asked& asked, const models::ModelSpec& spec, const DocumentRules& rules,
                     const ModelCodecs& codecs, const Path& model_folder) {
  require_modality(spec, "--modality", asked.modality);
  Request request;
  request.prompt = make_prompt(asked, spec, rules, codecs);
  const bool text = asks_text(asked.modality, spec);
  if (const auto [first, end] = rules.vocabulary.pieces();
      text && !asked.interleaved && !rules.vocabulary.empty() && first == end)
    throw UserError({"--modality", "one that the model's data had", "text, which they had none of", ""});
  request.until = asked.interleaved ? Until::kDocument : text ? Until::kText : Until::kSegment;
  request.needs_text = request.until == Until::kText && closes_segment(request.prompt, rules.vocabulary);
  const bool fixed = !asked.interleaved && draws_whole_items(asked, spec.vocabulary);
  request.max_positions =
      fixed ? after(request.prompt, rules).to_close() : asked.max_tokens.value_or(kDefaultPositions);
  if (spec.vocabulary.empty()) request.stop_tokens = models::stop_tokens(model_folder);
  request.sampling = asked.sampling;
  request.picture.steps = asked.steps.value_or(request.picture.steps);
  if (asked.sampler) request.picture.method = parse_diffusion_method(*asked.sampler);
  request.picture.guidance =
      asked.guidance.value_or(draws_whole_items(asked, spec.vocabulary) ? kDefaultGuidance : 1);
  return request;
}

}  // namespace mom::generate
