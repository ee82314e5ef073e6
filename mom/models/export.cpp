#include "mom/models/export.h"

#include <torch/types.h>
#include <torch/utils.h>

#include "mom/base/error.h"
#include "mom/nn/mamba.h"

namespace mom::models {
namespace {

void check_mamba(const ModelSpec& spec, const char* verb) {
  if ((spec.backbone == "mamba" || spec.backbone == "mixture_of_mamba") && !spec.has_random_sets()) return;
  throw UserError({verb, "a model of backbone mamba or mixture_of_mamba, routed by modality",
                   spec.backbone + (spec.has_random_sets() ? ", routed at random" : ""), ""});
}

const nn::MambaConfig& mamba_of(const ModelSpec& spec) { return spec.mixers.get<nn::MambaConfig>(); }

}  // namespace

Model text_only(ModelImpl& model) {
  const ModelSpec& from = model.spec();
  check_mamba(from, "convert text-only");
  ModelSpec spec;
  spec.backbone = "mamba";
  spec.decoupled.clear();
  spec.mixers = from.mixers;
  spec.mixers.get<nn::MambaConfig>().image_scan = nn::MambaConfig().image_scan;
  spec.d_model = from.d_model, spec.num_blocks = from.num_blocks, spec.norm_epsilon = from.norm_epsilon;
  spec.tie_word_embeddings = from.tie_word_embeddings;
  const modality::Modality* text = from.vocabulary.text();
  const int64_t first = text ? text->begin : 0;
  spec.vocab_size = text ? text->num_ids() : from.vocab_size;
  const std::string own = std::string(".") + (text ? text->name : modality::kTextName);
  torch::NoGradGuard no_grad;
  Model dense(spec);
  const auto source = model.named_parameters();
  for (nn::Parameter& parameter : nn::parameters_of(*dense)) {
    const size_t dot = parameter.name.rfind('.');
    const at::Tensor* found = source.find(parameter.name);
    if (!found) found = source.find(parameter.name.substr(0, dot) + own + parameter.name.substr(dot));
    TORCH_INTERNAL_ASSERT(found, "a Mamba has ", parameter.name, " with or without a modality");
    const bool is_table = parameter.traits.part == nn::Part::kTokenTable;
    parameter.tensor.copy_(is_table ? found->narrow(0, first, spec.vocab_size) : *found);
  }
  return dense;
}

OrderedJson hugging_face_config(const ModelSpec& spec) {
  check_mamba(spec, "convert to-hf");
  OrderedJson json = to_json(spec);
  json["model_type"] = "mixture_of_mamba";
  json["architectures"] = {"MixtureOfMambaForCausalLM"};
  const std::string module = Path(kModelingFile).stem().string();
  json["auto_map"] = {{"AutoConfig", module + ".MixtureOfMambaConfig"},
                      {"AutoModelForCausalLM", module + ".MixtureOfMambaForCausalLM"}};
  return json;
}

void add_to_gguf(formats::GgufFile& file, const ModelSpec& spec, nn::NamedTensors& weights) {
  const nn::MambaConfig& mamba = mamba_of(spec);
  if (mamba.proj_bias || !mamba.conv_bias)
    throw UserError({"convert to-gguf", "use_bias false and use_conv_bias true", "others",
                     "llama.cpp has no part for it"});
  if (mamba.d_inner != 2 * spec.d_model)
    throw UserError({"convert to-gguf", "expand 2, which llama.cpp has alone",
                     std::to_string(mamba.d_inner) + " / " + std::to_string(spec.d_model), ""});
  const auto set = [&](const char* key, int64_t value) {
    file.set(std::string("mamba.") + key, static_cast<uint32_t>(value));
  };
  set("context_length", 1 << 20);  // states have no limit
  set("embedding_length", spec.d_model);
  set("feed_forward_length", 0);
  set("attention.head_count", 0);
  set("block_count", spec.num_blocks);
  set("vocab_size", spec.vocab_size);
  set("ssm.conv_kernel", mamba.conv_kernel);
  set("ssm.inner_size", mamba.d_inner);
  set("ssm.state_size", mamba.state_size);
  set("ssm.time_step_rank", mamba.dt_rank);
  file.set("mamba.attention.layer_norm_rms_epsilon", static_cast<float>(spec.norm_epsilon));
  file.set("mamba.ssm.dt_b_c_rms", false);
  file.set("general.file_type", uint32_t{0});  // all f32
  const auto add = [&](const std::string& theirs, const std::string& ours) {
    at::Tensor& tensor = weights.at(ours);
    tensor = (tensor.dim() == 3 ? tensor.squeeze(1) : tensor).contiguous();  // conv1d.weight [D, 1, K]
    file.add_tensor(theirs, tensor.sizes().vec(), nn::view_of(tensor).bytes);
  };
  add("token_embd.weight", "backbone.embeddings.weight");
  add("output_norm.weight", "backbone.norm_f.weight");
  if (!spec.tie_word_embeddings) add("output.weight", "lm_head.weight");
  static constexpr std::pair<const char*, const char*> kNames[] = {
      {"attn_norm.weight", "norm.weight"},
      {"ssm_in.weight", "mixer.in_proj.weight"},
      {"ssm_conv1d.weight", "mixer.conv1d.weight"},
      {"ssm_conv1d.bias", "mixer.conv1d.bias"},
      {"ssm_x.weight", "mixer.x_proj.weight"},
      {"ssm_dt.weight", "mixer.dt_proj.weight"},
      {"ssm_dt.bias", "mixer.dt_proj.bias"},
      {"ssm_a", "mixer.A_log"},
      {"ssm_d", "mixer.D"},
      {"ssm_out.weight", "mixer.out_proj.weight"}};
  for (int64_t block = 0; block < spec.num_blocks; ++block) {
    const std::string theirs = "blk." + std::to_string(block) + ".",
                      ours = "backbone.layers." + std::to_string(block) + ".";
    at::Tensor& a_log = weights.at(ours + "mixer.A_log");
    a_log = -a_log.exp();
    for (const auto& [name, from] : kNames) add(theirs + name, ours + from);
  }
}

}  // namespace mom::models
