#include "mom/models/grow.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/modality/special_tokens.h"

namespace mom::models {
namespace {

// Tokenizers beside a model and in a text codec's folder.
constexpr const char *kPieces = "tokenizer.model", *kPairs = "tokenizer.json";

// Tables are padded to a multiple of up to 256 rows.
constexpr int64_t kMostPadding = 255;

// Rows [to, to + count) of a table are rows [from, from + count) of the smaller model's.
struct Rows {
  int64_t to, from, count;
};

int64_t num_text_rows(const ModelSpec& spec) {
  return spec.vocabulary.empty() ? spec.vocab_size : spec.vocabulary.text()->num_ids();
}

// The first are text's.
std::vector<Rows> rows_in_common(const ModelSpec& small, const ModelSpec& large, const TextIds& text) {
  const int64_t first = small.vocabulary.empty() && !large.vocabulary.empty() ? text.first : 0;
  std::vector<Rows> rows{{first, 0, std::min(num_text_rows(small), num_text_rows(large) - first)}};
  for (const modality::Modality& modality : small.vocabulary.modalities())
    if (!modality.is_text())
      rows.push_back({large.vocabulary.find(modality.name)->begin, modality.begin, modality.num_ids()});
  return rows;
}

void check_modality(const modality::Modality& small, const modality::Modality* large,
                    const std::string& place) {
  if (!large)
    throw UserError({place, "a modality of the data", "none there", "start from a model of its modalities"});
  if (large->representation != small.representation)
    throw UserError(
        {place, to_string(large->representation) + ", as in the data", to_string(small.representation), ""});
  if (small.is_text() ? large->num_ids() < small.num_ids() : large->num_ids() != small.num_ids())
    throw UserError({place, std::to_string(large->num_ids()) + " ids, as in the data",
                     std::to_string(small.num_ids()), "encode the data with the codecs of the model"});
  if (large->latent_shape != small.latent_shape || large->patch_size != small.patch_size)
    throw UserError({place, "latents and patches as in the data", "others",
                     "encode the data with the codecs of the model"});
  if (large->brackets != small.brackets)
    throw UserError({place, "the tokens around its items as in the data", "others",
                     "encode the data with the codecs of the model"});
}

std::string without(const std::string& name, const std::string& part, const std::string& instead) {
  const size_t at = name.rfind(part);
  return name.substr(0, at) + instead + name.substr(at + part.size());
}

// What a parameter is a copy of; undefined: nothing there is.
at::Tensor source_of(const nn::Parameter& parameter, const ModelSpec& spec,
                     const torch::OrderedDict<std::string, at::Tensor>& smaller) {
  std::vector<std::string> names{parameter.name};
  if (parameter.traits.modality >= 0) {
    const std::string own = "." + spec.modalities[static_cast<size_t>(parameter.traits.modality)] + ".";
    names.push_back(without(parameter.name, own, std::string(".") + modality::kTextName + "."));
    names.push_back(without(parameter.name, own, "."));
  }
  for (const std::string& name : names)
    if (const at::Tensor* found = smaller.find(name)) return *found;
  return {};
}

// The table has its random start.
void grow_table(at::Tensor& table, const at::Tensor& smaller, const std::vector<Rows>& rows) {
  if (rows[0].to > 0 || table.size(0) > smaller.size(0))
    table.add_(smaller.narrow(0, 0, rows[0].count).mean(0));
  for (const Rows& same : rows)
    table.narrow(0, same.to, same.count).copy_(smaller.narrow(0, same.from, same.count));
}

std::string new_modalities(const ModelSpec& small, const ModelSpec& large) {
  std::string names;
  for (const std::string& name : large.modalities)
    if (small.modality_index(name) < 0) names += (names.empty() ? "" : ", ") + name;
  return names;
}

}  // namespace

TextIds text_ids_for(const Path& model_folder, const Path& text_codec) {
  bool known = false;
  for (const char* name : {kPieces, kPairs}) {
    const Path theirs = model_folder / name, ours = text_codec / name;
    if (!std::filesystem::exists(theirs)) continue;
    known = true;
    if (std::filesystem::exists(ours) && read_file(theirs) == read_file(ours)) break;
    throw UserError({text_codec.string(), "the tokenizer of " + theirs.string(), "another",
                     "encode the data with the tokenizer of the model"});
  }
  if (!known)
    log_warning(model_folder.string() + " has no tokenizer beside it: that it is the one of " +
                text_codec.string() + " cannot be checked");
  return {std::filesystem::exists(text_codec / kPairs) ? modality::special::kCount : 0};
}

void check_grows(const ModelSpec& small, const ModelSpec& large, const TextIds& text,
                 const std::string& where) {
  for (const std::string& name : small.modalities)
    if (large.modality_index(name) < 0)
      throw UserError(
          {where + ": \"modalities\"", "some of the data's", name, "start from a model of its modalities"});
  for (const auto& [name, hash] : small.codec_hashes) {
    const auto other = large.codec_hashes.find(name);
    if (other == large.codec_hashes.end() || other->second != hash)
      throw UserError({where + ": \"codec_hashes\"", name + " by the codec of the data", "another codec",
                       "encode the data with the codecs of the model"});
  }
  for (const modality::Modality& modality : small.vocabulary.modalities())
    check_modality(modality, large.vocabulary.find(modality.name), where + ": " + modality.name);
  const int64_t kept = rows_in_common(small, large, text)[0].count;
  if (num_text_rows(small) - kept > (small.vocabulary.empty() ? kMostPadding : 0))
    throw UserError(
        {where + ": \"vocab_size\"",
         "at most " + std::to_string(kept + kMostPadding) + ", the text ids of the data and padding",
         std::to_string(small.vocab_size), "encode the data with the tokenizer of the model"});
}

void grow(ModelImpl& model, ModelImpl& smaller, const TextIds& text, uint64_t seed,
          const std::string& where) {
  const ModelSpec &large = model.spec(), &small = smaller.spec();
  check_grows(small, large, text, where);
  torch::NoGradGuard no_grad;
  const std::vector<Rows> rows = rows_in_common(small, large, text);
  const auto source = smaller.named_parameters();
  for (nn::Parameter& parameter : nn::parameters_of(model)) {
    const at::Tensor found = source_of(parameter, large, source);
    const bool is_table = parameter.traits.part == nn::Part::kTokenTable;
    if (!found.defined() && !(large.latents() && !small.latents()))
      throw UserError({where, "weights for " + parameter.name, "none that they could begin as",
                       "start from a model of the same kind"});
    if (!found.defined() || is_table) initialise(parameter, seed);
    if (found.defined())
      is_table ? grow_table(parameter.tensor, found, rows) : void(parameter.tensor.copy_(found));
  }
  if (const std::string names = new_modalities(small, large); !names.empty())
    log_info("new modalities: " + names +
             "; own weights begin as text's, rows of ids near the mean of text's");
  if (const int64_t more = num_text_rows(large) - num_text_rows(small); more != 0)
    log_info("the vocabulary of text has " + std::to_string(std::abs(more)) +
             (more > 0 ? " rows more than the model it starts from"
                       : " rows less than the model it starts from, padding"));
}

}  // namespace mom::models
